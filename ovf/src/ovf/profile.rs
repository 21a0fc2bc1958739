//! What can be chosen about an OVA's virtual machine, and the descriptor that follows from it.

use eyot_contract::settings::{Definition, Kind, DEFINITIONS};
use thiserror::Error;

use super::format::{resource, ETHERNET_SLOTS, SCSI_SLOT};
use super::model::{Disk, Envelope, File, Icon, Item, Network, Property, Tier};

/// The deployment options; the first is the default.
pub const TIERS: [Tier; 2] = [
    Tier { id: "standard", label: "Standard", mbits: 1_000, cpus: 4, memory_mib: 16_384, data_gib: 250 },
    Tier { id: "large", label: "Large", mbits: 15_000, cpus: 8, memory_mib: 32_768, data_gib: 500 },
];
/// Most capture adapters: ESXi has ten adapters per machine, nine fixed slots are known, one is for management.
pub const MAX_CAPTURE_NICS: usize = ETHERNET_SLOTS.len() - 1;
/// The oldest hardware version offered (ESXi 6.0).
const MIN_HARDWARE: u16 = 11;
/// The first hardware version with EFI Secure Boot (ESXi 6.5).
const SECURE_BOOT_HARDWARE: u16 = 13;
/// The product's picture, a PNG of [`ICON_PIXELS`] each way: an islet that listens.
pub const ICON: &[u8] = include_bytes!("icon.png");
const ICON_PIXELS: u16 = 64;
const MANAGEMENT: &str = "Management";
const EULA: &str = "Eyot is free software under the Apache License, version 2.0 \
(https://www.apache.org/licenses/LICENSE-2.0). It is provided as is, without warranty of any kind. The operating \
system and other packages in this appliance are under their own licences, found under /usr/share/doc.";

/// Instance numbers of the items.
mod instance {
    pub const CPU: u32 = 1;
    pub const MEMORY: u32 = 2;
    pub const SCSI: u32 = 3;
    pub const SYSTEM_DISK: u32 = 4;
    pub const DATA_DISK: u32 = 5;
    pub const IDE: u32 = 6;
    pub const CD: u32 = 7;
    pub const FIRST_NIC: u32 = 10;
}

/// Firmware of the virtual machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// BIOS
    Bios,
    /// EFI without Secure Boot
    Efi,
    /// EFI with Secure Boot
    EfiSecureBoot,
}

/// What the hypervisor is told runs inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestOs {
    /// Ubuntu, 64 bits
    Ubuntu,
    /// Debian, 64 bits, by the newest name that hardware version 13 knows
    Debian,
    /// any other Linux, 64 bits
    OtherLinux,
}

/// What can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// name of the virtual machine
    pub name: String,
    /// version of the appliance
    pub version: String,
    /// virtual hardware version, 11 to 30
    pub hardware_version: u16,
    /// capture adapters besides the management one, 1 to [`MAX_CAPTURE_NICS`]
    pub capture_nics: usize,
    /// firmware
    pub firmware: Firmware,
    /// operating system
    pub guest_os: GuestOs,
    /// licence text shown by the wizard; none: Eyot's own notice
    pub eula: Option<String>,
}

/// Choices that do not go together.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ProfileError {
    /// Out of range.
    #[error("{what} is {actual}, but must be {lowest} to {highest}")]
    Range {
        /// which choice
        what: &'static str,
        /// the value
        actual: usize,
        /// the lowest
        lowest: usize,
        /// the highest
        highest: usize,
    },
    /// Too old for Secure Boot.
    #[error("Secure Boot needs hardware version {SECURE_BOOT_HARDWARE} or later, not {actual}")]
    SecureBoot {
        /// the version asked for
        actual: u16,
    },
    /// A text that cannot stand in a file name or XML.
    #[error("{what} {text:?} must be 1 to 64 letters, digits, dots, hyphens, underscores or plus signs")]
    Text {
        /// which choice
        what: &'static str,
        /// the text
        text: String,
    },
}

/// What the descriptor says of the system disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskFacts {
    /// the VMDK's name in the archive
    pub file_name: String,
    /// the VMDK's length in bytes
    pub file_bytes: u64,
    /// the disk's size in bytes
    pub capacity: u64,
    /// bytes that hold something
    pub populated: u64,
    /// lower-case hexadecimal name of the content, for the notes field
    pub content: String,
}

impl Profile {
    /// A profile with the defaults: hardware version 13 (ESXi 6.5), one capture adapter, BIOS.
    pub fn new(name: &str, version: &str, guest_os: GuestOs) -> Self {
        Profile {
            name: name.to_owned(),
            version: version.to_owned(),
            hardware_version: 13,
            capture_nics: 1,
            firmware: Firmware::Bios,
            guest_os,
            eula: None,
        }
    }

    /// Fails on choices that do not go together.
    pub fn check(&self) -> Result<(), ProfileError> {
        let range = |what, actual, lowest, highest| match (lowest..=highest).contains(&actual) {
            true => Ok(()),
            false => Err(ProfileError::Range { what, actual, lowest, highest }),
        };
        range("the number of capture adapters", self.capture_nics, 1, MAX_CAPTURE_NICS)?;
        range("the hardware version", usize::from(self.hardware_version), usize::from(MIN_HARDWARE), 30)?;
        if self.firmware == Firmware::EfiSecureBoot && self.hardware_version < SECURE_BOOT_HARDWARE {
            return Err(ProfileError::SecureBoot { actual: self.hardware_version });
        }
        for (what, text) in [("name", &self.name), ("version", &self.version)] {
            let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_+".contains(c);
            if !(1..=64).contains(&text.len()) || !text.chars().all(allowed) || text.starts_with(['.', '-']) {
                return Err(ProfileError::Text { what, text: text.clone() });
            }
        }
        Ok(())
    }

    /// The descriptor of this machine with this disk.
    pub fn envelope(&self, disk: &DiskFacts) -> Envelope {
        let (os_id, os_type, os_text) = match self.guest_os {
            GuestOs::Ubuntu => (94, "ubuntu64Guest", "Ubuntu 64-bit"),
            GuestOs::Debian => (96, "debian10_64Guest", "Debian 64-bit"),
            GuestOs::OtherLinux => (101, "otherLinux64Guest", "Linux 64-bit"),
        };
        Envelope {
            files: vec![
                File { id: "system-file".into(), href: disk.file_name.clone(), size: disk.file_bytes },
                File { id: "icon-file".into(), href: self.icon_name(), size: ICON.len() as u64 },
            ],
            disks: disks(disk),
            networks: self.networks(),
            tiers: TIERS.to_vec(),
            name: self.name.clone(),
            annotation: format!(
                "Eyot network sensor {}. Disk content SHA-256 {}. The port group of each Capture network must accept \
                 promiscuous mode; no OVF setting can do that.",
                self.version, disk.content
            ),
            eula: self.eula.clone().unwrap_or_else(|| EULA.to_owned()),
            os_id,
            os_type,
            os_text,
            hardware: format!("vmx-{}", self.hardware_version),
            items: self.items(),
            config: self.config(),
            product: "Eyot sensor".into(),
            vendor: "Eyot".into(),
            version: self.version.clone(),
            url: "https://github.com/eyot/eyot".into(),
            icon: Icon { file: "icon-file".into(), pixels: ICON_PIXELS, mime: "image/png" },
            properties: DEFINITIONS.iter().map(property).collect(),
        }
    }

    /// The icon's name in the archive.
    pub fn icon_name(&self) -> String {
        format!("{}-icon.png", self.name)
    }

    fn networks(&self) -> Vec<Network> {
        let management = Network {
            name: MANAGEMENT.into(),
            description: "How the sensor reaches its portal: DHCP, or the static address given below.".into(),
        };
        let capture = (1..=self.capture_nics).map(|n| Network {
            name: format!("Capture-{n}"),
            description: "Mirrored (SPAN) traffic. Its port group must accept promiscuous mode; to see all VLANs, give \
                          it VLAN 4095. The sensor never sends here."
                .into(),
        });
        std::iter::once(management).chain(capture).collect()
    }

    fn items(&self) -> Vec<Item> {
        let base = |name: &str, instance, kind| Item { name: name.into(), instance, kind, ..Item::default() };
        let mut items = Vec::new();
        // The common item first, then the one that replaces it for an option: same instance number.
        for (n, tier) in TIERS.iter().enumerate() {
            items.push(Item {
                configuration: (n > 0).then_some(tier.id),
                units: Some("hertz * 10^6"),
                quantity: Some(tier.cpus.into()),
                ..base(&format!("{} virtual CPUs", tier.cpus), instance::CPU, resource::CPU)
            });
        }
        for (n, tier) in TIERS.iter().enumerate() {
            items.push(Item {
                configuration: (n > 0).then_some(tier.id),
                units: Some("byte * 2^20"),
                quantity: Some(tier.memory_mib.into()),
                ..base(&format!("{} MB of memory", tier.memory_mib), instance::MEMORY, resource::MEMORY)
            });
        }
        items.push(Item {
            address: Some(0),
            subtype: Some("VirtualSCSI"),
            slot: Some(SCSI_SLOT),
            ..base("SCSI controller", instance::SCSI, resource::SCSI)
        });
        items.push(Item {
            address_on_parent: Some(0),
            disk: Some("ovf:/disk/system".into()),
            parent: Some(instance::SCSI),
            ..base("System disk", instance::SYSTEM_DISK, resource::DISK)
        });
        for tier in TIERS {
            items.push(Item {
                configuration: Some(tier.id),
                address_on_parent: Some(1),
                disk: Some(format!("ovf:/disk/data-{}", tier.id)),
                parent: Some(instance::SCSI),
                ..base("Data disk", instance::DATA_DISK, resource::DISK)
            });
        }
        items.push(Item { address: Some(0), ..base("IDE controller", instance::IDE, resource::IDE) });
        items.push(Item {
            optional: true,
            address_on_parent: Some(0),
            automatic: Some(false),
            parent: Some(instance::IDE),
            subtype: Some("vmware.cdrom.remotepassthrough"),
            ..base("CD drive", instance::CD, resource::CD)
        });
        for (n, (network, slot)) in (0u32..).zip(self.networks().into_iter().zip(ETHERNET_SLOTS)) {
            items.push(Item {
                address_on_parent: Some(7 + n),
                automatic: Some(true),
                connection: Some(network.name.clone()),
                description: Some(format!("Adapter on {}", network.name)),
                subtype: Some("VmxNet3"),
                slot: Some(slot),
                ..base(&format!("Network adapter {}", n + 1), instance::FIRST_NIC + n, resource::ETHERNET)
            });
        }
        items
    }

    fn config(&self) -> Vec<(&'static str, String)> {
        let firmware = if self.firmware == Firmware::Bios { "bios" } else { "efi" };
        let mut config = vec![("firmware", firmware.to_owned())];
        if self.firmware == Firmware::EfiSecureBoot {
            config.push(("bootOptions.efiSecureBootEnabled", "true".to_owned()));
        }
        // Time comes from NTP; two masters would fight.
        config.push(("tools.syncTimeWithHost", "false".to_owned()));
        config.push(("tools.toolsUpgradePolicy", "manual".to_owned()));
        config
    }
}

fn disks(system: &DiskFacts) -> Vec<Disk> {
    let (capacity, units) = match system.capacity {
        bytes if bytes.is_multiple_of(1 << 20) => (bytes >> 20, "byte * 2^20"),
        bytes => (bytes, "byte"),
    };
    let first = Disk {
        id: "system".into(),
        file: Some("system-file".into()),
        capacity,
        units,
        populated: Some(system.populated),
    };
    let blank = TIERS.iter().map(|t| Disk {
        id: format!("data-{}", t.id),
        file: None,
        capacity: t.data_gib,
        units: "byte * 2^30",
        populated: None,
    });
    std::iter::once(first).chain(blank).collect()
}

fn property(d: &Definition) -> Property {
    let qualifiers = match d.kind {
        Kind::Text(max) | Kind::Secret(max) => Some(format!("MaxLen({max})")),
        Kind::Choice(options) => {
            let quoted: Vec<String> = options.iter().map(|o| format!("\"{o}\"")).collect();
            Some(format!("ValueMap{{{}}}", quoted.join(",")))
        }
        Kind::AddressWithPrefix
        | Kind::Address
        | Kind::Addresses
        | Kind::Names
        | Kind::ProxyUrl
        | Kind::Interfaces
        | Kind::Pem
        | Kind::PemKey => None,
    };
    Property {
        category: d.category.into(),
        key: d.property_key(),
        password: d.is_secret(),
        qualifiers,
        value: d.default.into(),
        label: d.label.into(),
        description: d.description.into(),
    }
}
