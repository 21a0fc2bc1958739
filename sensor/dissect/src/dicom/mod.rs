//! DICOM: the title and the software with which a modality or an archive opens or accepts an association.

mod parser;

use crate::flow::{Stream, StreamReader, Verdict};
use crate::packet::Packet;
use crate::readings::Readings;
use crate::{Carrier, Field, Protocol};

pub(crate) const PROTOCOL: Protocol = Protocol {
    name: "dicom",
    description: "DICOM associations: application entity title, implementation",
    carriers: &[Carrier::AnyTcp],
    message: None,
    stream: Some(StreamReader { starts, read }),
};

fn starts(bytes: &[u8], _: &Packet<'_>) -> bool {
    parser::starts(bytes)
}

fn read(stream: &mut Stream<'_>, readings: &mut Readings<'_>) -> Verdict {
    let Some(length) = parser::length(stream.bytes) else { return Verdict::NotMine };
    if stream.bytes.len() < length && !stream.last {
        return Verdict::More(length);
    }
    let Some(association) = parser::parse(stream.bytes) else { return Verdict::NotMine };
    readings.bytes(Field::DicomTitle, association.title);
    for (kind, text) in association.user_information() {
        match kind {
            parser::IMPLEMENTATION_CLASS => readings.bytes(Field::DicomImplementation, text),
            parser::IMPLEMENTATION_VERSION => readings.bytes(Field::DicomVersion, text),
            _ => {}
        }
    }
    Verdict::Done
}
