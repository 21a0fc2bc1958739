//! A 500 GiB sparse disk: memory stays within its bound, and the images are right. Alone in its program, because the
//! peak memory of children is measured.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;

use nix::sys::resource::{getrusage, UsageWho};
use support::{disk, noise, prose, run, MIB};

/// Peak resident memory allowed, in KiB.
const MEMORY_BOUND_KIB: i64 = 128 << 10;

#[test]
fn memory_is_bounded_on_a_500_gib_disk() {
    let dir = tempfile::tempdir().unwrap();
    let size = 500u64 << 30;
    // Enough data to fill every queue, spread so that many grain tables are touched, and the last sector.
    let mut pieces: Vec<(u64, Vec<u8>)> =
        (0..48).map(|n| (n * (10 << 30) + n * 4096, noise(1 << 20, n))).collect();
    pieces.push((size / 2, prose(64 << 20)));
    pieces.push((size - 512, noise(512, 99)));
    let raw = disk(dir.path(), "raw", size, &pieces);
    let (raw, root) = (raw.to_str().unwrap(), dir.path().to_str().unwrap());
    let done = Command::new(env!("CARGO_BIN_EXE_eyot-image"))
        .args(["images", raw, "--out-dir", root, "--name", "large", "--threads", "16", "--quiet"])
        .status()
        .unwrap();
    assert!(done.success());
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    assert!(peak < MEMORY_BOUND_KIB, "peak memory was {} MiB", peak >> 10);
    assert!(peak > 1 << 10, "the measurement must have seen the child, not nothing: {peak} KiB");

    run("tar", &["xf", &format!("{root}/large.ova"), "-C", root]);
    let vmdk = format!("{root}/large-disk1.vmdk");
    run("qemu-img", &["check", "-f", "vmdk", &vmdk]);
    run("qemu-img", &["compare", "-f", "raw", "-F", "vmdk", raw, &vmdk]);
    // qemu-img reads a VHDX's empty blocks one by one, which takes minutes here; it must at least find nothing wrong.
    let vhdx = format!("{root}/large.vhdx");
    run("qemu-img", &["check", "-f", "vhdx", &vhdx]);
    let verified =
        Command::new(env!("CARGO_BIN_EXE_eyot-image")).args(["verify", "-q", &vhdx]).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    assert!(std::fs::metadata(&vhdx).unwrap().len() < 200 * MIB);
}
