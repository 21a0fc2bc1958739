//! Adapter control by ioctl: flags and MTU (netdevice(7)), offloads and rings (`SIOCETHTOOL`, linux/ethtool.h).
//!
//! The ethtool netlink family came with Linux 5.6; kernel 4.15 has only these ioctls, and every later one still has
//! them. Drivers differ in what they know: "not supported" is an answer, not a failure, and callers treat it so.

#![allow(unsafe_code)] // ioctl takes a pointer to a structure whose layout only the request number tells

use std::ffi::c_void;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc::{self, ifreq};
use nix::sys::socket::{socket, AddressFamily, SockFlag, SockType};

use super::{Flags, Offload, Rings};

// linux/sockios.h
const SIOCETHTOOL: libc::c_ulong = 0x8946;
// linux/ethtool.h
const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GRINGPARAM: u32 = 0x10;
const ETHTOOL_SRINGPARAM: u32 = 0x11;
const ETHTOOL_GCHANNELS: u32 = 0x3c;
const ETHTOOL_SCHANNELS: u32 = 0x3d;
const ETHTOOL_PHYS_ID: u32 = 0x1c;
const ETHTOOL_GFLAGS: u32 = 0x25;
const ETHTOOL_SFLAGS: u32 = 0x26;
const ETH_FLAG_LRO: u32 = 1 << 15;

/// A socket to send requests through; any will do.
pub(super) struct Control {
    socket: OwnedFd,
}

/// `struct ethtool_value`
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// `struct ethtool_ringparam`
#[repr(C)]
#[derive(Default)]
struct RingParameters {
    command: u32,
    rx_max: u32,
    rx_mini_max: u32,
    rx_jumbo_max: u32,
    tx_max: u32,
    rx: u32,
    rx_mini: u32,
    rx_jumbo: u32,
    tx: u32,
}

/// `struct ethtool_channels`
#[repr(C)]
#[derive(Default)]
struct Channels {
    command: u32,
    rx_max: u32,
    tx_max: u32,
    other_max: u32,
    combined_max: u32,
    rx: u32,
    tx: u32,
    other: u32,
    combined: u32,
}

/// `struct ethtool_drvinfo`
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    version: [u8; 32],
    firmware: [u8; 32],
    bus: [u8; 32],
    erom: [u8; 32],
    reserved: [u8; 12],
    counts: [u32; 5],
}

impl Control {
    pub(super) fn open() -> io::Result<Self> {
        let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        Ok(Self { socket })
    }

    pub(super) fn flags(&self, adapter: &str) -> io::Result<Flags> {
        Ok(flags_of(self.raw_flags(adapter)?))
    }

    pub(super) fn set_flags(&self, adapter: &str, wanted: Flags) -> io::Result<()> {
        let mut raw = self.raw_flags(adapter)?;
        for (bit, on) in [
            (libc::IFF_UP, wanted.up),
            (libc::IFF_NOARP, !wanted.arp),
            (libc::IFF_MULTICAST, wanted.multicast),
            (libc::IFF_PROMISC, wanted.promiscuous),
        ] {
            match on {
                true => raw |= bit,
                false => raw &= !bit,
            }
        }
        let mut request = named(adapter)?;
        // the kernel's field is a short; the flags above fit its 16 bits
        request.ifr_ifru.ifru_flags = raw as libc::c_short;
        self.call(libc::SIOCSIFFLAGS, &mut request)
    }

    fn raw_flags(&self, adapter: &str) -> io::Result<libc::c_int> {
        let mut request = named(adapter)?;
        self.call(libc::SIOCGIFFLAGS, &mut request)?;
        // SAFETY: SIOCGIFFLAGS succeeded, so the kernel filled this member of the union.
        let raw = unsafe { request.ifr_ifru.ifru_flags };
        Ok(libc::c_int::from(raw as u16))
    }

    pub(super) fn set_mtu(&self, adapter: &str, mtu: u32) -> io::Result<()> {
        let mut request = named(adapter)?;
        request.ifr_ifru.ifru_mtu = mtu.try_into().map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        self.call(libc::SIOCSIFMTU, &mut request)
    }

    pub(super) fn driver(&self, adapter: &str) -> io::Result<String> {
        let mut info = DriverInfo {
            command: ETHTOOL_GDRVINFO,
            driver: [0; 32],
            version: [0; 32],
            firmware: [0; 32],
            bus: [0; 32],
            erom: [0; 32],
            reserved: [0; 12],
            counts: [0; 5],
        };
        self.ethtool(adapter, &mut info)?;
        let end = info.driver.iter().position(|b| *b == 0).unwrap_or(info.driver.len());
        Ok(String::from_utf8_lossy(&info.driver[..end]).into_owned())
    }

    /// Returns when the time is over.
    pub(super) fn blink(&self, adapter: &str, seconds: u32) -> io::Result<()> {
        self.value(adapter, ETHTOOL_PHYS_ID, seconds).map(drop)
    }

    pub(super) fn offload(&self, adapter: &str, offload: Offload) -> io::Result<bool> {
        let (get, _) = commands(offload);
        let data = self.value(adapter, get, 0)?;
        Ok(match offload {
            Offload::Lro => data & ETH_FLAG_LRO != 0,
            _ => data != 0,
        })
    }

    pub(super) fn set_offload(&self, adapter: &str, offload: Offload, on: bool) -> io::Result<()> {
        let (get, set) = commands(offload);
        let data = match offload {
            // one word of flags shared with VLAN stripping and others, which stay as they are
            Offload::Lro => {
                let flags = self.value(adapter, get, 0)?;
                if on {
                    flags | ETH_FLAG_LRO
                } else {
                    flags & !ETH_FLAG_LRO
                }
            }
            _ => u32::from(on),
        };
        self.value(adapter, set, data).map(drop)
    }

    pub(super) fn rings(&self, adapter: &str) -> io::Result<Rings> {
        let found = self.ring_parameters(adapter)?;
        Ok(Rings { rx: found.rx, rx_max: found.rx_max })
    }

    pub(super) fn set_rings(&self, adapter: &str, rx: u32) -> io::Result<()> {
        let found = self.ring_parameters(adapter)?;
        let mut wanted = RingParameters { command: ETHTOOL_SRINGPARAM, rx, ..found };
        self.ethtool(adapter, &mut wanted)
    }

    fn ring_parameters(&self, adapter: &str) -> io::Result<RingParameters> {
        let mut found = RingParameters { command: ETHTOOL_GRINGPARAM, ..RingParameters::default() };
        self.ethtool(adapter, &mut found)?;
        Ok(found)
    }

    /// Those that receive only and those that do both.
    pub(super) fn queues(&self, adapter: &str) -> io::Result<u32> {
        let found = self.channels(adapter)?;
        Ok(found.rx + found.combined)
    }

    pub(super) fn set_queues(&self, adapter: &str, rx: u32) -> io::Result<()> {
        let found = self.channels(adapter)?;
        let command = ETHTOOL_SCHANNELS;
        let mut wanted = match found.combined_max {
            0 => Channels { command, rx, ..found },
            _ => Channels { command, rx: 0, combined: rx, ..found },
        };
        self.ethtool(adapter, &mut wanted)
    }

    fn channels(&self, adapter: &str) -> io::Result<Channels> {
        let mut found = Channels { command: ETHTOOL_GCHANNELS, ..Channels::default() };
        self.ethtool(adapter, &mut found)?;
        Ok(found)
    }

    fn value(&self, adapter: &str, command: u32, data: u32) -> io::Result<u32> {
        let mut value = Value { command, data };
        self.ethtool(adapter, &mut value)?;
        Ok(value.data)
    }

    /// `argument` must be the structure that its own command names.
    fn ethtool<T>(&self, adapter: &str, argument: &mut T) -> io::Result<()> {
        let mut request = named(adapter)?;
        request.ifr_ifru.ifru_data = std::ptr::from_mut(argument).cast::<libc::c_char>();
        self.call(SIOCETHTOOL, &mut request)
    }

    fn call(&self, number: libc::c_ulong, request: &mut ifreq) -> io::Result<()> {
        // SAFETY: the socket is open; `request` is a whole ifreq; where it carries a pointer, that points to a live
        // `#[repr(C)]` structure of the size the ethtool command inside it stands for.
        let done = unsafe {
            libc::ioctl(self.socket.as_raw_fd(), number as _, std::ptr::from_mut(request).cast::<c_void>())
        };
        match done {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

/// The kernel's get and set commands for an offload.
fn commands(offload: Offload) -> (u32, u32) {
    match offload {
        Offload::RxChecksum => (0x14, 0x15),
        Offload::TxChecksum => (0x16, 0x17),
        Offload::ScatterGather => (0x18, 0x19),
        Offload::Tso => (0x1e, 0x1f),
        Offload::Ufo => (0x21, 0x22),
        Offload::Gso => (0x23, 0x24),
        Offload::Gro => (0x2b, 0x2c),
        Offload::Lro => (ETHTOOL_GFLAGS, ETHTOOL_SFLAGS),
    }
}

fn flags_of(raw: libc::c_int) -> Flags {
    Flags {
        up: raw & libc::IFF_UP != 0,
        arp: raw & libc::IFF_NOARP == 0,
        multicast: raw & libc::IFF_MULTICAST != 0,
        promiscuous: raw & libc::IFF_PROMISC != 0,
    }
}

fn named(adapter: &str) -> io::Result<ifreq> {
    // SAFETY: ifreq is plain data; all zeroes is a valid value.
    let mut request: ifreq = unsafe { std::mem::zeroed() };
    let name = adapter.as_bytes();
    // one byte must stay for the terminating NUL
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name) {
        *to = *from as libc::c_char;
    }
    Ok(request)
}
