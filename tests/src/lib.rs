//! Whole-house tests: what no single crate can test about itself.
//!
//! Here: what the recorded fixtures must be understood as, where the programs and images under test are, a boot's time
//! line from its journal, and the rules of the house as tests (`house`). The journeys themselves, which boot images and replay captures, are in `journeys/`.
//! Tests of one crate stay with that crate.

mod artefacts;
mod expected;
#[cfg(test)]
mod house;
mod timeline;

pub use artefacts::Artefacts;
pub use expected::Office;
pub use timeline::TimeLine;
