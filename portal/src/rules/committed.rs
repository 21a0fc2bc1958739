//! How many devices a subscription must commit to.
//!
//! Network devices plus all others, less those that are not counted, rounded up to the next hundred: 473 + 1206 = 1679,
//! less 500 managed endpoints 1179, rounded 1200. Not counted are public internet addresses, multicast and broadcast
//! groups, devices silent for more than 30 days, and endpoints that other software manages. A device with several
//! reasons is excluded under the first of them, so that the groups add up.

use std::collections::HashSet;
use std::net::IpAddr;

use eyot_contract::{DeviceClass, MacAddr, Timestamp};

/// Devices come in hundreds.
pub const STEP: i64 = 100;
/// A device silent for longer is not counted, in days.
pub const INACTIVE_DAYS: i64 = 30;

/// What the count needs to know of a device.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Its MAC address.
    pub mac: MacAddr,
    /// Its addresses.
    pub ips: Vec<IpAddr>,
    /// Its name.
    pub hostname: Option<String>,
    /// Its class.
    pub class: Option<DeviceClass>,
    /// Its latest frame.
    pub last_seen: Timestamp,
}

/// Why a device is not counted, in the order in which reasons are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excluded {
    /// All bits set: not a device.
    Broadcast,
    /// A group address: not a device.
    Multicast,
    /// Has addresses of the public internet only.
    PublicAddress,
    /// Silent for more than 30 days.
    Inactive,
    /// In the list of managed endpoints.
    Managed,
}

impl Excluded {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::Broadcast, Self::Multicast, Self::PublicAddress, Self::Inactive, Self::Managed];

    /// Name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Broadcast => "broadcast",
            Self::Multicast => "multicast",
            Self::PublicAddress => "public_address",
            Self::Inactive => "inactive",
            Self::Managed => "managed",
        }
    }

    /// Name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Broadcast => "Broadcast groups",
            Self::Multicast => "Multicast groups",
            Self::PublicAddress => "Public internet addresses",
            Self::Inactive => "Inactive for more than 30 days",
            Self::Managed => "Managed endpoints",
        }
    }
}

/// Endpoints that other software manages.
#[derive(Clone, Debug, Default)]
pub struct Managed {
    /// By MAC address.
    pub macs: HashSet<MacAddr>,
    /// By IP address.
    pub ips: HashSet<IpAddr>,
    /// By name, lower case.
    pub names: HashSet<String>,
}

/// The count and how it came about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Network devices, excluded ones among them.
    pub network: i64,
    /// All other devices, excluded ones among them.
    pub iot: i64,
    /// Devices excluded, in the order of [`Excluded::ALL`].
    pub excluded: [i64; 5],
}

impl Committed {
    /// Counts one device.
    pub fn add(&mut self, device: &Counted, managed: &Managed, now: Timestamp) {
        match device.class {
            Some(DeviceClass::Network) => self.network += 1,
            _ => self.iot += 1,
        }
        if let Some(reason) = reason(device, managed, now) {
            self.excluded[reason as usize] += 1;
        }
    }

    /// Devices left after the exclusions.
    pub fn counted(&self) -> i64 {
        self.network + self.iot - self.excluded.iter().sum::<i64>()
    }

    /// What to commit to.
    pub fn rounded(&self) -> i64 {
        round_up(self.counted())
    }
}

/// To the next multiple of [`STEP`].
pub fn round_up(devices: i64) -> i64 {
    devices.max(0).saturating_add(STEP - 1) / STEP * STEP
}

fn reason(device: &Counted, managed: &Managed, now: Timestamp) -> Option<Excluded> {
    let name = device.hostname.as_ref().map(|n| n.to_lowercase());
    let is_managed = || {
        managed.macs.contains(&device.mac)
            || device.ips.iter().any(|ip| managed.ips.contains(ip))
            || name.as_ref().is_some_and(|n| managed.names.contains(n))
    };
    if device.mac == MacAddr::BROADCAST {
        Some(Excluded::Broadcast)
    } else if device.mac.is_multicast() {
        Some(Excluded::Multicast)
    } else if !device.ips.is_empty() && device.ips.iter().all(|ip| is_public(*ip)) {
        Some(Excluded::PublicAddress)
    } else if now.0 - device.last_seen.0 > INACTIVE_DAYS * Timestamp::DAY {
        Some(Excluded::Inactive)
    } else if is_managed() {
        Some(Excluded::Managed)
    } else {
        None
    }
}

/// An address that the public internet routes: none of the special-purpose ones of RFC 6890 that a local network uses.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(four) => {
            let shared = four.octets()[0] == 100 && four.octets()[1] & 0xc0 == 64;
            !(four.is_private()
                || four.is_loopback()
                || four.is_link_local()
                || four.is_unspecified()
                || four.is_multicast()
                || four.is_broadcast()
                || four.is_documentation()
                || shared)
        }
        // 2000::/3 is what is allotted (RFC 4291 §2.4); 2001:db8::/32 of it is for documents
        IpAddr::V6(six) => {
            let [first, second, ..] = six.segments();
            first & 0xe000 == 0x2000 && (first, second) != (0x2001, 0x0db8)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

    fn device(n: u32, class: DeviceClass) -> Counted {
        let [a, b, c, d] = n.to_be_bytes();
        Counted {
            mac: MacAddr([0, 0x40, a, b, c, d]),
            ips: vec![std::net::Ipv4Addr::from(0x0a00_0000 + n).into()],
            hostname: Some(format!("Host-{n}")),
            class: Some(class),
            last_seen: NOW,
        }
    }

    fn site() -> Vec<Counted> {
        let network = (0..473).map(|n| device(n, DeviceClass::Network));
        network.chain((1000..2206).map(|n| device(n, DeviceClass::Endpoint))).collect()
    }

    fn count(devices: &[Counted], managed: &Managed) -> Committed {
        let mut all = Committed::default();
        devices.iter().for_each(|d| all.add(d, managed, NOW));
        all
    }

    #[test]
    fn the_worked_example() {
        let without = count(&site(), &Managed::default());
        assert_eq!(
            (without.network, without.iot, without.counted(), without.rounded()),
            (473, 1206, 1679, 1700)
        );
        let names = (1000..1500).map(|n| format!("host-{n}")).collect();
        let with = count(&site(), &Managed { names, ..Managed::default() });
        assert_eq!((with.network + with.iot, with.counted(), with.rounded()), (1679, 1179, 1200));
        assert_eq!(with.excluded[Excluded::Managed as usize], 500);
    }

    #[test]
    fn every_reason_counts_once() {
        let mut managed = Managed::default();
        let mut all: Vec<_> = (0..8).map(|n| device(n, DeviceClass::Enterprise)).collect();
        all[0].mac = MacAddr::BROADCAST;
        all[1].mac = MacAddr([1, 0, 0x5e, 0, 0, 1]);
        all[2].ips = vec!["8.8.8.8".parse().unwrap(), "2600::1".parse().unwrap()];
        all[3].last_seen = Timestamp(NOW.0 - 31 * Timestamp::DAY);
        managed.macs.insert(all[4].mac);
        managed.ips.insert(all[5].ips[0]);
        // silent and managed: silent
        managed.macs.insert(all[3].mac);
        // an inner address beside the public one makes it a device of the network; 30 days are not more than 30
        all[6].ips.push("8.8.4.4".parse().unwrap());
        all[7].last_seen = Timestamp(NOW.0 - 30 * Timestamp::DAY);
        let counted = count(&all, &managed);
        assert_eq!(counted.excluded, [1, 1, 1, 1, 2]);
        assert_eq!((counted.counted(), counted.rounded()), (2, 100));
    }

    #[test]
    fn rounding_goes_up_and_zero_stays() {
        let cases = [(0, 0), (1, 100), (100, 100), (101, 200), (1179, 1200), (-5, 0)];
        for (devices, rounded) in cases {
            assert_eq!(round_up(devices), rounded);
        }
    }
}
