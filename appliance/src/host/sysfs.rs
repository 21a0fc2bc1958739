//! Which adapters there are, from `/sys/class/net`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use eyot_contract::MacAddr;

use super::ethtool::Control;
use super::files::kernel_text;
use super::{Adapter, Offload};

const CLASS: &str = "/sys/class/net";
/// ARPHRD_ETHER, linux/if_arp.h.
const ETHERNET: &str = "1";

/// Ethernet adapters, by index. One that disappears while being looked at is left out.
pub(super) fn adapters(control: &Control) -> io::Result<Vec<Adapter>> {
    let mut found = Vec::new();
    let (addressed, routed) = (addressed(), routed());
    for entry in fs::read_dir(CLASS)? {
        let entry = entry?;
        if let Some(adapter) =
            entry.file_name().to_str().and_then(|name| adapter(control, &entry.path(), name))
        {
            found.push(Adapter {
                addressed: addressed.contains(&adapter.name),
                default_route: routed.contains(&adapter.name),
                ..adapter
            });
        }
    }
    found.sort_by_key(|a| a.index);
    Ok(found)
}

fn adapter(control: &Control, dir: &Path, name: &str) -> Option<Adapter> {
    let text = |file: &str| kernel_text(&dir.join(file));
    let number = |file: &str| text(file)?.parse::<u64>().ok();
    if text("type")? != ETHERNET {
        return None;
    }
    let device = fs::canonicalize(dir.join("device")).ok();
    Some(Adapter {
        name: name.to_owned(),
        index: u32::try_from(number("ifindex")?).ok()?,
        mac: text("address")?.parse::<MacAddr>().ok()?,
        driver: control.driver(name).ok(),
        bus: device.as_deref().and_then(bus_address),
        hardware: device.is_some(),
        enslaved: dir.join("master").exists(),
        flags: control.flags(name).ok()?,
        // reading `carrier` fails while the adapter is down
        link: number("carrier") == Some(1),
        // -1 where the driver does not know
        speed: number("speed").and_then(|s| u32::try_from(s).ok()).filter(|s| *s > 0 && *s < u32::MAX),
        addressed: false,
        default_route: false,
        mtu: u32::try_from(number("mtu")?).ok()?,
        ipv6: kernel_text(Path::new(&ipv6_switch(name))).is_some_and(|v| v == "0"),
        offloads: Offload::ALL
            .into_iter()
            .filter_map(|o| Some((o, control.offload(name, o).ok()?)))
            .collect(),
        rings: control.rings(name).ok(),
        queues: control.queues(name).ok(),
        rx_frames: number("statistics/rx_packets")?,
        tx_frames: number("statistics/tx_packets")?,
    })
}

/// Names of adapters with an address that is more than link-local.
fn addressed() -> BTreeSet<String> {
    let Ok(all) = nix::ifaddrs::getifaddrs() else { return BTreeSet::new() };
    all.filter(|entry| {
        let address = entry.address.as_ref();
        let four = address.and_then(|a| a.as_sockaddr_in()).map(|a| a.ip());
        let six = address.and_then(|a| a.as_sockaddr_in6()).map(|a| a.ip());
        four.is_some_and(|a| !a.is_link_local()) || six.is_some_and(|a| !a.is_unicast_link_local())
    })
    .map(|entry| entry.interface_name)
    .collect()
}

/// Names of adapters by which a default route leaves, from the kernel's tables (proc(5)).
fn routed() -> BTreeSet<String> {
    let table = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut names = BTreeSet::new();
    for line in table("/proc/net/route").lines().skip(1) {
        let mut fields = line.split_whitespace();
        if let (Some(name), Some("00000000"), Some("00000000")) =
            (fields.next(), fields.next(), fields.nth(5))
        {
            names.insert(name.to_owned());
        }
    }
    for line in table("/proc/net/ipv6_route").lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // destination and its bits, … , next hop, … , name; "reject" routes leave by lo
        if let [destination, "00", _, _, hop, .., name] = fields.as_slice() {
            let zero = |text: &str| text.bytes().all(|b| b == b'0');
            if zero(destination) && !zero(hop) {
                names.insert((*name).to_owned());
            }
        }
    }
    names
}

/// The nearest PCI address on the way to the device (virtio devices sit below one), else the device's own name.
fn bus_address(device: &Path) -> Option<String> {
    let names = || device.components().rev().filter_map(|c| c.as_os_str().to_str());
    names().find(|n| is_pci_address(n)).or_else(|| names().next()).map(str::to_owned)
}

/// `0000:0b:00.0`
pub(crate) fn is_pci_address(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 12
        && bytes.iter().enumerate().all(|(i, b)| match i {
            4 | 7 => *b == b':',
            10 => *b == b'.',
            _ => b.is_ascii_hexdigit(),
        })
}

pub(super) fn ipv6_switch(adapter: &str) -> String {
    format!("/proc/sys/net/ipv6/conf/{adapter}/disable_ipv6")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_is_found_below_and_without_pci() {
        let path = |p: &str| bus_address(Path::new(p));
        assert_eq!(path("/sys/devices/pci0000:00/0000:00:03.0/virtio1").as_deref(), Some("0000:00:03.0"));
        assert_eq!(
            path("/sys/devices/pci0000:00/0000:00:15.0/0000:03:00.0").as_deref(),
            Some("0000:03:00.0")
        );
        assert_eq!(path("/sys/devices/LNXSYSTM:00/VMBUS:01/f8615163").as_deref(), Some("f8615163"));
    }
}
