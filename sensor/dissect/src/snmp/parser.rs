//! RFC 1157 and RFC 3416 (messages and PDUs), RFC 3412 and RFC 3414 (SNMPv3 with the user-based security model).

use crate::der::{object_id, Elements, INTEGER, OBJECT_ID, OCTET_STRING, SEQUENCE};

/// PDU tags.
const GET: u8 = 0xa0;
const GET_NEXT: u8 = 0xa1;
const RESPONSE: u8 = 0xa2;
const SET: u8 = 0xa3;
const TRAP_V1: u8 = 0xa4;
const GET_BULK: u8 = 0xa5;
const INFORM: u8 = 0xa6;
const TRAP_V2: u8 = 0xa7;
const REPORT: u8 = 0xa8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2c,
    V3,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Request,
    Answer,
    Trap,
    /// Encrypted.
    Hidden,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(&'a [u8]),
    Object(&'a [u8]),
    Other,
}

#[derive(Clone, Debug)]
pub(super) struct Message<'a> {
    pub version: Version,
    /// The community is one that agents leave the factory with. Which, and any other, goes no further.
    pub default_community: bool,
    pub body: Body,
    /// SNMPv3's authoritative engine.
    pub engine: Option<&'a [u8]>,
    /// Of a trap of version 1.
    pub enterprise: Option<String>,
    /// The PDU was there to its end.
    pub whole: bool,
    bindings: Option<Elements<'a>>,
}

impl<'a> Message<'a> {
    /// Object and value of each binding, identifiers as they stand in the message.
    pub(super) fn values(&self) -> impl Iterator<Item = (&'a [u8], Value<'a>)> + '_ {
        self.bindings.into_iter().flatten().filter_map(|(tag, pair)| {
            let mut pair = Elements::new(pair);
            let object = pair.expect(OBJECT_ID)?;
            let (value_tag, value) = pair.next()?;
            let value = match value_tag {
                OCTET_STRING => Value::Text(value),
                OBJECT_ID => Value::Object(value),
                _ => Value::Other,
            };
            (tag == SEQUENCE).then_some((object, value))
        })
    }
}

pub(super) fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let mut message = Elements::new(bytes).enter(SEQUENCE)?;
    let version = match message.expect(INTEGER)? {
        [0] => Version::V1,
        [1] => Version::V2c,
        [3] => Version::V3,
        _ => return None,
    };
    if version != Version::V3 {
        let community = message.expect(OCTET_STRING)?;
        let mut message = pdu(version, None, message)?;
        message.default_community = matches!(community, b"public" | b"private");
        return Some(message);
    }
    let _globals = message.expect(SEQUENCE)?;
    let security = message.expect(OCTET_STRING)?;
    let engine =
        Elements::new(security).enter(SEQUENCE).and_then(|mut parameters| parameters.expect(OCTET_STRING));
    match message.enter(SEQUENCE) {
        Some(mut scoped) => {
            let _context_engine = scoped.expect(OCTET_STRING)?;
            let _context_name = scoped.expect(OCTET_STRING)?;
            pdu(version, engine, scoped)
        }
        None => Some(Message {
            version,
            default_community: false,
            body: Body::Hidden,
            engine,
            enterprise: None,
            whole: true,
            bindings: None,
        }),
    }
}

fn pdu<'a>(version: Version, engine: Option<&'a [u8]>, mut elements: Elements<'a>) -> Option<Message<'a>> {
    let tag = elements.peek()?;
    let body = match tag {
        GET | GET_NEXT | SET | GET_BULK => Body::Request,
        RESPONSE | REPORT => Body::Answer,
        TRAP_V1 | INFORM | TRAP_V2 => Body::Trap,
        _ => return None,
    };
    let whole = elements.expect(tag);
    let mut fields = match whole {
        Some(value) => Elements::new(value),
        None => elements.enter(tag)?,
    };
    let mut enterprise = None;
    if tag == TRAP_V1 {
        enterprise = fields.expect(OBJECT_ID).and_then(object_id);
        // agent's address, generic and specific number, uptime
        fields.by_ref().take(4).for_each(drop);
    } else {
        // request, error, index
        fields.by_ref().take(3).for_each(drop);
    }
    let bindings = fields.enter(SEQUENCE);
    Some(Message {
        version,
        default_community: false,
        body,
        engine,
        enterprise,
        whole: whole.is_some(),
        bindings,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::registry::Outcome;
    use crate::snmp::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    fn element(tag: u8, value: &[u8]) -> Vec<u8> {
        [&[tag, 0x81, value.len() as u8], value].concat()
    }

    fn binding(object: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        element(SEQUENCE, &[element(OBJECT_ID, object), element(tag, value)].concat())
    }

    fn bindings() -> Vec<u8> {
        let list = [
            binding(&[0x2b, 6, 1, 2, 1, 1, 1, 0], OCTET_STRING, b"HP ETHERNET MULTI-ENVIRONMENT"),
            binding(&[0x2b, 6, 1, 2, 1, 1, 2, 0], OBJECT_ID, &[0x2b, 6, 1, 4, 1, 11, 2, 3, 9, 1]),
            binding(&[0x2b, 6, 1, 2, 1, 43, 5, 1, 1, 17, 1], OCTET_STRING, b"CNB1234567"),
        ];
        element(SEQUENCE, &list.concat())
    }

    fn numbers() -> Vec<u8> {
        [element(INTEGER, &[1]), element(INTEGER, &[0]), element(INTEGER, &[0])].concat()
    }

    fn answer() -> Vec<u8> {
        let pdu = element(RESPONSE, &[numbers(), bindings()].concat());
        element(SEQUENCE, &[element(INTEGER, &[1]), element(OCTET_STRING, b"secret"), pdu].concat())
    }

    #[test]
    fn an_answer_without_its_community() {
        let said = Said::by(&PROTOCOL, &answer());
        assert_eq!(said.outcome, Some(Outcome::Whole));
        assert_eq!(
            said.pairs(),
            [
                (Field::SnmpVersion, "2c"),
                (Field::SnmpDescription, "HP ETHERNET MULTI-ENVIRONMENT"),
                (Field::SnmpObjectId, "1.3.6.1.4.1.11.2.3.9.1"),
                (Field::SnmpObject, "1.3.6.1.2.1.43.5.1.1.17.1=CNB1234567"),
            ]
        );
    }

    #[test]
    fn a_trap_of_version_1() {
        let fields = [
            element(OBJECT_ID, &[0x2b, 6, 1, 4, 1, 9, 1, 5]),
            element(0x40, &[192, 168, 1, 20]),
            element(INTEGER, &[6]),
            element(INTEGER, &[1]),
            element(0x43, &[1]),
            element(SEQUENCE, &[]),
        ];
        let bytes = element(
            SEQUENCE,
            &[element(INTEGER, &[0]), element(OCTET_STRING, b"public"), element(TRAP_V1, &fields.concat())]
                .concat(),
        );
        assert_eq!(
            Said::by(&PROTOCOL, &bytes).pairs(),
            [(Field::SnmpVersion, "1"), (Field::SnmpTrap, "1.3.6.1.4.1.9.1.5")]
        );
    }

    #[test]
    fn an_encrypted_agent_still_shows_its_engine() {
        let security = element(SEQUENCE, &element(OCTET_STRING, &[0x80, 0, 0, 9, 3, 0, 1, 2, 3, 4, 5]));
        let bytes = element(
            SEQUENCE,
            &[
                element(INTEGER, &[3]),
                element(SEQUENCE, &[]),
                element(OCTET_STRING, &security),
                element(OCTET_STRING, &[0xaa; 40]),
            ]
            .concat(),
        );
        let mut from_agent = packet(&bytes);
        from_agent.source_port = 161;
        assert_eq!(
            Said::in_packet(&PROTOCOL, &from_agent).pairs(),
            [(Field::SnmpVersion, "3"), (Field::SnmpEngine, "8000000903000102030405")]
        );
        assert_eq!(Said::by(&PROTOCOL, &bytes).pairs(), [(Field::SnmpVersion, "3")]);
    }

    #[test]
    fn a_cut_answer_gives_what_was_there() {
        let bytes = answer();
        let said = Said::by(&PROTOCOL, &bytes[..bytes.len() - 5]);
        assert_eq!(said.outcome, Some(Outcome::Partial));
        assert_eq!(said.all(Field::SnmpDescription).len(), 1);
    }

    #[test]
    fn survives_any_bytes() {
        survives(&answer(), |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
