//! Checks an OVA as its importers do, and more strictly: order and flavour of the archive, sizes, manifest, signature,
//! descriptor, and every VMDK inside.

use std::io::{Read, Seek};

use super::error::OvaError;
use super::manifest::Manifest;
use super::reader::{Flavour, Member, Ova};
use super::signature::check_certificate;
use crate::digest::sha256_of;
use crate::findings::Findings;
use crate::ovf::{lint, OvfInfo};
use crate::pass::Control;
use crate::vmdk::{self, Vmdk, VmdkError};

/// All that is wrong with the archive in `source`. Fails only when it cannot be read at all.
pub fn verify<R: Read + Seek>(source: R, control: &Control) -> Result<Findings, OvaError> {
    let mut f = Findings::default();
    let mut ova = match Ova::open(source) {
        Ok(ova) => ova,
        Err(OvaError::Source(e)) if e.source.kind() != std::io::ErrorKind::UnexpectedEof => {
            return Err(e.into())
        }
        Err(error) => {
            f.fault("archive", error.to_string());
            return Ok(f);
        }
    };
    archive(&ova, &mut f);
    let info = match ova.descriptor() {
        Ok(descriptor) => {
            f.inside("descriptor", lint(&descriptor));
            descriptor.info().clone()
        }
        Err(OvaError::Source(e)) => return Err(e.into()),
        Err(error) => {
            f.fault("descriptor", error.to_string());
            return Ok(f);
        }
    };
    references(&ova, &info, &mut f);
    manifest(&mut ova, control, &mut f)?;
    certificate(&mut ova, &mut f)?;
    disks(&mut ova, &info, control, &mut f)?;
    Ok(f)
}

/// Where a member belongs: descriptor, manifest, certificate, files.
fn rank(member: &Member) -> u8 {
    match member.name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).as_deref() {
        Some("ovf") => 0,
        Some("mf") => 1,
        Some("cert") => 2,
        _ => 3,
    }
}

fn archive<R: Read + Seek>(ova: &Ova<R>, f: &mut Findings) {
    let members = ova.members();
    f.expect(members.first().is_some_and(|m| rank(m) == 0), "archive", || {
        "the .ovf is not the first member; importers stop there".to_owned()
    });
    if !members.is_sorted_by_key(rank) {
        let names: Vec<&str> = members.iter().map(|m| m.name.as_str()).collect();
        f.remark(
            "archive",
            format!("order is {}, not descriptor, manifest, certificate, files", names.join(", ")),
        );
    }
    for m in members {
        match m.flavour {
            Flavour::Ustar | Flavour::Large => {}
            Flavour::OldOrGnu => f.remark("archive", format!("{:?} has no ustar header", m.name)),
            Flavour::Pax => {
                f.fault("archive", format!("{:?} is a PAX record, which vSphere does not read", m.name))
            }
            Flavour::Other => f.fault("archive", format!("{:?} is not a regular file", m.name)),
        }
        f.expect(!m.name.contains('/'), "archive", || format!("{:?} is not a flat name", m.name));
        let same = members.iter().filter(|other| other.name == m.name).count();
        f.expect(same == 1, "archive", || format!("{:?} is there {same} times", m.name));
    }
    f.expect(ova.is_ended(), "archive", || "does not end in two zero blocks; it may be cut off".to_owned());
}

fn references<R: Read + Seek>(ova: &Ova<R>, info: &OvfInfo, f: &mut Findings) {
    for file in &info.files {
        match ova.members().iter().find(|m| m.name == file.href) {
            None => f.fault("references", format!("{:?} is not in the archive", file.href)),
            Some(member) => {
                let stated = file.size.unwrap_or(member.size);
                f.expect(stated == member.size, "references", || {
                    format!("{:?} is {} bytes long, the descriptor says {stated}", file.href, member.size)
                });
            }
        }
    }
    let files: Vec<&str> = ova.members().iter().filter(|m| rank(m) == 3).map(|m| m.name.as_str()).collect();
    for name in &files {
        if !info.files.iter().any(|file| file.href == *name) {
            f.remark("references", format!("{name:?} is in the archive, but not in the descriptor"));
        }
    }
    let stated = info.files.iter().map(|file| file.href.as_str()).filter(|h| files.contains(h));
    f.expect(
        stated.eq(files.iter().copied().filter(|n| info.files.iter().any(|x| x.href == *n))),
        "references",
        || "the files stand in another order than in the descriptor".to_owned(),
    );
}

fn manifest<R: Read + Seek>(ova: &mut Ova<R>, control: &Control, f: &mut Findings) -> Result<(), OvaError> {
    let Some(member) = ova.by_extension("mf").cloned() else {
        f.remark("manifest", "there is none");
        return Ok(());
    };
    let manifest = Manifest::parse(&ova.content(&member)?);
    for fault in &manifest.faults {
        f.fault("manifest", fault);
    }
    for member in ova.members().to_vec() {
        if matches!(rank(&member), 1 | 2) {
            continue;
        }
        let Some(entry) = manifest.entries.iter().find(|e| e.name == member.name) else {
            f.fault("manifest", format!("does not list {:?}", member.name));
            continue;
        };
        if !matches!(entry.algorithm.as_str(), "SHA256" | "SHA2-256") {
            f.remark(
                "manifest",
                format!("{:?} has only a {} digest, not checked", member.name, entry.algorithm),
            );
            continue;
        }
        match sha256_of(&mut ova.section(&member), member.size, control) {
            Ok((digest, _)) => f.expect(digest == entry.digest, "manifest", || {
                format!("{:?} has SHA-256 {digest}, the manifest says {}", member.name, entry.digest)
            }),
            Err(error) => f.fault("manifest", format!("{:?} cannot be hashed: {error}", member.name)),
        }
    }
    for entry in &manifest.entries {
        let known = ova.members().iter().any(|m| m.name == entry.name);
        f.expect(known, "manifest", || format!("lists {:?}, which is not in the archive", entry.name));
    }
    Ok(())
}

fn certificate<R: Read + Seek>(ova: &mut Ova<R>, f: &mut Findings) -> Result<(), OvaError> {
    let Some(certificate) = ova.by_extension("cert").cloned() else { return Ok(()) };
    let Some(manifest) = ova.by_extension("mf").cloned() else {
        f.fault("certificate", "there is no manifest that it could sign");
        return Ok(());
    };
    let (certificate, manifest) = (ova.content(&certificate)?, ova.content(&manifest)?);
    match check_certificate(&certificate, &manifest) {
        Ok(publisher) if publisher.self_signed => {
            f.remark("certificate", format!("{} signed itself", publisher.subject));
        }
        Ok(_) => {}
        Err(error) => f.fault("certificate", error.to_string()),
    }
    Ok(())
}

fn disks<R: Read + Seek>(
    ova: &mut Ova<R>,
    info: &OvfInfo,
    control: &Control,
    f: &mut Findings,
) -> Result<(), OvaError> {
    for disk in &info.disks {
        let file = disk.file.as_ref().and_then(|id| info.files.iter().find(|file| &file.id == id));
        let Some(member) = file.and_then(|file| ova.members().iter().find(|m| m.name == file.href)).cloned()
        else {
            continue;
        };
        f.inside(&member.name, vmdk::verify(ova.section(&member), control)?);
        match Vmdk::open(ova.section(&member)) {
            Ok(vmdk) => {
                if let Some(stated) = disk.capacity_bytes {
                    f.expect(stated == vmdk.capacity(), &member.name, || {
                        format!("holds {} bytes, the descriptor says {stated}", vmdk.capacity())
                    });
                }
            }
            Err(VmdkError::Source(e)) if e.source.kind() != std::io::ErrorKind::UnexpectedEof => {
                return Err(e.into())
            }
            // already among the VMDK's own findings
            Err(_) => {}
        }
    }
    Ok(())
}
