//! A destination: takes a batch, or says what is the matter.
//!
//! The spool keeps a batch, the same content under the same number, until its destination has all of it. A destination
//! may have got part of a batch before a crash; it gets the whole again, with the same message ids, and whoever reads
//! there tells repetitions by them.

use std::future::Future;
use std::time::Duration;

use eyot_contract::{Content, Message, Timestamp, MESSAGE_SCHEMA};
use uuid::Uuid;

use crate::wire::{Request, Response};

/// What is to be told, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The spool's.
    pub epoch: Uuid,
    /// 1, 2, 3… for each destination within the epoch.
    pub sequence: u64,
    /// When it was put together.
    pub sent: Timestamp,
    /// The records.
    pub records: Vec<Content>,
}

impl Batch {
    /// A record as a message that stands alone.
    pub fn message(&self, at: usize, sensor: &str) -> Option<Message> {
        Some(Message {
            schema: MESSAGE_SCHEMA.to_owned(),
            id: format!("{}-{}-{at}", self.epoch.simple(), self.sequence),
            sensor: sensor.to_owned(),
            time: self.sent,
            content: self.records.get(at)?.clone(),
        })
    }
}

/// Why a batch has not arrived, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It will pass: network, throttling, the service's own trouble.
    #[error("{message}")]
    Later {
        /// How long the service asks us to wait.
        after: Option<Duration>,
        /// What is the matter, in one line.
        message: String,
    },
    /// Somebody has to do something: a wrong key, a deleted device, a quota.
    #[error("{message}")]
    Operator {
        /// What, in one line.
        message: String,
    },
    /// One record is never taken.
    #[error("record {at} of the batch is not accepted: {message}")]
    Record {
        /// Its place in the batch.
        at: usize,
        /// Why, in one line.
        message: String,
    },
}

/// Somewhere to report to.
pub trait Destination {
    /// Sends the whole batch; `Ok` when the destination has all of it on its side.
    fn deliver(&mut self, batch: &Batch, now: Timestamp) -> impl Future<Output = Result<(), Trouble>> + Send;
}

/// Carries a request to its host and brings the answer. What fails on the way is trouble that passes.
pub trait Carrier {
    /// One exchange.
    fn carry(&mut self, request: Request) -> impl Future<Output = Result<Response, Trouble>> + Send;
}
