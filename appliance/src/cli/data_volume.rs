//! `data-volume`: makes, grows and mounts the data volume (`eyot-data.service` runs it at each boot).

use anyhow::bail;

use crate::apply::data_volume::{apply, disks, plan, Plan, Record};
use crate::host::Host;

/// Put the sensor's data on its own disk: make the volume on a blank one, grow it, mount it
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  eyot-appliance data-volume --dry-run\n  eyot-appliance data-volume --disk /dev/sdb\n\n\
    A disk with anything on it is never touched.\n\nExit codes: 0 done or nothing to do, 1 something is in the way"
)]
pub(super) struct Arguments {
    /// Consider this disk only
    #[arg(long, value_name = "DEVICE")]
    disk: Option<String>,
    /// Say what would be done, change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Arguments {
    pub(super) fn run(self, host: &dyn Host) -> anyhow::Result<u8> {
        let only = self.disk.as_deref();
        let plan = plan(&disks(host, only)?);
        if self.dry_run {
            match plan {
                Plan::SystemDisk => println!("no blank data disk: data stays on the system disk"),
                Plan::Make(disk) => println!("would make the data volume on {}", disk.node),
                Plan::Use { disk, .. } => println!("would use the data volume on {}", disk.node),
                Plan::Unclear(words) => bail!(words),
            }
            return Ok(0);
        }
        for change in apply(host, only, &plan)? {
            println!("{change}");
        }
        match Record::load(host)? {
            Some(Record { problem: Some(problem), .. }) => bail!(problem),
            _ => Ok(0),
        }
    }
}
