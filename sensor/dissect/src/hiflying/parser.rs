//! An answer is text: address, hardware address without colons, module name, joined by commas. There is no public
//! specification beyond the modules' manuals ("HF-A11 User Manual", network search).

/// Digits of a hardware address.
const ADDRESS_LENGTH: usize = 12;

/// The module's name.
pub(super) fn module(bytes: &[u8]) -> Option<&[u8]> {
    let mut parts = bytes.splitn(3, |b| *b == b',');
    let (ip, mac, module) = (parts.next()?, parts.next()?, parts.next()?);
    let is_ip = (7..=15).contains(&ip.len()) && ip.iter().all(|b| b.is_ascii_digit() || *b == b'.');
    let is_mac = mac.len() == ADDRESS_LENGTH && mac.iter().all(u8::is_ascii_hexdigit);
    (is_ip && is_mac && !module.is_empty()).then_some(module)
}

#[cfg(test)]
mod tests {
    use crate::hiflying::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    const ANSWER: &[u8] = b"192.168.1.20,ACCF23010203,HF-LPB100-ZJ200";

    fn said(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.source_port = 48899;
        Said::in_packet(&PROTOCOL, &packet)
    }

    #[test]
    fn a_module_answers() {
        assert_eq!(said(ANSWER).pairs(), [(Field::HiflyingModule, "HF-LPB100-ZJ200")]);
        assert!(said(b"HF-A11ASSISTHREAD").pairs().is_empty());
        assert!(Said::by(&PROTOCOL, ANSWER).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(ANSWER, |bytes| {
            said(bytes);
        });
    }
}
