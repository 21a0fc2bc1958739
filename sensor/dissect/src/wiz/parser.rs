//! JSON objects of one line. There is no public specification; the members are those of the lamps' own messages.

use std::borrow::Cow;

use crate::head::find;
use crate::json::member;

/// Messages that only a device sends without being asked.
const EVENTS: &[&str] = &["firstBeat", "syncPilot", "syncSystemConfig", "hb"];

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event<'a> {
    pub method: Cow<'a, str>,
    pub module: Option<Cow<'a, str>>,
    pub firmware: Option<Cow<'a, str>>,
}

/// What a device said: an event of its own, or an answer, which has a result.
pub(super) fn parse(bytes: &[u8]) -> Option<Event<'_>> {
    if !bytes.starts_with(b"{") {
        return None;
    }
    let method = member(bytes, "method")?;
    let is_device = EVENTS.contains(&method.as_ref()) || find(bytes, b"\"result\":").is_some();
    is_device.then(|| Event {
        module: member(bytes, "moduleName"),
        firmware: member(bytes, "fwVersion"),
        method,
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::{survives, Said};
    use crate::wiz::PROTOCOL;
    use crate::Field;

    const CONFIG: &[u8] = br#"{"method":"getSystemConfig","env":"pro","result":{"mac":"a8bb50000001","homeId":1,"moduleName":"ESP01_SHRGB1C_31","fwVersion":"1.17.1"}}"#;

    #[test]
    fn a_lamp_answers() {
        assert_eq!(
            Said::by(&PROTOCOL, CONFIG).pairs(),
            [
                (Field::WizEvent, "getSystemConfig"),
                (Field::WizModule, "ESP01_SHRGB1C_31"),
                (Field::WizFirmware, "1.17.1"),
            ]
        );
        let beat = br#"{"method":"firstBeat","env":"pro","params":{"mac":"a8bb50000001"}}"#;
        assert_eq!(Said::by(&PROTOCOL, beat).pairs(), [(Field::WizEvent, "firstBeat")]);
    }

    #[test]
    fn the_app_says_nothing() {
        let question = br#"{"method":"getPilot","params":{}}"#;
        assert!(Said::by(&PROTOCOL, question).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(CONFIG, |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
