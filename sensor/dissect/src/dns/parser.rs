//! RFC 1035 section 4, with AAAA (RFC 3596) and SRV (RFC 2782); also the wire form of mDNS (RFC 6762) and LLMNR (RFC
//! 4795).
//!
//! Names come as text with dots between labels; dots inside a label (DNS-SD instances have them) stay as they are.
//! Compression pointers may only lead backwards, so that no message makes a loop.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::cursor::Cursor;
use crate::value::clean;

pub(crate) const TYPE_A: u16 = 1;
pub(crate) const TYPE_PTR: u16 = 12;
pub(crate) const TYPE_HINFO: u16 = 13;
pub(crate) const TYPE_TXT: u16 = 16;
pub(crate) const TYPE_AAAA: u16 = 28;
pub(crate) const TYPE_SRV: u16 = 33;

const HEADER_BYTES: usize = 12;
/// Longest message over UDP.
const MAX_MESSAGE: usize = 65_535;
/// Longest name in text, RFC 1035 section 2.3.4.
const MAX_NAME: usize = 255;
/// Room that nearly all names are content with.
const USUAL_NAME: usize = 64;
/// Pointers followed within one name.
const MAX_JUMPS: usize = 16;
/// Entries read of one message.
const MAX_ENTRIES: usize = 256;
/// Top bit of a class: unicast answer wanted, or cache flush (RFC 6762 sections 5.4 and 10.2).
const CLASS_MASK: u16 = 0x7fff;
const CLASS_IN: u16 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Answer,
    Authority,
    Additional,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    /// Where its name stands.
    pub name: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub section: Section,
    /// Where its name stands.
    pub name: usize,
    pub kind: u16,
    pub ttl: u32,
    /// The data as it stands; NetBIOS has its own forms.
    pub data: &'a [u8],
    data_at: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry<'a> {
    Question(Question),
    Record(Record<'a>),
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data<'a> {
    Address(IpAddr),
    /// PTR.
    Pointer(String),
    /// SRV's target.
    Service(String),
    /// The strings of TXT or HINFO, still to be split.
    Strings(Strings<'a>),
    /// A type that is not read, or data that is not whole.
    Other,
}

/// Strings of one length byte each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Strings<'a>(&'a [u8]);

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut cursor = Cursor::new(self.0);
        let length = cursor.u8()?;
        let (text, _) = cursor.take_lax(length.into());
        self.0 = cursor.rest();
        Some(text)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    bytes: &'a [u8],
    pub response: bool,
    pub opcode: u8,
    counts: [u16; 4],
}

/// Reads the header. `None` when it is not whole or announces more entries than the message has room for.
pub(crate) fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let mut cursor = Cursor::new(bytes);
    let _id = cursor.u16()?;
    let flags = cursor.u16()?;
    let counts = [cursor.u16()?, cursor.u16()?, cursor.u16()?, cursor.u16()?];
    let opcode = u8::try_from(flags >> 11 & 0x0f).ok()?;
    // a question takes 5 bytes at least, a record 11: other protocols in this place seldom pass this
    let [questions, records @ ..] = counts.map(usize::from);
    let least = questions * 5 + records.iter().sum::<usize>() * 11;
    (1..=MAX_MESSAGE).contains(&least).then_some(Message {
        bytes,
        response: flags & 0x8000 != 0,
        opcode,
        counts,
    })
}

impl<'a> Message<'a> {
    /// A standard query or an answer to one.
    pub(crate) fn is_query(&self) -> bool {
        self.opcode == 0
    }

    pub(crate) fn entries(&self) -> Entries<'a> {
        Entries { bytes: self.bytes, at: HEADER_BYTES, left: self.counts, read: 0, broken: false }
    }

    /// The name that stands there; `None` for one that is not whole, and for the root.
    pub(crate) fn name(&self, at: usize) -> Option<String> {
        name(self.bytes, at)
    }

    pub(crate) fn data(&self, record: &Record<'a>) -> Data<'a> {
        let mut cursor = Cursor::new(record.data);
        let data = match record.kind {
            TYPE_A => cursor.ipv4().map(|a| Data::Address(IpAddr::V4(a))),
            TYPE_AAAA => cursor.ipv6().map(|a| Data::Address(IpAddr::V6(a))),
            TYPE_PTR => self.name(record.data_at).map(Data::Pointer),
            // priority, weight and port come before the target
            TYPE_SRV => self.name(record.data_at + 6).map(Data::Service),
            TYPE_TXT | TYPE_HINFO => Some(Data::Strings(Strings(record.data))),
            _ => None,
        };
        data.unwrap_or(Data::Other)
    }
}

pub(crate) struct Entries<'a> {
    bytes: &'a [u8],
    at: usize,
    left: [u16; 4],
    read: usize,
    broken: bool,
}

impl<'a> Entries<'a> {
    /// All that was announced has been read.
    pub(crate) fn whole(&self) -> bool {
        !self.broken && self.left == [0; 4]
    }

    fn entry(&mut self, section: usize) -> Option<Entry<'a>> {
        let name = self.at;
        let after = skip_name(self.bytes, name)?;
        let mut cursor = Cursor::new(self.bytes.get(after..)?);
        let start = cursor.len();
        let kind = cursor.u16()?;
        let class = cursor.u16()?;
        let section = match section {
            0 => {
                self.at = after + 4;
                return Some(Entry::Question(Question { name }));
            }
            1 => Section::Answer,
            2 => Section::Authority,
            _ => Section::Additional,
        };
        let ttl = cursor.u32()?;
        let length = cursor.u16()?;
        let data_at = after + (start - cursor.len());
        let (data, whole) = cursor.take_lax(length.into());
        self.at = data_at + data.len();
        self.broken |= !whole;
        // EDNS (OPT) and the like keep something else in the class; only the Internet's records are read
        let kind = if class & CLASS_MASK == CLASS_IN { kind } else { 0 };
        Some(Entry::Record(Record { section, name, kind, ttl, data, data_at }))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        if self.broken || self.read >= MAX_ENTRIES {
            return None;
        }
        let section = self.left.iter().position(|left| *left > 0)?;
        let entry = self.entry(section);
        self.read += 1;
        match entry {
            Some(_) => {
                if let Some(left) = self.left.get_mut(section) {
                    *left -= 1;
                }
            }
            None => self.broken = true,
        }
        entry
    }
}

/// Where the name that stands there ends.
fn skip_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    for _ in 0..=MAX_NAME {
        let length = *bytes.get(at)?;
        match length >> 6 {
            0 if length == 0 => return Some(at + 1),
            0 => at += 1 + usize::from(length),
            3 => return Some(at + 2),
            _ => return None,
        }
    }
    None
}

fn name(bytes: &[u8], mut at: usize) -> Option<String> {
    let mut out = String::with_capacity(USUAL_NAME);
    let mut jumps = 0;
    loop {
        let length = *bytes.get(at)?;
        match length >> 6 {
            0 if length == 0 => break,
            0 => {
                let label = bytes.get(at + 1..)?.get(..usize::from(length))?;
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(&clean(label));
                if out.len() > MAX_NAME {
                    return None;
                }
                at += 1 + usize::from(length);
            }
            3 => {
                let low = *bytes.get(at + 1)?;
                let to = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                jumps += 1;
                if to >= at || jumps > MAX_JUMPS {
                    return None;
                }
                at = to;
            }
            _ => return None,
        }
    }
    Some(out).filter(|name| !name.is_empty())
}

/// The trees of reverse names (RFC 1035 section 3.5, RFC 3596 section 2.5).
const REVERSE_IPV4: &str = ".in-addr.arpa";
const REVERSE_IPV6: &str = ".ip6.arpa";

/// A name under the reverse trees.
pub(crate) fn is_reverse(name: &str) -> bool {
    under(name, REVERSE_IPV4).or_else(|| under(name, REVERSE_IPV6)).is_some()
}

/// What stands before the name of a tree.
fn under<'n>(name: &'n str, tree: &str) -> Option<&'n str> {
    let (below, end) = name.split_at_checked(name.len().checked_sub(tree.len())?)?;
    end.eq_ignore_ascii_case(tree).then_some(below)
}

/// The address that a reverse name stands for.
pub(crate) fn reverse_address(name: &str) -> Option<IpAddr> {
    if let Some(digits) = under(name, REVERSE_IPV4) {
        let mut octets = digits.rsplit('.').map(str::parse::<u8>);
        let mut next = || octets.next()?.ok();
        let address = Ipv4Addr::new(next()?, next()?, next()?, next()?);
        return octets.next().is_none().then_some(IpAddr::V4(address));
    }
    let digits = under(name, REVERSE_IPV6)?;
    let mut bits = 0_u128;
    let mut count = 0;
    for digit in digits.rsplit('.') {
        bits = bits << 4 | u128::from(u8::from_str_radix(digit, 16).ok().filter(|d| *d < 16)?);
        count += 1;
    }
    (count == 32).then(|| IpAddr::V6(Ipv6Addr::from_bits(bits)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::dns::PROTOCOL;
    use crate::registry::Outcome;
    use crate::testing::{packet, survives, Said};
    use crate::Field;

    fn labels(name: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for label in name.split('.') {
            out.push(label.len() as u8);
            out.extend(label.as_bytes());
        }
        out.push(0);
        out
    }

    fn query() -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        bytes.extend(labels("devs.tplinkcloud.com"));
        bytes.extend([0, 1, 0, 1]);
        bytes
    }

    /// An alias and its address, with pointers.
    fn answer() -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0];
        bytes.extend(labels("devs.tplinkcloud.com"));
        bytes.extend([0, 1, 0, 1]);
        bytes.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 6, 3, b'a', b'w', b's', 0xc0, 17]);
        let alias = (bytes.len() - 6) as u8;
        bytes.extend([0xc0, alias, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 54, 1, 2, 3]);
        bytes
    }

    fn said(bytes: &[u8], from_server: bool) -> Said {
        let mut packet = packet(bytes);
        (packet.source_port, packet.destination_port) = if from_server { (53, 40000) } else { (40000, 53) };
        Said::in_packet(&PROTOCOL, &packet)
    }

    #[test]
    fn a_query_names_the_cloud() {
        let said = said(&query(), false);
        assert_eq!(said.pairs(), [(Field::DnsQuery, "devs.tplinkcloud.com")]);
        assert_eq!(said.outcome, Some(Outcome::Whole));
    }

    #[test]
    fn an_answer_keeps_the_name_that_was_asked() {
        let said = said(&answer(), true);
        assert_eq!(said.pairs(), [(Field::DnsAnswer, "devs.tplinkcloud.com=54.1.2.3")]);
    }

    #[test]
    fn reverse_names() {
        assert_eq!(reverse_address("4.3.2.1.in-addr.arpa"), Some("1.2.3.4".parse().unwrap()));
        assert_eq!(reverse_address("3.2.1.in-addr.arpa"), None);
        let v6 = format!("b.a{}.8.b.d.0.1.0.0.2.ip6.arpa", ".0".repeat(22));
        assert_eq!(reverse_address(&v6), Some("2001:db8::ab".parse().unwrap()));
        assert_eq!(reverse_address("a.b.ip6.arpa"), None);
    }

    #[test]
    fn pointers_only_lead_back() {
        assert_eq!(name(&[0xc0, 0], 0), None);
        assert_eq!(name(&[1, b'a', 0xc0, 0], 0), None);
        assert_eq!(name(&[1, b'a', 0, 1, b'b', 0xc0, 0], 3).as_deref(), Some("b.a"));
    }

    #[test]
    fn survives_any_bytes() {
        survives(&answer(), |bytes| {
            said(bytes, true);
            said(bytes, false);
        });
    }
}
