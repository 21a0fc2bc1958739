//! `interfaces`: every adapter, what it is for, why, and what arrives.

use std::io::Write;
use std::time::Duration;

use eyot_contract::Timestamp;
use serde_json::json;

use super::Format;
use crate::apply::{role, Roles};
use crate::health::role_word;
use crate::host::{Adapter, Host};
use crate::settings::gather;

/// Time between two looks, for rates.
const LOOK: Duration = Duration::from_secs(1);

/// List the network adapters: what each is for and why, and how many frames arrive
#[derive(clap::Args)]
#[command(after_help = "Example:\n  eyot-appliance interfaces --watch")]
pub(super) struct Arguments {
    /// How to write the answer
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Again every second, with the frames that arrived in it; as JSON, one line each second
    #[arg(long)]
    watch: bool,
    /// With --watch: stop after so many times
    #[arg(long, requires = "watch", value_name = "TIMES")]
    count: Option<u64>,
}

impl Arguments {
    pub(super) fn run(self, host: &dyn Host) -> anyhow::Result<u8> {
        let settings = gather(host).resolve()?.settings;
        let mut before: Option<Vec<Adapter>> = None;
        let mut times = 0;
        loop {
            let adapters = host.adapters()?;
            let roles = role::decide(host, &settings, &adapters)?;
            if before.is_some() || !self.watch {
                self.show(&adapters, &roles, before.as_deref())?;
                times += 1;
            }
            if !self.watch || self.count.is_some_and(|most| times >= most) {
                for (code, detail) in &roles.complaints {
                    eprintln!("{}: {detail}; {}", code.title(), code.remedy());
                }
                return Ok(u8::from(!roles.complaints.is_empty()));
            }
            before = Some(adapters);
            std::thread::sleep(LOOK);
        }
    }

    fn show(&self, adapters: &[Adapter], roles: &Roles, before: Option<&[Adapter]>) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        let why = |a: &Adapter| roles.why.get(&a.name).map_or("", String::as_str);
        let rate = |a: &Adapter| {
            let then = before?.iter().find(|b| b.name == a.name && b.index == a.index)?;
            a.rx_frames.checked_sub(then.rx_frames)
        };
        match self.format {
            Format::Json => {
                let all: Vec<_> = adapters
                    .iter()
                    .map(|a| {
                        json!({
                            "name": a.name, "mac": a.mac, "role": roles.of(&a.name), "why": why(a), "driver": a.driver,
                            "bus": a.bus, "link": a.link, "speed_mbit": a.speed, "up": a.flags.up,
                            "promiscuous": a.flags.promiscuous, "tunnel": roles.ends_tunnels(&a.name), "mtu": a.mtu,
                            "rx_frames": a.rx_frames, "tx_frames": a.tx_frames, "rx_frames_per_second": rate(a),
                        })
                    })
                    .collect();
                match self.watch {
                    true => writeln!(out, "{}", json!({ "at": Timestamp::now(), "interfaces": all }))?,
                    false => writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?,
                }
            }
            Format::Text => {
                if self.watch {
                    writeln!(out, "{}", Timestamp::now())?;
                }
                for a in adapters {
                    let link = match (a.link, a.speed) {
                        (true, Some(speed)) => format!("{speed} Mbit/s"),
                        (true, None) => "link".to_owned(),
                        (false, _) => "no link".to_owned(),
                    };
                    let rate = rate(a).map(|r| format!(" ({r}/s)")).unwrap_or_default();
                    writeln!(
                        out,
                        "{:<10} {:<15} {}  {:<10} {:<13} {:<12}  mtu {}  received {}{rate}  sent {}  {}",
                        role_word(roles.of(&a.name)),
                        a.name,
                        a.mac,
                        a.driver.as_deref().unwrap_or("-"),
                        a.bus.as_deref().unwrap_or("-"),
                        link,
                        a.mtu,
                        a.rx_frames,
                        a.tx_frames,
                        why(a)
                    )?;
                }
            }
        }
        Ok(out.flush()?)
    }
}
