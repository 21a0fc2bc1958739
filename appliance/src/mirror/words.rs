//! The likely cause and the fix, for each verdict on each platform.

use super::{Shape, Verdict};
use crate::host::Host;
use crate::paths;

/// What the machine runs on, as its firmware says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Platform {
    /// VMware ESXi, Workstation, Fusion.
    Vmware,
    /// Microsoft Hyper-V.
    HyperV,
    /// QEMU/KVM, Proxmox and their like.
    Kvm,
    /// A machine of its own, or something else.
    #[default]
    Hardware,
}

impl Platform {
    /// From the firmware's maker.
    pub fn of(host: &dyn Host) -> Self {
        let vendor = host.read(paths::DMI_VENDOR).ok().flatten().unwrap_or_default();
        match String::from_utf8_lossy(&vendor).trim() {
            v if v.starts_with("VMware") => Self::Vmware,
            v if v.starts_with("Microsoft") => Self::HyperV,
            v if v.starts_with("QEMU") || v.starts_with("Red Hat") || v.starts_with("Proxmox") => Self::Kvm,
            _ => Self::Hardware,
        }
    }
}

/// For each verdict that is a fault: what to do on VMware, Hyper-V, KVM, hardware.
pub const REMEDIES: [(Verdict, [&str; 4]); 4] = [
    (
        Verdict::NoFrames,
        [
            "connect the adapter to the SPAN port group and check that it is connected at power on",
            "connect the adapter to the mirror switch; the switch needs an external adapter with a cable to the SPAN port",
            "connect the adapter to the bridge or to the passed-through port that receives the mirror",
            "check the cable and that the switch's SPAN session has this port as its destination",
        ],
    ),
    (
        Verdict::Flooded,
        [
            "in the port group's security policy set Promiscuous mode = Accept, and its VLAN ID to All (4095)",
            "set the adapter to Set-VMNetworkAdapter -PortMirroring Destination, enable the Microsoft NDIS Capture extension, and set MonitorMode = 2 on the switch's external port",
            "set the bridge's ageing time to 0 (`brctl setageing`/`ip link set BRIDGE type bridge ageing_time 0`), or mirror to the machine's tap with tc or Open vSwitch",
            "make this port the destination of a SPAN session; an ordinary access port receives broadcasts only",
        ],
    ),
    (
        Verdict::OneWay,
        [
            "mirror both directions (ingress and egress) in the distributed switch's port mirroring session, or at the physical switch",
            "set the mirrored machines' adapters to -PortMirroring Source, and mirror both directions at the physical switch",
            "mirror ingress and egress: one tc filter at each of clsact's hooks",
            "set the SPAN source to both directions (rx and tx); connect both outputs of a network tap",
        ],
    ),
    (
        Verdict::TagsMissing,
        [
            "set the port group's VLAN ID to All (4095), so that tags are passed on",
            "let tags through with Set-VMNetworkAdapterVlan -Trunk -NativeVlanId 0 -AllowedVlanIdList LIST; Hyper-V drops tagged frames otherwise",
            "give the machine's adapter trunk mode, or clear vlan_filtering on the bridge",
            "set the SPAN destination to keep tags (encapsulation replicate, dot1q)",
        ],
    ),
];

pub(super) fn detail(adapter: &str, verdict: Verdict, shape: &Shape, platform: Platform) -> String {
    let foreign = shape.flooded + shape.between_others;
    let seen = match verdict {
        Verdict::NoFrames => format!("{adapter} received nothing"),
        Verdict::NotEnough => {
            format!("{adapter} received {foreign} frames of others, too few to judge the mirror")
        }
        Verdict::Flooded => format!(
            "{adapter}: of {foreign} frames {} are between other machines and {} are ARP",
            shape.between_others, shape.arp
        ),
        Verdict::OneWay => {
            let (all, answered) = shape.conversations();
            format!("{adapter}: of {all} TCP conversations {answered} show both directions")
        }
        Verdict::TagsMissing => format!(
            "{adapter}: {foreign} frames of {} separate networks and not one VLAN tag",
            shape.separate_networks(super::STATIONS)
        ),
        Verdict::Good => {
            let (all, answered) = shape.conversations();
            format!(
                "{adapter}: {} of {foreign} frames are between other machines, {answered} of {all} TCP conversations show both directions, {} frames are tagged",
                shape.between_others, shape.tagged
            )
        }
    };
    let column = match platform {
        Platform::Vmware => 0,
        Platform::HyperV => 1,
        Platform::Kvm => 2,
        Platform::Hardware => 3,
    };
    match REMEDIES.iter().find(|(v, _)| *v == verdict) {
        Some((_, fixes)) => format!("{seen}; {}", fixes[column]),
        None => seen,
    }
}
