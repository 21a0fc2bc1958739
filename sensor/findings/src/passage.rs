//! The whole way of frames from a source to an inventory, in one thread: what the commands that read files, the examples and
//! the fuzz target have in common. The running sensor has a queue between these stations instead.

use eyot_capture::{Pulled, Source, SourceError};
use eyot_contract::Timestamp;
use eyot_inventory::{Gatherer, Inventory};

use crate::Findings;

/// Takes at most `max` frames through `gatherer` into the inventory and looks at each for what is wrong, where that is
/// asked. At the end of the source, and at an error, what was drawn together so far is taken too.
///
/// # Errors
/// When the source cannot go on; what it gave before has been taken.
pub fn pass(
    source: &mut dyn Source,
    max: usize,
    gatherer: &mut Gatherer,
    inventory: &mut Inventory,
    findings: Option<&mut Findings>,
) -> Result<Pulled, SourceError> {
    let pulled = source.pull(max, &mut |frame| gatherer.frame(frame));
    if !matches!(pulled, Ok(Pulled::Frames(_))) {
        gatherer.settle();
    }
    take(gatherer, inventory, findings);
    pulled
}

/// Takes what was drawn together into the inventory, and looks at it for what is wrong.
pub fn take(gatherer: &mut Gatherer, inventory: &mut Inventory, findings: Option<&mut Findings>) {
    match findings {
        Some(findings) => inventory.take(gatherer.gathered_mut(), |sighting, inventory| {
            findings.frame(sighting.at, &sighting.summary, inventory);
        }),
        None => inventory.take(gatherer.gathered_mut(), |_, _| ()),
    }
    gatherer.clear();
}

/// Identifies everything and looks the whole over, once there is nothing more to come.
pub fn conclude(inventory: &mut Inventory, findings: Option<&mut Findings>) {
    inventory.identify(usize::MAX);
    if let Some(findings) = findings {
        let latest = inventory.devices().map(|device| device.last_seen()).max();
        findings.assess(inventory, latest.unwrap_or(Timestamp(0)));
    }
}
