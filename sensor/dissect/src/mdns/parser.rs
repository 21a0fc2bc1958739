//! Names of DNS service discovery (RFC 6763 section 4): `instance._service._proto.local`. The records themselves are
//! read by `dns::parser`.

/// Without the `.local` at its end.
pub(crate) fn local(name: &str) -> &str {
    const DOMAIN: &str = ".local";
    match name.len().checked_sub(DOMAIN.len()).and_then(|at| name.split_at_checked(at)) {
        Some((host, domain)) if domain.eq_ignore_ascii_case(DOMAIN) => host,
        _ => name,
    }
}

/// Instance and service type of a name without its domain. An instance may have dots in it.
pub(crate) fn offered(name: &str) -> Option<(&str, &str)> {
    let at = name.len().checked_sub("._tcp".len())?;
    let (rest, protocol) = name.split_at_checked(at)?;
    if !protocol.eq_ignore_ascii_case("._tcp") && !protocol.eq_ignore_ascii_case("._udp") {
        return None;
    }
    let (instance, _) = rest.rsplit_once("._")?;
    let service = name.get(instance.len() + 1..)?;
    (!instance.is_empty()).then_some((instance, service))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::mdns::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    #[test]
    fn names_split() {
        assert_eq!(local("hue.LOCAL"), "hue");
        assert_eq!(local("local"), "local");
        assert_eq!(offered("HP 4.2 [AB]._ipp._tcp"), Some(("HP 4.2 [AB]", "_ipp._tcp")));
        assert_eq!(offered("_ipp._tcp"), None);
        assert_eq!(offered("host"), None);
        assert_eq!(offered("é._x._udp"), Some(("é", "_x._udp")));
    }

    fn name(out: &mut Vec<u8>, labels: &[&str]) {
        for label in labels {
            out.push(label.len() as u8);
            out.extend(label.as_bytes());
        }
        out.push(0);
    }

    fn record(out: &mut Vec<u8>, owner: &[&str], kind: u8, ttl: u8, data: &[u8]) {
        name(out, owner);
        out.extend([0, kind, 0x80, 1, 0, 0, 0, ttl, 0, data.len() as u8]);
        out.extend(data);
    }

    const INSTANCE: [&str; 4] = ["Office 4.0", "_ipp", "_tcp", "local"];

    fn response() -> Vec<u8> {
        let mut bytes = vec![0, 0, 0x84, 0, 0, 0, 0, 3, 0, 0, 0, 2];
        let mut instance = Vec::new();
        name(&mut instance, &INSTANCE);
        let mut service = Vec::new();
        name(&mut service, &["_ipp", "_tcp", "local"]);
        let mut host = vec![0, 0, 0, 0, 2, 0x77];
        name(&mut host, &["NPI0A1B2C", "local"]);
        record(&mut bytes, &["_services", "_dns-sd", "_udp", "local"], 12, 120, &service);
        record(&mut bytes, &["_ipp", "_tcp", "local"], 12, 120, &instance);
        record(&mut bytes, &INSTANCE, 33, 120, &host);
        record(&mut bytes, &INSTANCE, 16, 120, b"\x09txtvers=1\x0cty=HP LJ 400");
        record(&mut bytes, &["NPI0A1B2C", "local"], 1, 120, &[192, 168, 1, 20]);
        bytes
    }

    #[test]
    fn a_printer_announces_itself() {
        let said = Said::by(&PROTOCOL, &response());
        assert_eq!(
            said.pairs(),
            [
                (Field::MdnsService, "_ipp._tcp"),
                (Field::MdnsService, "_ipp._tcp"),
                (Field::MdnsInstance, "Office 4.0._ipp._tcp"),
                (Field::MdnsInstance, "Office 4.0._ipp._tcp"),
                (Field::MdnsHostname, "NPI0A1B2C"),
                (Field::MdnsTxt, "_ipp._tcp txtvers=1"),
                (Field::MdnsTxt, "_ipp._tcp ty=HP LJ 400"),
                (Field::MdnsHostname, "NPI0A1B2C"),
            ]
        );
    }

    #[test]
    fn known_answers_of_a_query_are_not_the_askers() {
        let mut bytes = response();
        bytes[2] = 0;
        assert!(Said::by(&PROTOCOL, &bytes).pairs().is_empty());
        // but a probe's authority section is
        let mut probe = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0];
        name(&mut probe, &["cam", "local"]);
        probe.extend([0, 255, 0, 1]);
        record(&mut probe, &["cam", "local"], 1, 120, &[192, 168, 1, 20]);
        let said = Said::by(&PROTOCOL, &probe);
        assert_eq!(said.pairs(), [(Field::MdnsQuery, "cam"), (Field::MdnsHostname, "cam")]);
    }

    #[test]
    fn a_goodbye_says_nothing() {
        let mut bytes = vec![0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        record(&mut bytes, &["cam", "local"], 1, 0, &[192, 168, 1, 20]);
        assert!(Said::by(&PROTOCOL, &bytes).pairs().is_empty());
    }

    #[test]
    fn host_information() {
        let mut bytes = vec![0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        record(&mut bytes, &["nas", "local"], 13, 9, b"\x05ARMV5\x05LINUX");
        assert_eq!(Said::by(&PROTOCOL, &bytes).all(Field::MdnsHostInfo), ["ARMV5 LINUX"]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(&response(), |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
