//! Blocks of a pcapng file: sections of either byte order, interfaces of different link types and time resolutions.
//!
//! Name resolution, statistics, secrets and custom blocks are passed over. A block that is sound as a block but says
//! nonsense inside (a frame on an interface that was never described, a captured length larger than the block) is
//! skipped and counted; only a wrong block length ends the reading, because then nobody knows where the next one is.

use eyot_contract::Timestamp;

use super::damage::Damage;
use super::format::{
    Order, Resolution, BLOCK_ENHANCED, BLOCK_HEAD, BLOCK_INTERFACE, BLOCK_MIN, BLOCK_PACKET, BLOCK_SECTION,
    BLOCK_SIMPLE, ENHANCED_FIXED, INTERFACE_FIXED, MAX_BLOCK, MAX_INTERFACES, OPTION_END, OPTION_OFFSET,
    OPTION_RESOLUTION, SECTION_ORDER,
};
use super::window::Window;
use super::{Next, Record};
use crate::LinkType;

/// Where the reader is.
#[derive(Debug)]
pub struct Reader {
    order: Order,
    interfaces: Vec<Interface>,
    /// Simple packets carry no time; they get the one of the frame before.
    latest: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    link: LinkType,
    snap_len: u32,
    resolution: Resolution,
    /// Microseconds to add.
    offset: i64,
}

/// What a block turned out to be.
enum Block {
    Frame(Record),
    NoFrame,
    Nonsense,
}

impl Reader {
    /// The reader, if these are the first bytes of a pcapng file. `Some(Err(n))` where the file ends after `n` bytes,
    /// inside the section header.
    pub fn recognise(window: &mut Window) -> Option<Result<Self, usize>> {
        let head = window.peek(BLOCK_MIN);
        if head.len() < 4 || Order::Little.u32(head, 0) != BLOCK_SECTION {
            return None;
        }
        if head.len() < BLOCK_MIN {
            return Some(Err(head.len()));
        }
        let known = section_order(head).is_some();
        known.then(|| Ok(Self { order: Order::Little, interfaces: Vec::new(), latest: Timestamp::default() }))
    }

    /// The next frame.
    #[inline]
    pub fn next(&mut self, window: &mut Window, skipped: &mut u64) -> Result<Next, Damage> {
        loop {
            let offset = window.offset();
            let head = window.peek(BLOCK_MIN);
            if head.is_empty() {
                return Ok(Next::Ended);
            }
            if head.len() < BLOCK_MIN {
                return Err(Damage::CutShort { offset, needed: BLOCK_MIN as u64, got: head.len() as u64 });
            }
            let mut kind = self.order.u32(head, 0);
            if Order::Little.u32(head, 0) == BLOCK_SECTION {
                kind = BLOCK_SECTION;
                self.order = section_order(head)
                    .ok_or(Damage::Section { offset, magic: Order::Little.u32(head, BLOCK_HEAD) })?;
                self.interfaces.clear();
            }
            let length = self.order.u32(head, 4);
            let carries = matches!(kind, BLOCK_INTERFACE | BLOCK_PACKET | BLOCK_SIMPLE | BLOCK_ENHANCED);
            if (length as usize) < BLOCK_MIN || (carries && length as usize > MAX_BLOCK) {
                let limit = MAX_BLOCK as u64;
                return Err(Damage::Length { offset, length: u64::from(length), limit });
            }
            if !carries {
                if !window.skip(u64::from(length)) {
                    let got = window.offset() - offset;
                    return Err(Damage::CutShort { offset, needed: u64::from(length), got });
                }
                continue;
            }
            let whole = length as usize;
            let block = window.peek(whole);
            if block.len() < whole {
                return Err(Damage::CutShort { offset, needed: whole as u64, got: block.len() as u64 });
            }
            let second = self.order.u32(block, whole - 4);
            if second != length {
                return Err(Damage::Block { offset, first: length, second });
            }
            match self.block(kind, block) {
                Block::Frame(record) => return Ok(Next::Record(record)),
                Block::NoFrame => {}
                Block::Nonsense => *skipped += 1,
            }
            window.consume(whole);
        }
    }

    #[inline]
    fn block(&mut self, kind: u32, block: &[u8]) -> Block {
        let body = &block[BLOCK_HEAD..block.len() - 4];
        match kind {
            BLOCK_INTERFACE => self.interface(body),
            BLOCK_SIMPLE => self.simple(body, block.len()),
            _ => self.packet(kind, body, block.len()),
        }
    }

    fn interface(&mut self, body: &[u8]) -> Block {
        if body.len() < INTERFACE_FIXED || self.interfaces.len() >= MAX_INTERFACES {
            return Block::Nonsense;
        }
        let order = self.order;
        let mut interface = Interface {
            link: LinkType(order.u16(body, 0)),
            snap_len: order.u32(body, 4),
            resolution: Resolution::Micros,
            offset: 0,
        };
        let mut rest = &body[INTERFACE_FIXED..];
        while rest.len() >= 4 {
            let (code, length) = (order.u16(rest, 0), usize::from(order.u16(rest, 2)));
            if code == OPTION_END || rest.len() < 4 + length {
                break;
            }
            let value = &rest[4..4 + length];
            match (code, value) {
                // an absurd resolution leaves the default: the frames are worth more than their times
                (OPTION_RESOLUTION, [exponent]) => {
                    interface.resolution = Resolution::from_option(*exponent).unwrap_or(Resolution::Micros);
                }
                (OPTION_OFFSET, &[_, _, _, _, _, _, _, _]) => {
                    let (first, second) = (u64::from(order.u32(value, 0)), u64::from(order.u32(value, 4)));
                    let seconds = match order {
                        Order::Little => second << 32 | first,
                        Order::Big => first << 32 | second,
                    };
                    interface.offset = (seconds as i64).saturating_mul(1_000_000);
                }
                _ => {}
            }
            // options are padded to 32 bits
            rest = rest.get(4 + length.next_multiple_of(4)..).unwrap_or(&[]);
        }
        self.interfaces.push(interface);
        Block::NoFrame
    }

    /// Enhanced packets number their interface in 32 bits, the obsolete ones in 16 (then 16 bits of drop count).
    #[inline]
    fn packet(&mut self, kind: u32, body: &[u8], length: usize) -> Block {
        if body.len() < ENHANCED_FIXED {
            return Block::Nonsense;
        }
        let order = self.order;
        let number = if kind == BLOCK_ENHANCED {
            order.u32(body, 0) as usize
        } else {
            usize::from(order.u16(body, 0))
        };
        let captured = order.u32(body, 12) as usize;
        let Some(interface) = self.interfaces.get(number) else { return Block::Nonsense };
        if captured > body.len() - ENHANCED_FIXED {
            return Block::Nonsense;
        }
        let ticks = u64::from(order.u32(body, 4)) << 32 | u64::from(order.u32(body, 8));
        let at = Timestamp(interface.resolution.micros(ticks).saturating_add(interface.offset));
        self.latest = at;
        Block::Frame(Record {
            at,
            link: interface.link,
            wire_len: order.u32(body, 16),
            start: BLOCK_HEAD + ENHANCED_FIXED,
            captured,
            length,
        })
    }

    fn simple(&self, body: &[u8], length: usize) -> Block {
        let Some(interface) = self.interfaces.first().filter(|_| body.len() >= 4) else {
            return Block::Nonsense;
        };
        let wire_len = self.order.u32(body, 0);
        let snapped = if interface.snap_len == 0 { wire_len } else { wire_len.min(interface.snap_len) };
        Block::Frame(Record {
            at: self.latest,
            link: interface.link,
            wire_len,
            start: BLOCK_HEAD + 4,
            captured: (snapped as usize).min(body.len() - 4),
            length,
        })
    }
}

fn section_order(head: &[u8]) -> Option<Order> {
    [Order::Little, Order::Big].into_iter().find(|order| order.u32(head, BLOCK_HEAD) == SECTION_ORDER)
}
