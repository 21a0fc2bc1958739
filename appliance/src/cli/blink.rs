//! `blink`: which socket is it.

use anyhow::bail;

use crate::host::Host;

/// Let an adapter's light blink, to find its socket
#[derive(clap::Args)]
#[command(after_help = "Example:\n  eyot-appliance blink ens192 --seconds 10")]
pub(super) struct Arguments {
    /// The adapter's name, as `eyot-appliance interfaces` shows it
    name: String,
    /// How long
    #[arg(long, default_value = "20", value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
}

impl Arguments {
    pub(super) fn run(self, host: &dyn Host) -> anyhow::Result<u8> {
        let adapters = host.adapters()?;
        let Some(adapter) = adapters.iter().find(|a| a.name == self.name) else {
            let names: Vec<&str> = adapters.iter().map(|a| a.name.as_str()).collect();
            bail!("there is no adapter {}; present are {}", self.name, names.join(", "));
        };
        match host.blink(&self.name, self.seconds) {
            Ok(()) => Ok(0),
            Err(error) if error.is_unsupported() => bail!(
                "{} cannot blink: its driver ({}) has no light, as with virtual adapters; tell it by its hardware address {}, which the hypervisor shows too",
                self.name,
                adapter.driver.as_deref().unwrap_or("unknown"),
                adapter.mac
            ),
            Err(error) => Err(error.into()),
        }
    }
}
