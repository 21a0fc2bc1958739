//! What is wrong on the network: alerts and recommendations, out of observations and the inventory.
//!
//! [`Findings`] looks at what the dissector read of each frame (it never sees the frame itself), at the first frame of
//! each conversation and at the beginnings of connections; every few seconds it looks over the inventory too. What it
//! finds goes into a bounded ledger: the same finding again raises its count, a flood of one kind is cut off and
//! counted. What is usual here (servers, types of devices) is learnt during the first day, unless it was configured.
//!
//! The kinds themselves, with words and severities, are in the contract. Passwords never come here: the dissector gives
//! none.

mod conflicts;
mod conversations;
mod devices;
mod engine;
mod habits;
mod ledger;
pub mod passage;
mod policy;
mod scans;
mod servers;
mod services;
mod threats;

pub use engine::{Findings, FindingsCounters};
pub use ledger::{MAX_FINDINGS, MAX_NEW_PER_HOUR};
pub use policy::Policy;
pub use threats::{Skipped, ThreatError, Threats, MAX_INDICATORS};
