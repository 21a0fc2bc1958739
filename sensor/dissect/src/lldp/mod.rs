//! LLDP and LLDP-MED: what a switch, phone, access point or controller says about itself.

mod parser;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use eyot_contract::MacAddr;

use crate::packet::Packet;
use crate::readings::Readings;
use crate::registry::Outcome;
use crate::value::{flags, hex, is_text};
use crate::{Carrier, Field, Protocol};
use parser::Tlv;

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "lldp",
    description: "Link Layer Discovery Protocol with LLDP-MED: name, description, capabilities, inventory",
    carriers: &[Carrier::EtherType(0x88cc)],
    message: Some(read),
    stream: None,
};

/// Capability bits, IEEE 802.1AB-2016 table 8-4.
const CAPABILITIES: &[(u16, &str)] = &[
    (1 << 0, "other"),
    (1 << 1, "repeater"),
    (1 << 2, "bridge"),
    (1 << 3, "wlan_ap"),
    (1 << 4, "router"),
    (1 << 5, "telephone"),
    (1 << 6, "docsis"),
    (1 << 7, "station"),
];

/// Subtypes of a chassis or port id whose value is an address.
const CHASSIS_MAC: u8 = 4;
const CHASSIS_NETWORK: u8 = 5;
const PORT_MAC: u8 = 3;
const PORT_NETWORK: u8 = 4;
/// IANA address families.
const FAMILY_IPV4: u8 = 1;
const FAMILY_IPV6: u8 = 2;
/// LLDP-MED subtypes (ANSI/TIA-1057 section 10.2).
const MED_CAPABILITIES: u8 = 1;

fn read(packet: &Packet<'_>, readings: &mut Readings<'_>) -> Outcome {
    let Some(mut tlvs) = parser::parse(packet.payload) else { return Outcome::NotMine };
    for tlv in &mut tlvs {
        match tlv {
            Tlv::Chassis(subtype, id) => {
                readings.text(
                    Field::LldpChassis,
                    &identifier(id, subtype == CHASSIS_MAC, subtype == CHASSIS_NETWORK),
                );
            }
            Tlv::Port(subtype, id) => {
                readings.text(Field::LldpPort, &identifier(id, subtype == PORT_MAC, subtype == PORT_NETWORK));
            }
            Tlv::PortDescription(text) => readings.bytes(Field::LldpPort, text),
            Tlv::Name(text) => readings.bytes(Field::LldpName, text),
            Tlv::Description(text) => readings.bytes(Field::LldpDescription, text),
            Tlv::Capabilities(enabled) => {
                readings.text(Field::LldpCapabilities, &flags(CAPABILITIES, u32::from(enabled)));
            }
            Tlv::Management(family, address) => {
                if let Some(ip) = network_address(family, address) {
                    readings.text(Field::LldpAddress, &ip.to_string());
                }
            }
            Tlv::Med(subtype, value) => med(subtype, value, readings),
            Tlv::Other => {}
        }
    }
    Outcome::whole_if(tlvs.whole())
}

fn med(subtype: u8, value: &[u8], readings: &mut Readings<'_>) {
    let field = match subtype {
        MED_CAPABILITIES => {
            // two bytes of capabilities, one of class
            if let Some(class) = value.get(2).filter(|class| **class > 0) {
                readings.text(Field::LldpMedClass, &class.to_string());
            }
            return;
        }
        5 => Field::LldpMedHardware,
        6 => Field::LldpMedFirmware,
        7 => Field::LldpMedSoftware,
        8 => Field::LldpMedSerial,
        9 => Field::LldpMedManufacturer,
        10 => Field::LldpMedModel,
        11 => Field::LldpMedAsset,
        _ => return,
    };
    readings.bytes(field, value);
}

/// A chassis or port id as text.
fn identifier(id: &[u8], is_mac: bool, is_network: bool) -> String {
    if is_mac {
        if let Ok(mac) = id.try_into() {
            return MacAddr(mac).to_string();
        }
    }
    if is_network {
        if let Some(ip) = id.split_first().and_then(|(family, address)| network_address(*family, address)) {
            return ip.to_string();
        }
    }
    match std::str::from_utf8(id) {
        Ok(text) if is_text(id) => text.to_owned(),
        Ok(text) if !text.contains(|c: char| c.is_control() && c != '\0') => text.to_owned(),
        _ => hex(id),
    }
}

fn network_address(family: u8, address: &[u8]) -> Option<IpAddr> {
    let ip = match family {
        FAMILY_IPV4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?)),
        FAMILY_IPV6 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?)),
        _ => return None,
    };
    Some(ip).filter(|ip| !ip.is_unspecified())
}
