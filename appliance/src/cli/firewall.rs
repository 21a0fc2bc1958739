//! `firewall`: the rules, what they should be, and putting them in force by hand.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{bail, Context};
use clap::Subcommand;
use eyot_contract::settings::Settings;
use eyot_contract::Timestamp;

use crate::activate::Identity;
use crate::apply::firewall::destinations::Lookup;
use crate::apply::firewall::service_tags::{Tags, MAX_BYTES};
use crate::apply::firewall::trial::{Refused, Trial};
use crate::apply::firewall::{self, Ruleset};
use crate::apply::role;
use crate::health::validate::firewall_file;
use crate::host::Host;
use crate::settings::gather;

/// Show the firewall's rules, plan new ones, put them in force
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  eyot-appliance firewall plan\n  eyot-appliance firewall apply --confirm-within 60\n  eyot-appliance firewall confirm\n  eyot-appliance firewall tags ServiceTags_Public_20260323.json"
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Print the rules on disk and say whether they are in force; exit code 1 if they are not
    Show,
    /// Print the rules that the settings ask for, checked by nft; exit code 1 if they differ from those on disk
    Plan,
    /// Put the rules that the settings ask for in force. They are taken back unless `firewall confirm` follows in time
    Apply {
        /// Seconds after which the old rules return
        #[arg(long, default_value = "60", value_parser = clap::value_parser!(u64).range(1..=3600))]
        confirm_within: u64,
        /// Keep them without waiting for a confirmation: only from the console, where nobody can be locked out
        #[arg(long, conflicts_with = "confirm_within")]
        without_confirmation: bool,
    },
    /// Keep the rules that `apply` put in force: you are still connected
    Confirm,
    /// Take the week's list of Azure service tags over (`-` reads standard input). New networks are let through at once,
    /// old ones for a week more
    Tags {
        /// The file as downloaded: ServiceTags_Public_….json
        file: PathBuf,
    },
    /// The watchdog of `apply`
    #[command(hide = true)]
    TakeBack {
        /// Seconds to wait
        after: u64,
        /// The rules' mark
        mark: String,
    },
}

impl Arguments {
    pub(super) fn run(self, host: &dyn Host) -> anyhow::Result<u8> {
        match self.verb {
            Verb::Show => show(host),
            Verb::Plan => plan(host),
            Verb::Apply { confirm_within, without_confirmation } => {
                apply(host, (!without_confirmation).then_some(confirm_within))
            }
            Verb::Confirm => confirm(host),
            Verb::Tags { file } => tags(host, &file),
            Verb::TakeBack { after, mark } => take_back(host, after, &mark),
        }
    }
}

fn show(host: &dyn Host) -> anyhow::Result<u8> {
    let Some(text) = firewall_file(host) else {
        bail!("there are no firewall rules yet; `systemctl start eyot-appliance` writes and loads them");
    };
    print!("{text}");
    if let Some(trial) = Trial::under_way(host)? {
        eprintln!(
            "other rules are on trial until {}; these return then unless they are confirmed",
            trial.until
        );
        return Ok(1);
    }
    let (planned, _) = planned(host)?;
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

fn plan(host: &dyn Host) -> anyhow::Result<u8> {
    let (planned, _) = planned(host)?;
    firewall::check(host, &planned).context("nft does not take the rules that the settings ask for")?;
    print!("{}", planned.text);
    let (settings, portal) = asked(host)?;
    let reasons = firewall::destinations::reasons(host, &settings, portal.as_deref())?;
    match reasons.is_empty() {
        true => println!("# connections go out to anybody on these ports: firewall.destinations is empty"),
        false => reasons.iter().for_each(|reason| println!("# let through: {reason}")),
    }
    let same = firewall::in_force(host, &planned)?;
    eprintln!(
        "{}",
        if same { "these rules are in force" } else { "`eyot-appliance firewall apply` puts them in force" }
    );
    Ok(u8::from(!same))
}

fn apply(host: &dyn Host, confirm_within: Option<u64>) -> anyhow::Result<u8> {
    let (planned, management) = planned(host)?;
    if Trial::under_way(host)?.is_some_and(|t| t.is_watched()) {
        bail!("other rules are on trial; `eyot-appliance firewall confirm` keeps them, or wait until they are taken back");
    }
    let Some(seconds) = confirm_within else {
        host.remove(crate::paths::FIREWALL_REFUSED)?;
        let changed = firewall::apply(host, &planned, management.as_deref())?;
        println!(
            "{}",
            if changed { "the rules are in force and stay" } else { "these rules were in force already" }
        );
        return Ok(0);
    };
    let Some(trial) = Trial::begin(host, &planned, management.as_deref(), std::process::id())? else {
        println!("these rules were in force already");
        return Ok(0);
    };
    let watcher = match watchdog(seconds, planned.mark()) {
        Ok(watcher) => watcher,
        Err(error) => {
            trial.take_back(host, "there was nobody to watch over them")?;
            return Err(error).context("cannot start the watchdog; the old rules are back");
        }
    };
    trial.watched_by(host, watcher, Duration::from_secs(seconds))?;
    println!("the rules are in force for {seconds} seconds; `eyot-appliance firewall confirm` keeps them");
    Ok(0)
}

/// Starts the process that takes the rules back. It has a session of its own, so it outlives this one.
fn watchdog(seconds: u64, mark: &str) -> anyhow::Result<u32> {
    // the root given on the command line stands before the verb and is passed on as it is
    let before: Vec<_> = std::env::args_os().skip(1).take_while(|a| a != "firewall").collect();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(before).args(["firewall", "take-back"]).arg(seconds.to_string()).arg(mark);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.spawn()?.id())
}

fn take_back(host: &dyn Host, after: u64, mark: &str) -> anyhow::Result<u8> {
    // a session of its own: a terminal that is closed ends the programs of its session
    nix::unistd::setsid().ok();
    std::thread::sleep(Duration::from_secs(after));
    match Trial::under_way(host)?.filter(|t| t.mark == mark) {
        Some(trial) => trial.take_back(host, "nobody confirmed them")?,
        None => return Ok(0),
    }
    Ok(0)
}

fn confirm(host: &dyn Host) -> anyhow::Result<u8> {
    match Trial::under_way(host)? {
        Some(trial) => {
            trial.confirm(host)?;
            println!("the rules stay");
            Ok(0)
        }
        None => match Refused::last(host)? {
            Some(refused) => bail!(
                "it is too late, the old rules are back: {}; `eyot-appliance firewall apply` tries again",
                refused.why
            ),
            None => bail!("no rules are on trial; `eyot-appliance firewall apply` puts new ones in force"),
        },
    }
}

fn tags(host: &dyn Host, file: &std::path::Path) -> anyhow::Result<u8> {
    let mut text = Vec::new();
    let limit = MAX_BYTES as u64 + 1;
    match file.as_os_str() == "-" {
        true => std::io::stdin().lock().take(limit).read_to_end(&mut text),
        false => std::fs::File::open(file).and_then(|f| f.take(limit).read_to_end(&mut text)),
    }
    .with_context(|| format!("reading {}", file.display()))?;
    if text.len() > MAX_BYTES {
        bail!("{} has more than {MAX_BYTES} bytes, as no service tags file has", file.display());
    }
    let taken = Tags::take_over(host, &text, Timestamp::now())
        .with_context(|| format!("{} is not taken over; the list in use stays", file.display()))?;
    println!(
        "{} tags with {} networks are in use; {} older networks are let through for a week more",
        taken.tags, taken.networks, taken.leaving
    );
    Ok(0)
}

/// The rules that the settings ask for now, and the management adapter.
fn planned(host: &dyn Host) -> anyhow::Result<(Ruleset, Option<String>)> {
    let (settings, portal) = asked(host)?;
    let roles = role::decide(host, &settings, &host.adapters()?)?;
    let complaints = super::block_on(async {
        Lookup::default().look(host, &settings, portal.as_deref(), Timestamp::now()).await
    })??;
    for (code, detail) in complaints {
        eprintln!("{}: {detail}; {}", code.title(), code.remedy());
    }
    let rules = firewall::wanted(host, &settings, &roles, portal.as_deref())?;
    Ok((rules, roles.management))
}

/// The settings, and the portal's address.
fn asked(host: &dyn Host) -> anyhow::Result<(Settings, Option<String>)> {
    let settings = gather(host).resolve()?.settings;
    let identity = Identity::load(host)?;
    let portal = super::network::portal(identity.as_ref(), settings.token.as_ref());
    Ok((settings, portal))
}
