//! "TiVo Connect Automatic Machine Discovery Protocol Specification": lines `name=value`.

use crate::head::find;

const FIRST: &[u8] = b"tivoconnect=";
const WANTED: [&[u8]; 4] = [b"platform=", b"machine=", b"swversion=", b"identity="];
/// Lines looked at.
const MAX_LINES: usize = 32;

pub(super) fn parse(bytes: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    (find(bytes, FIRST)? == 0).then(|| {
        let lines = bytes.split(|b| *b == b'\n').take(MAX_LINES);
        lines.filter(|line| WANTED.iter().any(|name| line.starts_with(name)))
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::{survives, Said};
    use crate::tivo::PROTOCOL;
    use crate::Field;

    const BEACON: &[u8] =
        b"tivoconnect=1\nmethod=broadcast\nplatform=tcd/Series3\nmachine=Den\nswversion=11.0k\n";

    #[test]
    fn a_beacon() {
        assert_eq!(
            Said::by(&PROTOCOL, BEACON).all(Field::TivoItem),
            ["platform=tcd/Series3", "machine=Den", "swversion=11.0k"]
        );
        assert!(Said::by(&PROTOCOL, b"platform=pc\n").pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(BEACON, |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
