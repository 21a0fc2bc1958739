//! Volumes as others see them: our bytes through isoinfo, xorriso and blkid; theirs through our reader. The kernel's
//! own mount is left to the boot journeys, since a test machine's kernel need not have iso9660.
#![allow(clippy::unwrap_used)]

use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use eyot_iso::{read, NameSource, ReadError, Volume};
use proptest::prelude::*;

const DATE: u64 = 1_700_000_000;
const FILES: [(&str, &[u8]); 5] = [
    ("user-data", b"#cloud-config\nhostname: sensor-1\n"),
    ("meta-data", b"instance-id: iid-1\n"),
    ("network-config", b""),
    ("vendor-data", &[0x5A; 5000]),
    ("a name with blanks, sixty-four characters long, for the Joliet E", b"long"),
];

fn seed() -> Vec<u8> {
    let mut volume = Volume::new("cidata", DATE).unwrap();
    for (name, content) in FILES {
        volume = volume.file(name, content).unwrap();
    }
    volume.to_bytes()
}

/// Runs a tool that must be there and must succeed.
fn run(program: &str, args: &[&str]) -> String {
    let out = Command::new(program)
        .args(args)
        .env("SOURCE_DATE_EPOCH", DATE.to_string())
        .output()
        .unwrap_or_else(|e| panic!("{program} is needed by this test: {e}"));
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{program} {args:?}: {text}");
    text
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> String {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn isoinfo_lists_rock_ridge_and_joliet_names() {
    let dir = tempfile::tempdir().unwrap();
    let iso = write(dir.path(), "seed.iso", &seed());
    let descriptor = run("isoinfo", &["-d", "-i", &iso]);
    assert!(descriptor.contains("Volume id: cidata"), "{descriptor}");
    assert!(descriptor.contains("Joliet with UCS level 3 found"), "{descriptor}");
    assert!(descriptor.contains("Rock Ridge signatures version 1 found"), "{descriptor}");
    for switch in ["-R", "-J"] {
        let listing = run("isoinfo", &["-f", switch, "-i", &iso]);
        for (name, _) in FILES {
            assert!(listing.lines().any(|l| l == format!("/{name}")), "{switch}: {listing}");
        }
        let content = run("isoinfo", &[switch, "-i", &iso, "-x", "/user-data"]);
        assert_eq!(content.as_bytes(), FILES[0].1, "{switch}");
    }
    let long = run("isoinfo", &["-l", "-R", "-i", &iso]);
    assert!(long.contains("-r--------") && long.contains("Nov 14 2023"), "{long}");
}

#[test]
fn xorriso_extracts_every_file() {
    let dir = tempfile::tempdir().unwrap();
    let iso = write(dir.path(), "seed.iso", &seed());
    let out = dir.path().join("out");
    let said = run("xorriso", &["-osirrox", "on", "-indev", &iso, "-extract", "/", out.to_str().unwrap()]);
    for bad in ["WARNING", "SORRY", "FAILURE", "FATAL"] {
        assert!(!said.contains(bad), "{said}");
    }
    for (name, content) in FILES {
        assert_eq!(std::fs::read(out.join(name)).unwrap(), content, "{name}");
    }
}

#[test]
fn blkid_sees_the_lower_case_label() {
    let dir = tempfile::tempdir().unwrap();
    let iso = write(dir.path(), "seed.iso", &seed());
    let seen = run("blkid", &["-p", "-o", "export", &iso]);
    assert!(seen.lines().any(|l| l == "LABEL=cidata"), "{seen}");
    assert!(seen.lines().any(|l| l == "TYPE=iso9660"), "{seen}");
    assert!(seen.lines().any(|l| l == "UUID=2023-11-14-22-13-20-00"), "{seen}");
}

#[test]
fn reads_volumes_made_by_genisoimage_and_xorriso() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    std::fs::create_dir_all(tree.join("deep/er")).unwrap();
    std::fs::write(tree.join("user-data"), "u").unwrap();
    std::fs::write(tree.join("deep/er/a file.with.dots"), "d").unwrap();
    // Longer than one directory record holds: split over two NM fields and a continuation area.
    let long = "n".repeat(240);
    std::fs::write(tree.join(&long), "l").unwrap();
    let tree = tree.to_str().unwrap().to_owned();
    let cases: [(&str, &[&str], NameSource); 4] = [
        ("genisoimage", &["-J", "-joliet-long", "-R"], NameSource::RockRidge),
        ("genisoimage", &["-J", "-joliet-long"], NameSource::Joliet),
        ("genisoimage", &["-iso-level", "2"], NameSource::Plain),
        ("xorriso", &["-as", "mkisofs", "-J", "-R"], NameSource::RockRidge),
    ];
    for (i, (tool, switches, names)) in cases.into_iter().enumerate() {
        let iso = dir.path().join(format!("{i}.iso"));
        let iso = iso.to_str().unwrap();
        let args: Vec<&str> = if tool == "xorriso" {
            [switches, &["-V", "cidata", "-o", iso, &tree]].concat()
        } else {
            [switches, &["-V", "cidata", "-quiet", "-o", iso, &tree]].concat()
        };
        run(tool, &args);
        let mut volume = read(std::fs::File::open(iso).unwrap()).unwrap();
        assert_eq!((volume.label(), volume.names()), ("cidata", names), "{tool} {switches:?}");
        let user_data = if names == NameSource::Plain { "user_dat" } else { "user-data" };
        let found = volume.files().iter().map(|f| f.name().to_owned()).collect::<Vec<_>>();
        let user_data = found.iter().find(|n| n.starts_with(user_data)).expect("user-data is listed").clone();
        assert_eq!(volume.get(&user_data).unwrap(), b"u");
        if names != NameSource::Plain {
            assert_eq!(volume.get("deep/er/a file.with.dots").unwrap(), b"d", "{tool} {switches:?}");
        }
        if names == NameSource::RockRidge {
            assert_eq!(volume.get(&long).unwrap(), b"l", "{tool}");
        }
        assert!(matches!(volume.get("absent"), Err(ReadError::NoSuchFile { .. })));
    }
}

#[test]
fn refuses_what_is_no_volume_with_coordinates() {
    let short = read(Cursor::new(vec![0u8; 1000])).unwrap_err().to_string();
    assert_eq!(short, "cannot read 2048 bytes of volume descriptor at offset 32768");
    let blank = read(Cursor::new(vec![0u8; 1 << 20])).unwrap_err().to_string();
    assert_eq!(blank, "not an ISO 9660 volume: no \"CD001\" signature at offset 32768");
    let mut cut = seed();
    cut.truncate(26 * 2048);
    let mut volume = read(Cursor::new(cut)).unwrap();
    assert!(matches!(volume.get("vendor-data"), Err(ReadError::Io { what: "file content", .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn what_is_written_is_read_back(
        files in proptest::collection::btree_map("[ !-)+-.0-9<-@A-Z^-~]{1,64}", proptest::collection::vec(any::<u8>(), 0..5000), 0..40),
        date in 0u64..5_869_584_000,
    ) {
        let mut volume = Volume::new("cidata", date).unwrap();
        let mut kept = Vec::new();
        for (name, content) in &files {
            // "." , ".." and "?" are refused; everything else must come back.
            if let Ok(more) = volume.clone().file(name, content.clone()) {
                volume = more;
                kept.push((name, content));
            } else {
                prop_assert!(name == "." || name == ".." || name.contains('?'));
            }
        }
        let bytes = volume.to_bytes();
        prop_assert_eq!(bytes.len() % eyot_iso::SECTOR, 0);
        let mut back = read(Cursor::new(&bytes)).unwrap();
        prop_assert_eq!(back.label(), "cidata");
        prop_assert_eq!(back.files().len(), kept.len());
        for (name, content) in kept {
            prop_assert_eq!(&back.get(name).unwrap(), content);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        damage in proptest::collection::vec((16 * 2048usize..28 * 2048, any::<u8>()), 1..40),
        cut in proptest::option::of(0usize..60_000),
    ) {
        let mut bytes = seed();
        for (at, value) in damage {
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut);
        }
        if let Ok(mut volume) = read(Cursor::new(bytes)) {
            let names: Vec<String> = volume.files().iter().map(|f| f.name().to_owned()).collect();
            for name in names {
                let _ = volume.get(&name);
            }
        }
    }
}
