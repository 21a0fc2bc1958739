//! What makes this machine this machine, and whether a disk has come to another one.
//!
//! A copied disk carries the identity of the machine it was copied from; two machines with one identity would overwrite
//! each other's reports at the portal. So the identity remembers the marks of its machine. Two of them decide alone: the
//! UUID in the firmware, which hypervisors give each machine and keep when it moves between hosts, and the machine-id.
//! Two only together: the adapters' addresses (all of them gone; one card replaced is no other machine) and the VM
//! generation id, which a snapshot's return changes too. Only QEMU shows the latter to programs (`fw_cfg`).

use std::collections::BTreeSet;

use eyot_contract::MacAddr;
use ring::digest::{digest, SHA256};
use serde::{Deserialize, Serialize};

use crate::host::{Host, HostError};
use crate::paths;

/// Marks of a machine; identifiers as digests, since `status` shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// UUID in the firmware (SMBIOS type 1).
    pub firmware: Option<String>,
    /// `/etc/machine-id`.
    pub system: Option<String>,
    /// VM generation id.
    #[serde(default)]
    pub generation: Option<String>,
    /// Addresses of the adapters with hardware behind them.
    #[serde(default)]
    pub adapters: BTreeSet<MacAddr>,
}

impl Marks {
    /// Of the machine this runs on.
    ///
    /// # Errors
    /// The adapters cannot be listed.
    pub fn of(host: &dyn Host) -> Result<Self, HostError> {
        // any may be missing (containers, boards without DMI); the others still tell machines apart
        let mark = |path: &str| {
            let content = host.read(path).ok().flatten().unwrap_or_default();
            let text = content.trim_ascii();
            (!text.is_empty()).then(|| hex::encode(&digest(&SHA256, text).as_ref()[..8]))
        };
        let adapters = host.adapters()?.into_iter().filter(|a| a.hardware).map(|a| a.mac).collect();
        Ok(Self {
            firmware: mark(paths::DMI_UUID),
            system: mark(paths::MACHINE_ID),
            generation: mark(paths::GENERATION_ID),
            adapters,
        })
    }

    /// Why a machine with the marks `now` is another one than this; `None` if it is the same. A mark that one of them
    /// does not have says nothing.
    pub fn moved(&self, now: &Self) -> Option<&'static str> {
        let differs = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
        let all_gone =
            !self.adapters.is_empty() && !now.adapters.is_empty() && self.adapters.is_disjoint(&now.adapters);
        match () {
            () if differs(&self.firmware, &now.firmware) => Some("the firmware's UUID is another one"),
            () if differs(&self.system, &now.system) => Some("the machine-id is another one"),
            () if all_gone && differs(&self.generation, &now.generation) => {
                Some("the VM generation id and every adapter's address are others")
            }
            () => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::double::{adapter, Double};

    fn marks(firmware: &str, system: &str, generation: &str, adapters: &[u8]) -> Marks {
        let some = |t: &str| Some(t.to_owned()).filter(|t| !t.is_empty());
        let adapters = adapters.iter().map(|n| MacAddr([2, 0, 0, 0, 0, *n])).collect();
        Marks { firmware: some(firmware), system: some(system), generation: some(generation), adapters }
    }

    /// P18: clones of an appliance share everything that is on the disk.
    #[test]
    fn p18_a_cloned_disk_is_told_from_a_changed_machine() {
        let before = marks("u1", "m1", "g1", &[1, 2]);
        for (what, now, moved) in [
            ("nothing", marks("u1", "m1", "g1", &[1, 2]), false),
            ("moved to another host", marks("u1", "m1", "g1", &[2, 1]), false),
            ("a snapshot came back", marks("u1", "m1", "g2", &[1, 2]), false),
            ("a card was replaced", marks("u1", "m1", "g1", &[1, 9]), false),
            ("every card was replaced", marks("u1", "m1", "g1", &[8, 9]), false),
            ("a card was added", marks("u1", "m1", "g1", &[1, 2, 3]), false),
            ("no adapter is there yet", marks("u1", "m1", "g2", &[]), false),
            ("the firmware says nothing", marks("", "m1", "", &[1, 2]), false),
            ("cloned", marks("u2", "m1", "g2", &[8, 9]), true),
            ("cloned, addresses kept", marks("u2", "m1", "", &[1, 2]), true),
            ("cloned and made generic", marks("u2", "m2", "g2", &[8, 9]), true),
            ("the machine-id was made anew", marks("u1", "m2", "g1", &[1, 2]), true),
            ("cloned where the UUID is kept", marks("u1", "m1", "g2", &[8, 9]), true),
        ] {
            assert_eq!(before.moved(&now).is_some(), moved, "{what}");
        }
        assert_eq!(Marks::default().moved(&before), None, "an identity that knew no marks");
    }

    #[test]
    fn marks_are_read_where_they_are() {
        let host =
            Double::with_adapters(vec![adapter("ens160", 3, Some("0000:03:00.0")), adapter("br0", 4, None)]);
        assert_eq!(Marks::of(&host).unwrap().adapters.len(), 1);
        host.put(paths::DMI_UUID, "4c4c4544-0042\n");
        host.put(paths::MACHINE_ID, "");
        let marks = Marks::of(&host).unwrap();
        assert!(marks.system.is_none(), "an empty machine-id is none");
        assert!(!marks.firmware.unwrap().contains("4c4c"));
    }
}
