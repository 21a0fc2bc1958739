//! JA3 and JA4 of a client's hello.
//!
//! JA3 (Salesforce, BSD-3): five lists of decimals, MD5. JA4 for clients (FoxIO, BSD-3): a readable part, then truncated
//! SHA-256 of the sorted ciphers and of the sorted extensions with the signature algorithms. GREASE values (RFC 8701)
//! are random and left out of both. The other methods of the JA4 family are under another licence and not here.

use md5::Md5;
use sha2::{Digest, Sha256};

use super::parser::{extension, ClientHello};
use crate::cursor::Cursor;
use crate::value::{hex, push_decimal, push_hex};

/// Characters of a hash that JA4 keeps, in bytes of the hash.
const JA4_HASH_BYTES: usize = 6;
/// Room for a browser's JA3 text, and for the signature algorithms of its JA4; longer ones grow.
const JA3_TEXT: usize = 256;
const JA4_SIGNATURES: usize = 64;
/// What JA4 writes for a list with nothing in it.
const JA4_NO_HASH: &str = "000000000000";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Quic,
}

/// The JA3 hash, 32 hexadecimal digits.
pub(super) fn ja3(hello: &ClientHello<'_>) -> String {
    hex(&Md5::digest(ja3_text(hello)))
}

fn ja3_text(hello: &ClientHello<'_>) -> String {
    let kinds = hello.extensions.iter().map(|(kind, _)| *kind).filter(|kind| !is_grease(*kind));
    let formats = hello.extension(extension::POINT_FORMATS).and_then(|v| v.get(1..)).unwrap_or_default();
    let mut out = String::with_capacity(JA3_TEXT);
    push_decimal(&mut out, hello.version.into());
    out.push(',');
    push_dashed(&mut out, numbers(hello.ciphers));
    out.push(',');
    push_dashed(&mut out, kinds);
    out.push(',');
    push_dashed(&mut out, list(hello, extension::GROUPS));
    out.push(',');
    push_dashed(&mut out, formats.iter().map(|format| u16::from(*format)));
    out
}

/// The JA4 fingerprint, `t13d1516h2_8daaf6152771_e5627efa2ab1`.
pub(crate) fn ja4(hello: &ClientHello<'_>, transport: Transport) -> String {
    let mut ciphers: Vec<u16> = numbers(hello.ciphers).collect();
    let mut kinds: Vec<u16> =
        hello.extensions.iter().map(|(kind, _)| *kind).filter(|kind| !is_grease(*kind)).collect();
    let prefix = format!(
        "{}{}{}{:02}{:02}{}",
        if transport == Transport::Quic { 'q' } else { 't' },
        version(hello),
        if kinds.contains(&extension::SERVER_NAME) { 'd' } else { 'i' },
        ciphers.len().min(99),
        kinds.len().min(99),
        alpn(hello),
    );
    ciphers.sort_unstable();
    kinds.retain(|kind| !matches!(*kind, extension::SERVER_NAME | extension::ALPN));
    kinds.sort_unstable();
    let mut of_extensions = hexadecimal(kinds.iter().copied());
    if !kinds.is_empty() && list(hello, extension::SIGNATURES).next().is_some() {
        of_extensions.push('_');
        push_hexadecimal(&mut of_extensions, list(hello, extension::SIGNATURES));
    }
    format!("{prefix}_{}_{}", short_hash(&hexadecimal(ciphers.iter().copied())), short_hash(&of_extensions))
}

fn version(hello: &ClientHello<'_>) -> &'static str {
    // one byte of length before the versions
    let offered = hello.extension(extension::VERSIONS).and_then(|v| v.get(1..)).unwrap_or_default();
    match numbers(offered).max().unwrap_or(hello.version) {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

/// First and last character of the first offer; of its hexadecimal form where they are no letters or digits.
fn alpn(hello: &ClientHello<'_>) -> String {
    let Some([first, .., last] | [first @ last]) = hello.alpn().next() else { return "00".to_owned() };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(*first), char::from(*last)].iter().collect();
    }
    format!("{:x}{:x}", first >> 4, last & 0x0f)
}

/// Numbers of 16 bits one after the other, without GREASE.
fn numbers(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    let mut cursor = Cursor::new(bytes);
    std::iter::from_fn(move || cursor.u16()).filter(|number| !is_grease(*number))
}

/// The numbers of an extension whose value is their length in bytes and they.
fn list<'a>(hello: &ClientHello<'a>, kind: u16) -> impl Iterator<Item = u16> + 'a {
    numbers(hello.extension(kind).and_then(|value| value.get(2..)).unwrap_or_default())
}

/// RFC 8701: 0x0a0a, 0x1a1a … 0xfafa.
fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}

/// The same for an ALPN offer.
pub(super) fn is_grease_offer(offer: &[u8]) -> bool {
    <[u8; 2]>::try_from(offer).is_ok_and(|pair| is_grease(u16::from_be_bytes(pair)))
}

fn push_dashed(out: &mut String, numbers: impl Iterator<Item = u16>) {
    for (at, number) in numbers.enumerate() {
        if at > 0 {
            out.push('-');
        }
        push_decimal(out, number.into());
    }
}

/// Of four digits each, with commas between.
fn hexadecimal(numbers: impl ExactSizeIterator<Item = u16>) -> String {
    let mut out = String::with_capacity(numbers.len() * 5 + JA4_SIGNATURES);
    push_hexadecimal(&mut out, numbers);
    out
}

fn push_hexadecimal(out: &mut String, numbers: impl Iterator<Item = u16>) {
    for (at, number) in numbers.enumerate() {
        if at > 0 {
            out.push(',');
        }
        number.to_be_bytes().into_iter().for_each(|byte| push_hex(out, byte));
    }
}

fn short_hash(text: &str) -> String {
    if text.is_empty() {
        return JA4_NO_HASH.to_owned();
    }
    hex(Sha256::digest(text).get(..JA4_HASH_BYTES).unwrap_or_default())
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::tls::parser::client_hello;

    /// What a hello is made of.
    pub(crate) struct Recipe {
        pub version: u16,
        pub ciphers: &'static [u16],
        pub extensions: &'static [u16],
        pub groups: &'static [u16],
        pub signatures: &'static [u16],
    }

    /// The worked example of JA4's technical description, with GREASE, in a shuffled order.
    pub(crate) const BROWSER: Recipe = Recipe {
        version: 0x0303,
        ciphers: &[
            0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
            0x009c, 0x009d, 0x002f, 0x0035,
        ],
        extensions: &[
            0x2a2a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012,
            0x002b, 0xff01, 0x000b, 0x000a, 0x0015,
        ],
        groups: &[0x3a3a, 0x001d, 0x0017, 0x0018],
        signatures: &[0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
    };

    /// The first worked example of JA3's description: TLS 1.0 with three extensions.
    const OLD: Recipe = Recipe {
        version: 769,
        ciphers: &[47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4],
        extensions: &[0, 10, 11],
        groups: &[23, 24, 25],
        signatures: &[],
    };

    /// The second: no extensions at all.
    const OLDER: Recipe = Recipe {
        version: 769,
        ciphers: &[4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99],
        extensions: &[],
        groups: &[],
        signatures: &[],
    };

    fn list16(numbers: &[u16]) -> Vec<u8> {
        let mut out = (numbers.len() as u16 * 2).to_be_bytes().to_vec();
        out.extend(numbers.iter().flat_map(|n| n.to_be_bytes()));
        out
    }

    /// The handshake message.
    pub(crate) fn hello(recipe: &Recipe) -> Vec<u8> {
        let mut body = recipe.version.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.push(0);
        body.extend(list16(recipe.ciphers));
        body.extend([1, 0]);
        if !recipe.extensions.is_empty() {
            let mut extensions = Vec::new();
            for kind in recipe.extensions {
                let value = match *kind {
                    extension::SERVER_NAME => [&[0, 15, 0, 0, 12], &b"api.xbcs.net"[..]].concat(),
                    extension::GROUPS => list16(recipe.groups),
                    extension::POINT_FORMATS => vec![1, 0],
                    extension::SIGNATURES => list16(recipe.signatures),
                    extension::ALPN => b"\0\x0c\x02h2\x08http/1.1".to_vec(),
                    extension::VERSIONS => vec![6, 0x4a, 0x4a, 3, 4, 3, 3],
                    _ => Vec::new(),
                };
                extensions.extend(kind.to_be_bytes());
                extensions.extend((value.len() as u16).to_be_bytes());
                extensions.extend(value);
            }
            body.extend((extensions.len() as u16).to_be_bytes());
            body.extend(extensions);
        }
        let mut message = vec![1, 0];
        message.extend((body.len() as u16).to_be_bytes());
        message.extend(body);
        message
    }

    fn with_hello<T>(recipe: &Recipe, read: impl Fn(&ClientHello<'_>) -> T) -> T {
        let message = hello(recipe);
        let hello = client_hello(&message[4..]).unwrap();
        assert!(hello.whole);
        read(&hello)
    }

    #[test]
    fn ja3_as_published() {
        assert_eq!(
            with_hello(&OLD, ja3_text),
            "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0"
        );
        assert_eq!(with_hello(&OLD, ja3), "ada70206e40642a3e4461f35503241d5");
        assert_eq!(with_hello(&OLDER, ja3_text), "769,4-5-10-9-100-98-3-6-19-18-99,,,");
        assert_eq!(with_hello(&OLDER, ja3), "de350869b8c85de67a350c8d186f11e6");
    }

    #[test]
    fn ja4_as_published() {
        let ja4_of = |transport| with_hello(&BROWSER, |hello| ja4(hello, transport));
        assert_eq!(ja4_of(Transport::Tcp), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        assert_eq!(ja4_of(Transport::Quic), "q13d1516h2_8daaf6152771_e5627efa2ab1");
    }

    #[test]
    fn ja4_of_a_hello_without_extensions() {
        let text = with_hello(&OLDER, |hello| ja4(hello, Transport::Tcp));
        assert!(text.starts_with("t10i110000_") && text.ends_with("_000000000000"), "{text}");
    }

    #[test]
    fn grease() {
        assert!(is_grease(0x0a0a) && is_grease(0xfafa) && !is_grease(0x0a1a) && !is_grease(0x1301));
        assert!(is_grease_offer(&[0x2a, 0x2a]) && !is_grease_offer(b"h2"));
    }
}
