//! Bytes to observations. Opens nothing, reads no clock, never panics.

mod observation;

pub use observation::{Field, Observation, MAX_VALUE_BYTES};
