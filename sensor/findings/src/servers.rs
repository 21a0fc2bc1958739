//! Servers that a network depends on: DHCP, IPv6 routers, DNS, NTP. Those that are configured or were there during the
//! first day are expected.

use std::net::IpAddr;

use eyot_contract::FindingKind;
use eyot_dissect::Field;
use eyot_inventory::Reading;

use crate::engine::{Findings, Seen};
use crate::habits::Habit;

const DNS_PORT: u16 = 53;

impl Findings {
    pub(crate) fn dhcp_server(&mut self, seen: Seen<'_>, reading: &Reading<'_>) {
        let server: Option<IpAddr> = reading.value.parse().ok();
        let learning = self.habits.is_learning(seen.at, self.policy.learning);
        let router = seen
            .inventory
            .readings()
            .find(|r| r.field == Field::DhcpRouter && r.mac == reading.mac)
            .map_or("", |r| r.value);
        let reason = if self.policy.dhcp_servers.is_empty() {
            let key = format!("{} {}", vlan(reading.vlan), reading.mac);
            if self.habits.get(Habit::DhcpServer, &key).is_some() {
                self.habits.learn(Habit::DhcpServer, &key, router, seen.at);
                return;
            }
            let prefix = format!("{} ", vlan(reading.vlan));
            let other = self
                .habits
                .of(Habit::DhcpServer)
                .find(|(key, known)| {
                    key.starts_with(&prefix)
                        && !known.value.is_empty()
                        && !router.is_empty()
                        && known.value != router
                })
                .map(|(_, known)| known.value.clone());
            match other {
                None if learning => {
                    self.habits.learn(Habit::DhcpServer, &key, router, seen.at);
                    return;
                }
                None => "no such server was there during the first day".to_owned(),
                Some(known) => format!("it names {router} as router where the known server names {known}"),
            }
        } else if [server, reading.ip].iter().flatten().any(|ip| self.policy.dhcp_servers.contains(ip)) {
            return;
        } else {
            "it is not in the list of DHCP servers".to_owned()
        };
        if !self.is_news(FindingKind::RogueDhcpServer, (reading.mac, reading.vlan), seen.at) {
            return;
        }
        self.raise(
            FindingKind::RogueDhcpServer,
            Some(reading.mac),
            vlan(reading.vlan),
            format!("{} hands out addresses by DHCP: {reason}", seen.called(Some(reading.mac), reading.ip)),
            seen.evidence("dhcp", format!("server identifier {}, router {}", reading.value, none(router))),
        );
    }

    pub(crate) fn handed_out_dns(&mut self, seen: Seen<'_>, reading: &Reading<'_>) {
        // a rogue server's name servers are not to be trusted either
        let key = format!("{} {}", vlan(reading.vlan), reading.mac);
        if self.habits.get(Habit::DhcpServer, &key).is_some() {
            self.habits.learn(Habit::DnsServer, reading.value, "handed out", seen.at);
        }
    }

    pub(crate) fn router(&mut self, seen: Seen<'_>, reading: &Reading<'_>) {
        // a flag, or a lifetime of zero, is no offer to carry traffic
        if !reading.value.parse::<u32>().is_ok_and(|lifetime| lifetime > 0) {
            return;
        }
        let learning = self.habits.is_learning(seen.at, self.policy.learning);
        let reason = if self.policy.routers.is_empty() {
            let key = format!("{} {}", vlan(reading.vlan), reading.mac);
            if learning || self.habits.get(Habit::Router, &key).is_some() {
                self.habits.learn(Habit::Router, &key, "", seen.at);
                return;
            }
            "it did not do so during the first day"
        } else if reading.ip.is_some_and(|ip| self.policy.routers.contains(&ip)) {
            return;
        } else {
            "it is not in the list of routers"
        };
        if !self.is_news(FindingKind::RogueRouter, (reading.mac, reading.vlan), seen.at) {
            return;
        }
        let prefixes: Vec<&str> = seen
            .inventory
            .readings()
            .filter(|r| r.field == Field::NdPrefix && r.mac == reading.mac)
            .map(|r| r.value)
            .collect();
        let prefixes = prefixes.join(", ");
        self.raise(
            FindingKind::RogueRouter,
            Some(reading.mac),
            vlan(reading.vlan),
            format!("{} announces itself as a router: {reason}", seen.called(Some(reading.mac), reading.ip)),
            seen.evidence("nd", format!("lifetime {} s, prefixes {}", reading.value, none(&prefixes))),
        );
    }

    pub(crate) fn dns_use(&mut self, seen: Seen<'_>, reading: &Reading<'_>) {
        let Some(server) = seen.summary.destination_ip else { return };
        if seen.summary.destination_port != DNS_PORT || server.is_multicast() {
            return;
        }
        if self.policy.dns_servers.is_empty() {
            if !self.policy.local.is_public(server) {
                return;
            }
            let learning = self.habits.is_learning(seen.at, self.policy.learning);
            // asked of every query to a public server, so first the cheap question
            if !learning && !self.is_news(FindingKind::UnexpectedDnsServer, (reading.mac, server), seen.at) {
                return;
            }
            let key = server.to_string();
            if learning || self.habits.get(Habit::DnsServer, &key).is_some() {
                self.habits.learn(Habit::DnsServer, &key, "asked", seen.at);
                return;
            }
        } else if self.policy.dns_servers.contains(&server)
            || seen.summary.source_ip.is_some_and(|ip| self.policy.dns_servers.contains(&ip))
            || !self.is_news(FindingKind::UnexpectedDnsServer, (reading.mac, server), seen.at)
        {
            return;
        }
        let Some(mac) = self.asker(seen, reading) else { return };
        // a resolver asks whom it must
        if seen.inventory.device(mac).is_some_and(|device| device.has_fact(Field::DnsAnswer)) {
            return;
        }
        self.raise(
            FindingKind::UnexpectedDnsServer,
            Some(mac),
            server.to_string(),
            format!("{} asks {server} for names", seen.called(Some(mac), seen.summary.source_ip)),
            seen.evidence("dns", "a query"),
        );
    }

    pub(crate) fn time_use(&mut self, seen: Seen<'_>, reading: &Reading<'_>) {
        let Some(server) = seen.summary.destination_ip else { return };
        let expected = &self.policy.time_servers;
        if expected.is_empty()
            || expected.contains(&server)
            || server.is_multicast()
            || seen.summary.source_ip.is_some_and(|ip| expected.contains(&ip))
            || !self.is_news(FindingKind::UnexpectedTimeServer, (reading.mac, server), seen.at)
        {
            return;
        }
        let Some(mac) = self.asker(seen, reading) else { return };
        self.raise(
            FindingKind::UnexpectedTimeServer,
            Some(mac),
            server.to_string(),
            format!("{} asks {server} for the time", seen.called(Some(mac), seen.summary.source_ip)),
            seen.evidence("ntp", "a request"),
        );
    }

    /// The local device that asks; nobody when a router passed the question on.
    fn asker(&self, seen: Seen<'_>, reading: &Reading<'_>) -> Option<eyot_contract::MacAddr> {
        let ip = seen.summary.source_ip.filter(|ip| self.policy.local.contains(*ip));
        seen.device(Some(reading.mac), ip).filter(|_| ip.is_some())
    }
}

fn vlan(vlan: Option<u16>) -> String {
    vlan.map_or_else(|| "untagged".to_owned(), |vlan| vlan.to_string())
}

fn none(text: &str) -> &str {
    if text.is_empty() {
        "none"
    } else {
        text
    }
}
