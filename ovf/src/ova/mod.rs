//! The OVA: a ustar archive of descriptor, manifest, perhaps certificate, and disk, in this order.
//!
//! [`Plan`] writes one in the same pass in which the VMDK inside comes into being. [`Ova`] lists anyone's archive;
//! [`verify`] checks order, archive flavour, sizes, manifest, signature, descriptor and disks. [`Signer`] makes the
//! certificate member.

mod error;
mod format;
mod manifest;
mod reader;
mod signature;
mod verify;
mod writer;

pub use error::OvaError;
pub use manifest::{Manifest, ManifestEntry};
pub use reader::{Flavour, Member, Ova};
pub use signature::{check_certificate, Publisher, SignatureError, Signer};
pub use verify::verify;
pub use writer::{append_member, end_archive, member_header, Facts, FinishError, Plan};
