//! `register` and `activation`: a token, the command that uses it, and a seed ISO.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use eyot_contract::Timestamp;

use super::{Data, Format};
use crate::files;
use crate::moments::moment;
use crate::portal::Portal;
use crate::rules::registration::{self, activation_command, Issued};
use crate::store::Actor;

#[derive(Args)]
#[command(after_help = "Example:\n  \
    eyot-portal register --name lobby --subscription main --seed-iso lobby.iso \\\n    \
    --setting host.name=eyot-lobby --setting time.servers=ntp.example\n\n\
    The token is shown once. The seed ISO carries it too: keep both as you keep a password until they are used.")]
pub(super) struct Register {
    #[command(flatten)]
    data: Data,
    /// The sensor's name
    #[arg(long)]
    name: String,
    /// The subscription it counts for
    #[arg(long, value_name = "SUB")]
    subscription: String,
    #[command(flatten)]
    carrier: Carrier,
}

#[derive(Args)]
#[command(after_help = "Example:\n  eyot-portal activation --name lobby --seed-iso lobby.iso")]
pub(super) struct Activation {
    #[command(flatten)]
    data: Data,
    /// The sensor's name
    #[arg(long)]
    name: String,
    #[command(flatten)]
    carrier: Carrier,
}

/// How the token travels.
#[derive(Args)]
struct Carrier {
    /// Write a seed ISO for the appliance here
    #[arg(long, value_name = "FILE")]
    seed_iso: Option<PathBuf>,
    /// A setting for the seed ISO; may be given several times
    #[arg(long = "setting", value_name = "KEY=VALUE", value_parser = pair, requires = "seed_iso")]
    settings: Vec<(String, String)>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err("a setting is written key=value, such as host.name=eyot-1".to_owned()),
    }
}

impl Register {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        // a wrong setting must show before the sensor is registered, not after
        self.carrier.check()?;
        let portal = Portal::open(&self.data.data).await?;
        let by = Actor::command_line();
        let issued =
            registration::register(&portal.store, &portal.identity, &self.name, &self.subscription, by)
                .await?;
        self.carrier.hand_over("Sensor registration successful", &issued, by.at)?;
        portal.store.close().await;
        Ok(())
    }
}

impl Activation {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        self.carrier.check()?;
        let portal = Portal::open(&self.data.data).await?;
        let sensors = portal.store.sensors().await?;
        let named = sensors.iter().find(|s| s.name == self.name);
        let sensor = named.with_context(|| {
            format!("there is no sensor named \"{}\"; `eyot-portal sensors` lists those there are", self.name)
        })?;
        let by = Actor::command_line();
        let issued = registration::reissue(&portal.store, &portal.identity, sensor.id, by).await?;
        self.carrier.hand_over("Activation command created", &issued, by.at)?;
        portal.store.close().await;
        Ok(())
    }
}

impl Carrier {
    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    fn check(&self) -> anyhow::Result<()> {
        registration::check_settings(self.pairs())?;
        if let Some(path) = &self.seed_iso {
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            anyhow::ensure!(
                folder.is_dir(),
                "there is no folder {} to write the seed ISO into",
                folder.display()
            );
        }
        Ok(())
    }

    fn hand_over(&self, message: &str, issued: &Issued, now: Timestamp) -> anyhow::Result<()> {
        // the token is printed before anything else can fail: nobody could ask for it again
        let command = activation_command(&issued.token);
        match self.format {
            Format::Json => {
                let view = serde_json::json!({
                    "message": message,
                    "sensor": issued.sensor,
                    "name": issued.name,
                    "token": issued.token,
                    "expires": issued.expires,
                    "command": command,
                    "seed_iso": self.seed_iso,
                });
                println!("{view:#}");
            }
            Format::Table => {
                println!("{message}\n");
                println!("Sensor    {} ({})", issued.name, issued.sensor);
                println!("Expires   {}\n", moment(issued.expires));
                println!("Run this on the appliance (shown once):\n\n  {command}\n");
                println!("Or give it the token alone:\n\n  {}\n", issued.token);
            }
        }
        if let Some(path) = &self.seed_iso {
            let volume = registration::seed_volume(&issued.token, issued.sensor, self.pairs(), now)?;
            files::write_private(path, &volume).map_err(|e| {
                anyhow::Error::new(e).context(
                    "the sensor is registered, but its seed ISO was not written; `eyot-portal activation` makes another",
                )
            })?;
            if self.format == Format::Table {
                println!("Or attach the seed ISO to a new appliance:\n\n  {}", path.display());
            }
        }
        Ok(())
    }
}
