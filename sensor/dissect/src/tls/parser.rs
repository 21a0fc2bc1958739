//! RFC 5246 and RFC 8446: the record layer and the handshake messages in it. DTLS is not read.

use std::borrow::Cow;

use crate::cursor::Cursor;

const RECORD_HANDSHAKE: u8 = 22;
/// A record's content and what encryption may add (RFC 5246 section 6.2.3).
const MAX_RECORD: usize = (1 << 14) + 2048;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
/// Records joined at most.
const MAX_RECORDS: usize = 32;
/// Extensions and lists of numbers read at most of one hello.
const MAX_EXTENSIONS: usize = 128;

pub(super) mod extension {
    pub const SERVER_NAME: u16 = 0;
    pub const GROUPS: u16 = 10;
    pub const POINT_FORMATS: u16 = 11;
    pub const SIGNATURES: u16 = 13;
    pub const ALPN: u16 = 16;
    pub const VERSIONS: u16 = 43;
}

pub(super) const TLS13: u16 = 0x0304;

/// Whether a direction that begins so is TLS: a handshake record of version 3.x with a hello in it.
pub(super) fn starts(bytes: &[u8]) -> bool {
    matches!(bytes, [RECORD_HANDSHAKE, 3, 0..=4, _, _])
        || matches!(bytes, [RECORD_HANDSHAKE, 3, 0..=4, _, _, CLIENT_HELLO | SERVER_HELLO, ..])
}

/// The handshake bytes of a direction's first records.
pub(super) struct Records<'a> {
    pub handshake: Cow<'a, [u8]>,
    /// A record of another kind follows, or something that is none.
    pub ended: bool,
}

pub(super) fn records(bytes: &[u8]) -> Records<'_> {
    let mut cursor = Cursor::new(bytes);
    let mut handshake = Cow::Borrowed(&[][..]);
    for _ in 0..MAX_RECORDS {
        let mut ahead = cursor;
        let Some(kind) = ahead.u8() else { return Records { handshake, ended: false } };
        if kind != RECORD_HANDSHAKE {
            return Records { handshake, ended: true };
        }
        let (Some(version), Some(length)) = (ahead.u16(), ahead.u16()) else {
            return Records { handshake, ended: false };
        };
        let length = usize::from(length);
        if version >> 8 != 3 || length > MAX_RECORD {
            return Records { handshake, ended: true };
        }
        let (content, whole) = ahead.take_lax(length);
        if handshake.is_empty() {
            handshake = Cow::Borrowed(content);
        } else {
            handshake.to_mut().extend_from_slice(content);
        }
        if !whole {
            return Records { handshake, ended: false };
        }
        cursor = ahead;
    }
    Records { handshake, ended: true }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handshake<'a> {
    ClientHello(&'a [u8]),
    ServerHello {
        /// The version it settles on; 0 if the hello is too short to say.
        version: u16,
    },
    Certificate(&'a [u8]),
    Other(u8),
}

/// The whole messages of a handshake, then what there is of the next.
pub(crate) struct Messages<'a> {
    cursor: Cursor<'a>,
}

pub(crate) fn messages(handshake: &[u8]) -> Messages<'_> {
    Messages { cursor: Cursor::new(handshake) }
}

impl<'a> Messages<'a> {
    /// The message that is not whole, as far as it goes.
    pub(super) fn rest(&self) -> Option<Handshake<'a>> {
        let mut cursor = self.cursor;
        let kind = cursor.u8()?;
        let length = usize::try_from(cursor.u24()?).ok()?;
        Some(handshake(kind, cursor.take_lax(length).0))
    }

    /// Bytes missing to the end of the message that is not whole.
    pub(super) fn missing(&self) -> usize {
        let mut cursor = self.cursor;
        let length = cursor.u8().and_then(|_| cursor.u24()).and_then(|length| usize::try_from(length).ok());
        length.map_or(1, |length| length.saturating_sub(cursor.len()))
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Handshake<'a>;

    fn next(&mut self) -> Option<Handshake<'a>> {
        let mut cursor = self.cursor;
        let kind = cursor.u8()?;
        let length = usize::try_from(cursor.u24()?).ok()?;
        let body = cursor.take(length)?;
        self.cursor = cursor;
        Some(handshake(kind, body))
    }
}

fn handshake(kind: u8, body: &[u8]) -> Handshake<'_> {
    match kind {
        CLIENT_HELLO => Handshake::ClientHello(body),
        SERVER_HELLO => Handshake::ServerHello { version: settled_version(body) },
        CERTIFICATE => Handshake::Certificate(body),
        other => Handshake::Other(other),
    }
}

/// What the extension says (RFC 8446 section 4.2.1), else the field that older versions use.
fn settled_version(body: &[u8]) -> u16 {
    let extended = || {
        let mut cursor = Cursor::new(body);
        cursor.skip(2 + 32)?;
        let session = cursor.u8()?;
        cursor.skip(session.into())?;
        // cipher suite and compression
        cursor.skip(3)?;
        let (list, _) = extensions(&mut cursor);
        list.iter()
            .find(|(kind, _)| *kind == extension::VERSIONS)
            .and_then(|(_, value)| Cursor::new(value).u16())
    };
    extended().or_else(|| Cursor::new(body).u16()).unwrap_or_default()
}

/// A client's hello, or as much as there is of one.
#[derive(Clone, Debug)]
pub(crate) struct ClientHello<'a> {
    pub(super) version: u16,
    pub(super) ciphers: &'a [u8],
    /// In order, GREASE and all.
    pub(super) extensions: Vec<(u16, &'a [u8])>,
    /// It was all there.
    pub whole: bool,
}

pub(crate) fn client_hello(body: &[u8]) -> Option<ClientHello<'_>> {
    let mut cursor = Cursor::new(body);
    let version = cursor.u16()?;
    cursor.skip(32)?;
    let session = cursor.u8()?;
    cursor.skip(session.into())?;
    let length = cursor.u16()?;
    let (ciphers, ciphers_whole) = cursor.take_lax(length.into());
    let compressions = cursor.u8();
    let rest = compressions.and_then(|length| cursor.skip(length.into()));
    let (extensions, extensions_whole) = extensions(&mut cursor);
    let whole = ciphers_whole && rest.is_some() && extensions_whole;
    Some(ClientHello { version, ciphers, extensions, whole })
}

/// Kind and value of each; the flag says whether they were all there. None at all is allowed before TLS 1.3.
fn extensions<'a>(cursor: &mut Cursor<'a>) -> (Vec<(u16, &'a [u8])>, bool) {
    let mut list = Vec::new();
    let Some(length) = cursor.u16() else { return (list, cursor.is_empty()) };
    let (bytes, whole) = cursor.take_lax(length.into());
    let mut items = Cursor::new(bytes);
    while list.len() < MAX_EXTENSIONS {
        let (Some(kind), Some(length)) = (items.u16(), items.u16()) else { break };
        let (value, item_whole) = items.take_lax(length.into());
        list.push((kind, value));
        if !item_whole {
            return (list, false);
        }
    }
    (list, whole && items.is_empty())
}

impl<'a> ClientHello<'a> {
    pub(super) fn extension(&self, kind: u16) -> Option<&'a [u8]> {
        self.extensions.iter().find(|(k, _)| *k == kind).map(|(_, value)| *value)
    }

    /// The host name of the server name extension (RFC 6066 section 3).
    pub(crate) fn server_name(&self) -> Option<&'a [u8]> {
        let mut cursor = Cursor::new(self.extension(extension::SERVER_NAME)?);
        let _list = cursor.u16()?;
        let kind = cursor.u8()?;
        let length = cursor.u16()?;
        let name = cursor.take(length.into())?;
        (kind == 0).then_some(name)
    }

    /// Offers of the ALPN extension (RFC 7301), in order.
    pub(crate) fn alpn(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut cursor =
            Cursor::new(self.extension(extension::ALPN).and_then(|v| v.get(2..)).unwrap_or_default());
        std::iter::from_fn(move || {
            let length = cursor.u8()?;
            cursor.take(length.into())
        })
    }
}

/// The first certificate of a Certificate message up to TLS 1.2, which must be whole or at least reach to its subject.
pub(super) fn first_certificate(body: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(body);
    let _chain = cursor.u24()?;
    let length = usize::try_from(cursor.u24()?).ok()?;
    Some(cursor.take_lax(length).0).filter(|certificate| !certificate.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::flow::Verdict;
    use crate::testing::{packet, survives, Said};
    use crate::tls::fingerprint::tests::{hello, BROWSER};
    use crate::tls::PROTOCOL;
    use crate::Field;

    pub(super) fn record(handshake: &[u8]) -> Vec<u8> {
        let mut out = vec![22, 3, 1];
        out.extend((handshake.len() as u16).to_be_bytes());
        out.extend(handshake);
        out
    }

    fn said(bytes: &[u8]) -> Said {
        Said::in_stream(&PROTOCOL, &packet(bytes))
    }

    #[test]
    fn a_hello_in_one_record_or_in_several() {
        let hello = hello(&BROWSER);
        let one = said(&record(&hello));
        assert_eq!(one.verdict, Some(Verdict::Done));
        assert_eq!(one.all(Field::TlsSni), ["api.xbcs.net"]);
        assert_eq!(one.all(Field::TlsAlpn), ["h2,http/1.1"]);
        let (head, tail) = hello.split_at(50);
        let two = said(&[record(head), record(tail)].concat());
        assert_eq!(two.pairs(), one.pairs());
    }

    #[test]
    fn a_cut_hello_gives_names_but_no_fingerprint() {
        let bytes = record(&hello(&BROWSER));
        let said = said(&bytes[..bytes.len() - 10]);
        assert_eq!(said.all(Field::TlsSni), ["api.xbcs.net"]);
        assert!(said.all(Field::TlsJa4).is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        survives(&record(&hello(&BROWSER)), |bytes| {
            said(bytes);
        });
    }
}
