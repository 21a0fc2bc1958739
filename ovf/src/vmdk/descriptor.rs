//! The text descriptor embedded in a VMDK: writing ours, reading anyone's.

use crate::disk::ContentId;

/// Heads and sectors per track of the geometry that SCSI disks above 1 GiB are given.
const HEADS: u64 = 255;
const TRACK_SECTORS: u64 = 63;
const MAX_CYLINDERS: u64 = 65_535;

/// Values of CID that mean "no parent" and "unknown".
const RESERVED_CIDS: [u32; 2] = [0xffff_ffff, 0xffff_fffe];

/// The text for a disk of `capacity` sectors. `CID` and `longContentID` come from the content, so that the same disk
/// gives the same bytes; the long one ends in the short one, as VMware's own do.
pub fn text(capacity: u64, content: &ContentId) -> String {
    let (cid, long) = content_ids(content);
    let cylinders = capacity.div_ceil(HEADS * TRACK_SECTORS).min(MAX_CYLINDERS);
    // adapterType lsilogic stands for LSI and pvscsi alike; the OVF names the real controller. toolsVersion 2147483647
    // with install type 4 is "open-vm-tools, managed by the guest", without which vCenter says "not installed".
    format!(
        "# Disk DescriptorFile\n\
         version=1\n\
         encoding=\"UTF-8\"\n\
         CID={cid:08x}\n\
         parentCID=ffffffff\n\
         createType=\"streamOptimized\"\n\
         \n\
         # Extent description\n\
         RW {capacity} SPARSE \"disk.vmdk\"\n\
         \n\
         # The Disk Data Base\n\
         #DDB\n\
         \n\
         ddb.longContentID = \"{long}\"\n\
         ddb.virtualHWVersion = \"4\"\n\
         ddb.geometry.cylinders = \"{cylinders}\"\n\
         ddb.geometry.heads = \"{HEADS}\"\n\
         ddb.geometry.sectors = \"{TRACK_SECTORS}\"\n\
         ddb.adapterType = \"lsilogic\"\n\
         ddb.toolsInstallType = \"4\"\n\
         ddb.toolsVersion = \"2147483647\"\n"
    )
}

fn content_ids(content: &ContentId) -> (u32, String) {
    let c = &content.0;
    let mut cid = u32::from_be_bytes([c[12], c[13], c[14], c[15]]);
    if RESERVED_CIDS.contains(&cid) {
        cid ^= 0x8000_0000;
    }
    (cid, format!("{}{cid:08x}", hex::encode(&c[..12])))
}

/// A descriptor as read: what is checked and shown, not every line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// `key = value` lines in order, quotes removed
    values: Vec<(String, String)>,
    /// sectors of each extent line
    extents: Vec<u64>,
}

impl Descriptor {
    /// Reads leniently: unknown lines are passed over, the text ends at the first zero byte.
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        let text = String::from_utf8_lossy(&bytes[..end]);
        let mut found = Descriptor::default();
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            if let Some(extent) = line.strip_prefix("RW ") {
                found.extents.extend(extent.split(' ').next().and_then(|n| n.parse::<u64>().ok()));
            } else if let Some((key, value)) = line.split_once('=') {
                found.values.push((key.trim().to_owned(), value.trim().trim_matches('"').to_owned()));
            }
        }
        found
    }

    /// The value of a key, whatever its case.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v.as_str())
    }

    /// Sectors of each `RW` extent.
    pub fn extents(&self) -> &[u64] {
        &self.extents
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids_come_from_the_content_and_avoid_reserved_values() {
        let mut content = ContentId([0xab; 32]);
        assert_eq!(content_ids(&content), (0xabab_abab, "ab".repeat(16)));
        content.0[12..16].copy_from_slice(&[0xff; 4]);
        let (cid, long) = content_ids(&content);
        assert_eq!(cid, 0x7fff_ffff);
        assert!(long.ends_with("7fffffff") && long.len() == 32);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = text(409_600, &ContentId([7; 32]));
        let mut padded = text.clone().into_bytes();
        padded.resize(10_240, 0);
        let d = Descriptor::parse(&padded);
        assert_eq!(d.get("createtype"), Some("streamOptimized"));
        assert_eq!(d.get("ddb.geometry.cylinders"), Some("26"));
        assert_eq!(d.extents(), [409_600]);
        assert_eq!(Descriptor::parse(&[0xff, b'=', 0, 1]).get("x"), None);
    }
}
