//! `devices`: what the running sensor has stored, and what people decide about it.

use std::io::{stdout, BufWriter, Write};
use std::process::ExitCode;

use eyot_contract::Timestamp;
use eyot_inventory::{Decision, Store};

use crate::cli::{DevicesAction, DevicesArgs, Verdict};
use crate::show;

/// Prints the stored devices, identified by the rules of this program, or takes a decision about some.
pub fn run(args: &DevicesArgs) -> anyhow::Result<ExitCode> {
    if let Some(action) = &args.action {
        // made only if it is there: a decision about a device of an empty database cannot be meant
        Store::open_read_only(&args.database)?;
        Store::open(&args.database)?.decide(&decision(action), Timestamp::now())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut inventory = Store::open_read_only(&args.database)?.load()?;
    inventory.identify(usize::MAX);
    let mut out = BufWriter::new(stdout().lock());
    show::devices(&mut out, inventory.each_record(), args.format)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn decision(action: &DevicesAction) -> Decision {
    match action {
        DevicesAction::Merge { macs } => Decision::Merge(macs.clone()),
        DevicesAction::Unmerge { mac } => Decision::Unmerge(*mac),
        DevicesAction::Set { mac, attribute, value } => {
            Decision::Set(*mac, attribute.attribute(), value.clone())
        }
        DevicesAction::Unset { mac, attribute } => Decision::Unset(*mac, attribute.attribute()),
        DevicesAction::Authorize { mac, verdict } => Decision::Authorize(
            *mac,
            match verdict {
                Verdict::Yes => Some(true),
                Verdict::No => Some(false),
                Verdict::Unknown => None,
            },
        ),
        DevicesAction::Delete { mac } => Decision::Delete(*mac),
    }
}
