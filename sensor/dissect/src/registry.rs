//! The one list of protocols: the dissector's dispatch, the counters, `eyot-sensor protocols` and the documentation all
//! derive from it. A new protocol is one folder and one line in [`PROTOCOLS`].

use crate::flow::StreamReader;
use crate::link;
use crate::packet::Packet;
use crate::readings::Readings;
use crate::{
    ads, arp, bacnet, bjnp, browser, capwap, cdp, coap, dahua, dhcp, dhcp6, dicom, dnp3, dns, dropbox, eapol,
    edimax, edp, enip, eq3, fdp, fins, fox, ftp, h323, hartip, hiflying, hl7, hsrp, http, iec104, igmp, ipp,
    knx, lifx, lldp, llmnr, mdns, mgcp, miio, mms, mndp, modbus, mqtt, nbns, nd, ntp, opcua, ospf, pjl,
    poct1, pppp, profinet, quic, radius, rtsp, s7, sadp, sccp, sip, slp, smarter, smtp, snmp, ssdp, ssh, stp,
    tcp, telnet, tftp, tivo, tls, tplink, tuya, ubiquiti, upnp, vrrp, wiz, wsd,
};

/// Where a protocol is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// An Ethernet type.
    EtherType(u16),
    /// An LLC frame with this destination service access point.
    Llc(u8),
    /// A SNAP frame: organisation code and protocol id.
    Snap([u8; 3], u16),
    /// Messages of this IP protocol number.
    Ip(u8),
    /// The segment that opens a TCP connection, or agrees to it: the TCP header with its options is the message.
    TcpOpening,
    /// A UDP port, on either side.
    Udp(u16),
    /// A TCP port, on either side.
    Tcp(u16),
    /// Any TCP port: recognised by the first bytes of a connection.
    AnyTcp,
    /// Inside another protocol of this list.
    Within(&'static str),
}

/// What became of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Understood to its end.
    Whole,
    /// The message ends early; what was there has been read.
    Partial,
    /// Something else in this protocol's place.
    NotMine,
}

impl Outcome {
    pub(crate) fn whole_if(whole: bool) -> Self {
        if whole {
            Self::Whole
        } else {
            Self::Partial
        }
    }
}

/// Reads a message that is one packet.
pub(crate) type MessageReader = fn(&Packet<'_>, &mut Readings<'_>) -> Outcome;

/// One protocol.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// Short name, the part before the dot of its fields' names.
    pub name: &'static str,
    /// One line for people.
    pub description: &'static str,
    /// Where it is looked for.
    pub carriers: &'static [Carrier],
    pub(crate) message: Option<MessageReader>,
    pub(crate) stream: Option<StreamReader>,
}

/// In the order in which a connection's first bytes are offered to them.
pub(crate) static PROTOCOLS: &[Protocol] = &[
    arp::PROTOCOL,
    nd::PROTOCOL,
    dhcp::PROTOCOL,
    dhcp6::PROTOCOL,
    dns::PROTOCOL,
    mdns::PROTOCOL,
    llmnr::PROTOCOL,
    nbns::PROTOCOL,
    browser::PROTOCOL,
    ssdp::PROTOCOL,
    upnp::PROTOCOL,
    wsd::PROTOCOL,
    lldp::PROTOCOL,
    cdp::PROTOCOL,
    stp::PROTOCOL,
    mndp::PROTOCOL,
    ubiquiti::PROTOCOL,
    profinet::PROTOCOL,
    snmp::PROTOCOL,
    ntp::PROTOCOL,
    bacnet::PROTOCOL,
    quic::PROTOCOL,
    tls::PROTOCOL,
    rtsp::PROTOCOL,
    http::PROTOCOL,
    sip::PROTOCOL,
    ssh::PROTOCOL,
    ftp::PROTOCOL,
    smtp::PROTOCOL,
    telnet::PROTOCOL,
    sccp::PROTOCOL,
    mqtt::PROTOCOL,
    tplink::PROTOCOL,
    modbus::PROTOCOL,
    enip::PROTOCOL,
    s7::PROTOCOL,
    dicom::PROTOCOL,
    hl7::PROTOCOL,
    edimax::PROTOCOL,
    eq3::PROTOCOL,
    hiflying::PROTOCOL,
    ads::PROTOCOL,
    lifx::PROTOCOL,
    wiz::PROTOCOL,
    miio::PROTOCOL,
    tuya::PROTOCOL,
    sadp::PROTOCOL,
    dahua::PROTOCOL,
    igmp::PROTOCOL,
    vrrp::PROTOCOL,
    hsrp::PROTOCOL,
    ospf::PROTOCOL,
    eapol::PROTOCOL,
    fdp::PROTOCOL,
    edp::PROTOCOL,
    capwap::PROTOCOL,
    radius::PROTOCOL,
    slp::PROTOCOL,
    bjnp::PROTOCOL,
    mgcp::PROTOCOL,
    coap::PROTOCOL,
    knx::PROTOCOL,
    tftp::PROTOCOL,
    tivo::PROTOCOL,
    dropbox::PROTOCOL,
    pjl::PROTOCOL,
    dnp3::PROTOCOL,
    iec104::PROTOCOL,
    mms::PROTOCOL,
    opcua::PROTOCOL,
    poct1::PROTOCOL,
    fox::PROTOCOL,
    fins::PROTOCOL,
    hartip::PROTOCOL,
    h323::PROTOCOL,
    ipp::PROTOCOL,
    pppp::PROTOCOL,
    smarter::PROTOCOL,
    tcp::PROTOCOL,
];

/// Every protocol that is read.
pub fn protocols() -> &'static [Protocol] {
    PROTOCOLS
}

/// Dispatch: from where a message was found to the protocol that reads it, as an index into [`PROTOCOLS`].
pub(crate) struct Dispatch {
    udp: Box<[u8]>,
    ip: Box<[u8]>,
    opening: u8,
    ethertypes: Vec<(u16, u8)>,
    llc: Vec<(u8, u8)>,
    snap: Vec<(([u8; 3], u16), u8)>,
}

/// No protocol.
const NONE: u8 = u8::MAX;

impl Dispatch {
    pub(crate) fn new() -> Self {
        let mut dispatch = Self {
            udp: vec![NONE; 1 << 16].into(),
            ip: vec![NONE; 1 << 8].into(),
            opening: NONE,
            ethertypes: Vec::new(),
            llc: Vec::new(),
            snap: Vec::new(),
        };
        for (index, protocol) in (0..NONE).zip(PROTOCOLS) {
            for carrier in protocol.carriers {
                match *carrier {
                    Carrier::EtherType(kind) => dispatch.ethertypes.push((kind, index)),
                    Carrier::Llc(sap) => dispatch.llc.push((sap, index)),
                    Carrier::Snap(organisation, kind) => dispatch.snap.push(((organisation, kind), index)),
                    Carrier::Ip(number) => set(&mut dispatch.ip, number.into(), index),
                    Carrier::TcpOpening => dispatch.opening = index,
                    Carrier::Udp(port) => set(&mut dispatch.udp, port.into(), index),
                    // connections are told apart by their first bytes, what is inside another by that other
                    Carrier::Tcp(_) | Carrier::AnyTcp | Carrier::Within(_) => {}
                }
            }
        }
        dispatch
    }

    pub(crate) fn udp(&self, port: u16) -> Option<usize> {
        index(self.udp.get(usize::from(port)).copied())
    }

    pub(crate) fn opening(&self) -> Option<usize> {
        index(Some(self.opening))
    }

    pub(crate) fn ip(&self, number: u8) -> Option<usize> {
        index(self.ip.get(usize::from(number)).copied())
    }

    pub(crate) fn link(&self, kind: link::Kind) -> Option<usize> {
        match kind {
            link::Kind::EtherType(kind) => find(&self.ethertypes, kind),
            link::Kind::Llc(sap) => find(&self.llc, sap),
            link::Kind::Snap(organisation, kind) => find(&self.snap, (organisation, kind)),
        }
    }
}

fn set(table: &mut [u8], place: usize, index: u8) {
    if let Some(slot) = table.get_mut(place) {
        *slot = index;
    }
}

fn index(entry: Option<u8>) -> Option<usize> {
    entry.filter(|entry| *entry != NONE).map(usize::from)
}

fn find<K: PartialEq + Copy>(list: &[(K, u8)], key: K) -> Option<usize> {
    list.iter().find(|(k, _)| *k == key).map(|(_, index)| usize::from(*index))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::Field;

    #[test]
    fn fields_and_protocols_name_each_other() {
        let registered: BTreeSet<_> = PROTOCOLS.iter().map(|p| p.name).collect();
        let spoken: BTreeSet<_> = Field::ALL.iter().map(|f| f.protocol()).collect();
        assert_eq!(registered, spoken);
        assert_eq!(registered.len(), PROTOCOLS.len(), "a name is used twice");
    }

    #[test]
    fn no_two_messages_share_a_place() {
        let mut owners = BTreeMap::new();
        for protocol in PROTOCOLS.iter().filter(|p| p.message.is_some()) {
            for carrier in protocol.carriers {
                if matches!(carrier, Carrier::Tcp(_) | Carrier::AnyTcp | Carrier::Within(_)) {
                    continue;
                }
                let before = owners.insert(format!("{carrier:?}"), protocol.name);
                assert_eq!(before, None, "{carrier:?} is claimed by {} too", protocol.name);
            }
        }
    }

    #[test]
    fn every_protocol_is_reached() {
        for protocol in PROTOCOLS {
            let within = protocol.carriers.iter().any(|c| matches!(c, Carrier::Within(_)));
            let tcp = protocol.carriers.iter().any(|c| matches!(c, Carrier::Tcp(_) | Carrier::AnyTcp));
            let message = protocol
                .carriers
                .iter()
                .any(|c| !matches!(c, Carrier::Within(_) | Carrier::Tcp(_) | Carrier::AnyTcp));
            assert_eq!(message, protocol.message.is_some(), "{}", protocol.name);
            assert_eq!(tcp, protocol.stream.is_some(), "{}", protocol.name);
            assert!(within || tcp || message, "{}", protocol.name);
        }
    }
}
