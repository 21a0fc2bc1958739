//! RFC 2236 and RFC 9776 section 4.

use std::net::Ipv4Addr;

use crate::cursor::Cursor;

const QUERY: u8 = 0x11;
const REPORT_1: u8 = 0x12;
const REPORT_2: u8 = 0x16;
const LEAVE: u8 = 0x17;
const REPORT_3: u8 = 0x22;
/// Record types that leave a group: change to include nothing, block sources.
const LEAVING: [u8; 2] = [3, 6];
/// Records read of one report.
const MAX_RECORDS: u16 = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Query,
    Join(Vec<Ipv4Addr>),
    Leave,
}

pub(super) fn parse(bytes: &[u8]) -> Option<Message> {
    let mut cursor = Cursor::new(bytes);
    let kind = cursor.u8()?;
    cursor.skip(3)?;
    match kind {
        QUERY => Some(Message::Query),
        LEAVE => Some(Message::Leave),
        REPORT_1 | REPORT_2 => Some(Message::Join(vec![cursor.ipv4().filter(Ipv4Addr::is_multicast)?])),
        REPORT_3 => {
            cursor.skip(2)?;
            let count = cursor.u16()?;
            Some(Message::Join(
                (0..count.min(MAX_RECORDS)).map_while(|_| record(&mut cursor)).flatten().collect(),
            ))
        }
        _ => None,
    }
}

/// The group of one record of version 3, unless it is left.
fn record(cursor: &mut Cursor<'_>) -> Option<Option<Ipv4Addr>> {
    let kind = cursor.u8()?;
    let auxiliary = usize::from(cursor.u8()?);
    let sources = usize::from(cursor.u16()?);
    let group = cursor.ipv4()?;
    cursor.skip(sources * 4 + auxiliary * 4)?;
    let joins = !LEAVING.contains(&kind) || sources > 0;
    Some(Some(group).filter(|group| joins && group.is_multicast()))
}

#[cfg(test)]
mod tests {
    use crate::igmp::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    const VERSION_2: &[u8] = &[0x16, 0, 0, 0, 224, 0, 1, 60];
    const VERSION_3: &[u8] =
        &[0x22, 0, 0, 0, 0, 0, 0, 2, 4, 0, 0, 0, 239, 255, 255, 250, 3, 0, 0, 0, 224, 0, 1, 75];

    #[test]
    fn joins_and_queries() {
        assert_eq!(Said::by(&PROTOCOL, VERSION_2).pairs(), [(Field::IgmpGroup, "224.0.1.60")]);
        assert_eq!(Said::by(&PROTOCOL, VERSION_3).pairs(), [(Field::IgmpGroup, "239.255.255.250")]);
        let query = [0x11, 100, 0, 0, 0, 0, 0, 0];
        assert_eq!(Said::by(&PROTOCOL, &query).pairs(), [(Field::IgmpQuerier, "query")]);
        assert!(Said::by(&PROTOCOL, &[0x17, 0, 0, 0, 224, 0, 1, 60]).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        for good in [VERSION_2, VERSION_3] {
            survives(good, |bytes| {
                Said::by(&PROTOCOL, bytes);
            });
        }
    }
}
