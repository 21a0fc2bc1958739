//! AMS/TCP and AMS headers (Beckhoff Information System, "ADS communication"), little-endian, and the discovery over UDP,
//! whose layout is what every decoder has.

use crate::cursor::Cursor;

/// First word of a discovery message.
const DISCOVERY: u32 = 0x7114_6603;
const DISCOVERY_ANSWER: u32 = 0x8000_0001;
const TAG_HOST: u16 = 5;
const TAG_VERSION: u16 = 3;
/// Tags read of one answer.
const MAX_TAGS: usize = 16;
const READ_DEVICE_INFO: u16 = 1;
const IS_RESPONSE: u16 = 1;
/// AMS header behind the six bytes of AMS/TCP.
const AMS_HEADER: u32 = 32;
const MAX_LENGTH: u32 = 16 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Discovery<'a> {
    pub host: Option<&'a [u8]>,
    pub version: Option<String>,
}

pub(super) fn discovery(bytes: &[u8]) -> Option<Discovery<'_>> {
    let mut cursor = Cursor::new(bytes);
    if cursor.u32_le()? != DISCOVERY {
        return None;
    }
    cursor.skip(4)?;
    if cursor.u32_le()? != DISCOVERY_ANSWER {
        return None;
    }
    // net id and port, number of tags
    cursor.skip(6 + 2 + 4)?;
    let mut answer = Discovery { host: None, version: None };
    for _ in 0..MAX_TAGS {
        let (Some(tag), Some(length)) = (cursor.u16_le(), cursor.u16_le()) else { break };
        let Some(value) = cursor.take(length.into()) else { break };
        match tag {
            TAG_HOST => answer.host = value.split(|b| *b == 0).next(),
            TAG_VERSION => answer.version = version(value),
            _ => {}
        }
    }
    Some(answer)
}

/// The whole length of the AMS/TCP message that begins here, if one can.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let mut cursor = Cursor::new(bytes);
    let reserved = cursor.u16_le()?;
    let length = cursor.u32_le()?;
    if reserved != 0 || !(AMS_HEADER..=MAX_LENGTH).contains(&length) {
        return None;
    }
    Some(usize::try_from(length).ok()? + 6)
}

/// Name and version of an answer to read-device-info.
pub(super) fn device_info(bytes: &[u8]) -> Option<(&[u8], String)> {
    let mut cursor = Cursor::new(bytes);
    cursor.skip(6 + 8 + 8)?;
    let command = cursor.u16_le()?;
    let flags = cursor.u16_le()?;
    if command != READ_DEVICE_INFO || flags & IS_RESPONSE == 0 {
        return None;
    }
    // length, error, invoke id
    cursor.skip(4 + 4 + 4)?;
    if cursor.u32_le()? != 0 {
        return None;
    }
    let version = version(cursor.take(4)?)?;
    Some((cursor.take(16)?.split(|b| *b == 0).next()?, version))
}

/// Major, minor, build.
fn version(bytes: &[u8]) -> Option<String> {
    let mut cursor = Cursor::new(bytes);
    Some(format!("{}.{}.{}", cursor.u8()?, cursor.u8()?, cursor.u16_le()?))
}

#[cfg(test)]
mod tests {
    use crate::ads::PROTOCOL;
    use crate::hiflying;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    fn info() -> Vec<u8> {
        let mut bytes = vec![0, 0, 56, 0, 0, 0];
        bytes.extend([0; 16]);
        bytes.extend([1, 0, 5, 0, 24, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 2, 11, 0xce, 0x07]);
        bytes.extend(b"TwinCAT System\0\0");
        bytes
    }

    fn found() -> Vec<u8> {
        let mut bytes = vec![3, 0x66, 0x14, 0x71, 0, 0, 0, 0, 1, 0, 0, 0x80];
        bytes.extend([5, 1, 2, 3, 1, 1, 0x10, 0x27, 2, 0, 0, 0, 5, 0, 10, 0]);
        bytes.extend(b"CX-010203\0");
        bytes.extend([3, 0, 4, 0, 3, 1, 0xb8, 0x0f]);
        bytes
    }

    fn tcp(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.source_port = 48898;
        Said::in_stream(&PROTOCOL, &packet)
    }

    fn udp(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.source_port = 48899;
        Said::in_packet(&hiflying::PROTOCOL, &packet)
    }

    #[test]
    fn a_controller_says_what_it_is() {
        assert_eq!(
            tcp(&info()).pairs(),
            [(Field::AdsDevice, "TwinCAT System"), (Field::AdsVersion, "2.11.1998")]
        );
        assert_eq!(udp(&found()).pairs(), [(Field::AdsHost, "CX-010203"), (Field::AdsVersion, "3.1.4024")]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(&info(), |bytes| {
            tcp(bytes);
        });
        survives(&found(), |bytes| {
            udp(bytes);
        });
    }
}
