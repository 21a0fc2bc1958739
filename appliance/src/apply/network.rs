//! The management interface, the host name and the time servers: files that others act on.
//!
//! netplan 0.99 grammar (Ubuntu 18.04), which later ones still take. Only the management adapter is named, and the one where
//! tunnels end; the capture adapters stay unknown to networkd, which therefore never configures them.

use std::fmt::Write as _;
use std::net::IpAddr;

use eyot_contract::settings::{Addressing, Settings};
use eyot_contract::MacAddr;

use super::{ApplyError, Cause, Roles};
use crate::host::{Access, Adapter, Host, HostError};
use crate::paths;

const WHAT: &str = "the management network";
/// netplan's generator, by the name under which it knows that it is called by the service manager.
pub const GENERATOR: &str = "/lib/systemd/system-generators/netplan";
/// Where it puts units.
const GENERATOR_UNITS: &str = "/run/eyot/netplan-units";
/// What it leaves there to say that it has run.
const GENERATOR_STAMP: &str = "/run/eyot/netplan-units/netplan.stamp";

/// The files as they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Path and content; `None` where there should be no file.
    files: Vec<(&'static str, Option<String>, Access)>,
    hostname: Option<String>,
}

impl Plan {
    /// The management interface's file, if there is a management interface.
    pub fn netplan(&self) -> Option<&str> {
        self.files.iter().find(|(path, ..)| *path == paths::NETPLAN).and_then(|(_, text, _)| text.as_deref())
    }
}

/// What the settings mean for the files. Without a management adapter there is nothing to write.
pub fn plan(settings: &Settings, roles: &Roles, adapters: &[Adapter]) -> Plan {
    let mut files = Vec::new();
    let management = adapters.iter().find(|a| roles.management.as_ref() == Some(&a.name));
    if let Some(adapter) = management {
        let mut yaml = netplan(adapter.mac, &settings.addressing);
        let tunnel = adapters.iter().find(|a| roles.tunnel.first() == Some(&a.name));
        if let (Some(adapter), Some(tunnel)) = (tunnel, &settings.tunnel) {
            // no gateway: nothing is sent from it but answers to neighbours
            let _ = write!(
                yaml,
                "    tunnel:\n      match:\n        macaddress: \"{}\"\n      optional: true\n      dhcp4: false\n      \
                 link-local: []\n      addresses: [\"{}/{}\"]\n",
                adapter.mac, tunnel.address, tunnel.prefix
            );
        }
        // later netplans warn about configuration that others can read
        files.push((paths::NETPLAN, Some(yaml), Access::Root));
    }
    let servers = (!settings.time_servers.is_empty())
        .then(|| format!("{HEADER}[Time]\nNTP={}\n", settings.time_servers.join(" ")));
    files.push((paths::TIMESYNCD, servers, Access::Everyone));
    if let Some(name) = &settings.hostname {
        files.push((paths::HOSTNAME, Some(format!("{name}\n")), Access::Everyone));
    }
    Plan { files, hostname: settings.hostname.clone() }
}

/// Makes it so; says what was changed, for people.
///
/// # Errors
/// A step that failed; then everything is as before.
pub fn apply(host: &dyn Host, plan: &Plan) -> Result<Vec<String>, ApplyError> {
    let fail_early = |e: HostError| ApplyError::after(WHAT, e.into(), Ok(()));
    let hostname_before = host.hostname();
    let mut before = Vec::new();
    for (path, _, access) in &plan.files {
        before.push((*path, host.read(path).map_err(fail_early)?, *access));
    }
    match carry_out(host, plan, &hostname_before).and_then(|done| verify(host, plan).map(|()| done)) {
        Ok(done) => Ok(done),
        Err(cause) => {
            let undone = undo(host, plan, &before, &hostname_before);
            Err(ApplyError::after(WHAT, cause, undone))
        }
    }
}

fn carry_out(host: &dyn Host, plan: &Plan, hostname_before: &str) -> Result<Vec<String>, Cause> {
    let mut done = Vec::new();
    let mut generate = false;
    for (path, content, access) in &plan.files {
        // gone first: whoever dies before netplan has made it anew leaves none behind, and not the old one
        if *path == paths::NETPLAN && host.read(path)?.as_deref() != content.as_deref().map(str::as_bytes) {
            host.remove(paths::NETWORKD_GENERATED)?;
        }
        let changed = put(host, path, content.as_deref().map(str::as_bytes), *access)?;
        if changed {
            done.push(format!("{path} written"));
        }
        if *path == paths::NETPLAN {
            generate = changed || host.read(paths::NETWORKD_GENERATED)?.is_none();
        }
    }
    if generate {
        self::generate(host)?;
    }
    if let Some(name) = plan.hostname.as_deref().filter(|n| *n != hostname_before) {
        host.set_hostname(name)?;
        done.push(format!("host name {name}"));
    }
    Ok(done)
}

fn verify(host: &dyn Host, plan: &Plan) -> Result<(), Cause> {
    for (path, content, _) in &plan.files {
        if host.read(path)?.as_deref() != content.as_deref().map(str::as_bytes) {
            return Err(Cause::Verify(format!("{path} is not as written")));
        }
    }
    let managed = plan.files.iter().any(|(p, ..)| *p == paths::NETPLAN);
    if managed && host.read(paths::NETWORKD_GENERATED)?.is_none() {
        return Err(Cause::Verify(format!("netplan made no {}", paths::NETWORKD_GENERATED)));
    }
    Ok(())
}

fn undo(
    host: &dyn Host,
    plan: &Plan,
    before: &[(&'static str, Option<Vec<u8>>, Access)],
    hostname_before: &str,
) -> Result<(), HostError> {
    let mut result = Ok(());
    let mut generate = false;
    for (path, content, access) in before {
        let put = put(host, path, content.as_deref(), *access);
        let missing = content.is_some() && host.read(paths::NETWORKD_GENERATED)?.is_none();
        generate |= *path == paths::NETPLAN && (missing || matches!(put, Ok(true)));
        result = result.and(put.map(drop));
    }
    if generate {
        result = result.and(self::generate(host));
    }
    if plan.hostname.is_some() && host.hostname() != hostname_before {
        result = result.and(host.set_hostname(hostname_before));
    }
    result
}

/// Has netplan make networkd's files from its own.
///
/// Its generator is called as the service manager calls it at each boot, with three folders for units; what it puts there
/// is not needed, because an appliance's networkd is enabled anyway. `netplan generate` is a Python program that calls this
/// same generator, whose first act then is to ask the service manager four questions: seconds of a small machine's first
/// boot. It is what is left where the generator is elsewhere or makes nothing.
fn generate(host: &dyn Host) -> Result<(), HostError> {
    host.make_dir(GENERATOR_UNITS, Access::Root)?;
    // with its mark of an earlier run it would do nothing
    host.remove(GENERATOR_STAMP)?;
    match host.run(GENERATOR, &[GENERATOR_UNITS; 3]) {
        Ok(_) if host.read(paths::NETWORKD_GENERATED)?.is_some() => return Ok(()),
        Ok(_) => {}
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    host.run("netplan", &["generate"]).map(drop)
}

fn put(host: &dyn Host, path: &str, content: Option<&[u8]>, access: Access) -> Result<bool, HostError> {
    match content {
        Some(content) => host.write(path, content, access),
        None => {
            let there = host.read(path)?.is_some();
            host.remove(path).map(|()| there)
        }
    }
}

const HEADER: &str =
    "# Written by eyot-appliance from the appliance's settings; changes here are overwritten.\n";

fn netplan(mac: MacAddr, addressing: &Addressing) -> String {
    let mut text = format!(
        "{HEADER}network:\n  version: 2\n  renderer: networkd\n  ethernets:\n    management:\n      \
         match:\n        macaddress: \"{mac}\"\n      optional: true\n"
    );
    // writing to a String cannot fail
    let mut line = |args: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "      {args}");
    };
    match addressing {
        Addressing::Dhcp => {
            line(format_args!("dhcp4: true"));
            // clones share a machine-id sooner than a MAC address
            line(format_args!("dhcp-identifier: mac"));
        }
        Addressing::Static { address, prefix, gateway, dns } => {
            line(format_args!("dhcp4: false"));
            line(format_args!("addresses: [\"{address}/{prefix}\"]"));
            match gateway {
                Some(IpAddr::V4(gateway)) => line(format_args!("gateway4: {gateway}")),
                Some(IpAddr::V6(gateway)) => line(format_args!("gateway6: \"{gateway}\"")),
                None => {}
            }
            if !dns.is_empty() {
                let servers: Vec<String> = dns.iter().map(|d| format!("\"{d}\"")).collect();
                line(format_args!("nameservers:"));
                line(format_args!("  addresses: [{}]", servers.join(", ")));
            }
        }
    }
    text
}
