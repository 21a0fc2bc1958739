//! `interfaces`: every adapter and what it is for.

use serde_json::json;

use super::Format;
use crate::apply::role;
use crate::health::role_word;
use crate::host::Host;
use crate::settings::gather;

/// List the network adapters with their roles
#[derive(clap::Args)]
#[command(after_help = "Example:\n  eyot-appliance interfaces")]
pub(super) struct Arguments {
    /// How to write the answer
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Arguments {
    pub(super) fn run(self, host: &dyn Host) -> anyhow::Result<u8> {
        let settings = gather(host).resolve()?.settings;
        let adapters = host.adapters()?;
        let roles = role::assign(&settings, &adapters);
        match self.format {
            Format::Json => {
                let all: Vec<_> = adapters
                    .iter()
                    .map(|a| {
                        json!({
                            "name": a.name, "mac": a.mac, "role": roles.of(&a.name), "driver": a.driver,
                            "bus": a.bus, "link": a.link, "up": a.flags.up, "promiscuous": a.flags.promiscuous,
                            "mtu": a.mtu, "rx_frames": a.rx_frames, "tx_frames": a.tx_frames,
                        })
                    })
                    .collect();
                println!("{}", serde_json::to_string_pretty(&all)?);
            }
            Format::Text => {
                for a in &adapters {
                    println!(
                        "{:<10} {:<15} {}  {:<10} {:<13} {:<7}  mtu {}  received {}  sent {}",
                        role_word(roles.of(&a.name)),
                        a.name,
                        a.mac,
                        a.driver.as_deref().unwrap_or("-"),
                        a.bus.as_deref().unwrap_or("-"),
                        if a.link { "link" } else { "no link" },
                        a.mtu,
                        a.rx_frames,
                        a.tx_frames
                    );
                }
            }
        }
        for (code, detail) in &roles.complaints {
            eprintln!("{}: {detail}; {}", code.title(), code.remedy());
        }
        Ok(u8::from(!roles.complaints.is_empty()))
    }
}
