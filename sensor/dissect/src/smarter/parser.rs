//! Messages of one byte for what it is, arguments, and `~` at the end, over UDP and TCP. The maker has published nothing; this
//! is what its users' programs have in common. Only what the things answer is looked at, and only if its length is right,
//! because a single byte proves little.

const END: u8 = b'~';
/// Answer to a search: kind and firmware version.
const DEVICE: u8 = 0x65;
/// A kettle's state: what it does, temperature, two bytes of water level, one unknown.
const KETTLE_STATE: u8 = 0x14;
/// A coffee machine's state: what it does, water level, one unknown, strength, cups.
const COFFEE_STATE: u8 = 0x32;

/// Kinds that the answer to a search names.
const KETTLE: u8 = 1;
const COFFEE_MACHINE: u8 = 2;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    Device { kind: &'static str, firmware: u8 },
    State { kind: &'static str },
}

/// The first message, as the whole of the bytes or followed by others.
pub(super) fn message(bytes: &[u8]) -> Option<Message> {
    match *bytes {
        [DEVICE, kind, firmware, END, ..] => {
            let kind = match kind {
                KETTLE => "kettle",
                COFFEE_MACHINE => "coffee_machine",
                _ => return None,
            };
            Some(Message::Device { kind, firmware })
        }
        [KETTLE_STATE, _, _, _, _, _, END, ..] => Some(Message::State { kind: "kettle" }),
        [COFFEE_STATE, _, _, _, _, _, END, ..] => Some(Message::State { kind: "coffee_machine" }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::packet::Packet;
    use crate::smarter::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    fn from_device(bytes: &[u8]) -> Packet<'_> {
        Packet { source_port: 2081, destination_port: 40_000, ..packet(bytes) }
    }

    #[test]
    fn a_kettle_answers_a_search() {
        let said = Said::in_packet(&PROTOCOL, &from_device(&[0x65, 1, 0x13, 0x7e]));
        assert_eq!(said.pairs(), [(Field::SmarterDevice, "kettle 19")]);
        let said = Said::in_packet(&PROTOCOL, &from_device(&[0x65, 2, 22, 0x7e]));
        assert_eq!(said.pairs(), [(Field::SmarterDevice, "coffee_machine 22")]);
    }

    #[test]
    fn a_state_tells_the_kind() {
        let states = [0x14, 0, 25, 7, 0xd0, 0, 0x7e, 0x14, 0, 25, 7, 0xd0, 0, 0x7e];
        let said = Said::in_stream(&PROTOCOL, &from_device(&states));
        assert_eq!(said.pairs(), [(Field::SmarterState, "kettle")]);
        let said = Said::in_stream(&PROTOCOL, &from_device(&[0x32, 4, 0x12, 0, 2, 1, 0x7e]));
        assert_eq!(said.pairs(), [(Field::SmarterState, "coffee_machine")]);
    }

    #[test]
    fn who_asks_and_who_says_something_else_is_none() {
        let mut question = packet(&[0x64, 0x7e]);
        question.destination_port = 2081;
        assert!(Said::in_packet(&PROTOCOL, &question).pairs().is_empty());
        for other in [&[0x65, 3, 1, 0x7e][..], &[0x65, 1, 1], &[0x14, 0, 0, 0x7e], b"HTTP/1.1 200 OK"] {
            assert!(Said::in_packet(&PROTOCOL, &from_device(other)).pairs().is_empty());
        }
    }

    #[test]
    fn survives_any_bytes() {
        survives(&[0x14, 0, 25, 7, 0xd0, 0, 0x7e], |bytes| {
            Said::in_packet(&PROTOCOL, &from_device(bytes));
            Said::in_stream(&PROTOCOL, &from_device(bytes));
        });
    }
}
