//! CDP version 1 and 2: version, holding time and checksum, then TLVs of 16 bits type, 16 bits length (header
//! included). Cisco's "Cisco Discovery Protocol" configuration documents; code points as every decoder has them.

use std::net::IpAddr;

use crate::cursor::Cursor;

/// TLVs read of one frame.
const MAX_TLVS: usize = 64;
/// Addresses read of one list.
const MAX_ADDRESSES: usize = 16;
/// NLPID of IP, with one-byte protocol type 1.
const NLPID_IP: &[u8] = &[0xcc];
/// 802.2 form of IPv6.
const SNAP_IPV6: &[u8] = &[0xaa, 0xaa, 0x03, 0x00, 0x00, 0x00, 0x86, 0xdd];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tlv<'a> {
    Device(&'a [u8]),
    /// Addresses or management addresses.
    Addresses(&'a [u8]),
    Port(&'a [u8]),
    Capabilities(u32),
    Version(&'a [u8]),
    Platform(&'a [u8]),
    Other,
}

/// The TLVs of a frame.
pub(crate) fn parse(bytes: &[u8]) -> Option<Tlvs<'_>> {
    let mut cursor = Cursor::new(bytes);
    let version = cursor.u8()?;
    cursor.skip(3)?;
    matches!(version, 1 | 2).then_some(Tlvs { rest: cursor, read: 0 })
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Tlvs<'a> {
    rest: Cursor<'a>,
    read: usize,
}

impl Tlvs<'_> {
    pub(crate) fn whole(&self) -> bool {
        self.rest.is_empty()
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        if self.read >= MAX_TLVS {
            return None;
        }
        let mut cursor = self.rest;
        let kind = cursor.u16()?;
        let length = usize::from(cursor.u16()?).checked_sub(4)?;
        let value = cursor.take(length)?;
        self.rest = cursor;
        self.read += 1;
        Some(match kind {
            0x0001 => Tlv::Device(value),
            0x0002 | 0x0016 => Tlv::Addresses(value),
            0x0003 => Tlv::Port(value),
            0x0004 => Cursor::new(value).u32().map_or(Tlv::Other, Tlv::Capabilities),
            0x0005 => Tlv::Version(value),
            0x0006 => Tlv::Platform(value),
            _ => Tlv::Other,
        })
    }
}

/// The IP addresses of a list: count, then protocol type, protocol, address, the last two with their lengths.
pub(crate) fn addresses(list: &[u8]) -> impl Iterator<Item = IpAddr> + '_ {
    let mut cursor = Cursor::new(list);
    let count = cursor.u32().and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    let entries = std::iter::from_fn(move || {
        let _protocol_type = cursor.u8()?;
        let length = cursor.u8()?;
        let protocol = cursor.take(length.into())?;
        let length = cursor.u16()?;
        Some((protocol, cursor.take(length.into())?))
    });
    entries.take(count.min(MAX_ADDRESSES)).filter_map(|(protocol, address)| match protocol {
        NLPID_IP => Cursor::new(address).ipv4().map(IpAddr::V4),
        SNAP_IPV6 => Cursor::new(address).ipv6().map(IpAddr::V6),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use crate::cdp::PROTOCOL;
    use crate::registry::Outcome;
    use crate::testing::{survives, Said};
    use crate::Field;

    fn tlv(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
        out.extend(kind.to_be_bytes());
        out.extend((value.len() as u16 + 4).to_be_bytes());
        out.extend(value);
    }

    fn phone() -> Vec<u8> {
        let mut bytes = vec![2, 180, 0xab, 0xcd];
        tlv(&mut bytes, 1, b"SEP001122334455");
        tlv(&mut bytes, 2, &[0, 0, 0, 1, 1, 1, 0xcc, 0, 4, 10, 1, 2, 3]);
        tlv(&mut bytes, 3, b"Port 1");
        tlv(&mut bytes, 4, &[0, 0, 0x04, 0x90]);
        tlv(&mut bytes, 5, b"SIP42.9-4-2SR3\nbuild 1");
        tlv(&mut bytes, 6, b"Cisco IP Phone 7961");
        tlv(&mut bytes, 0x1c, &[0, 2, 0]);
        bytes
    }

    #[test]
    fn a_phone() {
        let said = Said::by(&PROTOCOL, &phone());
        assert_eq!(said.outcome, Some(Outcome::Whole));
        assert_eq!(
            said.pairs(),
            [
                (Field::CdpDevice, "SEP001122334455"),
                (Field::CdpAddress, "10.1.2.3"),
                (Field::CdpPort, "Port 1"),
                (Field::CdpCapabilities, "host,phone"),
                (Field::CdpVersion, "SIP42.9-4-2SR3 build 1"),
                (Field::CdpPlatform, "Cisco IP Phone 7961"),
            ]
        );
    }

    #[test]
    fn survives_any_bytes() {
        survives(&phone(), |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
