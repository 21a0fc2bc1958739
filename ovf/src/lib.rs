//! A disk → the images in which an appliance travels: streamOptimized VMDK, VHDX, OVA and the seed ISO.
//!
//! [`disk`] is where content comes from, [`pass`] moves it through the processors in order, and each format has a
//! folder with the same rooms: `format` for the layout alone, `writer`, `reader`, `verify`. [`ovf`] is the descriptor
//! of an OVA. Everything written is a function of the disk's content and the options: no clock, no randomness, no
//! thread count. [`artefact`] sees to it that a file exists complete or not at all.
//!
//! The command line is in `main.rs` and `cli/`.

pub mod artefact;
pub mod detached;
pub mod digest;
pub mod disk;
pub mod findings;
pub mod import;
pub mod ova;
pub mod ovf;
pub mod pass;
pub mod progress;
pub mod source;
pub mod vhdx;
pub mod vmdk;
pub mod zip;
