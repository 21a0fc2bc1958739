//! The portal from outside: a real server on the loopback address, a real TLS client, a data folder of its own for each
//! test. One file per concern; `support` is the client and the actors.

#![allow(clippy::unwrap_used)]

mod access;
mod bundles;
mod cli;
mod decisions;
mod durability;
mod email;
mod enrolment;
mod findings;
mod ingest;
mod install;
mod merges;
#[cfg(feature = "oidc")]
mod oidc;
mod outlets;
mod pages;
mod peers;
mod plans;
mod process;
mod replicas;
mod security;
mod settings;
mod software;
mod streams;
mod support;
mod telling;
mod threats;
mod tokens;
mod views;
mod vulnerabilities;
