//! The streamOptimized VMDK: the disk format of OVAs, read front to back by ESXi and vCenter.
//!
//! [`StreamWriter`] writes VMware's stream layout (header, descriptor, grains in ascending order with each grain table
//! after its grains, directory, footer, end-of-stream). [`Vmdk`] reads that and the older layout with tables in front;
//! [`verify`] walks a file marker by marker; [`repair`] gives a foreign file the exact end it lacks. Split, flat and
//! hosted sparse VMDKs are not read: nothing else travels in an OVA.

mod descriptor;
mod error;
mod format;
mod reader;
mod repair;
mod verify;
mod writer;

pub use descriptor::Descriptor;
pub use error::VmdkError;
pub use format::{GRAIN_BYTES, SECTOR};
pub use reader::{Layout, Vmdk, VmdkInfo};
pub use repair::{repair, Repair};
pub use verify::verify;
pub use writer::{append_grain, deflate_stream, StreamWriter};
