//! The OVF descriptor: what an OVA says about its virtual machine (DMTF DSP0243 1.1, with VMware's extensions).
//!
//! [`Profile`] is what can be chosen, [`Envelope`] the typed model of one descriptor, made by [`Profile::envelope`];
//! [`Envelope::to_xml`] writes it in the order the schema prescribes. [`Descriptor`] reads anyone's descriptor as far as
//! it is shown or verified, and [`lint`] says what importers will not like about it. The properties are those of
//! [`eyot_contract::settings::DEFINITIONS`], so what the wizard asks is what the appliance understands.

mod format;
mod lint;
mod model;
mod profile;
mod reader;
mod xml;

pub use format::VMDK_FORMAT;
pub use lint::lint;
pub use model::{Disk, Envelope, File, Icon, Item, Network, Property, Tier};
pub use profile::{DiskFacts, Firmware, GuestOs, Profile, ProfileError, ICON, MAX_CAPTURE_NICS, TIERS};
pub use reader::{Descriptor, DescriptorError, DiskEntry, FileEntry, OvfInfo, MAX_DESCRIPTOR_BYTES};
