//! RFC 826, for Ethernet and IPv4 only.

use std::net::Ipv4Addr;

use crate::cursor::Cursor;

const HARDWARE_ETHERNET: u16 = 1;
const PROTOCOL_IPV4: u16 = 0x0800;

/// A request, a reply or one of the rarer operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arp {
    pub sender_mac: [u8; 6],
    pub sender: Ipv4Addr,
    /// Whom it asks for or answers.
    pub target: Option<Ipv4Addr>,
}

pub(crate) fn parse(bytes: &[u8]) -> Option<Arp> {
    let mut cursor = Cursor::new(bytes);
    if (cursor.u16()?, cursor.u16()?) != (HARDWARE_ETHERNET, PROTOCOL_IPV4) {
        return None;
    }
    if cursor.array()? != [6, 4] {
        return None;
    }
    let _operation = cursor.u16()?;
    let (sender_mac, sender) = (cursor.array()?, cursor.ipv4()?);
    let target = cursor.skip(6).and_then(|()| cursor.ipv4());
    Some(Arp { sender_mac, sender, target })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Said;
    use crate::Field;

    const REQUEST: [u8; 28] = [
        0, 1, 8, 0, 6, 4, 0, 1, 0xb0, 0xc5, 0x54, 0x25, 0x5b, 0x0e, 192, 168, 0, 9, 0, 0, 0, 0, 0, 0, 192,
        168, 0, 1,
    ];

    #[test]
    fn a_request_binds_its_sender() {
        let said = Said::by(&crate::arp::PROTOCOL, &REQUEST);
        assert_eq!(said.pairs(), [(Field::ArpAddress, "192.168.0.9")]);
        assert_eq!(said.macs(), ["b0:c5:54:25:5b:0e"]);
    }

    #[test]
    fn a_probe_claims_nothing() {
        let mut probe = REQUEST;
        probe[14..18].fill(0);
        assert!(Said::by(&crate::arp::PROTOCOL, &probe).pairs().is_empty());
    }

    #[test]
    fn other_hardware_is_not_ours() {
        let mut infiniband = REQUEST;
        infiniband[1] = 32;
        assert_eq!(parse(&infiniband), None);
    }

    #[test]
    fn survives() {
        crate::testing::survives(&REQUEST, |bytes| {
            parse(bytes);
        });
    }
}
