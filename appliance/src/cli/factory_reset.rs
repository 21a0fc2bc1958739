//! `factory-reset`: as it left the factory.

use std::io::Write;

use anyhow::bail;

use crate::activate::{reserve, reset::reset};
use crate::host::{Discard, Host};

/// Make the appliance as it left the factory: no identity, no settings, nothing learnt
///
/// The sensor at the portal stays there until it is deleted in Sites and sensors; a new activation command for it, or for
/// another sensor, activates this machine again. Restart the machine afterwards.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  eyot-appliance factory-reset\n  eyot-appliance factory-reset --yes --keep-network\n\nExit codes: 0 reset, 1 not (or not wholly: run it again)"
)]
pub(super) struct Arguments {
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Keep the management interface's address
    #[arg(long)]
    keep_network: bool,
}

impl Arguments {
    pub(super) fn run(self, host: &dyn Host) -> anyhow::Result<u8> {
        if !self.yes && !confirmed()? {
            bail!("nothing was changed; type yes, or give --yes, to reset");
        }
        let _reserved = reserve(host)?;
        // the agent would write anew what is being removed; it starts again with the machine
        for unit in ["eyot-appliance.service", "eyot-sensor.service"] {
            host.run("systemctl", &["stop", unit])?;
        }
        let discarded = reset(host, self.keep_network)?;
        if host.run("cloud-init", &["clean", "--logs"]).is_err() {
            println!("cloud-init's copies of the seed, if it is installed, were not removed");
        }
        println!("reset; restart the machine, then give it an activation token");
        if discarded == Discard::Unsupported {
            println!(
                "this disk cannot discard free blocks, so remnants may stay on it until they are overwritten"
            );
        }
        Ok(0)
    }
}

fn confirmed() -> anyhow::Result<bool> {
    print!(
        "This removes the identity, the settings and everything the sensor has learnt. Type yes to go on: "
    );
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}
