//! `serve` and `init`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{signal, SignalKind};

use super::Data;
use crate::address::PortalAddress;
#[cfg(feature = "oidc")]
use crate::oidc::Provider;
use crate::portal::Portal;
use crate::server::Server;
use crate::settings::{Written, CONFIG};
use crate::store::choose_database;

#[derive(Args)]
#[command(
    after_help = "Example:\n  eyot-portal serve --data ./portal --listen 127.0.0.1:8443 --address https://localhost:8443\n\n\
    The configuration file is TOML with any of the keys data, listen, address, database (texts) and names (a list of further \
    host names or addresses for the server's certificate), and [[outlets]] tables: who is told of alerts and changes \
    (docs/outlets.md), and a table [oidc]: an OpenID provider to sign in with (docs/sign-in.md). The command line wins over it. The address is needed once; \
    the data folder remembers it."
)]
pub(super) struct Serve {
    /// Configuration file [default: /etc/eyot/portal.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data folder [default: /var/lib/eyot-portal]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen [default: 0.0.0.0:443]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// How sensors and browsers reach the portal
    #[arg(long, value_name = "https://HOST[:PORT]")]
    address: Option<String>,
    /// Keep the data in PostgreSQL, several portals may share it [default: SQLite in the data folder]
    #[arg(long, value_name = "postgres://USER@HOST/DATABASE")]
    db: Option<String>,
}

#[derive(Args)]
#[command(after_help = "Example:\n  eyot-portal init --data ./portal --address https://portal.example:8443")]
pub(super) struct Init {
    #[command(flatten)]
    data: Data,
    /// How sensors and browsers will reach the portal
    #[arg(long, value_name = "https://HOST[:PORT]")]
    address: PortalAddress,
    /// Keep the data in PostgreSQL [default: SQLite in the data folder]
    #[arg(long, value_name = "postgres://USER@HOST/DATABASE")]
    db: Option<String>,
}

impl Serve {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        start_log();
        let file = match &self.config {
            Some(path) => Written::read(path)?,
            None => Written::read_if_there(CONFIG.as_ref())?,
        };
        let Self { data, listen, address, db: database, .. } = self;
        let written = Written { data, listen, address, database, ..Written::default() }.over(file);
        let database = written.database.clone();
        let settings = written.mean()?;
        if let Some(url) = database {
            choose_database(&settings.data, &url)?;
        }
        let mut portal = Portal::open_or_create(&settings.data, settings.address.as_ref()).await?;
        if let Some(folder) = settings.packages {
            portal.packages = folder;
        }
        portal.software_key = settings.software_key;
        #[cfg(feature = "oidc")]
        if let Some(oidc) = settings.oidc {
            portal.oidc = Some(Provider::new(oidc, &portal.identity.address.to_string()));
        }
        tracing::info!(
            data = %settings.data.display(), listen = %settings.listen, address = %portal.identity.address,
            names = ?settings.names, ca_pin = %portal.identity.pin, "settings"
        );
        if let Some(file) = portal.setup_secret_file().await? {
            tracing::info!(file = %file.display(), "nobody has an account yet: sign in with the set-up secret in this file");
        }
        let server = Server::bind(portal, settings.listen, &settings.names).await?.telling(settings.outlets);
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
        if let Some(listening) = server.listening_on() {
            tracing::info!(%listening, "the portal answers");
        }
        // outside systemd there is nobody to tell, and that is no error
        if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
            tracing::debug!(%error, "the service manager was not told");
        }
        server
            .run(async move {
                tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
                tracing::info!("stopping");
                if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Stopping]) {
                    tracing::debug!(%error, "the service manager was not told");
                }
            })
            .await;
        Ok(())
    }
}

impl Init {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        if let Some(url) = &self.db {
            choose_database(&self.data.data, url)?;
        }
        let portal = Portal::open_or_create(&self.data.data, Some(&self.address)).await?;
        println!("Portal     {}", portal.identity.address);
        println!("Data       {}", self.data.data.display());
        println!("CA pin     {}", portal.identity.pin);
        if let Some(file) = portal.setup_secret_file().await? {
            println!(
                "Set-up     open {}/setup with the secret in {}",
                portal.identity.address,
                file.display()
            );
        }
        portal.store.close().await;
        Ok(())
    }
}

/// Lines to standard error, where the journal or the terminal takes them; `RUST_LOG` says how many.
fn start_log() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let plain = !std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(!plain).init();
}
