//! A volume labelled `cidata`, read straight from its block device, without mounting.
//!
//! ISO 9660 is read; a volume that is something else, or has another label, is passed over in silence: the machine has
//! disks of its own. One that has the label and `eyot.toml` but cannot be read whole is an error.

use eyot_contract::settings::Layer;
use eyot_contract::{SEED_FILE, VOLUME_LABEL};

use super::{parse, SourceError};
use crate::host::Host;

pub(super) fn look(host: &dyn Host) -> Result<Option<Layer>, SourceError> {
    for device in host.block_devices()? {
        // an empty drive, a disk without permission to read: not a seed
        let Ok(opened) = host.open_device(&device) else { continue };
        let Ok(mut volume) = eyot_iso::read(opened) else { continue };
        if !volume.label().trim().eq_ignore_ascii_case(VOLUME_LABEL)
            || !volume.files().iter().any(|f| f.name() == SEED_FILE)
        {
            continue;
        }
        let content = volume
            .get(SEED_FILE)
            .map_err(|e| SourceError::Volume { device: device.clone(), reason: e.to_string() })?;
        return parse(&format!("cidata volume {device}"), content).map(Some);
    }
    Ok(None)
}
