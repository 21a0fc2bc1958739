//! Keys of Initial packets and the two layers they take off: header protection, then AES-128-GCM (RFC 9001 sections 5.2
//! to 5.4, RFC 9369 section 3.3).

use ring::aead::quic::{HeaderProtectionKey, AES_128};
use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_128_GCM, NONCE_LEN};
use ring::hkdf::{KeyType, Prk, Salt, HKDF_SHA256};

use super::parser::{Initial, Version};

const KEY_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
/// The sample begins as if the packet number had its full length.
const LONGEST_NUMBER: usize = 4;
const SAMPLE_BYTES: usize = 16;
/// Bits of the first byte that are protected in a long header, and those that hold the number's length less one.
const PROTECTED_BITS: u8 = 0x0f;
const NUMBER_LENGTH_BITS: u8 = 0x03;

const SALT_V1: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
    0xbb, 0x7f, 0x0a,
];
const SALT_V2: [u8; 20] = [
    0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9,
    0xbd, 0x2e, 0xd9,
];
const SALT_DRAFT29: [u8; 20] = [
    0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43,
    0x90, 0xa8, 0x99,
];

/// The client's keys.
struct Keys {
    key: [u8; KEY_BYTES],
    iv: [u8; NONCE_LEN],
    header: [u8; KEY_BYTES],
}

/// The frames of a client's Initial packet. `None` when it was not protected with the keys of its own connection id.
pub(super) fn open(packet: &[u8], initial: &Initial<'_>) -> Option<Vec<u8>> {
    let keys = keys(initial.version, initial.destination_id)?;
    let end = initial.number_at.checked_add(initial.length)?;
    let mut bytes = packet.get(..end)?.to_vec();
    let sample_at = initial.number_at + LONGEST_NUMBER;
    let sample = bytes.get(sample_at..sample_at + SAMPLE_BYTES)?;
    let mask = HeaderProtectionKey::new(&AES_128, &keys.header).ok()?.new_mask(sample).ok()?;
    let [first_mask, number_mask @ ..] = mask;
    let first = bytes.first_mut()?;
    *first ^= first_mask & PROTECTED_BITS;
    let number_length = usize::from(*first & NUMBER_LENGTH_BITS) + 1;
    let payload_at = initial.number_at + number_length;
    let mut number = 0_u32;
    for (byte, mask) in bytes.get_mut(initial.number_at..payload_at)?.iter_mut().zip(number_mask) {
        *byte ^= mask;
        number = number << 8 | u32::from(*byte);
    }
    let mut nonce = keys.iv;
    for (byte, number) in nonce.iter_mut().rev().zip(number.to_be_bytes().iter().rev()) {
        *byte ^= number;
    }
    let (header, payload) = bytes.split_at_mut_checked(payload_at)?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &keys.key).ok()?);
    let plain = key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(header), payload).ok()?;
    Some(plain.to_vec())
}

fn keys(version: Version, destination_id: &[u8]) -> Option<Keys> {
    let (salt, labels) = match version {
        Version::V1 => (&SALT_V1, ["quic key", "quic iv", "quic hp"]),
        Version::Draft29 => (&SALT_DRAFT29, ["quic key", "quic iv", "quic hp"]),
        Version::V2 => (&SALT_V2, ["quicv2 key", "quicv2 iv", "quicv2 hp"]),
    };
    let initial = Salt::new(HKDF_SHA256, salt).extract(destination_id);
    let client: [u8; SECRET_BYTES] = expand(&initial, "client in")?;
    let client = Prk::new_less_safe(HKDF_SHA256, &client);
    let [key, iv, header] = labels;
    Some(Keys { key: expand(&client, key)?, iv: expand(&client, iv)?, header: expand(&client, header)? })
}

/// HKDF-Expand-Label of TLS 1.3 (RFC 8446 section 7.1) without context.
fn expand<const N: usize>(secret: &Prk, label: &str) -> Option<[u8; N]> {
    const PREFIX: &str = "tls13 ";
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let length = u16::try_from(N).ok()?.to_be_bytes();
    let label_length = [u8::try_from(PREFIX.len() + label.len()).ok()?];
    let info = [&length[..], &label_length, PREFIX.as_bytes(), label.as_bytes(), &[0]];
    let mut out = [0; N];
    secret.expand(&info, Length(N)).ok()?.fill(&mut out).ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::quic::PROTOCOL;
    use crate::testing::{packet, survives, Said};
    use crate::tls::fingerprint::tests::{hello, BROWSER};
    use crate::value::hex;
    use crate::Field;

    const ID: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

    #[test]
    fn keys_as_in_the_standard() {
        // RFC 9001 appendix A.1
        let keys = keys(Version::V1, &ID).unwrap();
        assert_eq!(hex(&keys.key), "1f369613dd76d5467730efcbe3b1a22d");
        assert_eq!(hex(&keys.iv), "fa044b2f42a3fd3b46fb255c");
        assert_eq!(hex(&keys.header), "9f50449e04a0e810283a1e9933adedd2");
    }

    /// A client's first packet with that hello in two pieces, the later first.
    fn first_packet(version: Version, wire: u32, kind: u8) -> Vec<u8> {
        let hello = hello(&BROWSER);
        let (head, tail) = hello.split_at(40);
        let mut frames = vec![6, 40, 0x40, tail.len() as u8];
        frames.extend(tail);
        frames.extend([1, 6, 0, 40]);
        frames.extend(head);
        frames.resize(1100, 0);
        let mut header = vec![0xc0 | kind << 4 | 1];
        header.extend(wire.to_be_bytes());
        header.push(8);
        header.extend(ID);
        header.extend([0, 0]);
        let length = frames.len() as u16 + 2 + 16;
        header.extend((0x4000 | length).to_be_bytes());
        let number_at = header.len();
        header.extend([0, 5]);
        let keys = keys(version, &ID).unwrap();
        let mut nonce = keys.iv;
        nonce[11] ^= 5;
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &keys.key).unwrap());
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&header), &mut frames)
            .unwrap();
        let mut bytes = [header, frames].concat();
        let sample = &bytes[number_at + 4..number_at + 20];
        let mask = HeaderProtectionKey::new(&AES_128, &keys.header).unwrap().new_mask(sample).unwrap();
        bytes[0] ^= mask[0] & 0x0f;
        bytes[number_at] ^= mask[1];
        bytes[number_at + 1] ^= mask[2];
        bytes
    }

    fn said(bytes: &[u8]) -> Said {
        let mut packet = packet(bytes);
        packet.destination_port = 443;
        Said::in_packet(&PROTOCOL, &packet)
    }

    #[test]
    fn the_hello_in_a_first_packet() {
        for (version, wire, kind) in
            [(Version::V1, 1, 0), (Version::V2, 0x6b33_43cf, 1), (Version::Draft29, 0xff00_001d, 0)]
        {
            assert_eq!(
                said(&first_packet(version, wire, kind)).pairs(),
                [
                    (Field::QuicSni, "api.xbcs.net"),
                    (Field::QuicAlpn, "h2,http/1.1"),
                    (Field::QuicJa4, "q13d1516h2_8daaf6152771_e5627efa2ab1"),
                ]
            );
        }
    }

    #[test]
    fn a_changed_packet_says_nothing() {
        let mut bytes = first_packet(Version::V1, 1, 0);
        bytes[600] ^= 1;
        assert!(said(&bytes).pairs().is_empty());
    }

    #[test]
    fn survives_any_bytes() {
        let bytes = first_packet(Version::V1, 1, 0);
        survives(&bytes[..80], |bytes| {
            said(bytes);
        });
        for end in 0..bytes.len() {
            said(&bytes[..end]);
        }
    }
}
