//! RFC 3435 section 3.2: a command is a line `VERB transaction endpoint MGCP version`.

use crate::head::words;

/// Commands that a gateway sends: notify, restart in progress.
const OF_GATEWAY: [&[u8]; 2] = [b"NTFY", b"RSIP"];
/// Commands that a call agent sends.
const OF_AGENT: [&[u8]; 7] = [b"EPCF", b"CRCX", b"MDCX", b"DLCX", b"RQNT", b"AUEP", b"AUCX"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Command<'a> {
    pub from_gateway: bool,
    pub endpoint: &'a [u8],
}

pub(super) fn parse(bytes: &[u8]) -> Option<Command<'_>> {
    let line = bytes.split(|b| matches!(b, b'\r' | b'\n')).next()?;
    let (verb, _transaction, rest) = words(line)?;
    let mut rest = rest.split(|b| *b == b' ');
    let endpoint = rest.next()?;
    if !rest.next()?.eq_ignore_ascii_case(b"MGCP") {
        return None;
    }
    let is = |list: &[&[u8]]| list.iter().any(|known| verb.eq_ignore_ascii_case(known));
    let from_gateway = is(&OF_GATEWAY);
    (from_gateway || is(&OF_AGENT)).then_some(Command { from_gateway, endpoint })
}

#[cfg(test)]
mod tests {
    use crate::mgcp::PROTOCOL;
    use crate::testing::{survives, Said, DEVICE, PEER};
    use crate::Field;

    const RESTART: &[u8] = b"RSIP 1200 aaln/1@gw4.example.net MGCP 1.0\r\nRM: restart\r\n";

    #[test]
    fn a_gateway_starts() {
        assert_eq!(
            Said::by(&PROTOCOL, RESTART).pairs(),
            [(Field::MgcpRole, "gateway"), (Field::MgcpEndpoint, "aaln/1@gw4.example.net")]
        );
    }

    #[test]
    fn an_agent_commands() {
        let said = Said::by(&PROTOCOL, b"RQNT 1 *@gw4.example.net MGCP 0.1\r\n");
        assert_eq!(said.all(Field::MgcpRole), ["agent", "gateway"]);
        assert_eq!(said.macs(), [DEVICE.to_string(), PEER.to_string()]);
        assert!(Said::by(&PROTOCOL, b"200 1 OK\r\n").pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(RESTART, |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
