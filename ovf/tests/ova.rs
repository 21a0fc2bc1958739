//! The OVA as others see it: tar, sha256sum, qemu-img and openssl on ours; our verifier on archives with each known
//! fault.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::Cursor;
use std::path::Path;

use eyot_contract::settings::DEFINITIONS;
use eyot_image::disk::{RawDisk, Survey};
use eyot_image::ova::{self, append_member, end_archive, Flavour, Ova, Plan, Signer};
use eyot_image::ovf::{lint, Descriptor, Firmware, GuestOs, Profile, MAX_CAPTURE_NICS};
use eyot_image::pass::pack;
use support::{control, disk, noise, prose, run, MIB};

const DATE: u64 = 1_577_836_800;

fn profile() -> Profile {
    Profile::new("eyot-1.2.3", "1.2.3", GuestOs::Debian)
}

fn ova(raw: &Path, profile: &Profile, signer: Option<&Signer>, threads: usize) -> Vec<u8> {
    let control = control(threads);
    let disk = RawDisk::open(raw).unwrap();
    let survey = Survey::of(&disk, &control).unwrap();
    let plan = Plan::new(profile, &survey, signer, DATE).unwrap();
    let mut writer = plan.start(Cursor::new(Vec::new()), &survey).unwrap();
    pack(&disk, &survey, &mut [&mut writer], &control).unwrap();
    let (out, facts) = plan.finish(writer).unwrap();
    let bytes = out.into_inner();
    assert_eq!(facts.bytes, bytes.len() as u64);
    bytes
}

fn small_disk(dir: &Path) -> std::path::PathBuf {
    disk(dir, "raw", 40 * MIB, &[(0, prose(200_000)), (35 * MIB + 100, noise(70_000, 1))])
}

fn found(bytes: &[u8]) -> String {
    let findings = ova::verify(Cursor::new(bytes), &control(1)).unwrap();
    findings.list().iter().map(|f| format!("{:?}: {}: {}\n", f.severity, f.part, f.text)).collect()
}

#[test]
fn tar_sha256sum_and_qemu_img_agree_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let raw = small_disk(dir.path());
    let bytes = ova(&raw, &profile(), None, 2);
    assert_eq!(found(&bytes), "");
    let path = dir.path().join("eyot-1.2.3.ova");
    fs::write(&path, &bytes).unwrap();
    let (path, root) = (path.to_str().unwrap(), dir.path().to_str().unwrap());
    assert_eq!(
        run("tar", &["tf", path]),
        "eyot-1.2.3.ovf\neyot-1.2.3.mf\neyot-1.2.3-disk1.vmdk\neyot-1.2.3-icon.png\n"
    );
    let listing = run("tar", &["tvf", path, "--numeric-owner", "--utc"]);
    assert!(
        listing.lines().all(|l| l.starts_with("-rw-r--r-- 0/0 ") && l.contains("2020-01-01 00:00")),
        "{listing}"
    );
    run("tar", &["xf", path, "-C", root]);
    for line in fs::read_to_string(dir.path().join("eyot-1.2.3.mf")).unwrap().lines() {
        let (name, digest) = line.strip_prefix("SHA256(").unwrap().split_once(")= ").unwrap();
        let sum = run("sha256sum", &[dir.path().join(name).to_str().unwrap()]);
        assert!(sum.starts_with(digest), "{line}: {sum}");
    }
    let vmdk = dir.path().join("eyot-1.2.3-disk1.vmdk");
    run("qemu-img", &["check", "-f", "vmdk", vmdk.to_str().unwrap()]);
    run("qemu-img", &["compare", "-f", "raw", "-F", "vmdk", raw.to_str().unwrap(), vmdk.to_str().unwrap()]);
}

#[test]
fn threads_and_directory_do_not_change_a_byte() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = ova(&small_disk(one.path()), &profile(), None, 1);
    assert!(first == ova(&small_disk(two.path()), &profile(), None, 4));
}

#[test]
fn the_descriptor_says_what_the_archive_holds_and_the_appliance_reads() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = ova(&small_disk(dir.path()), &profile(), None, 1);
    let mut ova = Ova::open(Cursor::new(&bytes)).unwrap();
    let vmdk = ova.members()[2].clone();
    let descriptor = ova.descriptor().unwrap();
    let info = descriptor.info();
    assert_eq!(info.files[0].size, Some(vmdk.size));
    assert_eq!(info.disks[0].capacity_bytes, Some(40 * MIB));
    // prose lies in 4 grains; the noise starts 100 bytes into one and reaches into the next
    assert_eq!(info.disks[0].populated_bytes, Some(6 * 65_536));
    let blank: Vec<_> = info.disks[1..].iter().map(|d| (d.file.clone(), d.capacity_bytes)).collect();
    assert_eq!(blank, [(None, Some(250 << 30)), (None, Some(500 << 30))]);
    assert_eq!(info.deployment_options, ["standard", "large"]);
    assert_eq!(info.networks, ["Management", "Capture-1"]);
    assert_eq!(info.hardware, ["vmx-13"]);
    assert_eq!(info.transport.as_deref(), Some("com.vmware.guestInfo iso"));
    let keys: std::collections::BTreeSet<_> = info.properties.iter().cloned().collect();
    let expected: std::collections::BTreeSet<_> = DEFINITIONS.iter().map(|d| d.property_key()).collect();
    assert_eq!(keys, expected);
    let member = ova.members()[0].clone();
    let xml = String::from_utf8(ova.content(&member).unwrap()).unwrap();
    assert!(xml.contains(
        "<Property ovf:key=\"activation_token\" ovf:type=\"string\" ovf:qualifiers=\"MaxLen(512)\" \
         ovf:userConfigurable=\"true\" ovf:value=\"\" ovf:password=\"true\">"
    ));
    assert!(xml.contains("ovf:qualifiers=\"ValueMap{&quot;dhcp&quot;,&quot;static&quot;}\""), "{xml}");
}

#[test]
fn p5_every_profile_passes_the_lint() {
    let dir = tempfile::tempdir().unwrap();
    let raw = disk(dir.path(), "raw", 512 * 3, &[(0, vec![1])]);
    for firmware in [Firmware::Bios, Firmware::Efi, Firmware::EfiSecureBoot] {
        for capture_nics in [1, MAX_CAPTURE_NICS] {
            let eula = Some("a < b & \"c\"".to_owned());
            let profile = Profile { firmware, capture_nics, eula, ..profile() };
            let bytes = ova(&raw, &profile, None, 1);
            assert_eq!(found(&bytes), "");
            let mut ova = Ova::open(Cursor::new(&bytes)).unwrap();
            let xml = ova.members()[0].clone();
            let xml = String::from_utf8(ova.content(&xml).unwrap()).unwrap();
            assert_eq!(xml.contains("efiSecureBootEnabled"), firmware == Firmware::EfiSecureBoot);
            assert_eq!(xml.matches("<rasd:ResourceSubType>VmxNet3<").count(), capture_nics + 1);
        }
    }
    let refused = Profile { firmware: Firmware::EfiSecureBoot, hardware_version: 11, ..profile() };
    let said = refused.check().unwrap_err().to_string();
    assert_eq!(said, "Secure Boot needs hardware version 13 or later, not 11");
    let refused = Profile { capture_nics: 9, ..profile() };
    assert_eq!(
        refused.check().unwrap_err().to_string(),
        "the number of capture adapters is 9, but must be 1 to 8"
    );
    assert!(Profile::new("../x", "1", GuestOs::Ubuntu).check().is_err());
    assert!(append_member(&mut Vec::new(), &"n".repeat(100), b"", DATE).is_err());
    assert!(append_member(&mut Vec::new(), "n", b"", u64::MAX).is_err());
}

#[test]
fn openssl_accepts_the_signature_and_so_do_we() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (key, certificate) = (at("key.pem"), at("cert.pem"));
    let subject = "/O=Eyot/CN=publisher";
    run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            &key,
            "-out",
            &certificate,
            "-subj",
            subject,
            "-days",
            "30",
        ],
    );
    let signer = Signer::new(&fs::read(&key).unwrap(), &fs::read(&certificate).unwrap()).unwrap();
    let raw = small_disk(dir.path());
    let bytes = ova(&raw, &profile(), Some(&signer), 2);
    assert!(bytes == ova(&raw, &profile(), Some(&signer), 1), "signing is reproducible");
    assert_eq!(found(&bytes), "Remark: certificate: O=Eyot, CN=publisher signed itself\n");

    let mut archive = Ova::open(Cursor::new(&bytes)).unwrap();
    let names: Vec<_> =
        archive.members().iter().map(|m| m.name.rsplit('.').next().unwrap().to_owned()).collect();
    assert_eq!(names, ["ovf", "mf", "cert", "vmdk", "png"]);
    let members = archive.members().to_vec();
    let manifest = archive.content(&members[1]).unwrap();
    let member = String::from_utf8(archive.content(&members[2]).unwrap()).unwrap();
    let signature = member.lines().next().unwrap().strip_prefix("SHA256(eyot-1.2.3.mf)= ").unwrap();
    fs::write(at("mf"), &manifest).unwrap();
    fs::write(at("sig"), hex::decode(signature).unwrap()).unwrap();
    let public = run("openssl", &["x509", "-in", &certificate, "-pubkey", "-noout"]);
    fs::write(at("pub"), public).unwrap();
    run("openssl", &["dgst", "-sha256", "-verify", &at("pub"), "-signature", &at("sig"), &at("mf")]);

    // A changed manifest no longer goes with its signature.
    let mut bent = bytes.clone();
    let digit = members[1].offset as usize + "SHA256(eyot-1.2.3.ovf)= ".len();
    bent[digit] = if bent[digit] == b'0' { b'1' } else { b'0' };
    assert!(found(&bent).contains("Fault: certificate: the signature does not match the manifest"));

    let other = at("other.pem");
    run("openssl", &["genrsa", "-out", &other, "2048"]);
    let error = Signer::new(&fs::read(&other).unwrap(), &fs::read(&certificate).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "the certificate belongs to another key than the one given");
}

/// An archive of these members, in this order.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, content) in members {
        append_member(&mut out, name, content, DATE).unwrap();
    }
    end_archive(&mut out).unwrap();
    out
}

#[test]
fn the_verifier_names_each_known_fault() {
    let dir = tempfile::tempdir().unwrap();
    let good = ova(&small_disk(dir.path()), &profile(), None, 1);
    let mut opened = Ova::open(Cursor::new(&good)).unwrap();
    let members = opened.members().to_vec();
    let parts: Vec<Vec<u8>> = members.iter().map(|m| opened.content(m).unwrap()).collect();
    let (ovf, mf, vmdk, icon) = (&parts[0][..], &parts[1][..], &parts[2][..], &parts[3][..]);
    let names: Vec<&str> = members.iter().map(|m| m.name.as_str()).collect();
    let with = |ovf: &[u8], mf: &[u8], vmdk: &[u8]| {
        archive(&[(names[0], ovf), (names[1], mf), (names[2], vmdk), (names[3], icon)])
    };
    assert_eq!(found(&with(ovf, mf, vmdk)), "");
    assert!(with(ovf, mf, vmdk) == good);

    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let ovf_with = |from: &str, to: &str| {
        let changed = text(ovf).replacen(from, to, 1);
        assert_ne!(changed, text(ovf), "{from}");
        found(&with(changed.as_bytes(), mf, vmdk))
    };
    let cases = [
        (
            found(&archive(&[(names[1], mf), (names[0], ovf), (names[2], vmdk)])),
            "the .ovf is not the first member",
        ),
        (found(&archive(&[(names[0], ovf), (names[2], vmdk)])), "Remark: manifest: there is none"),
        (
            found(&archive(&[(names[0], ovf), (names[1], mf)])),
            "\"eyot-1.2.3-disk1.vmdk\" is not in the archive",
        ),
        (
            found(&with(ovf, text(mf).replace("SHA256(", "SHA256 (").as_bytes(), vmdk)),
            "space before the bracket",
        ),
        (found(&with(ovf, text(mf).replace("SHA256(", "SHA2-256(").as_bytes(), vmdk)), "openssl 3"),
        (found(&with(ovf, &mf[..mf.len() / 3], vmdk)), "does not list \"eyot-1.2.3-disk1.vmdk\""),
        (found(&with(ovf, mf, &vmdk[..vmdk.len() - 512])), "the descriptor says"),
        (found(&with(ovf, mf, &[vmdk, &[0; 512]].concat())), "no footer marker"),
        (found(&good[..good.len() - 1024]), "does not end in two zero blocks"),
        (found(&good[..good.len() / 2]), "its member reaches beyond the archive"),
        (found(b"not a tar archive"), "cannot read 512 bytes"),
        (ovf_with("capacity=\"40\"", "capacity=\"39\""), "the descriptor says 40894464"),
        (ovf_with("#streamOptimized", "#sparse"), "importers take only"),
        (ovf_with("vmx-13", "virtualbox-2.2"), "unsupported hardware family"),
        (ovf_with("activation_token", "activation.token"), "has a dot or colon"),
        (ovf_with("ovf:/disk/system", "ovf:/disk/nowhere"), "refers to \"ovf:/disk/nowhere\""),
        (ovf_with("<rasd:Connection>Management", "<rasd:Connection>Elsewhere"), "network \"Elsewhere\""),
        (ovf_with("</References>", ""), "not well-formed XML"),
    ];
    for (said, expected) in cases {
        assert!(said.contains(expected), "expected {expected:?}, found:\n{said}");
    }
}

#[test]
fn pax_archives_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.ovf"), "<Envelope/>").unwrap();
    let (pax, gnu) = (dir.path().join("pax.ova"), dir.path().join("gnu.ova"));
    let root = dir.path().to_str().unwrap();
    run(
        "tar",
        &["--format=pax", "-cf", pax.to_str().unwrap(), "-C", root, "--pax-option=comment=x", "a.ovf"],
    );
    run("tar", &["--format=gnu", "-cf", gnu.to_str().unwrap(), "-C", root, "a.ovf"]);
    let flavour = |path| Ova::open(Cursor::new(fs::read(path).unwrap())).unwrap().members()[0].flavour;
    assert_eq!((flavour(pax), flavour(gnu)), (Flavour::Pax, Flavour::OldOrGnu));
}

#[test]
fn descriptors_of_others_are_read() {
    // Default namespace on the envelope or prefixes everywhere; both are common.
    let prefixed = "<?xml version='1.0'?><ovf:Envelope xmlns:ovf='http://schemas.dmtf.org/ovf/envelope/1'>\
        <ovf:References><ovf:File ovf:id='f' ovf:href='d.vmdk' ovf:size='5'/></ovf:References>\
        <ovf:DiskSection><ovf:Info>x</ovf:Info><ovf:Disk ovf:diskId='d' ovf:fileRef='f' ovf:capacity='2' \
        ovf:capacityAllocationUnits='byte * 2^30' \
        ovf:format='http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized'/></ovf:DiskSection>\
        </ovf:Envelope>";
    let descriptor = Descriptor::parse(prefixed.as_bytes()).unwrap();
    assert_eq!(descriptor.info().disks[0].capacity_bytes, Some(2 << 30));
    assert!(lint(&descriptor).list().is_empty());
    assert!(Descriptor::parse(b"<Other/>").is_err());
    assert!(Descriptor::parse(b"<!DOCTYPE a [<!ENTITY x 'y'>]><Envelope>&x;</Envelope>").is_err());
    assert!(Descriptor::parse("<a>".repeat(100).as_bytes()).is_err());
}
