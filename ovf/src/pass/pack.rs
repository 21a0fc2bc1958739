//! The second look at a disk: every block that holds something is read again, checked against the survey, compressed once
//! if a VMDK or a ZIP is wanted, and handed to all writers of the run, each on its own thread.

use std::sync::Arc;
use std::thread;

use crossbeam_channel::bounded;
use libdeflater::{CompressionLvl, Compressor};

use super::{in_order, Buffer, Buffers, Control, PassError};
use crate::disk::{block_hash, block_range, Block, Disk, Survey, GRAINS_PER_BLOCK, GRAIN_BYTES};
use crate::vmdk;
use crate::zip::splice;

/// Level 6 gives zlib's usual size at more than twice its speed; it is fixed, because the level decides the bytes.
pub const COMPRESSION_LEVEL: i32 = 6;
/// Blocks waiting for one writer while another is busy.
const SINK_QUEUE: usize = 2;

/// A block on its way to the writers.
#[derive(Debug)]
pub struct Packet {
    /// What the survey knows of it.
    pub block: Block,
    /// Its bytes; the disk's last block may be short.
    pub data: Buffer,
    /// When a VMDK is wanted: the block's grains as they stand in the file, marker in front, padded to sectors.
    pub grains: Buffer,
    /// Length in sectors of each grain in `grains`; 0 for a grain that holds nothing.
    pub grain_sectors: [u16; GRAINS_PER_BLOCK as usize],
    /// When a ZIP is wanted: the whole block as a piece of a deflate stream.
    pub deflated: Buffer,
}

/// A writer that takes blocks in ascending order.
pub trait Sink: Send {
    /// Whether [`Packet::grains`] must be filled.
    fn wants_grains(&self) -> bool;

    /// Whether [`Packet::deflated`] must be filled.
    fn wants_deflated(&self) -> bool {
        false
    }

    /// Writes one block.
    fn block(&mut self, packet: &Packet) -> Result<(), PassError>;
}

/// Reads every block of `survey` from `disk` and gives it to all `sinks`.
pub fn pack(
    disk: &dyn Disk,
    survey: &Survey,
    sinks: &mut [&mut dyn Sink],
    control: &Control,
) -> Result<(), PassError> {
    let wants_deflated = sinks.iter().any(|s| s.wants_deflated());
    let wants_grains = wants_deflated || sinks.iter().any(|s| s.wants_grains());
    let size = survey.size();
    let total: u64 = survey.blocks().iter().map(|b| length(b, size)).sum();
    let phase = control.progress.phase("writing", total);

    let buffers = Buffers::default();
    let prepare = |compressor: &mut Compressor, block: Block| {
        let range = block_range(block.index, size);
        let mut data = buffers.of_length((range.end - range.start) as usize);
        disk.read_at(&mut data, range.start)?;
        if block_hash(&data) != block.hash {
            return Err(disk.changed_at(range.start).into());
        }
        let mut packet = Packet {
            block,
            data,
            grains: buffers.empty(),
            grain_sectors: [0; GRAINS_PER_BLOCK as usize],
            deflated: buffers.empty(),
        };
        if wants_grains {
            compress(compressor, &mut packet);
        }
        if wants_deflated {
            join(compressor, &mut packet);
        }
        Ok(packet)
    };

    let outcome = thread::scope(|scope| {
        let mut lanes = Vec::new();
        let mut writers = Vec::new();
        for sink in sinks.iter_mut() {
            let (give, take) = bounded::<Arc<Packet>>(SINK_QUEUE);
            lanes.push(give);
            writers.push(scope.spawn(move || take.into_iter().try_for_each(|packet| sink.block(&packet))));
        }
        let mut done = 0;
        let outcome =
            in_order(control, survey.blocks().iter().copied().map(Ok), compressor, prepare, |packet| {
                let packet = Arc::new(packet);
                for lane in &lanes {
                    lane.send(Arc::clone(&packet)).map_err(|_| PassError::Stopped)?;
                }
                done += packet.data.len() as u64;
                phase.at(done);
                Ok(())
            });
        drop(lanes);
        // A writer's own error says more than the "stopped" that it causes upstream.
        for writer in writers {
            writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        outcome
    });
    outcome?;
    disk.check_unchanged()?;
    phase.done();
    Ok(())
}

/// The compressor of everything written.
pub fn compressor() -> Compressor {
    Compressor::new(CompressionLvl::new(COMPRESSION_LEVEL).unwrap_or_default())
}

fn length(block: &Block, size: u64) -> u64 {
    let range = block_range(block.index, size);
    range.end - range.start
}

fn compress(compressor: &mut Compressor, packet: &mut Packet) {
    let first = u64::from(packet.block.index) * GRAINS_PER_BLOCK;
    for (n, grain) in packet.data.chunks(GRAIN_BYTES as usize).enumerate() {
        if packet.block.grains & (1 << n) == 0 {
            continue;
        }
        let before = packet.grains.len();
        // The disk's last grain is filled up with zeros: 7-Zip wants whole grains, and no known reader minds them.
        let mut whole = [0; GRAIN_BYTES as usize];
        let grain = if grain.len() < whole.len() {
            whole[..grain.len()].copy_from_slice(grain);
            &whole[..]
        } else {
            grain
        };
        vmdk::append_grain(compressor, first + n as u64, grain, &mut packet.grains);
        packet.grain_sectors[n] = ((packet.grains.len() - before) / vmdk::SECTOR) as u16;
    }
}

/// Fills [`Packet::deflated`] from the grains; the zeros between them are compressed here.
fn join(compressor: &mut Compressor, packet: &mut Packet) {
    let mut at = 0;
    for (n, grain) in packet.data.chunks(GRAIN_BYTES as usize).enumerate() {
        let length = usize::from(packet.grain_sectors[n]) * vmdk::SECTOR;
        let mut own = Vec::new();
        let stream = if length == 0 || grain.len() < GRAIN_BYTES as usize {
            vmdk::append_grain(compressor, 0, grain, &mut own);
            vmdk::deflate_stream(&own)
        } else {
            vmdk::deflate_stream(&packet.grains[at..at + length])
        };
        at += length;
        // As with the bound in `append_grain`: a ZIP with a hole in it must not be the result.
        #[allow(clippy::expect_used)]
        stream
            .and_then(|stream| splice(stream, &mut packet.deflated))
            .expect("libdeflate's streams are complete");
    }
}
