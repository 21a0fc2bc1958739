//! Frames from a NIC ring, a capture file or a test, behind one trait.

mod frame;

pub use frame::{Frame, LinkType};
