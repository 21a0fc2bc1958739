//! The seed CD: a small ISO 9660 volume carrying a handful of files, written and read back without outside tools.
//!
//! The portal and `eyot-image` write such volumes (label `cidata`, the NoCloud convention of cloud-init); the
//! appliance reads them straight from the CD drive where cloud-init did not run. Every volume carries each file under
//! three names: plain ISO 9660 (8.3, upper case), Joliet and Rock Ridge, so that any system that mounts it sees
//! `user-data` spelt as it was given.
//!
//! Written volumes are a flat list of files and are the same bytes for the same input: all dates are the one given.
//! The reader is more generous: it follows directories, and takes volumes made by others.
//!
//! What is not here: boot records, multi-session discs, UDF, symbolic links, files of 4 GiB and more.
//!
//! ```
//! let bytes = eyot_iso::Volume::new("cidata", 1_700_000_000)?.file("user-data", b"#cloud-config\n".to_vec())?.to_bytes();
//! let mut volume = eyot_iso::read(std::io::Cursor::new(bytes))?;
//! assert_eq!(volume.label(), "cidata");
//! assert_eq!(volume.get("user-data")?, b"#cloud-config\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod format;
mod reader;
mod writer;

pub use error::{ReadError, WriteError};
pub use format::SECTOR;
pub use reader::{read, IsoFile, IsoVolume, NameSource, MAX_FILE_BYTES};
pub use writer::{Volume, MAX_FILES, MAX_NAME_CHARS};
