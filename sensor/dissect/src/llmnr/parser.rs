//! Names of LLMNR are single labels; some systems write a dot behind them.

pub(super) fn host(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use crate::llmnr::PROTOCOL;
    use crate::testing::{survives, Said};
    use crate::Field;

    const QUERY: &[u8] = b"\0\x01\0\0\0\x01\0\0\0\0\0\0\x04wpad\0\0\x01\0\x01";
    const ANSWER: &[u8] =
        b"\0\x01\x80\0\0\x01\0\x01\0\0\0\0\x05DESK1\0\0\x01\0\x01\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\xc0\xa8\x01\x14";

    #[test]
    fn who_asks_and_who_answers() {
        assert_eq!(Said::by(&PROTOCOL, QUERY).pairs(), [(Field::LlmnrQuery, "wpad")]);
        assert_eq!(Said::by(&PROTOCOL, ANSWER).pairs(), [(Field::LlmnrName, "DESK1")]);
    }

    #[test]
    fn survives_any_bytes() {
        survives(ANSWER, |bytes| {
            Said::by(&PROTOCOL, bytes);
        });
    }
}
