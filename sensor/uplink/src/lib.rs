//! Where a sensor's records go: destinations behind one trait, and the protocols they speak.
//!
//! The protocols are written without sockets: each makes a [`Request`](wire::Request) and reads the
//! [`Response`](wire::Response), so that what is signed, sized and retried can be tested byte by byte. Who carries them
//! (TLS, proxy, time limits) is decided by the front door.

pub mod azure;
pub mod bundle;
pub mod destination;
pub mod pause;
pub mod wire;
