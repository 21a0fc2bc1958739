//! Names and numbers of the OVF format: namespaces, resource types, VMware's subtypes and slots.
//!
//! Sources: DSP0243 1.1.0, CIM_ResourceAllocationSettingData (resource types), VMware's public descriptors (subtypes,
//! `vmw:` keys).

/// The OVF envelope namespace, version 1.
pub const NS_OVF: &str = "http://schemas.dmtf.org/ovf/envelope/1";
/// Virtual hardware items.
pub const NS_RASD: &str =
    "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData";
/// The virtual system's type.
pub const NS_VSSD: &str = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData";
/// VMware's extensions.
pub const NS_VMW: &str = "http://www.vmware.com/schema/ovf";
/// The only spelling of the disk format that importers take.
pub const VMDK_FORMAT: &str = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized";
/// Both ways in which the properties reach the guest; the CD is the fallback where VMware Tools are missing.
pub const TRANSPORT: &str = "com.vmware.guestInfo iso";

/// Resource types.
pub mod resource {
    /// processors
    pub const CPU: u16 = 3;
    /// memory
    pub const MEMORY: u16 = 4;
    /// IDE controller
    pub const IDE: u16 = 5;
    /// SCSI controller
    pub const SCSI: u16 = 6;
    /// Ethernet adapter
    pub const ETHERNET: u16 = 10;
    /// CD drive
    pub const CD: u16 = 15;
    /// disk drive
    pub const DISK: u16 = 17;
}

/// PCI slots in ESXi's numbering, in the order in which a guest sees the devices: the disk controller, then the
/// adapters. Given slots keep the adapters' order fixed, which ESXi else does not promise beyond four.
pub const SCSI_SLOT: u16 = 160;
/// One slot per adapter; the step after 256 is the next function of the PCI bridges.
pub const ETHERNET_SLOTS: [u16; 9] = [192, 224, 256, 1184, 1216, 1248, 1280, 2208, 2240];
