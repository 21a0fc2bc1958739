//! The data volume: what the sensor learns, on a disk of its own that can be enlarged or moved to a new appliance.
//!
//! At first boot the blank data disk that a deployment option brings becomes one ext4 file system over the whole disk,
//! labelled [`LABEL`], and what the sensor already has is copied onto it. At every boot it is mounted where the sensor
//! keeps its state, grown to the disk's size first. A disk with anything on it is never touched (see [`content`]);
//! without a data disk everything stays on the system disk.
//!
//! A volume in the making has another label, [`LABEL_UNFINISHED`]: after a power cut it is recognised and made anew.
//! Nothing here runs on somebody's own server, where `eyot-data.service` is not enabled.

pub mod content;

use serde::{Deserialize, Serialize};

use self::content::{Content, Ext4};
use super::{ApplyError, Cause};
use crate::host::{Access, Host, HostError};
use crate::paths;

/// Label of a finished volume.
pub const LABEL: &str = "eyot-data";
/// Label of one that is being made.
const LABEL_UNFINISHED: &str = "eyot-making";
/// Where the sensor keeps its state.
pub const PLACE: &str = "/var/lib/eyot-sensor";
/// Where a new volume is filled.
const STAGING: &str = "/run/eyot/data-volume";
/// Names the volume that was in use, so that its absence is noticed.
const REMEMBERED: &str = "/var/lib/eyot/data-volume";
/// How the volume stands, for `status`.
const RECORD: &str = "/run/eyot/data-volume.json";
/// A smaller disk is somebody's, not a deployment option's; bytes.
const SMALLEST: u64 = 8 << 30;
/// A file system smaller than its disk by less than this is as large as it gets; bytes.
const GROWS_BY: u64 = 64 << 20;
/// Bytes of a sector in `/sys/class/block/*/size`, whatever the disk's own.
const SECTOR: u64 = 512;
const OPTIONS: &str = "noatime,nosuid,nodev,noexec,errors=remount-ro";
const WHAT: &str = "the data volume";

/// A disk that could be or is the data disk: whole, writable, not in use by something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Its node, `/dev/sdb`.
    pub node: String,
    /// Size in bytes.
    pub bytes: u64,
    /// What is on it.
    pub content: Content,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// No data disk.
    SystemDisk,
    /// Make a volume on this blank disk, then use it.
    Make(Disk),
    /// Use the volume that is there.
    Use {
        /// Its disk.
        disk: Disk,
        /// The file system on it.
        volume: Ext4,
    },
    /// More than one disk could be meant; for people.
    Unclear(String),
}

/// How the volume stands, as `status` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its disk; none when the data is on the system disk.
    pub disk: Option<String>,
    /// Size of the file system in bytes.
    pub bytes: u64,
    /// What is wrong, for people.
    pub problem: Option<String>,
}

impl Record {
    /// The latest, if this boot has looked.
    pub fn load(host: &dyn Host) -> Result<Option<Self>, HostError> {
        Ok(host.read(RECORD)?.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    /// One line for people.
    pub fn text(&self) -> String {
        let place = match &self.disk {
            Some(disk) => format!("data on {disk}, {} GiB", self.bytes >> 30),
            None => "data on the system disk".to_owned(),
        };
        match &self.problem {
            Some(problem) => format!("{place}; {problem}"),
            None => place,
        }
    }
}

/// Decides between the disks there are.
pub fn plan(disks: &[Disk]) -> Plan {
    let nodes = |disks: &[&Disk]| disks.iter().map(|d| d.node.as_str()).collect::<Vec<_>>().join(", ");
    let finished: Vec<(&Disk, &Ext4)> = disks
        .iter()
        .filter_map(|d| match &d.content {
            Content::Ext4(volume) if volume.label == LABEL => Some((d, volume)),
            _ => None,
        })
        .collect();
    match finished[..] {
        [(disk, volume)] => return Plan::Use { disk: disk.clone(), volume: volume.clone() },
        [] => {}
        _ => {
            let disks: Vec<&Disk> = finished.iter().map(|(d, _)| *d).collect();
            return Plan::Unclear(format!("{} are both labelled {LABEL}; detach all but one", nodes(&disks)));
        }
    }
    let free: Vec<&Disk> = disks
        .iter()
        .filter(|d| match &d.content {
            Content::Blank => d.bytes >= SMALLEST,
            Content::Ext4(volume) => volume.label == LABEL_UNFINISHED,
            Content::Something => false,
        })
        .collect();
    match free[..] {
        [] => Plan::SystemDisk,
        [disk] => Plan::Make(disk.clone()),
        _ => Plan::Unclear(format!("{} are all blank; leave the one that is for the data", nodes(&free))),
    }
}

/// The disks that could be meant. With `only`, that one and no other, whatever its kind.
pub fn disks(host: &dyn Host, only: Option<&str>) -> Result<Vec<Disk>, HostError> {
    let all = host.block_devices()?;
    let nodes: Vec<String> = match only {
        Some(node) => vec![node.to_owned()],
        None => all.iter().filter(|n| !n.starts_with("/dev/sr")).cloned().collect(),
    };
    let text = |path: String| -> Result<String, HostError> {
        Ok(host.read(&path)?.map(|t| String::from_utf8_lossy(&t).trim().to_owned()).unwrap_or_default())
    };
    let used = format!("{}\n{}", text("/proc/mounts".to_owned())?, text("/proc/swaps".to_owned())?);
    let place = mounted_at(host, PLACE)?;
    let mut found = Vec::new();
    for node in nodes {
        let name = node.trim_start_matches("/dev/");
        let attribute = |file: &str| text(format!("/sys/class/block/{name}/{file}"));
        let is_partition = !attribute("partition")?.is_empty();
        let has_partitions = all.iter().any(|other| is_partition_of(other, &node));
        let in_use = used.lines().any(|line| line.split_whitespace().next() == Some(&node));
        let ours = place.as_deref() == Some(&node);
        if is_partition || has_partitions || attribute("ro")? == "1" || (in_use && !ours) {
            continue;
        }
        let bytes = attribute("size")?.parse::<u64>().unwrap_or(0) * SECTOR;
        if bytes == 0 {
            continue;
        }
        let content = host
            .open_device(&node)
            .and_then(|mut d| content::look(&mut *d, bytes).map_err(|e| HostError::new("reading", &node, e)));
        match content {
            Ok(content) => found.push(Disk { node, bytes, content }),
            // a disk that cannot be read is none for data
            Err(error) => tracing::warn!("{}", crate::settings::chain(&error)),
        }
    }
    Ok(found)
}

/// `/dev/sda1` of `/dev/sda`, `/dev/nvme0n1p1` of `/dev/nvme0n1`.
fn is_partition_of(node: &str, disk: &str) -> bool {
    let Some(rest) = node.strip_prefix(disk) else { return false };
    let number = match disk.ends_with(|c: char| c.is_ascii_digit()) {
        true => rest.strip_prefix('p'),
        false => Some(rest),
    };
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// The device mounted at a place.
fn mounted_at(host: &dyn Host, place: &str) -> Result<Option<String>, HostError> {
    let mounts = host.read("/proc/mounts")?.unwrap_or_default();
    let mounts = String::from_utf8_lossy(&mounts);
    let mut devices = mounts.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let device = words.next()?;
        (words.next()? == place).then(|| device.to_owned())
    });
    // what was mounted last is on top
    Ok(devices.next_back())
}

/// Does what the plan says, and says what was changed: nothing on a second run. The record for `status` follows.
pub fn apply(host: &dyn Host, only: Option<&str>, plan: &Plan) -> Result<Vec<String>, ApplyError> {
    let outcome = carry_out(host, only, plan);
    let record = match &outcome {
        Ok((_, record)) => record.clone(),
        Err(error) => Record { disk: None, bytes: 0, problem: Some(crate::settings::chain(error)) },
    };
    let text = serde_json::to_vec(&record).unwrap_or_default();
    if let Err(error) = host.write(RECORD, &text, Access::Everyone) {
        tracing::warn!("{}", crate::settings::chain(&error));
    }
    outcome.map(|(changes, _)| changes)
}

type Done = (Vec<String>, Record);

fn carry_out(host: &dyn Host, only: Option<&str>, plan: &Plan) -> Result<Done, ApplyError> {
    let step = |cause: HostError| ApplyError::Undone { what: WHAT, cause: Cause::Step(cause) };
    let on_the_system_disk = |problem| (Vec::new(), Record { disk: None, bytes: 0, problem });
    match plan {
        Plan::SystemDisk => {
            let before = host.read(REMEMBERED).map_err(step)?;
            let missing = before.map(|id| {
                format!(
                    "the data volume {} that was in use is not there; attach its disk again, or remove {REMEMBERED} \
                     to go on without it",
                    String::from_utf8_lossy(&id).trim()
                )
            });
            Ok(on_the_system_disk(missing))
        }
        Plan::Unclear(words) => Ok(on_the_system_disk(Some(words.clone()))),
        Plan::Make(disk) => {
            quiet(host).map_err(step)?;
            make(host, &disk.node)?;
            let made = disks(host, Some(&disk.node)).map_err(step)?;
            match self::plan(&made) {
                Plan::Use { disk, volume } => {
                    let (mut changes, record) = take(host, only, &disk, &volume)?;
                    changes.insert(0, format!("data volume made on {}", disk.node));
                    Ok((changes, record))
                }
                other => Err(ApplyError::Undone {
                    what: WHAT,
                    cause: Cause::Verify(format!("{} has no volume labelled {LABEL}: {other:?}", disk.node)),
                }),
            }
        }
        Plan::Use { disk, volume } => take(host, only, disk, volume),
    }
}

/// The sensor must not have its files open while another place comes over them.
fn quiet(host: &dyn Host) -> Result<(), HostError> {
    // without it its unit does not start: at a first boot nobody need be asked
    if host.read(paths::SENSOR_CONFIG)?.is_none() {
        return Ok(());
    }
    match host.run("systemctl", &["is-active", "eyot-sensor.service"]) {
        Ok(_) => Err(HostError::new(
            "mounting over",
            PLACE,
            std::io::Error::other("the sensor is running; `systemctl stop eyot-sensor` first"),
        )),
        Err(_) => Ok(()),
    }
}

/// A volume with all that the sensor has so far. Until the last step it is labelled as unfinished.
fn make(host: &dyn Host, node: &str) -> Result<(), ApplyError> {
    let fill = || -> Result<(), HostError> {
        host.run("mkfs.ext4", &["-q", "-m", "0", "-L", LABEL_UNFINISHED, node])?;
        if !host.files_below(PLACE)?.is_empty() {
            host.make_dir(STAGING, Access::Root)?;
            host.run("mount", &["-t", "ext4", "-o", OPTIONS, node, STAGING])?;
            host.run("cp", &["--archive", "--no-target-directory", PLACE, STAGING])?;
            host.run("umount", &[STAGING])?;
        }
        host.run("e2label", &[node, LABEL])?;
        Ok(())
    };
    fill().map_err(|cause| {
        // not mounted is fine; mounted it must not stay
        let undone = match mounted_at(host, STAGING) {
            Ok(None) => Ok(()),
            Ok(Some(_)) => host.run("umount", &[STAGING]).map(drop),
            Err(error) => Err(error),
        };
        ApplyError::after(WHAT, Cause::Step(cause), undone)
    })
}

/// Grows the volume to its disk's size and mounts it. One that is mounted already grows at the next start: done so, it
/// needs nothing of the kernel that a virtual machine may not have, and nobody is writing meanwhile.
fn take(host: &dyn Host, only: Option<&str>, disk: &Disk, volume: &Ext4) -> Result<Done, ApplyError> {
    let undone = |cause: Cause| ApplyError::Undone { what: WHAT, cause };
    let step = |cause: HostError| undone(Cause::Step(cause));
    let is_mounted = || Ok(mounted_at(host, PLACE)?.as_deref() == Some(&*disk.node));
    let mut changes = Vec::new();
    let mut grown = false;
    if !is_mounted().map_err(step)? {
        quiet(host).map_err(step)?;
        // e2fsck's exit code says that it has corrected something, which is no failure here; the next step decides
        let check = |how| drop(host.run("e2fsck", &["-p", how, &disk.node]));
        if volume.errors {
            check("-f");
        }
        if disk.bytes.saturating_sub(volume.bytes) >= GROWS_BY {
            check("-f");
            host.run("resize2fs", &[&disk.node]).map_err(step)?;
            grown = true;
            changes.push(format!("{} grown to {} GiB", disk.node, disk.bytes >> 30));
        }
        // 0700 as the sensor's own unit makes it
        host.make_dir(PLACE, Access::Root).map_err(step)?;
        let mount = || host.run("mount", &["-t", "ext4", "-o", OPTIONS, &disk.node, PLACE]).map(drop);
        if mount().is_err() {
            check("-f");
            mount().map_err(step)?;
        }
        changes.push(format!("{} mounted at {PLACE}", disk.node));
    }
    if !is_mounted().map_err(step)? {
        return Err(undone(Cause::Verify(format!("{} is not mounted at {PLACE}", disk.node))));
    }
    let now = disks(host, only.or(Some(&disk.node))).map_err(step)?;
    let bytes = now
        .iter()
        .find_map(|d| match &d.content {
            Content::Ext4(v) if d.node == disk.node && v.label == LABEL => Some(v.bytes),
            _ => None,
        })
        .ok_or_else(|| undone(Cause::Verify(format!("{} is not labelled {LABEL}", disk.node))))?;
    if grown && disk.bytes.saturating_sub(bytes) >= GROWS_BY {
        return Err(undone(Cause::Verify(format!("the file system on {} has not grown", disk.node))));
    }
    host.write(REMEMBERED, format!("{}\n", volume.uuid).as_bytes(), Access::Everyone).map_err(step)?;
    Ok((changes, Record { disk: Some(disk.node.clone()), bytes, problem: None }))
}

#[cfg(test)]
mod tests;
