//! The typed model of a descriptor: no options left open, everything in the order in which it is written.

/// A file of the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// referred to by disks
    pub id: String,
    /// its name in the archive
    pub href: String,
    /// its length in bytes
    pub size: u64,
}

/// The product's picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Icon {
    /// its file's id
    pub file: String,
    /// width and height in pixels
    pub pixels: u16,
    /// media type
    pub mime: &'static str,
}

/// A disk: with content from a file, or blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// referred to by items
    pub id: String,
    /// the file's id; none for a blank disk
    pub file: Option<String>,
    /// capacity in `units`
    pub capacity: u64,
    /// "byte", "byte * 2^20" or "byte * 2^30"
    pub units: &'static str,
    /// bytes that hold something
    pub populated: Option<u64>,
}

/// A network that the importer maps to one of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// its name
    pub name: String,
    /// what it is for
    pub description: String,
}

/// A deployment option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// its id
    pub id: &'static str,
    /// its name
    pub label: &'static str,
    /// Mbit/s of mirrored traffic it is made for
    pub mbits: u32,
    /// processors
    pub cpus: u32,
    /// memory in MiB
    pub memory_mib: u32,
    /// data disk in GiB
    pub data_gib: u64,
}

/// A piece of virtual hardware. Empty texts and `None` are not written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// the deployment option it belongs to; none: all
    pub configuration: Option<&'static str>,
    /// whether an importer may leave it out
    pub optional: bool,
    /// address of a controller
    pub address: Option<u32>,
    /// place on the parent
    pub address_on_parent: Option<u32>,
    /// unit of `quantity`
    pub units: Option<&'static str>,
    /// whether it is connected at power-on
    pub automatic: Option<bool>,
    /// the network of an adapter
    pub connection: Option<String>,
    /// what it is, for people
    pub description: Option<String>,
    /// its name
    pub name: String,
    /// the disk of a disk drive
    pub disk: Option<String>,
    /// unique among items, except that an item for one option replaces the common one of the same number
    pub instance: u32,
    /// the controller's instance
    pub parent: Option<u32>,
    /// the kind of device
    pub subtype: Option<&'static str>,
    /// `resource::…`
    pub kind: u16,
    /// how many
    pub quantity: Option<u64>,
    /// PCI slot in ESXi's numbering
    pub slot: Option<u16>,
}

/// A question of the deployment wizard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// the heading it stands under
    pub category: String,
    /// its key
    pub key: String,
    /// never shown
    pub password: bool,
    /// DSP0243 qualifiers, such as `MaxLen(63)`
    pub qualifiers: Option<String>,
    /// the default
    pub value: String,
    /// its name
    pub label: String,
    /// one or two sentences
    pub description: String,
}

/// A whole descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// files in archive order
    pub files: Vec<File>,
    /// disks
    pub disks: Vec<Disk>,
    /// networks
    pub networks: Vec<Network>,
    /// deployment options, the first being the default
    pub tiers: Vec<Tier>,
    /// id and name of the virtual machine
    pub name: String,
    /// the notes field
    pub annotation: String,
    /// licence text
    pub eula: String,
    /// CIM number of the operating system
    pub os_id: u16,
    /// VMware's name of the operating system
    pub os_type: &'static str,
    /// its name for people
    pub os_text: &'static str,
    /// such as `vmx-13`
    pub hardware: String,
    /// hardware
    pub items: Vec<Item>,
    /// `vmw:Config` keys and values
    pub config: Vec<(&'static str, String)>,
    /// product name
    pub product: String,
    /// who makes it
    pub vendor: String,
    /// version
    pub version: String,
    /// where to read more
    pub url: String,
    /// its picture
    pub icon: Icon,
    /// wizard's questions
    pub properties: Vec<Property>,
}
