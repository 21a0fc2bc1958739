//! IEEE 802.1AB-2016 clause 8: TLVs of 7 bits type, 9 bits length; organisation's own ones are type 127 with an OUI and
//! a subtype. ANSI/TIA-1057 (LLDP-MED) uses 00-12-BB.

use crate::cursor::Cursor;

const OUI_MED: [u8; 3] = [0x00, 0x12, 0xbb];
/// TLVs read of one frame.
const MAX_TLVS: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tlv<'a> {
    /// Subtype and id.
    Chassis(u8, &'a [u8]),
    Port(u8, &'a [u8]),
    PortDescription(&'a [u8]),
    Name(&'a [u8]),
    Description(&'a [u8]),
    /// Enabled capabilities.
    Capabilities(u16),
    /// Address family and address.
    Management(u8, &'a [u8]),
    /// LLDP-MED subtype and value.
    Med(u8, &'a [u8]),
    Other,
}

/// The TLVs of a frame. `None` when the first is not a chassis id, which the standard demands.
pub(crate) fn parse(bytes: &[u8]) -> Option<Tlvs<'_>> {
    let first = Cursor::new(bytes).u16()?;
    (first >> 9 == 1).then_some(Tlvs { rest: Cursor::new(bytes), read: 0, ended: false })
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Tlvs<'a> {
    rest: Cursor<'a>,
    read: usize,
    ended: bool,
}

impl Tlvs<'_> {
    /// The end TLV was there, or the frame ended between two TLVs.
    pub(crate) fn whole(&self) -> bool {
        self.ended || self.rest.is_empty()
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        if self.ended || self.read >= MAX_TLVS {
            return None;
        }
        let mut cursor = self.rest;
        let header = cursor.u16()?;
        let value = cursor.take(usize::from(header & 0x01ff))?;
        let kind = header >> 9;
        self.rest = cursor;
        self.read += 1;
        if kind == 0 {
            self.ended = true;
            return None;
        }
        Some(tlv(kind, value).unwrap_or(Tlv::Other))
    }
}

fn tlv(kind: u16, value: &[u8]) -> Option<Tlv<'_>> {
    let mut cursor = Cursor::new(value);
    let tlv = match kind {
        1 => Tlv::Chassis(cursor.u8()?, cursor.rest()),
        2 => Tlv::Port(cursor.u8()?, cursor.rest()),
        4 => Tlv::PortDescription(value),
        5 => Tlv::Name(value),
        6 => Tlv::Description(value),
        7 => {
            let _available = cursor.u16()?;
            Tlv::Capabilities(cursor.u16()?)
        }
        8 => {
            // the length counts the family too
            let length = usize::from(cursor.u8()?);
            let family = cursor.u8()?;
            Tlv::Management(family, cursor.take(length.checked_sub(1)?)?)
        }
        127 => {
            if cursor.array()? != OUI_MED {
                return None;
            }
            Tlv::Med(cursor.u8()?, cursor.rest())
        }
        _ => return None,
    };
    Some(tlv)
}

#[cfg(test)]
mod tests {
    use crate::lldp::PROTOCOL;
    use crate::registry::Outcome;
    use crate::testing::{survives, Said};
    use crate::Field;

    fn tlv(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
        out.extend((kind << 9 | value.len() as u16).to_be_bytes());
        out.extend(value);
    }

    fn phone() -> Vec<u8> {
        let mut bytes = Vec::new();
        tlv(&mut bytes, 1, &[5, 1, 10, 0, 0, 9]);
        tlv(&mut bytes, 2, &[3, 0, 4, 0xf2, 1, 2, 3]);
        tlv(&mut bytes, 3, &[0, 120]);
        tlv(&mut bytes, 5, b"Polycom VVX 410");
        tlv(&mut bytes, 6, b"Polycom;VVX-VVX_410;3111-46162-001,1;SIP/5.9.0.9373");
        tlv(&mut bytes, 7, &[0, 0x24, 0, 0x24]);
        tlv(&mut bytes, 8, &[5, 1, 10, 0, 0, 9, 2, 0, 0, 0, 1, 0]);
        tlv(&mut bytes, 127, &[0, 0x12, 0xbb, 1, 0, 0x3f, 3]);
        for (subtype, text) in
            [(5, "3111-46162-001"), (6, "5.9.0"), (8, "0004f2010203"), (9, "Polycom"), (10, "VVX_410")]
        {
            let mut value = vec![0, 0x12, 0xbb, subtype];
            value.extend(text.as_bytes());
            tlv(&mut bytes, 127, &value);
        }
        tlv(&mut bytes, 127, &[0, 0x80, 0xc2, 1, 0, 7]);
        tlv(&mut bytes, 0, &[]);
        bytes
    }

    #[test]
    fn a_phone_with_inventory() {
        let said = Said::by(&PROTOCOL, &phone());
        assert_eq!(said.outcome, Some(Outcome::Whole));
        assert_eq!(
            said.pairs(),
            [
                (Field::LldpChassis, "10.0.0.9"),
                (Field::LldpPort, "00:04:f2:01:02:03"),
                (Field::LldpName, "Polycom VVX 410"),
                (Field::LldpDescription, "Polycom;VVX-VVX_410;3111-46162-001,1;SIP/5.9.0.9373"),
                (Field::LldpCapabilities, "bridge,telephone"),
                (Field::LldpAddress, "10.0.0.9"),
                (Field::LldpMedClass, "3"),
                (Field::LldpMedHardware, "3111-46162-001"),
                (Field::LldpMedFirmware, "5.9.0"),
                (Field::LldpMedSerial, "0004f2010203"),
                (Field::LldpMedManufacturer, "Polycom"),
                (Field::LldpMedModel, "VVX_410"),
            ]
        );
    }

    #[test]
    fn a_cut_frame_gives_what_was_there() {
        let bytes = phone();
        let said = Said::by(&PROTOCOL, &bytes[..40]);
        assert_eq!(said.outcome, Some(Outcome::Partial));
        assert_eq!(said.all(Field::LldpName), ["Polycom VVX 410"]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(&phone(), |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
