//! ANSI/ASHRAE 135: annex J (BVLC), clause 6 (network layer), clause 20 (application layer and its tags).

use std::net::IpAddr;

use crate::cursor::Cursor;

const BVLC_IP: u8 = 0x81;
const BVLC_FORWARDED: u8 = 0x04;
const BVLC_DISTRIBUTE: u8 = 0x09;
const BVLC_UNICAST: u8 = 0x0a;
const BVLC_BROADCAST: u8 = 0x0b;
/// Bits of the network layer's control byte.
const CONTROL_NETWORK_MESSAGE: u8 = 0x80;
const CONTROL_DESTINATION: u8 = 0x20;
const CONTROL_SOURCE: u8 = 0x08;
/// High four bits of an application message's first byte.
const UNCONFIRMED_REQUEST: u8 = 1;
const COMPLEX_ACK: u8 = 3;
/// Bit of the same byte in an acknowledgement that comes in parts.
const SEGMENTED: u8 = 0x08;
const SERVICE_I_AM: u8 = 0;
const SERVICE_READ_PROPERTY: u8 = 12;
const SERVICE_READ_PROPERTY_MULTIPLE: u8 = 14;
const OBJECT_DEVICE: u32 = 8;
const TAG_UNSIGNED: u8 = 2;
const TAG_CHARACTER_STRING: u8 = 7;
const TAG_OBJECT_ID: u8 = 12;
const CHARSET_UTF8: u8 = 0;
/// Tags read of one message.
const MAX_TAGS: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    IAm {
        instance: u32,
        vendor: Option<u32>,
    },
    /// Of the device object.
    Properties(Vec<(u32, Value<'a>)>),
    /// Well-formed, but nothing that is read.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(&'a [u8]),
    Unsigned(u32),
    Other,
}

pub(super) fn parse(bytes: &[u8], sender: Option<IpAddr>) -> Option<Message<'_>> {
    let mut cursor = Cursor::new(bytes);
    if cursor.u8()? != BVLC_IP {
        return None;
    }
    let function = cursor.u8()?;
    let _length = cursor.u16()?;
    match function {
        BVLC_UNICAST | BVLC_BROADCAST | BVLC_DISTRIBUTE => {}
        BVLC_FORWARDED => {
            let origin = cursor.ipv4()?;
            let _port = cursor.u16()?;
            if sender != Some(IpAddr::V4(origin)) {
                return Some(Message::Other);
            }
        }
        _ => return Some(Message::Other),
    }
    if cursor.u8()? != 1 {
        return None;
    }
    let control = cursor.u8()?;
    if control & (CONTROL_NETWORK_MESSAGE | CONTROL_SOURCE) != 0 {
        return Some(Message::Other);
    }
    if control & CONTROL_DESTINATION != 0 {
        let _network = cursor.u16()?;
        let length = cursor.u8()?;
        cursor.skip(length.into())?;
        let _hops = cursor.u8()?;
    }
    application(cursor)
}

fn application(mut cursor: Cursor<'_>) -> Option<Message<'_>> {
    let first = cursor.u8()?;
    match first >> 4 {
        UNCONFIRMED_REQUEST => {
            if cursor.u8()? != SERVICE_I_AM {
                return Some(Message::Other);
            }
            let mut tags = Tags(cursor);
            let instance = device(tags.next()?.number()?)?;
            // longest message, segmentation, vendor
            let vendor = tags.nth(2).and_then(|tag| tag.number());
            Some(Message::IAm { instance, vendor })
        }
        COMPLEX_ACK => {
            let _invoke = cursor.u8()?;
            if first & SEGMENTED != 0 {
                let sequence = cursor.u8()?;
                let _window = cursor.u8()?;
                if sequence != 0 {
                    return Some(Message::Other);
                }
            }
            match cursor.u8()? {
                SERVICE_READ_PROPERTY | SERVICE_READ_PROPERTY_MULTIPLE => {
                    Some(Message::Properties(properties(Tags(cursor))))
                }
                _ => Some(Message::Other),
            }
        }
        _ => Some(Message::Other),
    }
}

/// The instance, if that is a device object's identifier.
fn device(identifier: u32) -> Option<u32> {
    (identifier >> 22 == OBJECT_DEVICE).then_some(identifier & 0x003f_ffff)
}

/// Both kinds of acknowledgement name an object (context tag 0), its properties (1, or 2 in a list) and their values
/// (between opening and closing tags 3, or 4 in a list). Only the first value of a list is kept.
fn properties(tags: Tags<'_>) -> Vec<(u32, Value<'_>)> {
    let mut list = Vec::new();
    let mut is_device = false;
    let mut property = None;
    let mut inside = 0_u32;
    let mut in_list = false;
    for tag in tags.take(MAX_TAGS) {
        match tag.kind {
            Kind::Opening if tag.tag == 1 && inside == 0 && !in_list => in_list = true,
            Kind::Closing if tag.tag == 1 && inside == 0 && in_list => in_list = false,
            Kind::Opening => inside += 1,
            Kind::Closing => inside = inside.saturating_sub(1),
            Kind::Context if inside == 0 => match tag.tag {
                0 => is_device = tag.number().is_some_and(|id| device(id).is_some()),
                1 if !in_list => property = tag.number(),
                2 if in_list => property = tag.number(),
                _ => {}
            },
            Kind::Application if inside == 1 => {
                if let (true, Some(property)) = (is_device, property.take()) {
                    list.push((property, tag.value()));
                }
            }
            Kind::Context | Kind::Application => {}
        }
    }
    list
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Application,
    Context,
    Opening,
    Closing,
}

#[derive(Clone, Copy, Debug)]
struct Tag<'a> {
    tag: u8,
    kind: Kind,
    content: &'a [u8],
}

impl<'a> Tag<'a> {
    /// Up to four bytes, big-endian: what an unsigned number, an object identifier and a context tag all are.
    fn number(&self) -> Option<u32> {
        if self.kind == Kind::Application && !matches!(self.tag, TAG_UNSIGNED | TAG_OBJECT_ID) {
            return None;
        }
        (1..=4)
            .contains(&self.content.len())
            .then(|| self.content.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn value(&self) -> Value<'a> {
        match (self.tag, self.content.split_first()) {
            (TAG_CHARACTER_STRING, Some((&CHARSET_UTF8, text))) => Value::Text(text),
            (TAG_UNSIGNED, _) => self.number().map_or(Value::Other, Value::Unsigned),
            _ => Value::Other,
        }
    }
}

/// Clause 20.2.1: tag number, class, and length, each with its escape to a further byte.
#[derive(Clone, Copy)]
struct Tags<'a>(Cursor<'a>);

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        let cursor = &mut self.0;
        let first = cursor.u8()?;
        let tag = match first >> 4 {
            15 => cursor.u8()?,
            tag => tag,
        };
        let is_context = first & 0x08 != 0;
        let length = match (is_context, first & 0x07) {
            (true, 6) => return Some(Tag { tag, kind: Kind::Opening, content: &[] }),
            (true, 7) => return Some(Tag { tag, kind: Kind::Closing, content: &[] }),
            // a boolean's value stands where others have their length
            (false, _) if tag == 1 => 0,
            (_, 5) => match cursor.u8()? {
                254 => usize::from(cursor.u16()?),
                255 => usize::try_from(cursor.u32()?).ok()?,
                length => length.into(),
            },
            (_, length) => length.into(),
        };
        let content = cursor.take(length)?;
        Some(Tag { tag, kind: if is_context { Kind::Context } else { Kind::Application }, content })
    }
}

#[cfg(test)]
mod tests {
    use crate::bacnet::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    const I_AM: &[u8] = &[
        0x81, 0x0b, 0, 24, 1, 0x20, 0xff, 0xff, 0, 0xff, 0x10, 0, 0xc4, 2, 0, 0x04, 0xd2, 0x22, 0x05, 0xc4,
        0x91, 3, 0x21, 5,
    ];

    fn read_property() -> Vec<u8> {
        let mut bytes =
            vec![0x81, 0x0a, 0, 0, 1, 0, 0x30, 1, 12, 0x0c, 2, 0, 0, 1, 0x19, 70, 0x3e, 0x75, 9, 0];
        bytes.extend(b"PXC36.1D");
        bytes.push(0x3f);
        bytes
    }

    fn read_property_multiple() -> Vec<u8> {
        let mut bytes = vec![0x81, 0x0a, 0, 0, 1, 0, 0x30, 1, 14, 0x0c, 2, 0, 0, 1, 0x1e];
        bytes.extend([0x29, 121, 0x4e, 0x75, 8, 0]);
        bytes.extend(b"Siemens");
        bytes.extend([0x4f, 0x29, 120, 0x4e, 0x21, 7, 0x4f, 0x29, 62, 0x4e, 0x21, 50, 0x4f, 0x1f]);
        // another object's name is not the device's
        bytes.extend([0x0c, 0, 0, 0, 1, 0x1e, 0x29, 77, 0x4e, 0x74, 0, b'a', b'i', b'1', 0x4f, 0x1f]);
        bytes
    }

    #[test]
    fn a_controller_says_who_it_is() {
        assert_eq!(
            Said::by(&PROTOCOL, I_AM).pairs(),
            [(Field::BacnetDevice, "1234"), (Field::BacnetVendor, "5")]
        );
    }

    #[test]
    fn properties_of_the_device_object() {
        assert_eq!(
            Said::by(&PROTOCOL, &read_property()).pairs(),
            [(Field::BacnetProperty, "model-name=PXC36.1D")]
        );
        assert_eq!(
            Said::by(&PROTOCOL, &read_property_multiple()).pairs(),
            [(Field::BacnetProperty, "vendor-name=Siemens"), (Field::BacnetProperty, "vendor-identifier=7")]
        );
    }

    #[test]
    fn a_router_does_not_speak_for_itself() {
        // with a source network and address behind it
        let mut routed = vec![0x81, 0x0b, 0, 0, 1, 0x08, 0, 5, 1, 9];
        routed.extend(&I_AM[10..]);
        assert!(Said::by(&PROTOCOL, &routed).pairs().is_empty());
        let mut forwarded = vec![0x81, 0x04, 0, 0, 10, 0, 0, 9, 0xba, 0xc0];
        forwarded.extend(&I_AM[4..]);
        assert!(Said::by(&PROTOCOL, &forwarded).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        for good in [I_AM.to_vec(), read_property(), read_property_multiple()] {
            survives(&good, |bytes| {
                Said::by(&PROTOCOL, bytes);
            });
        }
    }
}
