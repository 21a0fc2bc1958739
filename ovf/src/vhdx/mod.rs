//! The VHDX: Hyper-V's disk format (MS-VHDX).
//!
//! [`Writer`] writes a dynamic or fixed disk front to back with blocks of 1 MiB, never leaving a hole in the file:
//! Hyper-V refuses files that its host calls sparse. [`Vhdx`] reads any disk without a parent and with a clean log;
//! [`verify`] checks signatures, checksums and the block table. Differencing disks and log replay are not here.

mod error;
mod format;
mod reader;
mod verify;
mod writer;

pub use error::VhdxError;
pub use format::SectorSize;
pub use reader::{BlockState, Vhdx, VhdxInfo};
pub use verify::verify;
pub use writer::{length, Allocation, Options, Writer};
