//! The rules of the house, kept by tests: who may depend on whom, and how files are kept.

mod dependencies;
mod tidy;
