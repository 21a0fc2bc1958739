//! Checks a VHDX's structures against MS-VHDX: both headers and region tables, alignment and overlap of all that is
//! allocated, identifiers, the log's state. The guest's data carries no checksum, so it is not read.

use std::io::{Read, Seek};

use super::error::VhdxError;
use super::format::{
    decode_regions, Header, HEADER_BYTES, HEADER_OFFSETS, MIB, REGION_TABLE_BYTES, REGION_TABLE_OFFSETS,
};
use super::reader::{BlockState, Vhdx};
use crate::findings::Findings;

/// All that is wrong with the file in `source`. Fails only when the file cannot be read at all; being no VHDX is a
/// finding.
pub fn verify<R: Read + Seek>(source: R) -> Result<Findings, VhdxError> {
    let mut findings = Findings::default();
    match Vhdx::open(source) {
        Ok(mut vhdx) => {
            copies(&mut vhdx, &mut findings)?;
            regions(&vhdx, &mut findings);
            allocation(&vhdx, &mut findings);
        }
        Err(VhdxError::Source(e)) if e.source.kind() != std::io::ErrorKind::UnexpectedEof => {
            return Err(e.into())
        }
        Err(error) => findings.fault("structure", error.to_string()),
    }
    Ok(findings)
}

/// Both copies of header and region table must be good: a writer that dies while updating one relies on the other.
fn copies<R: Read + Seek>(vhdx: &mut Vhdx<R>, f: &mut Findings) -> Result<(), VhdxError> {
    let mut headers = Vec::new();
    for (n, offset) in (1..).zip(HEADER_OFFSETS) {
        let bytes = vhdx.bytes("header", offset, HEADER_BYTES as u64)?;
        match Header::decode(&bytes) {
            Some(header) => headers.push(header),
            None => f.fault(format!("header {n}"), "its signature or checksum is wrong"),
        }
    }
    if let [first, second] = headers[..] {
        f.expect(first.sequence != second.sequence, "headers", || {
            format!("both have sequence number {}", first.sequence)
        });
    }
    let mut tables = Vec::new();
    for (n, offset) in (1..).zip(REGION_TABLE_OFFSETS) {
        let bytes = vhdx.bytes("region table", offset, REGION_TABLE_BYTES as u64)?;
        match decode_regions(&bytes) {
            Some(table) => tables.push(table),
            None => f.fault(format!("region table {n}"), "its signature, checksum or count is wrong"),
        }
    }
    if let [first, second] = &tables[..] {
        f.expect(first == second, "region tables", || "the two differ".to_owned());
    }
    let h = vhdx.header;
    f.expect(h.log.is_nil(), "log", || {
        format!("must be replayed (log GUID {}); attach the disk once to Hyper-V", h.log)
    });
    f.expect(h.log_version == 0, "log", || format!("its version is {}", h.log_version));
    for (guid, name) in [(h.file_write, "file write"), (h.data_write, "data write")] {
        f.expect(!guid.is_nil(), "header", || format!("the {name} GUID is nil"));
    }
    f.expect(!vhdx.info().disk_id.is_nil(), "metadata", || "the virtual disk's GUID is nil".to_owned());
    Ok(())
}

fn regions<R: Read + Seek>(vhdx: &Vhdx<R>, f: &mut Findings) {
    for region in &vhdx.regions {
        if !region.required {
            f.remark("region table", format!("region {} is not marked as required", region.kind));
        }
    }
    f.expect(vhdx.length.is_multiple_of(MIB), "file", || {
        format!("length {} is no multiple of 1 MiB", vhdx.length)
    });
}

/// Log, regions and blocks must be aligned, inside the file and apart from one another.
fn allocation<R: Read + Seek>(vhdx: &Vhdx<R>, f: &mut Findings) {
    let h = vhdx.header;
    let mut taken = vec![
        (0, MIB, "the header section".to_owned()),
        (h.log_offset, u64::from(h.log_length), "the log".to_owned()),
    ];
    taken.extend(vhdx.regions.iter().map(|r| (r.offset, u64::from(r.length), format!("region {}", r.kind))));
    let info = vhdx.info();
    let mut states = [0u64; 4];
    for number in 0..vhdx.blocks() {
        match vhdx.block_state(number) {
            Ok(BlockState::Stored(offset)) => {
                taken.push((offset, info.block_bytes, format!("block {number}")))
            }
            Ok(BlockState::Zeros(state)) => states[usize::from(state & 3)] += 1,
            Ok(BlockState::Illegal(state)) => {
                f.fault(
                    "block table",
                    format!("block {number} has state {state}, impossible without a parent"),
                );
            }
            Err(error) => f.fault("block table", error.to_string()),
        }
    }
    if states[1] > 0 {
        f.remark("block table", format!("{} blocks are in state Undefined", states[1]));
    }
    if info.fixed {
        f.expect(states.iter().sum::<u64>() == 0, "block table", || {
            "a fixed disk has blocks that are not stored".to_owned()
        });
    }
    if vhdx.bitmap_entries().any(|e| e & 7 != 0) {
        f.fault("block table", "a sector bitmap is present, impossible without a parent");
    }
    for (offset, length, name) in &taken {
        f.expect(offset.is_multiple_of(MIB) && length.is_multiple_of(MIB), "allocation", || {
            format!("{name} at {offset}, {length} bytes long, is not aligned to 1 MiB")
        });
        f.expect(offset.checked_add(*length).is_some_and(|end| end <= vhdx.length), "allocation", || {
            format!(
                "{name} at {offset}, {length} bytes long, reaches beyond the file's {} bytes",
                vhdx.length
            )
        });
    }
    taken.sort();
    for pair in taken.windows(2) {
        let ((offset, length, name), (next, _, other)) = (&pair[0], &pair[1]);
        f.expect(offset.saturating_add(*length) <= *next, "allocation", || {
            format!("{name} at {offset}, {length} bytes long, overlaps {other} at {next}")
        });
    }
}
