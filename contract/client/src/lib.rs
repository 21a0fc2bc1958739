//! The one HTTPS client that speaks the contract.
//!
//! Sensor and appliance reach the portal through this crate and nothing else, so that pinning, the client certificate,
//! the proxy, time limits and the words for what went wrong are the same for both. Four rooms: [`route`] gets a byte
//! stream to the portal (name, TCP, proxy), [`trust`] judges the certificate that answers, [`client`] sends requests
//! and turns every failure into one [`ClientError`], [`stranger`] finds out who it is that answers in the portal's place;
//! [`way`] lends the first two to a client of another protocol; [`pace`] holds a client to a bandwidth.
//!
//! HTTP/1.1 over TLS 1.2 or 1.3 with the ring provider. No redirects, no cookies, no compression. Proxies speak
//! CONNECT, with Basic credentials or none.

mod client;
mod error;
mod pace;
mod route;
mod stranger;
mod trust;
mod way;

pub use client::{Alive, Builder, Client, Reply, DEFAULT_TIMEOUT, MAX_BODY_BYTES};
pub use error::ClientError;
pub use trust::{ca_pin, certificate_life, Trust, SYSTEM_ROOTS};
pub use way::{ProxyWay, Way};
