//! `wizard`: the console's set-up pages, then whatever login program is named.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{bail, Context};
use console::Term;

use super::{activate::activate_now, network};
use crate::host::Host;
use crate::page::owns_network;
use crate::paths;
use crate::settings::gather;
use crate::wizard::{run, wait_for_a_person, Doer, Outcome};

/// How long an address is waited for after the network's settings changed.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(30);

/// Set the appliance up at its console: network, proxy, monitored interfaces, activation token
///
/// Without --wait the pages begin at once. With it the first screen stays until somebody presses Enter, and the wizard
/// ends by itself when a seed has activated the appliance. The program after -- takes its place in the end.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  eyot-appliance wizard\n  eyot-appliance wizard --wait -- /sbin/agetty --noclear tty1 linux\n\nExit codes (without a program): 0 activated, 1 not"
)]
pub(super) struct Arguments {
    /// Wait for somebody to press Enter
    #[arg(long)]
    wait: bool,
    /// What to run afterwards in the wizard's place
    #[arg(last = true, value_name = "PROGRAM")]
    then: Vec<OsString>,
}

impl Arguments {
    pub(super) fn run(self, host: &dyn Host) -> anyhow::Result<u8> {
        let outcome = self.ask(host);
        let Some((program, arguments)) = self.then.split_first() else {
            return Ok(u8::from(outcome? != Outcome::Activated));
        };
        // somebody must be able to log in, whatever became of the pages
        if let Err(error) = outcome {
            eprintln!("eyot-appliance: {error:#}");
        }
        let error = Command::new(program).args(arguments).exec();
        Err(error).with_context(|| format!("{} cannot be run", program.display()))
    }

    fn ask(&self, host: &dyn Host) -> anyhow::Result<Outcome> {
        let term = Term::stdout();
        if !term.is_term() {
            bail!("the wizard needs a terminal; without one use `eyot-appliance activate --token-file -`");
        }
        if self.wait {
            if let Some(outcome) = wait_for_a_person(host, &term)? {
                return Ok(outcome);
            }
        }
        // only an appliance's network is ours; on somebody's own server it has an owner already
        Ok(run(host, &Here { host }, &term, owns_network(host))?)
    }
}

struct Here<'h> {
    host: &'h dyn Host,
}

impl Doer for Here<'_> {
    fn apply_network(&self) -> Result<String, String> {
        let told = |e: anyhow::Error| format!("{e:#}").replace('\n', " ");
        network::Arguments {}.run(self.host).map_err(told)?;
        self.host.run("netplan", &["apply"]).map_err(|e| crate::settings::chain(&e))?;
        let settings = gather(self.host).resolve().map_err(|e| e.to_string())?.settings;
        let adapters = self.host.adapters().map_err(|e| crate::settings::chain(&e))?;
        let roles = crate::apply::role::assign(&settings, &adapters);
        let name = roles.management.ok_or("there is no management interface")?;
        let started = Instant::now();
        while started.elapsed() < ADDRESS_PATIENCE {
            let shown = self.host.run("ip", &["-brief", "address", "show", "dev", &name, "scope", "global"]);
            let address = shown.unwrap_or_default().split_whitespace().nth(2).map(str::to_owned);
            if let Some(address) = address {
                return Ok(format!("{name} has the address {address}."));
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        Err(format!("{name} has no address after {} s", ADDRESS_PATIENCE.as_secs()))
    }

    fn activate(&self, token: &str) -> Result<String, String> {
        let mut said = activate_now(self.host, token).map_err(|e| format!("{e:#}").replace('\n', " "))?;
        said.push(format!(
            "`eyot-appliance status` says how it is; {} holds the answers.",
            paths::LOCAL_SETTINGS
        ));
        Ok(said.join("\n"))
    }
}
