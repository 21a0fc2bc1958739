//! Services of local devices that are set up badly: passwords in clear, factory credentials, old TLS, certificates
//! that have ended.

use std::net::IpAddr;

use eyot_contract::{FindingKind, Timestamp};
use eyot_dissect::Field;
use eyot_inventory::Reading;
use time::format_description::well_known::Rfc3339;
use time::OffsetDateTime;

use crate::engine::{Findings, Seen};

const SNMP_PORT: u16 = 161;

impl Findings {
    pub(crate) fn service(&mut self, seen: Seen<'_>, reading: &Reading<'_>) {
        let value = reading.value;
        match reading.field {
            Field::TelnetBanner => {
                self.serves(
                    seen,
                    reading,
                    FindingKind::ClearTelnet,
                    "answers as a Telnet server",
                    "a greeting",
                );
                self.prompt(seen, reading);
            }
            Field::FtpBanner | Field::HttpRealm | Field::HttpTitle | Field::RtspRealm | Field::SshBanner => {
                self.prompt(seen, reading);
            }
            Field::FtpLogin if value == "named" => {
                self.serves(
                    seen,
                    reading,
                    FindingKind::ClearFtp,
                    "was logged in to by FTP in clear",
                    "a user name and a password",
                );
            }
            Field::HttpBasic => {
                self.serves(
                    seen,
                    reading,
                    FindingKind::ClearHttpLogin,
                    "was sent a password by HTTP in clear",
                    "Basic credentials",
                );
                if value == "factory" {
                    self.serves(
                        seen,
                        reading,
                        FindingKind::DefaultCredentials,
                        "was sent factory credentials",
                        "Basic credentials that makers ship",
                    );
                }
            }
            Field::SnmpVersion if matches!(value, "1" | "2c") && seen.summary.source_port == SNMP_PORT => {
                let text = format!("an answer of version {value}");
                self.serves(seen, reading, FindingKind::ClearSnmp, "answers SNMP without encryption", &text);
            }
            Field::SnmpCommunity => {
                self.serves(
                    seen,
                    reading,
                    FindingKind::DefaultCredentials,
                    "answers a community it left the factory with",
                    "an answer to public or private",
                );
            }
            Field::TlsVersion if matches!(value, "SSL 3.0" | "TLS 1.0" | "TLS 1.1") => {
                let text = format!("serves {value}");
                self.serves(seen, reading, FindingKind::OldTls, &text, value);
            }
            Field::TlsExpires if has_ended(value, seen.at) => {
                let text = format!("serves a certificate that ended {value}");
                self.serves(seen, reading, FindingKind::ExpiredCertificate, &text, value);
            }
            _ => {}
        }
    }

    /// Raises something about the device that a reading is about, at the port it serves, if it is a local one.
    fn serves(&mut self, seen: Seen<'_>, reading: &Reading<'_>, kind: FindingKind, does: &str, shown: &str) {
        let Some(ip) = reading.ip.filter(|ip| self.policy.local.contains(*ip)) else { return };
        let port = served_port(seen, ip);
        if !self.is_news(kind, (reading.mac, ip, port), seen.at) {
            return;
        }
        let mac = seen.device(Some(reading.mac), Some(ip));
        let mut evidence = seen.evidence(reading.field.protocol(), shown);
        evidence.port = Some(port).filter(|port| *port != 0);
        // an address may move on to another device; the port tells services of one device apart
        let key = if mac.is_some() { port.to_string() } else { format!("{ip}/{port}") };
        self.raise(kind, mac, key, format!("{ip} {does} (port {port})"), evidence);
    }

    /// A log-in prompt that says how to log in. Its text is not repeated, since the password is in it.
    fn prompt(&mut self, seen: Seen<'_>, reading: &Reading<'_>) {
        if gives_password_away(reading.value) {
            let text = format!("{} names factory credentials", reading.field.name());
            self.serves(
                seen,
                reading,
                FindingKind::DefaultCredentials,
                "gives its factory password away",
                &text,
            );
        }
    }
}

/// The port at the end that has this address.
fn served_port(seen: Seen<'_>, ip: IpAddr) -> u16 {
    if seen.summary.destination_ip == Some(ip) {
        seen.summary.destination_port
    } else {
        seen.summary.source_port
    }
}

fn has_ended(end: &str, at: Timestamp) -> bool {
    OffsetDateTime::parse(end, &Rfc3339).is_ok_and(|end| end.unix_timestamp() < at.seconds())
}

fn gives_password_away(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    (has(&["default", "factory"]) && has(&["password", "passwd", "pwd", "login:", "login is", "user:"]))
        || has(&[
            "admin/admin",
            "admin:admin",
            "admin / admin",
            "root/root",
            "root:root",
            "user/user",
            "password:1234",
        ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_that_say_too_much() {
        for text in [
            "Default Name:admin Password:1234",
            "Default: admin/1234 Login: default password",
            "login with admin/admin",
        ] {
            assert!(gives_password_away(text), "{text}");
        }
        for text in [
            "Enter your password",
            "Administrator login",
            "default",
            "IP Camera",
            "Login to the router",
            "Default Web Site Page",
        ] {
            assert!(!gives_password_away(text), "{text}");
        }
    }

    #[test]
    fn ends_of_validity() {
        let at = Timestamp::from_seconds(1_700_000_000);
        assert!(has_ended("2023-11-14T00:00:00Z", at));
        assert!(!has_ended("2023-11-15T00:00:00Z", at));
        assert!(!has_ended("9999-99-99T00:00:00Z", at));
    }
}
