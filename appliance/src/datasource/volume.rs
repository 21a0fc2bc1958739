//! A volume found by its label and read straight from its block device, without mounting.
//!
//! ISO 9660 is read; a volume that is something else, or has another label, is passed over in silence: the machine has
//! disks of its own. One that has the label and the file but cannot be read whole is an error.

use super::SourceError;
use crate::host::Host;

/// A file on a labelled volume.
pub(super) struct Found {
    /// The block device.
    pub(super) device: String,
    /// The file's content.
    pub(super) content: Vec<u8>,
}

/// The first volume with one of these labels (capital or small letters) and this file.
pub(super) fn find(host: &dyn Host, labels: &[&str], file: &str) -> Result<Option<Found>, SourceError> {
    for device in host.block_devices()? {
        // an empty drive, a disk without permission to read: not a seed
        let Ok(opened) = host.open_device(&device) else { continue };
        let Ok(mut volume) = eyot_iso::read(opened) else { continue };
        let label = volume.label().trim().to_owned();
        if !labels.iter().any(|l| label.eq_ignore_ascii_case(l))
            || !volume.files().iter().any(|f| f.name() == file)
        {
            continue;
        }
        return match volume.get(file) {
            Ok(content) => Ok(Some(Found { device, content })),
            Err(e) => Err(SourceError::Volume { device, label, reason: e.to_string() }),
        };
    }
    Ok(None)
}
