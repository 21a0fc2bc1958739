//! NATS JetStream: one message an event, subject `PREFIX.KIND`, acknowledged by the stream. The header `Nats-Msg-Id`
//! carries the event's number and time, so that the stream itself drops what it was told twice within its window. Events
//! are sent without waiting for each other: after a failure a later one may lie before an earlier one, and `seq` tells.

use std::path::PathBuf;

use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::{self, stream};
use async_nats::{ConnectOptions, HeaderMap};
use serde::Deserialize;

use super::{tls, Told};
use crate::store::ToldEvent as Event;

/// A NATS server, as written.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Nats {
    /// `nats://host:4222` or `tls://host:4222`.
    server: String,
    /// The stream; made if it is not there.
    #[serde(default = "stream_name")]
    stream: String,
    /// What subjects begin with.
    #[serde(default = "subject")]
    subject: String,
    /// File with the credentials, as `nsc` writes it.
    credentials: Option<PathBuf>,
    /// CA of the server's certificate, PEM, instead of the system's.
    ca: Option<PathBuf>,
}

fn stream_name() -> String {
    "EYOT".to_owned()
}

fn subject() -> String {
    "eyot".to_owned()
}

impl Nats {
    /// Whether it can be used at all.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check(&self) -> Result<(), String> {
        let known = ["nats://", "tls://"].iter().any(|scheme| self.server.starts_with(scheme));
        if !known {
            return Err("server: this is not nats://host:port or tls://host:port".to_owned());
        }
        if self.server.contains('@') {
            return Err("server: no account in the address; name a credentials file instead".to_owned());
        }
        // a wildcard or a blank in a subject would make a stream of other people's messages
        let plain = |text: &str| !text.is_empty() && !text.contains(['*', '>', ' ', '\t']);
        if !plain(&self.subject) || !plain(&self.stream) || self.stream.contains('.') {
            return Err("stream, subject: names without blanks and wildcards are expected".to_owned());
        }
        Ok(())
    }
}

pub(super) struct Speaker {
    to: Nats,
    context: Option<jetstream::Context>,
}

impl Speaker {
    pub(super) fn new(to: Nats) -> Self {
        Self { to, context: None }
    }

    pub(super) async fn tell(&mut self, events: &[Event]) -> Told {
        let context = match self.context().await {
            Ok(context) => context,
            Err(why) => return Told::short(0, why),
        };
        let mut acknowledgements = Vec::with_capacity(events.len());
        for event in events {
            let mut headers = HeaderMap::new();
            headers.insert(NATS_MESSAGE_ID, format!("{}-{}", event.seq, event.at).as_str());
            let subject = format!("{}.{}", self.to.subject, event.kind);
            let body = event.told().to_string();
            match context.publish_with_headers(subject, headers, body.into()).await {
                Ok(acknowledgement) => acknowledgements.push(acknowledgement),
                Err(why) => return self.acknowledged(acknowledgements, Some(why.to_string())).await,
            }
        }
        self.acknowledged(acknowledgements, None).await
    }

    /// Waits for the acknowledgements in order; the first that fails ends the count.
    async fn acknowledged(
        &mut self,
        acknowledgements: Vec<jetstream::context::PublishAckFuture>,
        why: Option<String>,
    ) -> Told {
        let mut acknowledged = 0;
        for acknowledgement in acknowledgements {
            if let Err(why) = acknowledgement.await {
                self.context = None;
                return Told::short(acknowledged, why);
            }
            acknowledged += 1;
        }
        if why.is_some() {
            self.context = None;
        }
        Told { acknowledged, failure: why }
    }

    async fn context(&mut self) -> Result<jetstream::Context, String> {
        if let Some(context) = &self.context {
            return Ok(context.clone());
        }
        let mut options = ConnectOptions::new().name("eyot-portal");
        if let Some(path) = &self.to.credentials {
            let refused = |e| format!("{}: {e}", path.display());
            options = options.credentials_file(path).await.map_err(refused)?;
        }
        options = options.tls_client_config(tls::config(self.to.ca.as_deref())?);
        let client = options.connect(&self.to.server).await.map_err(|e| e.to_string())?;
        let context = jetstream::new(client);
        let stream = stream::Config {
            name: self.to.stream.clone(),
            subjects: vec![format!("{}.>", self.to.subject)],
            ..stream::Config::default()
        };
        context.get_or_create_stream(stream).await.map_err(|e| e.to_string())?;
        self.context = Some(context.clone());
        Ok(context)
    }
}
