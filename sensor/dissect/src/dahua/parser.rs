//! A header of 32 bytes that has `DHIP` in it, then JSON. There is no public specification; the members are those of the
//! answers.

use crate::cursor::Cursor;
use crate::head::find;

const MARK: &[u8] = b"DHIP";

/// The object that a device answers with; a search has none.
pub(super) fn device_info(bytes: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(bytes);
    let head = cursor.take(32)?;
    if head.get(4..8)? != MARK {
        return None;
    }
    let json = cursor.rest();
    json.get(find(json, b"\"deviceinfo\"")?..)
}

#[cfg(test)]
mod tests {
    use crate::dahua::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    const HEAD: &[u8] = b"\x20\0\0\0DHIP\0\0\0\0\0\0\0\0\xff\0\0\0\0\0\0\0\xff\0\0\0\0\0\0\0";
    const JSON: &[u8] = br#"{"mac":"3c:ef:8c:00:00:01","method":"client.notifyDevInfo","params":{"deviceInfo":{"DeviceClass":"IPC","DeviceType":"IPC-HDW4431C-A","HttpPort":80,"MachineName":"Gate","SerialNo":"3C02F5DPAG00123","Vendor":"General","Version":"2.622.0.2"}}}"#;

    fn answer() -> Vec<u8> {
        [HEAD, JSON].concat()
    }

    #[test]
    fn a_camera_answers() {
        assert_eq!(
            Said::by(&PROTOCOL, &answer()).all(Field::DahuaDevice),
            [
                "DeviceClass=IPC",
                "DeviceType=IPC-HDW4431C-A",
                "MachineName=Gate",
                "SerialNo=3C02F5DPAG00123",
                "Vendor=General",
                "Version=2.622.0.2",
            ]
        );
        let search = [HEAD, br#"{"method":"DHDiscover.search","params":{"mac":"","uni":1}}"#].concat();
        assert!(Said::by(&PROTOCOL, &search).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(&answer(), |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
