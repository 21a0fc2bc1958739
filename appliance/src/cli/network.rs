//! `network`: once at boot, before anything configures a network.

use anyhow::bail;

use crate::activate::{Identity, Marks};
use crate::apply::{self, network, nic, role, sensor, Caution};
use crate::host::Host;
use crate::mirror::overhear;
use crate::settings::{gather_patiently, SEED_PATIENCE};

/// Decide which adapter manages and which listen, and prepare them; run once at boot, before the network
///
/// Writes the management interface's netplan file, loads the firewall and brings the monitoring interfaces up, silent and
/// promiscuous. A second run changes nothing. On settings that cannot be used the network stays as it was configured
/// before; a machine that never had any gets DHCP on its first adapter.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  eyot-appliance network\n\nExit codes: 0 done, 1 something could not be applied"
)]
pub(super) struct Arguments {}

impl Arguments {
    pub(super) fn run(self, host: &dyn Host) -> anyhow::Result<u8> {
        let mut identity = Identity::load(host)?;
        let marks = Marks::of(host)?;
        if identity.as_ref().is_some_and(|i| i.enrolment.machine.moved(&marks).is_some()) {
            // a copied disk: before any network, so that not one report goes out in the other machine's name
            sensor::stop(host)?;
            identity = None;
        }
        let patience = if identity.is_some() { std::time::Duration::ZERO } else { SEED_PATIENCE };
        let gathered = gather_patiently(host, patience);
        let (settings, problem) = match gathered.resolve() {
            Ok(decided) => (decided.settings, None),
            Err(problem) if host.read(crate::paths::NETPLAN)?.is_some() => bail!(problem),
            // reachable by default, so that somebody can correct the settings
            Err(problem) => (eyot_contract::settings::resolve(&[])?.settings, Some(problem)),
        };
        let adapters = host.adapters()?;
        let hears_others = match role::is_undecided(&settings, &adapters, role::Memory::load(host)?.as_ref())
        {
            true => overhear(host, &adapters)?,
            false => Vec::new(),
        };
        let roles = role::decide_hearing(host, &settings, &adapters, hears_others)?;
        // first the firewall, in the kernel and on disk: whatever ends this unit half-way, at this boot or by a power cut,
        // there is no network that was configured without it
        let portal = portal(identity.as_ref(), settings.token.as_ref());
        let listening = apply::listen_by(
            host,
            Some(roles.clone()),
            &settings,
            portal.as_deref(),
            &mut nic::Refusals::default(),
            Caution::None,
        );
        // also where that failed: somebody has to reach the machine to mend it
        let configured = network::apply(host, &network::plan(&settings, &roles, &adapters));
        let state = listening?;
        for change in state.changes.iter().chain(configured.iter().flatten()) {
            println!("{change}");
        }
        configured?;
        if let Some(problem) = problem {
            bail!(problem);
        }
        for (code, detail) in &state.problems {
            eprintln!("{}: {detail}; {}", code.title(), code.remedy());
        }
        Ok(u8::from(!state.problems.is_empty()))
    }
}

/// The portal's address: the one enrolled with, else the token's.
pub(super) fn portal(
    identity: Option<&Identity>,
    token: Option<&eyot_contract::ActivationToken>,
) -> Option<String> {
    identity.map(|i| i.enrolment.portal.clone()).or_else(|| token.map(|t| t.portal.clone()))
}
