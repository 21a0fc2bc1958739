//! One HTTPS exchange as the protocols see it, and what an answer's status asks of us.

use std::fmt;
use std::time::Duration;

use eyot_contract::Timestamp;

/// Longest pause that an answer's `Retry-After` may ask for; longer ones are cut, so that a wrong header cannot silence
/// a sensor.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// The methods that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
}

impl Method {
    /// As it stands in the request line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// A request to `https://host:443`. `Debug` leaves out what authorises it and the body.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Host name, without port.
    pub host: String,
    /// Path and query, beginning with `/`. May hold a signature (Blob storage), so it is shown without its query.
    pub target: String,
    /// Header fields besides `Host` and `Content-Length`.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("host", &self.host)
            .field("path", &self.path())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Request {
    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The value of a header field; names are compared without regard to case (RFC 9110 §5.1).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// How long to wait, if it says so.
    pub retry_after: Option<Duration>,
    /// Body, as far as it was read.
    pub body: Vec<u8>,
}

/// What an answer that is not a success asks of us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Try again, not before so long (`None`: by our own pauses). Throttling (429), trouble there (5xx), time-outs (408).
    Later(Option<Duration>),
    /// The signature is not accepted: make a new one, and if that fails too the key or the clock is wrong (401).
    Unauthorised,
    /// The daily quota is used up, or the device is not allowed (403).
    Forbidden,
    /// There is no such device, hub or registration (404).
    Unknown,
    /// The request is too large (413): send less at once.
    TooLarge,
    /// It will never be accepted as it is (any other 4xx).
    Never,
}

impl Response {
    /// `Ok` for 2xx.
    ///
    /// # Errors
    /// What the status asks for.
    pub fn judged(&self) -> Result<(), Refused> {
        match self.status {
            200..=299 => Ok(()),
            401 => Err(Refused::Unauthorised),
            403 => Err(Refused::Forbidden),
            404 => Err(Refused::Unknown),
            413 => Err(Refused::TooLarge),
            408 | 429 | 500..=599 => Err(Refused::Later(self.retry_after)),
            // what asks to go elsewhere is as little the service as a captive portal is
            300..=399 => Err(Refused::Later(self.retry_after)),
            _ => Err(Refused::Never),
        }
    }

    /// The service's own words about a failure, one line, cut short: `message` or `Message` of a JSON body, else nothing.
    pub fn words(&self) -> Option<String> {
        const MOST: usize = 200;
        let value: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        let text = ["message", "Message", "error_description"]
            .iter()
            .find_map(|key| value.get(key).and_then(|v| v.as_str()))?;
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
        Some(line.trim().to_owned()).filter(|t| !t.is_empty())
    }
}

/// Reads `Retry-After` (RFC 9110 §10.2.3): seconds, or an HTTP date compared with `now`.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let format = time::macros::format_description!(
                "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
            );
            let moment = time::PrimitiveDateTime::parse(value, format).ok()?.assume_utc();
            Duration::from_secs(u64::try_from(moment.unix_timestamp() - now.seconds()).unwrap_or(0))
        }
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_status_asks_for_one_thing() {
        let judged = |status| Response { status, ..Response::default() }.judged();
        assert_eq!(judged(204), Ok(()));
        assert_eq!(judged(401), Err(Refused::Unauthorised));
        assert_eq!(judged(403), Err(Refused::Forbidden));
        assert_eq!(judged(413), Err(Refused::TooLarge));
        assert_eq!(judged(400), Err(Refused::Never));
        for status in [302, 408, 429, 500, 503] {
            assert_eq!(judged(status), Err(Refused::Later(None)), "{status}");
        }
        let wait = Some(Duration::from_secs(7));
        assert_eq!(
            Response { status: 429, retry_after: wait, body: Vec::new() }.judged(),
            Err(Refused::Later(wait))
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_very_long() {
        let now = Timestamp::from_seconds(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:07 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("99999999", now), Some(LONGEST_RETRY_AFTER));
        assert_eq!(retry_after("soon", now), None);
    }

    #[test]
    fn words_are_one_short_line() {
        let body = format!("{{\"Message\":\"a\\nb{}\"}}", "c".repeat(1_000)).into_bytes();
        let words = Response { status: 400, retry_after: None, body }.words().unwrap();
        assert!(words.starts_with("a bc") && words.len() == 200, "{words}");
        assert_eq!(Response { status: 400, retry_after: None, body: b"<html>".to_vec() }.words(), None);
    }

    #[test]
    fn a_request_shows_nothing_that_authorises_it() {
        let request = Request {
            method: Method::Put,
            host: "s.blob".into(),
            target: "/c/b?sig=secret".into(),
            headers: vec![("Authorization", "secret".into())],
            body: b"secret".to_vec(),
        };
        let shown = format!("{request:?}");
        assert!(!shown.contains("secret") && shown.contains("/c/b"), "{shown}");
        assert_eq!(request.header("authorization"), Some("secret"));
    }
}
