//! `bench`: how much traffic this machine can take. Frames are held in memory and go the whole way on one core:
//! dissector, inventory with identification, findings. Capturing costs a core of its own besides.

use std::fs;
use std::io::{stdout, Write};
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use anyhow::{bail, Context};
use eyot_capture::file::FileSource;
use eyot_capture::{Frame, LinkType, Pulled, Source};
use eyot_contract::Timestamp;
use eyot_dissect::{Dissector, Limits};
use eyot_findings::{Findings, Policy};
use eyot_inventory::Inventory;
use serde_json::json;

use crate::cli::{BenchArgs, ListFormat};

/// Most captured bytes held in memory.
const MAX_BYTES: usize = 1 << 30;
/// Mean frame of a mirrored office network, in bytes (measurements of large mirrors give 900 to 1000).
const OFFICE_FRAME: f64 = 900.0;
/// What an Ethernet frame takes on the wire besides, in bytes: preamble, check sequence, gap.
const FRAMING: f64 = 24.0;
/// Devices looked after between two batches of frames, as the running sensor does.
const IDENTIFY: usize = 2_000;
/// Frames between two of those rounds.
const ROUND: usize = 65_536;
/// Length of the generated conversations: devices, and data frames of each.
const DEVICES: u16 = 250;
const DATA_FRAMES: usize = 60;

/// What a tier asks of a machine: line rate, processors, memory in GiB.
const TIERS: [Tier; 2] = [
    Tier { gigabits: 15.0, name: "recommended", cores: 8, memory: 32 },
    Tier { gigabits: 1.0, name: "minimum", cores: 4, memory: 16 },
];

struct Tier {
    gigabits: f64,
    name: &'static str,
    cores: usize,
    memory: u64,
}

/// Frames one behind the other.
#[derive(Default)]
struct Mix {
    bytes: Vec<u8>,
    frames: Vec<(LinkType, usize, u32, Option<u16>)>,
}

impl Mix {
    fn push(&mut self, frame: &Frame<'_>) {
        self.bytes.extend_from_slice(frame.bytes);
        self.frames.push((frame.link, self.bytes.len(), frame.wire_len, frame.vlan));
    }
}

/// Measures and prints.
pub fn run(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    let mix = if args.files.is_empty() { generated() } else { captured(args)? };
    if mix.frames.is_empty() {
        bail!("there are no frames to measure with");
    }
    let (frames, bytes, took, devices) = measure(&mix, Duration::from_secs(args.seconds));
    let rate = frames as f64 / took.as_secs_f64();
    let mean = bytes as f64 / frames as f64;
    let gigabits = rate * (OFFICE_FRAME + FRAMING) * 8.0 / 1e9;
    let cores = available_parallelism().map_or(1, usize::from);
    let memory = memory_gib();
    // the discovery thread has one core to itself
    let tier = TIERS
        .iter()
        .find(|t| gigabits >= t.gigabits && cores >= t.cores && memory.is_none_or(|gib| gib + 1 >= t.memory));
    let mut out = stdout().lock();
    if args.format == ListFormat::Json {
        serde_json::to_writer_pretty(
            &mut out,
            &json!({
                "mpps_per_core": rate / 1e6, "gbit_per_s_at_mean_frame": rate * mean * 8.0 / 1e9,
                "gbit_per_s_at_900_byte_frames": gigabits, "mean_frame_bytes": mean, "frames": frames,
                "seconds": took.as_secs_f64(), "devices": devices, "cores": cores, "memory_gib": memory,
                "tier": tier.map(|t| t.name), "tier_gbit_per_s": tier.map(|t| t.gigabits),
            }),
        )?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        out,
        "{:.2} Mpps on one core: {frames} frames of {mean:.0} bytes on average in {:.1} s",
        rate / 1e6,
        took.as_secs_f64()
    )?;
    writeln!(out, "{gigabits:.1} Gbit/s of an office's traffic ({OFFICE_FRAME:.0} bytes on average)")?;
    writeln!(
        out,
        "{cores} {}, {} memory, {devices} devices found",
        if cores == 1 { "processor" } else { "processors" },
        memory.map_or_else(|| "unknown".to_owned(), |gib| format!("{gib} GiB")),
    )?;
    match tier {
        Some(t) => writeln!(out, "supports up to {:.0} Gbit/s ({} size)", t.gigabits, t.name)?,
        None => {
            let least = &TIERS[TIERS.len() - 1];
            writeln!(
                out,
                "supports neither size: the {} one asks for {:.0} Gbit/s, {} processors and {} GiB",
                least.name, least.gigabits, least.cores, least.memory
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Frames, bytes, time, devices. Time moves on by what the frames would take at a gigabit, so that tables age.
fn measure(mix: &Mix, at_least: Duration) -> (u64, u64, Duration, usize) {
    let mut dissector = Dissector::new(Limits::default());
    let (mut inventory, mut findings) = (Inventory::new(), Findings::new(Policy::default()));
    let (mut frames, mut bytes, mut now) = (0_u64, 0_u64, Timestamp::now().0 * 1_000);
    let begun = Instant::now();
    loop {
        let mut start = 0;
        for (number, (link, end, wire_len, vlan)) in mix.frames.iter().enumerate() {
            now += i64::from(*wire_len) * 8;
            let at = Timestamp(now / 1_000);
            let frame =
                Frame { at, link: *link, bytes: &mix.bytes[start..*end], wire_len: *wire_len, vlan: *vlan };
            let summary = inventory.frame(&mut dissector, &frame);
            findings.frame(at, &summary, &inventory);
            bytes += u64::from(*wire_len);
            start = *end;
            if number % ROUND == ROUND - 1 {
                inventory.identify(IDENTIFY);
            }
        }
        frames += mix.frames.len() as u64;
        inventory.identify(IDENTIFY);
        findings.assess(&inventory, Timestamp(now / 1_000));
        if begun.elapsed() >= at_least {
            return (frames, bytes, begun.elapsed(), inventory.len());
        }
    }
}

fn captured(args: &BenchArgs) -> anyhow::Result<Mix> {
    let mut mix = Mix::default();
    for path in &args.files {
        let mut source = FileSource::open(path)?;
        while source.pull(4_096, &mut |frame| {
            if mix.bytes.len() < MAX_BYTES {
                mix.push(frame);
            }
        })? != Pulled::Ended
        {
            if mix.bytes.len() >= MAX_BYTES {
                return Ok(mix);
            }
        }
    }
    Ok(mix)
}

/// An office in small: every device announces itself, looks a name up, opens a connection and moves data.
fn generated() -> Mix {
    let mut mix = Mix::default();
    let mut frame = Vec::new();
    let mut push = |frame: &[u8]| {
        mix.push(&Frame {
            at: Timestamp(0),
            link: LinkType::ETHERNET,
            bytes: frame,
            wire_len: frame.len() as u32,
            vlan: None,
        });
    };
    for n in 1..=DEVICES {
        let [high, low] = n.to_be_bytes();
        let client = [0x00, 0x1b, 0x44, 0, high, low];
        let router = [0x00, 0x1b, 0x44, 0xff, 0, 1];
        let own = [10, 1, high, low];
        frame.clear();
        frame.extend(
            [&[0xff; 6][..], &client, &[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1], &client, &own].concat(),
        );
        frame.extend([&[0; 6][..], &[10, 1, 0, 1]].concat());
        push(&frame);
        let name = [
            &[6, b'h', b'o', b's', b't', b'a' + low % 26, b'a' + high % 26][..],
            b"\x07example\0\0\x01\0\x01",
        ]
        .concat();
        let query = [&[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &name].concat();
        push(&udp(client, router, own, [10, 1, 0, 1], 53, &query));
        let server = [198, 51, 100, low];
        push(&tcp(client, router, own, server, (40_000 + n, 443), 2, &[]));
        push(&tcp(router, client, server, own, (443, 40_000 + n), 18, &[]));
        let request = format!("GET /{n} HTTP/1.1\r\nHost: www{n}.example\r\nUser-Agent: bench/{n}\r\n\r\n");
        push(&tcp(client, router, own, server, (40_000 + n, 443), 24, request.as_bytes()));
        for part in 0..DATA_FRAMES {
            let payload = vec![b'x'; if part % 3 == 0 { 60 } else { 1_380 }];
            push(&tcp(router, client, server, own, (443, 40_000 + n), 16, &payload));
        }
    }
    mix
}

fn ipv4(
    from: [u8; 6],
    to: [u8; 6],
    source: [u8; 4],
    destination: [u8; 4],
    protocol: u8,
    payload: &[u8],
) -> Vec<u8> {
    let [high, low] = (payload.len() as u16 + 20).to_be_bytes();
    let header = [0x45, 0, high, low, 0, 1, 0, 0, 64, protocol, 0, 0];
    [&to[..], &from, &[0x08, 0x00], &header, &source, &destination, payload].concat()
}

fn udp(
    from: [u8; 6],
    to: [u8; 6],
    source: [u8; 4],
    destination: [u8; 4],
    port: u16,
    payload: &[u8],
) -> Vec<u8> {
    let (port, length) = (port.to_be_bytes(), (payload.len() as u16 + 8).to_be_bytes());
    ipv4(from, to, source, destination, 17, &[&[0x9c, 0x40][..], &port, &length, &[0, 0], payload].concat())
}

fn tcp(
    from: [u8; 6],
    to: [u8; 6],
    source: [u8; 4],
    destination: [u8; 4],
    (source_port, destination_port): (u16, u16),
    flags: u8,
    payload: &[u8],
) -> Vec<u8> {
    let header = [0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0];
    let segment =
        [&source_port.to_be_bytes()[..], &destination_port.to_be_bytes(), &header, payload].concat();
    ipv4(from, to, source, destination, 6, &segment)
}

/// Memory of this machine, rounded up as it is sold; `None` where the kernel does not say.
fn memory_gib() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("no meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib.div_ceil(1 << 20))
}
