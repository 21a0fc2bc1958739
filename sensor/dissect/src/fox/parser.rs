//! Text: `fox a 1 -1 fox hello`, then lines `name=type:value` in braces. There is no public specification; the layout is
//! what every decoder has.

use crate::banner::line;

const PREFIX: &[u8] = b"fox a ";
const END: &[u8] = b"};;";
const WANTED: [&[u8]; 7] =
    [b"hostName=", b"app.name=", b"app.version=", b"os.name=", b"os.version=", b"brandId=", b"hostId="];
/// Lines looked at.
const MAX_LINES: usize = 64;

pub(super) fn starts(bytes: &[u8]) -> bool {
    bytes.starts_with(PREFIX)
}

pub(super) fn is_whole(bytes: &[u8]) -> bool {
    bytes.windows(END.len()).any(|window| window == END)
}

/// Whole lines with what the station is.
pub(super) fn items(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = std::iter::from_fn(move || {
        let text = line(bytes)?;
        let end = bytes.iter().position(|b| *b == b'\n')?;
        bytes = bytes.get(end + 1..)?;
        Some(text)
    });
    lines.take(MAX_LINES).filter(|text| WANTED.iter().any(|name| text.starts_with(name)))
}

#[cfg(test)]
mod tests {
    use crate::fox::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    const GREETING: &[u8] = b"fox a 0 -1 fox hello\n{\nfox.version=s:1.0.1\nhostName=s:jace-7\napp.name=s:Station\napp.version=s:3.8.38\nos.name=s:QNX\nbrandId=s:vykon\n};;\n";

    fn said(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.source_port = 1911;
        Said::in_stream(&PROTOCOL, &packet)
    }

    #[test]
    fn a_controller_greets() {
        assert_eq!(
            said(GREETING).pairs(),
            [
                (Field::FoxRole, "station"),
                (Field::FoxItem, "hostName=s:jace-7"),
                (Field::FoxItem, "app.name=s:Station"),
                (Field::FoxItem, "app.version=s:3.8.38"),
                (Field::FoxItem, "os.name=s:QNX"),
                (Field::FoxItem, "brandId=s:vykon"),
            ]
        );
    }

    #[test]
    fn survives_any_bytes() {
        survives(GREETING, |bytes| {
            said(bytes);
        });
    }
}
