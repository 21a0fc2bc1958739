//! The bundle: messages in a file that is carried by hand from a sensor without a connection to its portal.
//!
//! NDJSON, UTF-8, one object a line: a header, the messages, and a trailer with a signature over every byte before it
//! (line ends included) and the certificate whose key signed. The header gives batch and epoch as a report over the wire
//! does, so that a bundle read twice counts once. Nothing here signs or verifies: both sides have their own keys.
//!
//! ```text
//! {"bundle":"eyot.bundle/1","sensor":"lab","epoch":"…","sequence":7,"created":"…","messages":2}
//! {"schema":"eyot.message/1",…}
//! {"schema":"eyot.message/1",…}
//! {"algorithm":"ecdsa-p256-sha256","signature":"<base64, ASN.1>","certificate":"-----BEGIN CERTIFICATE-----…"}
//! ```

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Message, Timestamp};

/// The version of the form.
pub const BUNDLE_SCHEMA: &str = "eyot.bundle/1";
/// How bundles are signed: ECDSA over P-256 with SHA-256, the signature in ASN.1 (RFC 3279 §2.2.3).
pub const BUNDLE_ALGORITHM: &str = "ecdsa-p256-sha256";
/// Most bytes of a bundle that is read.
pub const MAX_BUNDLE_BYTES: usize = 64 << 20;

/// A bundle's first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleHeader {
    /// [`BUNDLE_SCHEMA`].
    pub bundle: String,
    /// The sensor's name, for people; the certificate says who it really is.
    pub sensor: String,
    /// The epoch of the spool it came from.
    pub epoch: Uuid,
    /// Its number within the epoch.
    pub sequence: u64,
    /// When it was put together.
    pub created: Timestamp,
    /// How many messages follow.
    pub messages: u64,
}

#[derive(Serialize, Deserialize)]
struct Trailer {
    algorithm: String,
    signature: String,
    certificate: String,
}

/// Why a file is no bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Too large to be read.
    #[error("the file has {0} bytes, and a bundle has {MAX_BUNDLE_BYTES} at most")]
    Size(usize),
    /// A line is not what should stand there.
    #[error("line {line}: {expected} is expected; the file is no bundle, or was cut or changed on the way")]
    Line {
        /// 1-based.
        line: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// Another version.
    #[error("this is \"{0}\", and \"{BUNDLE_SCHEMA}\" is known; update the portal")]
    Version(String),
    /// Signed in a way that is not known.
    #[error("it is signed by \"{0}\", and \"{BUNDLE_ALGORITHM}\" is known; update the portal")]
    Algorithm(String),
    /// Messages are missing.
    #[error("the header promises {promised} messages and {found} are there; the file was cut on the way")]
    Count {
        /// By the header.
        promised: u64,
        /// In the file.
        found: u64,
    },
}

/// A bundle as read. Nothing in it is to be believed before `signature` over `signed` is verified with the key of
/// `certificate`, and the certificate with the portal's CA.
#[derive(Clone, Debug, PartialEq)]
pub struct UnverifiedBundle<'a> {
    /// First line.
    pub header: BundleHeader,
    /// The messages.
    pub messages: Vec<Message>,
    /// What is signed.
    pub signed: &'a [u8],
    /// The signature, ASN.1.
    pub signature: Vec<u8>,
    /// Who signed: PEM.
    pub certificate: String,
}

/// Puts a bundle together; `sign` signs what it is given.
///
/// # Errors
/// What `sign` says, and what serde says of a message.
pub fn write_bundle<E: From<serde_json::Error>>(
    header: &BundleHeader,
    messages: &[Message],
    certificate_pem: &str,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, E> {
    let mut bytes = serde_json::to_vec(header)?;
    for message in messages {
        bytes.push(b'\n');
        serde_json::to_writer(&mut bytes, message)?;
    }
    bytes.push(b'\n');
    let trailer = Trailer {
        algorithm: BUNDLE_ALGORITHM.to_owned(),
        signature: STANDARD.encode(sign(&bytes)?),
        certificate: certificate_pem.to_owned(),
    };
    serde_json::to_writer(&mut bytes, &trailer)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Takes a bundle apart.
///
/// # Errors
/// Naming the line.
pub fn read_bundle(bytes: &[u8]) -> Result<UnverifiedBundle<'_>, BundleError> {
    if bytes.len() > MAX_BUNDLE_BYTES {
        return Err(BundleError::Size(bytes.len()));
    }
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let lines = body.split(|b| *b == b'\n').count();
    let trailer_at = body.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let (signed, trailer) = body.split_at(trailer_at);
    let mut texts = signed.split_inclusive(|b| *b == b'\n');
    let header: BundleHeader = texts
        .next()
        .and_then(|line| serde_json::from_slice(line).ok())
        .ok_or(BundleError::Line { line: 1, expected: "the header of a bundle" })?;
    if header.bundle != BUNDLE_SCHEMA {
        return Err(BundleError::Version(header.bundle));
    }
    let mut messages = Vec::new();
    for (at, line) in texts.enumerate() {
        let expected = BundleError::Line { line: at + 2, expected: "a message" };
        messages.push(serde_json::from_slice(line).map_err(|_| expected)?);
    }
    let wrong = BundleError::Line { line: lines, expected: "the trailer with the signature" };
    let trailer: Trailer = serde_json::from_slice(trailer).map_err(|_| wrong.clone())?;
    if trailer.algorithm != BUNDLE_ALGORITHM {
        return Err(BundleError::Algorithm(trailer.algorithm));
    }
    let found = messages.len() as u64;
    if found != header.messages {
        return Err(BundleError::Count { promised: header.messages, found });
    }
    let signature = STANDARD.decode(&trailer.signature).map_err(|_| wrong)?;
    Ok(UnverifiedBundle { header, messages, signed, signature, certificate: trailer.certificate })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Content, SensorStatus, MESSAGE_SCHEMA};

    fn bundle() -> (BundleHeader, Vec<Message>, Vec<u8>) {
        let messages: Vec<_> = (0..3)
            .map(|n| Message {
                schema: MESSAGE_SCHEMA.to_owned(),
                id: format!("e-7-{n}"),
                sensor: "lab".to_owned(),
                time: Timestamp(1_000_000),
                content: Content::Health { health: Box::new(SensorStatus::default()) },
            })
            .collect();
        let header = BundleHeader {
            bundle: BUNDLE_SCHEMA.to_owned(),
            sensor: "lab".to_owned(),
            epoch: Uuid::nil(),
            sequence: 7,
            created: Timestamp(1_000_000),
            messages: 3,
        };
        let bytes = write_bundle::<serde_json::Error>(&header, &messages, "PEM\nTEXT\n", |signed| {
            Ok(vec![signed.len() as u8, 0xff])
        })
        .unwrap();
        (header, messages, bytes)
    }

    #[test]
    fn what_is_written_is_read_back_and_all_of_it_is_signed() {
        let (header, messages, bytes) = bundle();
        let read = read_bundle(&bytes).unwrap();
        assert_eq!((read.header, read.messages), (header, messages));
        assert_eq!(read.certificate, "PEM\nTEXT\n");
        assert_eq!(read.signature, [read.signed.len() as u8, 0xff]);
        assert_eq!(bytes.iter().filter(|b| **b == b'\n').count(), 5);
        assert!(bytes.starts_with(read.signed) && read.signed.ends_with(b"}\n"));
    }

    #[test]
    fn a_file_that_was_cut_or_changed_is_named_by_its_line() {
        let (_, _, bytes) = bundle();
        let lines: Vec<_> = bytes.split_inclusive(|b| *b == b'\n').collect();
        assert_eq!(read_bundle(b""), Err(BundleError::Line { line: 1, expected: "the header of a bundle" }));
        for cut in 1..bytes.len() - 1 {
            assert!(read_bundle(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let without_one = [lines[0], lines[1], lines[2], lines[4]].concat();
        assert_eq!(read_bundle(&without_one), Err(BundleError::Count { promised: 3, found: 2 }));
        let garbled = [lines[0], lines[1], b"{}\n", lines[3], lines[4]].concat();
        assert_eq!(read_bundle(&garbled), Err(BundleError::Line { line: 3, expected: "a message" }));
        let other = String::from_utf8(bytes.clone()).unwrap().replacen("eyot.bundle/1", "eyot.bundle/9", 1);
        assert_eq!(read_bundle(other.as_bytes()), Err(BundleError::Version("eyot.bundle/9".into())));
    }
}
