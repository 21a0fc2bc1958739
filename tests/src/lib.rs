//! Whole-house tests: what no single crate can test about itself.
//!
//! Here: what the recorded fixtures must be understood as, where the programs and images under test are, and the rules
//! of the house as tests (`house`). The journeys themselves, which boot images and replay captures, are in `journeys/`.
//! Tests of one crate stay with that crate.

mod artefacts;
mod expected;
#[cfg(test)]
mod house;

pub use artefacts::Artefacts;
pub use expected::Office;
