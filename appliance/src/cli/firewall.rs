//! `firewall`: the rules.

use anyhow::bail;
use clap::Subcommand;

use crate::activate::Identity;
use crate::apply::{firewall, role};
use crate::health::validate::firewall_file;
use crate::host::Host;
use crate::settings::gather;

/// Show the firewall's rules
#[derive(clap::Args)]
#[command(after_help = "Example:\n  eyot-appliance firewall show")]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Print the rules on disk and say whether they are in force; exit code 1 if they are not
    Show,
}

impl Arguments {
    pub(super) fn run(self, host: &dyn Host) -> anyhow::Result<u8> {
        let Verb::Show = self.verb;
        let Some(text) = firewall_file(host) else {
            bail!("there are no firewall rules yet; `systemctl start eyot-appliance` writes and loads them");
        };
        print!("{text}");
        let settings = gather(host).resolve()?.settings;
        let roles = role::assign(&settings, &host.adapters()?);
        let identity = Identity::load(host)?;
        let portal = super::network::portal(identity.as_ref(), settings.token.as_ref());
        let planned = firewall::plan(&roles, &firewall::Ports::of(portal.as_deref(), &settings));
        match firewall::in_force(host, &planned)? {
            true => {
                eprintln!("these rules are in force");
                Ok(0)
            }
            false => {
                eprintln!("these rules are not in force, or not what the settings ask for; `systemctl restart eyot-appliance` loads them");
                Ok(1)
            }
        }
    }
}
