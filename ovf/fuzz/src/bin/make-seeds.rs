//! Writes the seeds from which fuzzing starts: small images of each kind by our own writers, as pieces (see the crate's
//! head), and texts as they are. The same bytes every time; scripts/fuzz says when they are not those kept in the tree.
//!
//! usage: make-seeds DIRECTORY        one folder a target is made in it

use std::error::Error;
use std::fs;
use std::io::Cursor;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use eyot_image::disk::{RawDisk, Survey};
use eyot_image::ova::Plan;
use eyot_image::ovf::{Firmware, GuestOs, Profile};
use eyot_image::pass::{pack, Sink};
use eyot_image::vhdx::{Allocation, Options, SectorSize, Writer};
use eyot_image::vmdk::StreamWriter;
use eyot_image_fuzz::{control, Pieces, MEND};
use libdeflater::{CompressionLvl, Compressor};

/// 2020-01-01, stamped on whatever wants a date.
const DATE: u64 = 1_577_836_800;
const MIB: u64 = 1 << 20;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let out = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: make-seeds DIRECTORY")?);
    let work = PathBuf::from(format!("/dev/shm/eyot-seeds-{}", std::process::id()));
    fs::create_dir_all(&work)?;
    let written = disks(&out, &work).and_then(|()| texts(&out)).and_then(|()| streams(&out));
    fs::remove_dir_all(&work)?;
    written
}

fn seed(out: &Path, target: &str, name: &str, bytes: &[u8]) -> Result<()> {
    fs::create_dir_all(out.join(target))?;
    Ok(fs::write(out.join(target).join(name), bytes)?)
}

/// A sparse disk with these pieces in it.
fn disk(work: &Path, size: u64, pieces: &[(u64, &[u8])]) -> Result<PathBuf> {
    let path = work.join("disk");
    let file = fs::File::create(&path)?;
    file.set_len(size)?;
    for (at, bytes) in pieces {
        file.write_all_at(bytes, *at)?;
    }
    Ok(path)
}

/// The same text as deflate writes it at different efforts: stored, with fixed and with own codes.
fn streams(out: &Path) -> Result<()> {
    let text = b"the river island ".repeat(40);
    for level in [0, 1, 6, 12] {
        let mut compressor = Compressor::new(CompressionLvl::new(level).map_err(|_| "no such level")?);
        let mut stream = vec![0; compressor.deflate_compress_bound(text.len())];
        let length = compressor.deflate_compress(&text, &mut stream)?;
        seed(out, "splice", &format!("level-{level}"), &stream[..length])?;
    }
    Ok(())
}

fn disks(out: &Path, work: &Path) -> Result<()> {
    let text: &[u8] = b"the river island ";
    let sparse =
        disk(work, 34 * MIB, &[(0, &[text, text].concat()), (5 * MIB + 70_000, text), (33 * MIB, text)])?;
    images(out, "sparse", &sparse, Options::default())?;
    let fixed = Options { allocation: Allocation::Fixed, ..Options::default() };
    images(out, "odd", &disk(work, 2 * MIB + 5 * 512, &[(2 * MIB + 512, text)])?, fixed)?;
    let native = Options { logical_sector: SectorSize::B4096, ..Options::default() };
    images(out, "empty", &disk(work, MIB, &[])?, native)?;
    Ok(())
}

/// One disk as VMDK, VHDX and OVA, and the VMDK once more with the faults that the repair knows.
fn images(out: &Path, name: &str, raw: &Path, options: Options) -> Result<()> {
    let disk = RawDisk::open(raw)?;
    let survey = Survey::of(&disk, &control())?;
    let mut vmdk = StreamWriter::new(Vec::new(), &survey)?;
    let mut vhdx = Writer::new(Vec::new(), &survey, options)?;
    let profile = Profile { firmware: Firmware::Efi, ..Profile::new("eyot", "1", GuestOs::Debian) };
    let plan = Plan::new(&profile, &survey, None, DATE)?;
    let mut ova = plan.start(Cursor::new(Vec::new()), &survey)?;
    let sinks: &mut [&mut dyn Sink] = &mut [&mut vmdk, &mut vhdx, &mut ova];
    pack(&disk, &survey, sinks, &control())?;
    let (vmdk, vhdx, ova) = (vmdk.finish()?.0, vhdx.finish()?.0, plan.finish(ova)?.0.into_inner());
    for target in ["vmdk", "repair"] {
        seed(out, target, name, &Pieces::encode(0, &vmdk))?;
    }
    seed(out, "repair", &format!("{name}-trailing"), &Pieces::encode(0, &[&vmdk[..], &[0; 2048]].concat()))?;
    seed(out, "repair", &format!("{name}-endless"), &Pieces::encode(0, &vmdk[..vmdk.len() - 512]))?;
    seed(out, "vhdx", name, &Pieces::encode(0, &vhdx))?;
    seed(out, "vhdx", &format!("{name}-mended"), &Pieces::encode(MEND, &vhdx))?;
    seed(out, "ova", name, &Pieces::encode(MEND, &ova))?;
    if name == "empty" {
        let descriptor = profile.envelope(&eyot_image::ovf::DiskFacts {
            file_name: "eyot-disk1.vmdk".to_owned(),
            file_bytes: 1000,
            capacity: MIB,
            populated: 0,
            content: "00".repeat(32),
        });
        seed(out, "ovf", "ours", descriptor.to_xml().as_bytes())?;
        seed(out, "qcow2", name, &Pieces::encode(0, &qcow2()))?;
    }
    Ok(())
}

/// A qcow2 of version 2 with one cluster of data, by hand: there is no writer of it here. Four clusters of 4 KiB: header,
/// first table, second table, data.
fn qcow2() -> Vec<u8> {
    let cluster = 4096u64;
    let mut file = vec![0u8; 6 * cluster as usize];
    let mut put = |at: u64, bytes: &[u8]| file[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    put(0, b"QFI\xfb");
    put(4, &2u32.to_be_bytes());
    put(20, &12u32.to_be_bytes());
    put(24, &MIB.to_be_bytes());
    put(36, &1u32.to_be_bytes());
    put(40, &cluster.to_be_bytes());
    put(48, &(4 * cluster).to_be_bytes());
    put(56, &1u32.to_be_bytes());
    let copied = 1u64 << 63;
    put(cluster, &(copied | 2 * cluster).to_be_bytes());
    put(2 * cluster, &(copied | 3 * cluster).to_be_bytes());
    put(3 * cluster, b"the river island");
    put(4 * cluster, &(5 * cluster).to_be_bytes());
    for n in 0..6u64 {
        put(5 * cluster + 2 * n, &1u16.to_be_bytes());
    }
    file
}

fn texts(out: &Path) -> Result<()> {
    let prefixed = "<?xml version='1.0'?><ovf:Envelope xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1'><ovf:References>\
        <ovf:File ovf:id='f' ovf:href='d.vmdk' ovf:size='5'/></ovf:References><ovf:DiskSection><ovf:Info>x &amp; &#65;\
        <![CDATA[<y>]]></ovf:Info><ovf:Disk ovf:diskId='d' ovf:fileRef='f' ovf:capacity='2' \
        ovf:capacityAllocationUnits='byte * 2^30'/></ovf:DiskSection></ovf:Envelope>";
    seed(out, "ovf", "prefixed", prefixed.as_bytes())?;
    let manifest = "SHA256(a.ovf)= 00ff\nSHA1(b.vmdk)= 11\nSHA256 (c) = 22\r\nhello\n";
    seed(out, "texts", "manifest", manifest.as_bytes())?;
    seed(out, "texts", "certificate", certificate().as_bytes())?;
    let signature = format!(
        "untrusted comment: x\n{}\ntrusted comment: file:a\n{}\n",
        "RUR".to_owned() + &"A".repeat(96) + "=",
        "A".repeat(86) + "=="
    );
    seed(out, "texts", "signature", signature.as_bytes())?;
    let volume = eyot_iso::Volume::new("cidata", DATE)?
        .file("user-data", &b"#cloud-config\n"[..])?
        .file("meta-data", &b"instance-id: x\n"[..])?
        .file("eyot.toml", &b"version = 1\n"[..])?;
    seed(out, "iso", "seed", &Pieces::encode(0, &volume.to_bytes()))?;
    Ok(())
}

/// A certificate member that signs nothing: its shape is what matters.
fn certificate() -> String {
    format!(
        "SHA256(a.mf)= {}\n-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        "00".repeat(256)
    )
}
