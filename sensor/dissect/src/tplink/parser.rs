//! JSON, each byte combined by exclusive or with the byte before it in its hidden form; TCP has the length in front (32
//! bits, big-endian). There is no public specification; the scheme was published by softScheck in 2016.

use crate::cursor::Cursor;
use crate::json::member;

/// What the first byte is combined with.
const FIRST_KEY: u8 = 171;
/// Longest message waited for.
const MAX_LENGTH: usize = 8 * 1024;
/// Members that say what the device is. What it knows about its owner (place, network) is left alone.
const MEMBERS: &[&str] = &[
    "model", "dev_name", "alias", "type", "mic_type", "sw_ver", "hw_ver", "mac", "mic_mac", "deviceId",
    "hwId", "fwId", "oemId",
];

/// Whether this can be a hidden JSON object.
pub(super) fn is_ours(bytes: &[u8]) -> bool {
    bytes.first() == Some(&(b'{' ^ FIRST_KEY))
}

/// Announced length and bytes so far of a message over TCP.
pub(super) fn framed(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut cursor = Cursor::new(bytes);
    let length = usize::try_from(cursor.u32()?).ok()?;
    ((2..=MAX_LENGTH).contains(&length) && is_ours(cursor.rest())).then_some((length, cursor.rest()))
}

pub(super) fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut key = FIRST_KEY;
    bytes
        .iter()
        .take(MAX_LENGTH)
        .map(|byte| {
            let plain = byte ^ key;
            key = *byte;
            plain
        })
        .collect()
}

/// The named members with text in them, of an answer to `get_sysinfo`.
pub(super) fn system_information(json: &[u8]) -> impl Iterator<Item = (&'static str, String)> + '_ {
    let start = json.windows(11).position(|window| window == b"get_sysinfo");
    let object = start.and_then(|start| json.get(start..)).unwrap_or_default();
    MEMBERS.iter().filter_map(|name| Some((*name, member(object, name)?.into_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{packet, survives, Said};
    use crate::tplink::PROTOCOL;
    use crate::Field;

    const JSON: &[u8] = br#"{"system":{"get_sysinfo":{"sw_ver":"1.0.8 Build 151113","hw_ver": "1.0","model":"HS100(EU)","alias":"Lamp","latitude":1.5}}}"#;

    fn hide(plain: &[u8]) -> Vec<u8> {
        let mut key = FIRST_KEY;
        plain
            .iter()
            .map(|byte| {
                key ^= byte;
                key
            })
            .collect()
    }

    fn udp(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.source_port = 9999;
        Said::in_packet(&PROTOCOL, &packet)
    }

    fn tcp(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.source_port = 9999;
        Said::in_stream(&PROTOCOL, &packet)
    }

    #[test]
    fn a_plug_answers() {
        let hidden = hide(JSON);
        let expected = [
            (Field::TplinkInfo, "model=HS100(EU)"),
            (Field::TplinkInfo, "alias=Lamp"),
            (Field::TplinkInfo, "sw_ver=1.0.8 Build 151113"),
            (Field::TplinkInfo, "hw_ver=1.0"),
        ];
        assert_eq!(udp(&hidden).pairs(), expected);
        let framed = [&(hidden.len() as u32).to_be_bytes()[..], &hidden].concat();
        assert_eq!(tcp(&framed).pairs(), expected);
    }

    #[test]
    fn a_question_says_nothing() {
        assert!(Said::by(&PROTOCOL, &hide(JSON)).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        let hidden = hide(JSON);
        survives(&hidden, |bytes| {
            udp(bytes);
        });
        survives(&[&[0, 0, 0, 90][..], &hidden].concat(), |bytes| {
            tcp(bytes);
        });
    }
}
