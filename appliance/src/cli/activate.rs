//! `activate`: a token from a file or from standard input, now.

use std::io::Read;
use std::path::PathBuf;

use anyhow::{bail, Context};
use eyot_contract::settings::{resolve, Layer};
use eyot_contract::{ActivationToken, MAX_TOKEN_CHARS};

use crate::activate::{activate, forget, reserve, Enrolment, Identity, Marks};
use crate::apply::{self, nic};
use crate::host::{Access, Host};
use crate::paths;
use crate::settings::gather;

/// Activate this appliance with a token from the portal
///
/// The token is read from a file or from standard input, never from the command line, where every user of the machine
/// could read it. Settings (proxy, CA) are taken from the usual sources.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  eyot-appliance activate --token-file token.txt\n  eyot-appliance activate --token-file -    (then paste the token and press Ctrl-D)\n\nExit codes: 0 activated, 1 not activated"
)]
pub(super) struct Arguments {
    /// File that holds the token; - reads standard input
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
}

impl Arguments {
    pub(super) fn run(self, host: &dyn Host) -> anyhow::Result<u8> {
        let text = self.read_token()?;
        for line in activate_now(host, text.trim())? {
            println!("{line}");
        }
        if self.token_file.as_os_str() != "-" {
            println!("{} is of no further use; remove it", self.token_file.display());
        }
        Ok(0)
    }

    fn read_token(&self) -> anyhow::Result<String> {
        // room for blanks and a line break around the longest token; whatever is longer is no token
        let limit = 4 * MAX_TOKEN_CHARS as u64;
        let mut text = String::new();
        if self.token_file.as_os_str() == "-" {
            std::io::stdin()
                .take(limit)
                .read_to_string(&mut text)
                .context("standard input cannot be read")?;
        } else {
            std::fs::File::open(&self.token_file)
                .and_then(|f| f.take(limit).read_to_string(&mut text))
                .with_context(|| format!("{} cannot be read", self.token_file.display()))?;
        }
        Ok(text)
    }
}

/// Activates with this token and forgets it; what came of it, in lines for people.
pub(super) fn activate_now(host: &dyn Host, text: &str) -> anyhow::Result<Vec<String>> {
    let token: ActivationToken = text.parse()?;
    let gathered = gather(host);
    if let Some((_, error)) = gathered.failures.first() {
        bail!(crate::settings::chain(error));
    }
    let mut layer = Layer::new("command line");
    layer.set("activation.token", text)?;
    let mut layers = vec![layer];
    layers.extend(gathered.layers.iter().map(|(_, l)| l.clone()));
    let settings = resolve(&layers)?.settings;

    if let Some(known) = Identity::load(host)? {
        let own = known.enrolment.machine.moved(&Marks::of(host)?).is_none();
        if own && known.has_used(&token) {
            let Enrolment { sensor_name, portal, .. } = &known.enrolment;
            return Ok(vec![format!("already activated as {sensor_name} at {portal}")]);
        }
    }
    let reserved = reserve(host)?;
    // on a machine whose firewall is ours, this token's portal may be behind another port than the last one's
    if host.read(paths::FIREWALL)?.is_some() {
        apply::listen(host, &settings, Some(&token.portal), &mut nic::Refusals::default())?;
    }
    let identity = super::block_on(activate(host, &token, &settings, &*reserved))??;
    if let Some(kept) = gathered.to_keep() {
        host.write(paths::KEPT_SETTINGS, kept.to_toml().as_bytes(), Access::Root)?;
    }
    let mut texts: Vec<String> = gathered.token_texts().map(str::to_owned).collect();
    texts.push(text.to_owned());
    let forgotten = forget::forget(host, &texts)?;
    let Enrolment { sensor_name, portal, .. } = &identity.enrolment;
    Ok(vec![format!("activated as {sensor_name} at {portal}"), forgotten.text()])
}
