//! Records of a classic pcap file.

use eyot_contract::Timestamp;

use super::damage::Damage;
use super::format::{
    Order, MAGIC_MICROS, MAGIC_NANOS, MAGIC_PATCHED, MAX_FRAME, PCAP_HEADER, PCAP_LINK_AT, PCAP_RECORD,
    PCAP_RECORD_PATCHED,
};
use super::window::Window;
use super::{Next, Record};
use crate::LinkType;

/// What the file header says.
#[derive(Debug)]
pub struct Reader {
    order: Order,
    link: LinkType,
    record_header: usize,
    /// Fractions to a microsecond: 1 or 1000.
    per_micro: i64,
}

impl Reader {
    /// The reader for these first four bytes, if they are a pcap file's; its header is read and passed.
    /// `Some(Err(n))` where the file ends after `n` bytes, inside the header.
    pub fn recognise(window: &mut Window) -> Option<Result<Self, usize>> {
        let header = window.peek(PCAP_HEADER);
        if header.len() < 4 {
            return None;
        }
        let (order, magic) = [Order::Little, Order::Big]
            .into_iter()
            .map(|order| (order, order.u32(header, 0)))
            .find(|(_, magic)| matches!(*magic, MAGIC_MICROS | MAGIC_NANOS | MAGIC_PATCHED))?;
        if header.len() < PCAP_HEADER {
            return Some(Err(header.len()));
        }
        let link = LinkType((order.u32(header, PCAP_LINK_AT) & 0xffff) as u16);
        window.consume(PCAP_HEADER);
        Some(Ok(Self {
            order,
            link,
            record_header: if magic == MAGIC_PATCHED { PCAP_RECORD_PATCHED } else { PCAP_RECORD },
            per_micro: if magic == MAGIC_NANOS { 1_000 } else { 1 },
        }))
    }

    /// Length of a record with this header, if it is a good one: to look ahead, not to read.
    #[inline]
    pub fn length(&self, header: &[u8]) -> usize {
        self.record_header + self.order.u32(header, 8) as usize
    }

    /// The next record.
    #[inline]
    pub fn next(&mut self, window: &mut Window) -> Result<Next, Damage> {
        let offset = window.offset();
        let header = window.peek(self.record_header);
        if header.len() < self.record_header {
            return if header.is_empty() {
                Ok(Next::Ended)
            } else {
                Err(Damage::CutShort { offset, needed: self.record_header as u64, got: header.len() as u64 })
            };
        }
        let seconds = self.order.u32(header, 0);
        let fraction = self.order.u32(header, 4);
        let captured = self.order.u32(header, 8);
        let wire_len = self.order.u32(header, 12);
        if captured as usize > MAX_FRAME {
            return Err(Damage::Length { offset, length: u64::from(captured), limit: MAX_FRAME as u64 });
        }
        let length = self.record_header + captured as usize;
        let got = window.peek(length).len();
        if got < length {
            return Err(Damage::CutShort { offset, needed: length as u64, got: got as u64 });
        }
        Ok(Next::Record(Record {
            at: Timestamp(i64::from(seconds) * 1_000_000 + i64::from(fraction) / self.per_micro),
            link: self.link,
            wire_len,
            start: self.record_header,
            captured: captured as usize,
            length,
        }))
    }
}
