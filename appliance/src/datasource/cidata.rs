//! The seed volume, labelled `cidata`.

use eyot_contract::settings::Layer;
use eyot_contract::{SEED_FILE, VOLUME_LABEL};

use super::{parse, volume, SourceError};
use crate::host::Host;

pub(super) fn look(host: &dyn Host) -> Result<Option<Layer>, SourceError> {
    match volume::find(host, &[VOLUME_LABEL], SEED_FILE)? {
        Some(found) => parse(&format!("cidata volume {}", found.device), found.content).map(Some),
        None => Ok(None),
    }
}
