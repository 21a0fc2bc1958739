//! Walks a VMDK from the first grain to the last byte, as a streaming importer does, and compares what it meets with
//! the tables.

use std::collections::HashSet;
use std::io::{Read, Seek};

use super::error::VmdkError;
use super::format::{
    marker, Marker, DIRECTORY_AT_END, FLAG_NEWLINES, FLAG_REDUNDANT, GRAIN_BYTES, GRAIN_MARKER,
    GRAIN_SECTORS, NEWLINES, SECTOR, VERSION,
};
use super::reader::{Layout, Vmdk};
use crate::findings::Findings;
use crate::pass::Control;

/// All that is wrong with the file in `source`. Fails only when the file cannot be read at all; being no VMDK is a
/// finding.
pub fn verify<R: Read + Seek>(source: R, control: &Control) -> Result<Findings, VmdkError> {
    let mut findings = Findings::default();
    match Vmdk::open(source) {
        Ok(mut vmdk) => {
            header(&vmdk, &mut findings);
            descriptor(&vmdk, &mut findings);
            walk(&mut vmdk, control, &mut findings)?;
        }
        Err(VmdkError::Source(e)) if e.source.kind() != std::io::ErrorKind::UnexpectedEof => {
            return Err(e.into())
        }
        Err(error) => findings.fault("structure", with_cause(&error)),
    }
    Ok(findings)
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn header<R: Read + Seek>(vmdk: &Vmdk<R>, f: &mut Findings) {
    let h = &vmdk.front;
    f.expect(h.version == VERSION, "header", || format!("version is {}, ESXi wants {VERSION}", h.version));
    f.expect(h.unclean == 0, "header", || "the unclean shutdown byte is set".to_owned());
    if h.flags & FLAG_NEWLINES != 0 {
        f.expect(h.newlines == NEWLINES, "header", || {
            format!("newline bytes are {:02x?}: the file was transferred as text", h.newlines)
        });
    }
    if h.flags & FLAG_REDUNDANT != 0 {
        f.remark("header", "has a redundant grain directory, which the stream layout does not");
    }
    f.expect(vmdk.file_length().is_multiple_of(SECTOR as u64), "file", || {
        format!("length {} is no multiple of 512", vmdk.file_length())
    });
    if vmdk.layout() == Layout::Stream {
        let same = super::format::Header { directory: DIRECTORY_AT_END, ..vmdk.header } == *h;
        f.expect(same, "footer", || "differs from the header in more than the directory's place".to_owned());
    }
}

fn descriptor<R: Read + Seek>(vmdk: &Vmdk<R>, f: &mut Findings) {
    let d = vmdk.descriptor();
    let part = "descriptor";
    let create = d.get("createType").unwrap_or("missing");
    f.expect(create == "streamOptimized", part, || format!("createType is {create}"));
    let sectors = vmdk.header.capacity;
    f.expect(d.extents() == [sectors], part, || {
        format!("extent sizes are {:?} sectors, the header says {sectors}", d.extents())
    });
    let parent = d.get("parentCID").unwrap_or("missing");
    f.expect(parent.eq_ignore_ascii_case("ffffffff"), part, || {
        format!("parentCID is {parent}: it has a parent")
    });
    let cid = d.get("CID").unwrap_or("missing");
    let valid = u32::from_str_radix(cid, 16).is_ok_and(|cid| cid < 0xffff_fffe);
    f.expect(valid, part, || format!("CID is {cid}"));
    match d.get("ddb.longContentID") {
        Some(long) if !long.to_ascii_lowercase().ends_with(&format!("{:0>8}", cid.to_ascii_lowercase())) => {
            f.remark(part, format!("longContentID {long} does not end in the CID {cid}"));
        }
        Some(_) => {}
        None => f.remark(part, "has no ddb.longContentID"),
    }
    match d.get("ddb.adapterType") {
        Some("lsilogic" | "buslogic" | "pvscsi") => {}
        other => f.remark(part, format!("adapterType is {}, not lsilogic", other.unwrap_or("missing"))),
    }
}

fn walk<R: Read + Seek>(vmdk: &mut Vmdk<R>, control: &Control, f: &mut Findings) -> Result<(), VmdkError> {
    let sectors = vmdk.file_length() / SECTOR as u64;
    let phase = control.progress.phase("verifying", vmdk.file_length());
    let mut at = vmdk.front.overhead;
    let mut last_grain: Option<u64> = None;
    let mut grains = 0u64;
    let mut directory_seen = vmdk.layout() == Layout::TablesFirst;
    let mut ended = false;
    let tables: HashSet<u32> = vmdk.directory().iter().copied().collect();
    while at < sectors && control.check().is_ok() {
        let place = format!("sector {at}");
        match vmdk.marker_at(at)? {
            Marker::Grain { lba, size } => {
                grains += 1;
                grain(vmdk, at, lba, size, &mut last_grain, f);
                at += (GRAIN_MARKER as u64 + u64::from(size)).div_ceil(SECTOR as u64);
            }
            Marker::Metadata { kind: marker::END, sectors: 0 } => {
                let clean = vmdk.sector(at)?.iter().all(|&b| b == 0);
                f.expect(clean, &place, || "the end-of-stream marker is not all zeros".to_owned());
                at += 1;
                let rest = vmdk.file_length() - at * SECTOR as u64;
                f.expect(rest == 0, &place, || {
                    format!("{rest} bytes follow the end-of-stream marker; importers hash only up to it")
                });
                ended = true;
                break;
            }
            Marker::Metadata { kind, sectors: count } => {
                match kind {
                    marker::TABLE => {
                        let known = u32::try_from(at + 1).is_ok_and(|s| tables.contains(&s));
                        f.expect(known, &place, || {
                            "a grain table that the directory does not name".to_owned()
                        });
                    }
                    marker::DIRECTORY => {
                        directory_seen = true;
                        f.expect(vmdk.header.directory == at + 1, &place, || {
                            format!(
                                "a grain directory, but the footer names sector {}",
                                vmdk.header.directory
                            )
                        });
                    }
                    marker::FOOTER => {
                        f.expect(directory_seen, &place, || {
                            "the footer comes before the directory".to_owned()
                        });
                    }
                    unknown => {
                        f.remark(&*place, format!("metadata marker of unknown kind {unknown} is passed over"))
                    }
                }
                at = at.saturating_add(1).saturating_add(count);
            }
        }
        phase.at(at.saturating_mul(SECTOR as u64));
    }
    f.expect(at <= sectors, "file", || format!("the element before sector {at} is cut off"));
    f.expect(ended, "file", || "there is no end-of-stream marker".to_owned());
    f.expect(directory_seen, "file", || "there is no grain directory marker".to_owned());
    let stored = vmdk.info()?.grains_stored;
    f.expect(stored == grains, "grain tables", || format!("name {stored} grains, the stream has {grains}"));
    phase.done();
    Ok(())
}

fn grain<R: Read + Seek>(
    vmdk: &mut Vmdk<R>,
    at: u64,
    lba: u64,
    size: u32,
    last: &mut Option<u64>,
    f: &mut Findings,
) {
    let place = format!("grain at sector {at}");
    let number = lba / GRAIN_SECTORS;
    if !lba.is_multiple_of(GRAIN_SECTORS) || lba >= vmdk.header.capacity {
        f.fault(place, format!("its LBA {lba} is no grain of the disk"));
        return;
    }
    f.expect(last.is_none_or(|last| last < number), &place, || {
        format!(
            "LBA {lba} comes after LBA {}; importers read in ascending order",
            last.unwrap_or(0) * GRAIN_SECTORS
        )
    });
    *last = Some(number);
    match vmdk.grain_sector(number) {
        Ok(Some(sector)) if sector == at => {}
        Ok(other) => f.fault(&*place, format!("the grain table says {other:?} for LBA {lba}")),
        Err(error) => f.fault(&*place, with_cause(&error)),
    }
    match vmdk.inflate(at, size) {
        Ok(bytes) => {
            let (real, got) = (vmdk.header.grain_length(number), bytes.len());
            f.expect(got == real || got == GRAIN_BYTES, &place, || {
                format!("inflates to {got} bytes, not {real}")
            });
        }
        Err(error) => f.fault(place, with_cause(&error)),
    }
}
