//! From a token to a healthy appliance.
//!
//! Data flows one way: a [`datasource`] offers settings, [`settings`] decides them, [`apply`] makes the machine so
//! (plan, do, verify, undo), [`activate`] turns the token into an identity and forgets it, [`keeper`] keeps the adapters so,
//! [`mirror`] judges what the monitored ones deliver, [`health`] says how things stand, [`clock`] what time it is;
//! [`support`] puts it all into one file. Everything that touches the machine goes through one trait, [`host::Host`], whose
//! double in the tests fails on purpose at any step. [`cli`] holds the verbs people type; the daemon (`run`) does nothing
//! that they cannot.

pub mod activate;
pub mod agent;
pub mod apply;
pub mod cli;
pub mod clock;
pub mod datasource;
pub mod health;
pub mod host;
pub mod keeper;
pub mod mirror;
pub mod page;
pub mod paths;
pub mod settings;
pub mod support;
pub mod wizard;

/// Version of the agent, as it reports it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
