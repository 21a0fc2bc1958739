//! `seed`: settings and token → the CD that a new appliance reads.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{bail, Context, Result};
use clap::{Args, ValueEnum};
use eyot_contract::settings::{resolve, Layer};
use eyot_contract::{Seed, VOLUME_LABEL};
use eyot_image::artefact::{Artefact, PRIVATE_MODE};
use uuid::{uuid, Uuid};

use super::date;

/// Name space for the instance of a seed without a token, which is named by its settings; an arbitrary constant.
const INSTANCE_NAMESPACE: Uuid = uuid!("0c5b0d5e-25f1-5d0c-8d3f-8f4b0f6e6c11");
/// Longest secret or certificate file read, in bytes.
const MAX_INPUT: u64 = 1 << 20;

/// How the management adapter gets its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Network {
    Dhcp,
    Static,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  eyot-image seed seed.iso --token-file token.txt --hostname sensor-1\n  \
    … | eyot-image seed seed.iso --token-file - --network static --address 192.0.2.10/24 \
    --gateway 192.0.2.1 --dns 192.0.2.53 --proxy http://proxy.example:3128\n\n\
    The CD carries the token: keep it like a password until the sensor is activated, then throw it away."
)]
pub struct SeedCommand {
    /// CD image to write, readable by its owner only
    output: PathBuf,
    /// File with the activation token, - for standard input; never given as an argument, which others could see
    #[arg(long, value_name = "FILE|-")]
    token_file: Option<PathBuf>,
    /// Host name of the appliance
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// Management adapter: auto, mac:…, pci:…, driver:… or name:…
    #[arg(long, value_name = "SELECTOR")]
    management: Option<String>,
    /// How the management adapter gets its address; --address implies static [default: the appliance's own, DHCP]
    #[arg(long, value_enum)]
    network: Option<Network>,
    /// Static address with prefix of the management adapter
    #[arg(long, value_name = "ADDRESS/PREFIX")]
    address: Option<String>,
    /// Default gateway
    #[arg(long, value_name = "ADDRESS", requires = "address")]
    gateway: Option<String>,
    /// DNS servers, joined by commas
    #[arg(long, value_name = "ADDRESSES", requires = "address")]
    dns: Option<String>,
    /// Capture adapters: auto, or selectors joined by commas
    #[arg(long, value_name = "SELECTORS")]
    capture: Option<String>,
    /// Proxy towards the portal
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// User name for the proxy
    #[arg(long, value_name = "NAME", requires = "proxy")]
    proxy_username: Option<String>,
    /// File with the password for the proxy
    #[arg(long, value_name = "FILE", requires = "proxy_username")]
    proxy_password_file: Option<PathBuf>,
    /// Names and addresses reached without the proxy, joined by commas
    #[arg(long, value_name = "NAMES", requires = "proxy")]
    no_proxy: Option<String>,
    /// NTP servers, joined by commas
    #[arg(long, value_name = "NAMES")]
    ntp: Option<String>,
    /// PEM file with CA certificates to trust besides the portal's own
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

pub fn seed(c: SeedCommand) -> Result<ExitCode> {
    let settings = settings(&c)?;
    if settings.values.is_empty() {
        bail!("a seed without any setting would do nothing; give --token-file or others (see --help)");
    }
    // The appliance would refuse a wrong value at first boot; here it can still be put right.
    let resolved = resolve(std::slice::from_ref(&settings))?;
    let instance = match &resolved.settings.token {
        Some(token) => token.sensor,
        None => Uuid::new_v5(&INSTANCE_NAMESPACE, settings.to_toml().as_bytes()),
    };
    let mut volume = eyot_iso::Volume::new(VOLUME_LABEL, date()?)?;
    for (name, content) in Seed::new(settings, instance).files() {
        volume = volume.file(name, content)?;
    }
    let mut out = Artefact::create(&c.output, PRIVATE_MODE)?;
    out.write_all(&volume.to_bytes()).with_context(|| format!("cannot write {}", c.output.display()))?;
    out.commit()?;
    Ok(ExitCode::SUCCESS)
}

fn settings(c: &SeedCommand) -> Result<Layer> {
    let mut layer = Layer::new("the options");
    let secret = |path: &Option<PathBuf>| path.as_deref().map(read_text).transpose();
    let mode = match (c.network, &c.address) {
        (Some(Network::Static), None) => bail!("--network static needs --address"),
        (Some(Network::Dhcp), Some(_)) => bail!("--address does not go with --network dhcp"),
        (Some(Network::Static), _) | (None, Some(_)) => Some("static".to_owned()),
        (Some(Network::Dhcp), None) => Some("dhcp".to_owned()),
        (None, None) => None,
    };
    let values = [
        ("activation.token", secret(&c.token_file)?),
        ("host.name", c.hostname.clone()),
        ("management.interface", c.management.clone()),
        ("management.mode", mode),
        ("management.address", c.address.clone()),
        ("management.gateway", c.gateway.clone()),
        ("management.dns", c.dns.clone()),
        ("capture.interfaces", c.capture.clone()),
        ("proxy.url", c.proxy.clone()),
        ("proxy.username", c.proxy_username.clone()),
        ("proxy.password", secret(&c.proxy_password_file)?),
        ("proxy.exceptions", c.no_proxy.clone()),
        ("time.servers", c.ntp.clone()),
        ("portal.ca", secret(&c.ca_file)?),
    ];
    for (key, value) in values {
        if let Some(value) = value {
            if value.is_empty() {
                bail!("{key} is empty");
            }
            layer.set(key, value)?;
        }
    }
    Ok(layer)
}

/// The text of a file or of standard input, without surrounding blanks and line breaks. Its content is in no error.
fn read_text(path: &Path) -> Result<String> {
    let read = |source: &mut dyn Read| {
        let mut text = String::new();
        source.take(MAX_INPUT).read_to_string(&mut text).map(|_| text)
    };
    let text = if path == Path::new("-") {
        read(&mut std::io::stdin().lock()).context("cannot read standard input")?
    } else {
        let named = || format!("cannot read {}", path.display());
        read(&mut std::fs::File::open(path).with_context(named)?).with_context(named)?
    };
    Ok(text.trim().to_owned())
}
