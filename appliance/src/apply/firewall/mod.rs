//! The firewall: one ruleset, one file, one transaction.
//!
//! nft 0.8.2 grammar (Ubuntu 18.04): no JSON, no reading from standard input by `-f -`, priorities as numbers, a line
//! break before every closing brace. The file begins with `flush ruleset`, so loading it replaces everything in one
//! step or nothing. An empty chain whose name is a digest of the rules tells whether these very rules are in force.
//!
//! Where the settings name destinations, connections go out to their networks only ([`destinations`]).
//!
//! An adapter where tunnels end answers ARP and pings and nothing else: the sensor reads its packets before the firewall
//! throws them away, so nothing needs to be let in, and no answer ("protocol unreachable") betrays who listens.
//!
//! Rules know adapters by name, and one can come back under another. So nothing leaves by default, neither packets nor ARP:
//! only the names that the roles give may speak.
//!
//! What goes past netfilter is not stopped here: packet sockets (a DHCP client, a capture) send below it. The capture
//! adapter stays silent because nothing configures it (`nic`), and by these rules besides.

pub mod destinations;
pub mod prefix;
pub mod service_tags;
pub mod trial;

use eyot_contract::settings::Settings;

use self::prefix::Prefix;
use self::trial::{Refused, Trial};
use super::{ApplyError, Cause, Caution, Roles};
use crate::host::{Access, Host, HostError};
use crate::paths;

const WHAT: &str = "the firewall";
const HTTPS: u16 = 443;
const SSH: u16 = 22;

/// Rules and the mark by which they are recognised in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruleset {
    /// The file's whole text.
    pub text: String,
    mark: String,
}

impl Ruleset {
    /// The name by which these very rules are recognised.
    pub fn mark(&self) -> &str {
        &self.mark
    }
}

/// TCP ports of the management interface, and where connections may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    incoming: Vec<u16>,
    outgoing: Vec<u16>,
    /// `None`: anywhere.
    destinations: Option<Vec<Prefix>>,
}

impl Ports {
    /// In: 443, and 22 where the settings say so. Out: 443, and the portal's and the proxy's when they are others.
    pub fn of(portal: Option<&str>, settings: &Settings) -> Self {
        let mut outgoing = vec![HTTPS];
        outgoing.extend(portal.and_then(port));
        outgoing.extend(settings.proxy.as_ref().and_then(|p| port(&p.url)));
        outgoing.sort_unstable();
        outgoing.dedup();
        let mut incoming = vec![HTTPS];
        if settings.ssh {
            incoming.push(SSH);
        }
        Self { incoming, outgoing, destinations: None }
    }

    /// The same, with connections to these networks only; `None` for any.
    pub fn only_to(self, destinations: Option<Vec<Prefix>>) -> Self {
        Self { destinations, ..self }
    }
}

/// The rules that the settings ask for, with the networks last known for their destinations.
///
/// # Errors
/// The disk.
pub fn wanted(
    host: &dyn Host,
    settings: &Settings,
    roles: &Roles,
    portal: Option<&str>,
) -> Result<Ruleset, HostError> {
    let networks = match settings.destinations.is_empty() {
        true => None,
        false => destinations::networks(host, settings, portal)?,
    };
    Ok(plan(roles, &Ports::of(portal, settings).only_to(networks)))
}

/// The port of `scheme://host[:port]`, the scheme's own where none is written.
fn port(url: &str) -> Option<u16> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    let default = if scheme == "http" { 80 } else { HTTPS };
    // the last colon of an IPv6 address in brackets belongs to the address
    match authority.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.parse().ok(),
        _ => Some(default),
    }
}

/// The rules for these roles.
pub fn plan(roles: &Roles, ports: &Ports) -> Ruleset {
    let capture = roles.capture.iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
    let rule = |text: String| match capture.is_empty() {
        true => String::new(),
        false => format!("\t\t{text}\n"),
    };
    let capture_in = rule(format!("iifname {{ {capture} }} drop"));
    let capture_out = rule(format!("oifname {{ {capture} }} drop"));
    let tunnel = roles.tunnel.iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
    let tunnel_rules = |direction: &str, icmp: &str, icmpv6: &str| match tunnel.is_empty() {
        true => String::new(),
        false => format!(
            "\t\t{direction} {{ {tunnel} }} icmp type {icmp} accept
\t\t{direction} {{ {tunnel} }} icmpv6 type {{ {icmpv6}, nd-neighbor-solicit, nd-neighbor-advert }} accept
\t\t{direction} {{ {tunnel} }} drop
"
        ),
    };
    let tunnel_in = tunnel_rules("iifname", "echo-request", "echo-request");
    let tunnel_out = tunnel_rules("oifname", "echo-reply", "echo-reply");
    let (sets, tcp_out) = tcp_out(ports);
    let asks = roles.management.iter().chain(&roles.tunnel);
    let arp_out: String = asks.map(|name| format!("\t\toifname \"{name}\" accept\n")).collect();
    // without a management adapter nothing but the loopback is let through
    let management = roles.management.as_deref().unwrap_or("lo");
    let list = |ports: &[u16]| ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let incoming = match ports.incoming.as_slice() {
        [one] => one.to_string(),
        several => format!("{{ {} }}", list(several)),
    };
    let rules = format!(
        "{sets}\tchain input {{
\t\ttype filter hook input priority 0; policy drop;
\t\tiifname \"lo\" accept
{capture_in}{tunnel_in}\t\tiifname != \"{management}\" drop
\t\tct state established,related accept
\t\tct state invalid drop
\t\ticmp type {{ destination-unreachable, time-exceeded, parameter-problem, echo-request }} accept
\t\ticmpv6 type {{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert }} accept
\t\tudp sport 67 udp dport 68 accept
\t\tudp sport 547 udp dport 546 accept
\t\ttcp dport {incoming} accept
\t}}

\tchain output {{
\t\ttype filter hook output priority 0; policy drop;
\t\toifname \"lo\" accept
{capture_out}{tunnel_out}\t\toifname != \"{management}\" drop
\t\tct state established,related accept
\t\ticmp type {{ destination-unreachable, time-exceeded, parameter-problem, echo-request }} accept
\t\ticmpv6 type {{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request, nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }} accept
\t\tudp sport 68 udp dport 67 accept
\t\tudp sport 546 udp dport 547 accept
\t\tudp dport {{ 53, 123 }} accept
{tcp_out}\t}}

\tchain forward {{
\t\ttype filter hook forward priority 0; policy drop;
\t}}
}}

table arp eyot {{
\tchain input {{
\t\ttype filter hook input priority 0; policy accept;
{capture_in}\t}}

\tchain output {{
\t\ttype filter hook output priority 0; policy drop;
{capture_out}{arp_out}\t}}
}}
"
    );
    let digest = ring::digest::digest(&ring::digest::SHA256, rules.as_bytes());
    let mark = format!("rules_{}", hex::encode(&digest.as_ref()[..6]));
    let text = format!(
        "flush ruleset\n\n# Written by eyot-appliance; changes here are overwritten.\ntable inet eyot {{\n\tchain {mark} {{\n\t}}\n\n{rules}"
    );
    Ruleset { text, mark }
}

/// The sets of networks, and the rules for connections going out. Name servers are reached wherever they are.
fn tcp_out(ports: &Ports) -> (String, String) {
    let outgoing = ports.outgoing.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let Some(networks) = &ports.destinations else {
        return (String::new(), format!("\t\ttcp dport {{ 53, {outgoing} }} accept\n"));
    };
    let (mut sets, mut rules) = (String::new(), "\t\ttcp dport 53 accept\n".to_owned());
    for (six, name, kind, family) in
        [(false, "allowed4", "ipv4_addr", "ip"), (true, "allowed6", "ipv6_addr", "ip6")]
    {
        let elements: Vec<String> =
            networks.iter().filter(|n| n.is_ipv6() == six).map(Prefix::to_string).collect();
        if elements.is_empty() {
            // a set without elements has no grammar, and lets nothing through anyway
            continue;
        }
        let elements = elements.join(",\n\t\t\t");
        sets.push_str(&format!(
            "\tset {name} {{\n\t\ttype {kind}\n\t\tflags interval\n\t\telements = {{\n\t\t\t{elements}\n\t\t}}\n\t}}\n\n"
        ));
        rules.push_str(&format!("\t\t{family} daddr @{name} tcp dport {{ {outgoing} }} accept\n"));
    }
    (sets, rules)
}

/// Puts the rules in force and on disk; says whether that was needed.
///
/// # Errors
/// Rules the kernel refuses, or a management interface that went away with them; then the old rules are back.
pub fn apply(host: &dyn Host, rules: &Ruleset, management: Option<&str>) -> Result<bool, ApplyError> {
    let live = host.run("nft", &["list", "ruleset"]).map_err(early)?;
    apply_over(host, live, rules, management)
}

/// Does it on a machine with these rules in force.
fn apply_over(
    host: &dyn Host,
    live: String,
    rules: &Ruleset,
    management: Option<&str>,
) -> Result<bool, ApplyError> {
    let saved = host.read(paths::FIREWALL).map_err(early)?;
    if live.contains(&rules.mark) && saved.as_deref() == Some(rules.text.as_bytes()) {
        return Ok(false);
    }
    let reachable = is_up(host, management).map_err(early)?;
    let mut loaded = false;
    let outcome = load(host, rules, &mut loaded)
        .and_then(|()| verify(host, rules, management, reachable))
        .and_then(|()| Ok(host.remove(paths::FIREWALL_CANDIDATE)?))
        .and_then(|()| Ok(host.write(paths::FIREWALL, rules.text.as_bytes(), Access::Root)?));
    match outcome {
        Ok(_) => Ok(true),
        Err(cause) => {
            Err(ApplyError::after(WHAT, cause, undo(host, loaded.then_some(&live), saved.as_deref())))
        }
    }
}

/// What came of putting rules in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// They were in force and on disk.
    Already,
    /// They are now.
    Loaded,
    /// Rules are on trial, since now or since earlier.
    OnTrial {
        /// Since now.
        begun: bool,
    },
    /// These rules were taken back before, so they were not tried again; why.
    Refused(String),
}

/// The same as [`apply`], but rules that take the place of others of the appliance's go on trial if `caution` says so, and
/// a trial under way or one that failed is left as it is.
///
/// # Errors
/// As [`apply`].
pub fn apply_with(
    host: &dyn Host,
    rules: &Ruleset,
    management: Option<&str>,
    caution: Caution,
) -> Result<Applied, ApplyError> {
    if Trial::under_way(host).map_err(early)?.is_some() {
        return Ok(Applied::OnTrial { begun: false });
    }
    let live = host.run("nft", &["list", "ruleset"]).map_err(early)?;
    let ours = live.contains("table inet eyot");
    let refused = Refused::last(host).map_err(early)?.filter(|r| r.mark == rules.mark);
    match (caution, refused) {
        (_, Some(refused)) if ours && !live.contains(&rules.mark) => Ok(Applied::Refused(refused.why)),
        (Caution::Trial(watcher), _) if ours && !live.contains(&rules.mark) => {
            Ok(Applied::OnTrial { begun: Trial::begin(host, rules, management, watcher)?.is_some() })
        }
        _ => Ok(match apply_over(host, live, rules, management)? {
            true => Applied::Loaded,
            false => Applied::Already,
        }),
    }
}

/// Has nft read the rules without putting them in force.
///
/// # Errors
/// What nft says of them.
pub fn check(host: &dyn Host, rules: &Ruleset) -> Result<(), HostError> {
    host.write(paths::FIREWALL_CANDIDATE, rules.text.as_bytes(), Access::Root)?;
    let checked = host.run("nft", &["-c", "-f", paths::FIREWALL_CANDIDATE]).map(drop);
    checked.and(host.remove(paths::FIREWALL_CANDIDATE))
}

/// Whether these very rules are in the kernel and on disk.
pub fn in_force(host: &dyn Host, rules: &Ruleset) -> Result<bool, HostError> {
    let live = host.run("nft", &["list", "ruleset"])?;
    let saved = host.read(paths::FIREWALL)?;
    Ok(live.contains(&rules.mark) && saved.as_deref() == Some(rules.text.as_bytes()))
}

/// A failure before anything was changed.
fn early(error: HostError) -> ApplyError {
    ApplyError::after(WHAT, error.into(), Ok(()))
}

fn load(host: &dyn Host, rules: &Ruleset, loaded: &mut bool) -> Result<(), Cause> {
    host.write(paths::FIREWALL_CANDIDATE, rules.text.as_bytes(), Access::Root)?;
    host.run("nft", &["-c", "-f", paths::FIREWALL_CANDIDATE])?;
    host.run("nft", &["-f", paths::FIREWALL_CANDIDATE])?;
    *loaded = true;
    Ok(())
}

fn verify(
    host: &dyn Host,
    rules: &Ruleset,
    management: Option<&str>,
    was_reachable: bool,
) -> Result<(), Cause> {
    if !host.run("nft", &["list", "ruleset"])?.contains(&rules.mark) {
        return Err(Cause::Verify("the rules are not in force".to_owned()));
    }
    if was_reachable && !is_up(host, management)? {
        return Err(Cause::Verify("the management interface is down".to_owned()));
    }
    Ok(())
}

fn undo(host: &dyn Host, live: Option<&String>, saved: Option<&[u8]>) -> Result<(), HostError> {
    let mut result = host.remove(paths::FIREWALL_CANDIDATE);
    if let Some(live) = live {
        let restored = host
            .write(paths::FIREWALL_BEFORE, format!("flush ruleset\n{live}").as_bytes(), Access::Root)
            .and_then(|_| host.run("nft", &["-f", paths::FIREWALL_BEFORE]))
            .and_then(|_| host.remove(paths::FIREWALL_BEFORE));
        result = result.and(restored);
    }
    let file = match saved {
        Some(saved) => host.write(paths::FIREWALL, saved, Access::Root).map(drop),
        None => host.remove(paths::FIREWALL),
    };
    result.and(file)
}

fn is_up(host: &dyn Host, name: Option<&str>) -> Result<bool, HostError> {
    Ok(host.adapters()?.iter().any(|a| Some(a.name.as_str()) == name && a.flags.up))
}
