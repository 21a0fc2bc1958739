//! A settings file.

use eyot_contract::settings::Layer;

use super::{parse, SourceError};
use crate::host::Host;

pub(super) fn look(host: &dyn Host, path: &str) -> Result<Option<Layer>, SourceError> {
    match host.read(path)? {
        Some(content) => parse(path, content).map(Some),
        None => Ok(None),
    }
}
