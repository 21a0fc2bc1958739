//! What the kernel says of its network interfaces, read from `/sys/class/net`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use eyot_contract::MacAddr;

const NET: &str = "/sys/class/net";
/// `IFF_UP` of the interface flags (linux/if.h).
const IFF_UP: u32 = 0x1;
/// `IFF_LOOPBACK` of the interface flags (linux/if.h).
const IFF_LOOPBACK: u32 = 0x8;

/// One network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Kernel name.
    pub name: String,
    /// Its own address, where it has one of six bytes.
    pub mac: Option<MacAddr>,
    /// Administratively up.
    pub up: bool,
    /// Carrier present.
    pub link: bool,
    /// The loopback interface.
    pub loopback: bool,
    /// Kernel driver; `None` for virtual interfaces.
    pub driver: Option<String>,
    /// Frames received since boot.
    pub rx_frames: u64,
    /// Frames sent since boot.
    pub tx_frames: u64,
}

/// Every network interface, by name.
///
/// # Errors
/// When `/sys/class/net` cannot be listed.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let mut found: Vec<Interface> =
        fs::read_dir(NET)?.filter_map(|entry| interface(entry.ok()?.file_name().to_str()?)).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The interface of that name, if there is one now.
pub fn interface(name: &str) -> Option<Interface> {
    let at = directory(name)?;
    let flags = flags(&at)?;
    Some(Interface {
        name: name.to_owned(),
        mac: text(&at.join("address")).and_then(|t| t.parse().ok()),
        up: flags & IFF_UP != 0,
        // the file cannot be read while the interface is down
        link: text(&at.join("carrier")).as_deref() == Some("1"),
        loopback: flags & IFF_LOOPBACK != 0,
        driver: fs::read_link(at.join("device/driver"))
            .ok()
            .and_then(|target| Some(target.file_name()?.to_str()?.to_owned())),
        rx_frames: number(&at.join("statistics/rx_packets")),
        tx_frames: number(&at.join("statistics/tx_packets")),
    })
}

/// The kernel's number of the interface: another one after it was removed and came back.
pub(super) fn index(name: &str) -> Option<u32> {
    text(&directory(name)?.join("ifindex"))?.parse().ok()
}

fn directory(name: &str) -> Option<PathBuf> {
    // names come from a configuration: none may lead elsewhere
    let plain = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
    plain.then(|| Path::new(NET).join(name)).filter(|at| at.exists())
}

fn flags(at: &Path) -> Option<u32> {
    u32::from_str_radix(text(&at.join("flags"))?.trim_start_matches("0x"), 16).ok()
}

fn text(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn number(path: &Path) -> u64 {
    text(path).and_then(|t| t.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_loopback_interface_is_found_and_no_path_is() {
        let all = interfaces().unwrap();
        let lo = all.iter().find(|i| i.name == "lo").unwrap();
        assert!(lo.loopback);
        assert_eq!(interface("lo").unwrap().name, "lo");
        assert!(index("lo").unwrap() > 0);
        for name in ["", ".", "..", "../net/lo", "no-such-nic"] {
            assert_eq!(interface(name), None, "{name}");
        }
    }
}
