//! The machine, behind one trait.
//!
//! Everything the agent reads from or does to the machine goes through [`Host`], so that a test can stand in for the
//! machine, fail at any chosen step and compare before with after. [`Machine`] is the real one. Paths are absolute;
//! `Machine` may be given a root directory to work below.
//!
//! Decisions do not live here: a method does one thing and says whether it worked.

mod arp;
mod ethtool;
mod files;
mod machine;
pub mod netlink;
mod shared;
mod sysfs;
mod tap;

#[cfg(test)]
pub(crate) mod double;

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::net::Ipv4Addr;

use eyot_contract::{MacAddr, Timestamp};

pub use machine::Machine;
pub(crate) use sysfs::is_pci_address;

/// Who may read a file, and what may be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// 0600 root: secrets.
    Root,
    /// 0640 root:eyot-sensor: what the sensor needs and nobody else.
    Sensor,
    /// 0644.
    Everyone,
}

/// A network adapter as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// Kernel name.
    pub name: String,
    /// Kernel index.
    pub index: u32,
    /// Address.
    pub mac: MacAddr,
    /// Driver, as the kernel names it.
    pub driver: Option<String>,
    /// Where it is plugged in: a PCI address (`0000:0b:00.0`) or another bus's device name.
    pub bus: Option<String>,
    /// Whether hardware (real or virtual) is behind it, unlike bridges and tunnels.
    pub hardware: bool,
    /// Whether it belongs to a bond, bridge or a Hyper-V synthetic adapter.
    pub enslaved: bool,
    /// Flags.
    pub flags: Flags,
    /// Carrier present.
    pub link: bool,
    /// Megabits per second, where the driver tells and there is a link.
    pub speed: Option<u32>,
    /// Whether it has an address that is not link-local.
    pub addressed: bool,
    /// Whether a default route leaves by it.
    pub default_route: bool,
    /// Bytes.
    pub mtu: u32,
    /// Whether the IPv6 stack uses it.
    pub ipv6: bool,
    /// The offloads the driver knows, and whether each is on.
    pub offloads: BTreeMap<Offload, bool>,
    /// Receive ring, if the driver tells.
    pub rings: Option<Rings>,
    /// Receive queues in use, if the driver tells.
    pub queues: Option<u32>,
    /// Frames received since boot.
    pub rx_frames: u64,
    /// Frames sent since boot.
    pub tx_frames: u64,
}

/// The beginning of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// Bytes, from the destination address on.
    pub bytes: Vec<u8>,
    /// Whether the adapter took a VLAN tag off.
    pub tag_taken_off: bool,
}

/// Frames that an adapter receives, a sample of them.
pub trait FrameTap {
    /// What has arrived since last asked, at most so many. Does not wait.
    ///
    /// # Errors
    /// The adapter went away or down.
    fn take(&mut self, most: usize) -> std::io::Result<Vec<Sampled>>;
}

/// The interface flags the agent cares about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    /// IFF_UP
    pub up: bool,
    /// not IFF_NOARP
    pub arp: bool,
    /// IFF_MULTICAST
    pub multicast: bool,
    /// IFF_PROMISC
    pub promiscuous: bool,
}

/// Receive ring sizes, in descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rings {
    /// Now.
    pub rx: u32,
    /// Most.
    pub rx_max: u32,
}

/// Offloads that change what a capture sees: merged, cut or unchecked frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Offload {
    /// Receive checksums.
    RxChecksum,
    /// Transmit checksums.
    TxChecksum,
    /// Scatter-gather.
    ScatterGather,
    /// TCP segmentation.
    Tso,
    /// UDP fragmentation.
    Ufo,
    /// Generic segmentation.
    Gso,
    /// Generic receive.
    Gro,
    /// Large receive.
    Lro,
}

impl Offload {
    /// All of them, in the order in which they are turned off: those that depend on others first.
    pub const ALL: [Self; 8] = [
        Self::Lro,
        Self::Gro,
        Self::Gso,
        Self::Ufo,
        Self::Tso,
        Self::ScatterGather,
        Self::TxChecksum,
        Self::RxChecksum,
    ];
}

/// What the machine has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Processors that the kernel runs.
    pub processors: u32,
    /// Of the fastest, in MHz as the kernel gives it; 0 where it does not say.
    pub megahertz: u64,
    /// Memory, in bytes.
    pub memory: u64,
    /// Memory that programs can still get, in bytes.
    pub memory_available: u64,
    /// The file system that holds the agent's state, in bytes.
    pub disk: u64,
    /// What is free of it, in bytes.
    pub disk_free: u64,
    /// Since boot, in seconds.
    pub uptime_s: u64,
}

/// What happened when free blocks were to be discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    /// So many bytes were handed back.
    Done(u64),
    /// The disk or the file system cannot.
    Unsupported,
}

/// A step on the machine that failed.
#[derive(Debug, thiserror::Error)]
#[error("{step} {subject}")]
pub struct HostError {
    /// What was being done: `writing`, `setting the MTU of`.
    pub step: &'static str,
    /// To what.
    pub subject: String,
    /// Why it failed.
    #[source]
    pub source: std::io::Error,
}

impl HostError {
    pub(crate) fn new(step: &'static str, subject: impl Into<String>, source: std::io::Error) -> Self {
        Self { step, subject: subject.into(), source }
    }

    /// Whether the driver does not know this, or will not do it as things are (a ring too large for the memory).
    pub fn is_unsupported(&self) -> bool {
        use nix::libc::{EBUSY, EINVAL, ENOMEM, EOPNOTSUPP, ERANGE};
        matches!(self.source.raw_os_error(), Some(EOPNOTSUPP | EINVAL | ERANGE | ENOMEM | EBUSY))
    }
}

/// Something readable at any offset: a block device.
pub trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// A lock held until dropped.
pub trait Guard {}

/// The machine.
pub trait Host {
    /// A file's content, `None` if there is no such file.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, HostError>;
    /// Makes a file have this content and access, atomically (temp file, mode, sync, rename, sync of the directory),
    /// with directories as needed. Says whether anything had to be changed.
    fn write(&self, path: &str, content: &[u8], access: Access) -> Result<bool, HostError>;
    /// Puts other bytes over a file's own, in place, and syncs. The lengths must be equal.
    fn overwrite(&self, path: &str, content: &[u8]) -> Result<(), HostError>;
    /// Changes a file that other programs write too: in place, under its record lock (fcntl), which is theirs as well.
    /// `edit` gives the new content, or `None` to leave it. Says whether it was changed; one that is not there is not.
    fn edit_shared(&self, path: &str, edit: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Result<bool, HostError>;
    /// Removes a file; one that is not there is removed already.
    fn remove(&self, path: &str) -> Result<(), HostError>;
    /// Regular files below a directory, at most 64 MiB each; none if there is no such directory.
    fn files_below(&self, dir: &str) -> Result<Vec<String>, HostError>;
    /// Makes a directory with its parents: 0750 root:eyot-sensor for [`Access::Sensor`], 0711 for
    /// [`Access::Everyone`], 0700 for [`Access::Root`].
    fn make_dir(&self, dir: &str, access: Access) -> Result<(), HostError>;
    /// Puts directory `new` in the place of `old` in one step and removes what `old` was.
    fn replace_dir(&self, new: &str, old: &str) -> Result<(), HostError>;
    /// Makes `link` a symbolic link to `target`. Says whether it was not one before.
    fn link(&self, link: &str, target: &str) -> Result<bool, HostError>;
    /// Takes a lock, or `None` if somebody has it.
    fn lock(&self, path: &str) -> Result<Option<Box<dyn Guard>>, HostError>;

    /// Runs a program to its end and gives its standard output. Never pass a secret.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, HostError>;
    /// Sets the kernel's host name.
    fn set_hostname(&self, name: &str) -> Result<(), HostError>;
    /// The kernel's host name.
    fn hostname(&self) -> String;

    /// What the machine has.
    fn resources(&self) -> Result<Resources, HostError>;
    /// Whether the kernel's clock is kept right by a time service (not `STA_UNSYNC`).
    fn clock_is_kept(&self) -> Result<bool, HostError>;
    /// Sets the kernel's clock.
    fn set_clock(&self, now: Timestamp) -> Result<(), HostError>;

    /// Asks an adapter's network by ARP who has an address, without saying who asks (RFC 5227 §2.1.1). Waits for less
    /// than a second; `None` if nobody else answers.
    fn address_holder(&self, adapter: &str, address: Ipv4Addr) -> Result<Option<MacAddr>, HostError>;
    /// Every adapter but the loopback.
    fn adapters(&self) -> Result<Vec<Adapter>, HostError>;
    /// Begins to sample what an adapter receives. Changes nothing about it.
    fn tap(&self, adapter: &str) -> Result<Box<dyn FrameTap>, HostError>;
    /// Lets an adapter's light blink for so many seconds, and waits for the end.
    fn blink(&self, adapter: &str, seconds: u32) -> Result<(), HostError>;
    /// Sets an adapter's flags.
    fn set_flags(&self, adapter: &str, flags: Flags) -> Result<(), HostError>;
    /// Sets an adapter's MTU, in bytes.
    fn set_mtu(&self, adapter: &str, mtu: u32) -> Result<(), HostError>;
    /// Lets the IPv6 stack use an adapter or not.
    fn set_ipv6(&self, adapter: &str, on: bool) -> Result<(), HostError>;
    /// Turns an offload on or off.
    fn set_offload(&self, adapter: &str, offload: Offload, on: bool) -> Result<(), HostError>;
    /// Sets the receive ring, in descriptors.
    fn set_rings(&self, adapter: &str, rx: u32) -> Result<(), HostError>;
    /// Sets how many receive queues are in use.
    fn set_queues(&self, adapter: &str, rx: u32) -> Result<(), HostError>;

    /// Block devices that may hold a seed volume: optical drives first.
    fn block_devices(&self) -> Result<Vec<String>, HostError>;
    /// Opens one for reading.
    fn open_device(&self, device: &str) -> Result<Box<dyn ReadSeek>, HostError>;
    /// Syncs the file system that holds `path` and discards its free blocks.
    fn discard_free_blocks(&self, path: &str) -> Result<Discard, HostError>;
}
