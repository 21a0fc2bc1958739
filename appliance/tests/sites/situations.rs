//! The situations, and how one is played.

use eyot_contract::ConditionCode as C;

use super::double::{Authority, Script};
use super::servers::{
    basic_squid, inspecting_squid, names, names_with, odd_portal, open_squid, plain_http, slow_link, squid,
    squid_with_scheme, time_server, tls_squid, RealPortal, PORTAL, PROXY, TLS_PROXY,
};
use super::site::{Place, Said, Site};
use serde_json::Value;
use time::OffsetDateTime;

pub struct Situation {
    pub name: &'static str,
    /// The first condition, whose phrase a single line shows.
    pub expect: C,
    /// Words that its detail has.
    pub words: &'static [&'static str],
    /// Sets the site up and boots the appliance.
    pub play: fn(&Site),
    /// Whether `validate`, which asks once, can come upon the condition too.
    pub shows_at_once: bool,
}

/// Steps of `validate` on the way to the portal.
const WAY: [&str; 5] = ["name", "proxy", "connection", "certificate", "clock"];

impl Situation {
    /// Plays it; the phrase reported, or what was wrong with it.
    pub fn play(&self, number: usize) -> Result<String, String> {
        let site = Site::new(number);
        (self.play)(&site);
        self.judge(&site.ask())
    }

    fn judge(&self, said: &Said) -> Result<String, String> {
        let all = said.status["conditions"].as_array().ok_or("status names no conditions")?;
        let first = all.first().ok_or("status names no condition")?;
        let text = |key: &str| first[key].as_str().unwrap_or_default().to_owned();
        let (phrase, detail) = (text("title"), text("detail"));
        if text("code") != self.expect.name() {
            let list: Vec<String> = all.iter().map(|c| format!("{}: {}", c["title"], c["detail"])).collect();
            return Err(format!("\"{}\" was expected; it says {}", self.expect.title(), list.join(" | ")));
        }
        if let Some(missing) = self.words.iter().find(|w| !detail.contains(**w)) {
            return Err(format!("\"{missing}\" is not in: {detail}"));
        }
        if !said.banner.contains(self.expect.title()) {
            return Err(format!("the console does not say \"{phrase}\": {}", said.banner));
        }
        let checks = said.validate.as_array().ok_or("validate says nothing")?;
        let named = checks.iter().any(|c| c["code"] == self.expect.name());
        let stopped =
            checks.iter().find(|c| c["outcome"] == "failed" && WAY.iter().any(|step| c["name"] == *step));
        match (self.expect, stopped) {
            (C::Connected, Some(check)) => Err(format!("it is connected, and validate fails: {check}")),
            (C::Connected | C::PendingActivation, None) => Ok(()),
            _ if named || !self.shows_at_once => Ok(()),
            _ => Err(format!("validate does not name \"{phrase}\": {}", said.validate)),
        }?;
        let interfaces = said.status["report"]["interfaces"].as_array().cloned().unwrap_or_default();
        let monitored = |i: &&Value| i["name"] == "ens192" || i["role"] == "capture";
        match interfaces.iter().filter(monitored).find(|i| i["tx_frames"] != 0) {
            None => Ok(phrase),
            Some(other) => Err(format!("a monitored interface has sent frames: {other}")),
        }
    }
}

const fn situation(
    name: &'static str,
    expect: C,
    words: &'static [&'static str],
    play: fn(&Site),
) -> Situation {
    Situation { name, expect, words, play, shows_at_once: true }
}

/// A real portal that answers, its name in the DNS, the usual address; nothing is booted yet.
pub fn ready(site: &Site) -> RealPortal<'_> {
    site.addressed();
    names(site);
    portal(site)
}

fn portal(site: &Site) -> RealPortal<'_> {
    let portal = RealPortal::new(site, "portal", &format!("https://{PORTAL}")).serve();
    site.set("activation.token", portal.token.clone());
    portal
}

/// The way past the proxy is shut, so that whoever gets through went through the proxy.
fn only_by_proxy(site: &Site) {
    forward(site, "iifname \"lan\" oifname \"wan\" drop");
}

fn through(site: &Site, url: &str) {
    only_by_proxy(site);
    site.set("proxy.url", url);
}

fn credentials(site: &Site, password: &str) {
    site.set("proxy.username", "sensor");
    site.set("proxy.password", password);
}

fn forward(site: &Site, rule: &str) {
    site.on(
        Place::Router,
        &format!(
            "nft -f /dev/stdin <<END
table inet site {{
 chain forward {{ type filter hook forward priority 0; policy accept;
  {rule}
 }}
}}
END"
        ),
    );
}

/// The router takes what is meant for the portal to a port of its own.
fn redirect(site: &Site, port: u16) {
    site.on(
        Place::Router,
        &format!(
            "nft -f /dev/stdin <<END
table ip site {{
 chain nat {{ type nat hook prerouting priority -100; policy accept;
  iifname \"lan\" tcp dport 443 redirect to :{port}
 }}
}}
END"
        ),
    );
}

/// An odd portal needs the same surroundings.
fn odd(site: &Site, authority: &str, script: Script) {
    site.addressed();
    names(site);
    odd_portal(site, Authority::new(authority), script);
    site.boot();
}

fn double() -> Script {
    Script { names: vec![PORTAL], ..Script::default() }
}

fn days(n: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + time::Duration::days(n)
}

fn six(site: &Site) {
    site.on(
        Place::Router,
        "ip addr add 2001:db8:1::1/64 dev lan nodad; ip addr add 2001:db8:2::1/64 dev wan nodad",
    );
    site.on(
        Place::Portal,
        "ip addr add 2001:db8:2::2/64 dev eth0 nodad; ip -6 route add default via 2001:db8:2::1",
    );
    site.on(
        Place::Appliance,
        "ip addr add 2001:db8:1::10/64 dev ens160 nodad; ip -6 route add default via 2001:db8:1::1
         echo nameserver 2001:db8:1::1 >/etc/resolv.conf",
    );
}

/// The list.
pub const SITUATIONS: &[Situation] = &[
    // the way itself
    situation("direct", C::Connected, &["lobby at https://portal.example"], |s| {
        ready(s);
        s.boot();
    }),
    situation("portal by address, no DNS", C::Connected, &["198.51.100.2"], |s| {
        s.addressed();
        let portal = RealPortal::new(s, "portal", "https://198.51.100.2").serve();
        s.set("activation.token", portal.token.clone());
        s.boot();
    }),
    situation("IPv6 only", C::Connected, &[], |s| {
        six(s);
        names_with(s, &[&format!("--address=/{PORTAL}/2001:db8:2::2")]);
        portal(s);
        s.boot();
    }),
    situation("slow and lossy link", C::Connected, &[], |s| {
        s.addressed();
        slow_link(s);
        names(s);
        portal(s);
        s.boot();
    }),
    situation("large packets lost without a word", C::PathMtu, &["larger ones are lost"], |s| {
        ready(s);
        for (place, links) in
            [(Place::Appliance, "ens160"), (Place::Router, "lan wan"), (Place::Portal, "eth0")]
        {
            s.on(
                place,
                &format!("for l in {links}; do ethtool -K $l tso off gso off gro off >/dev/null; done"),
            );
        }
        forward(s, "meta length > 1000 drop");
        s.boot();
    }),
    situation("firewall drops 443", C::EndpointUnreachable, &["no answer", "allow TCP"], |s| {
        ready(s);
        forward(s, "tcp dport 443 drop");
        s.boot();
    }),
    situation("firewall resets 443", C::EndpointUnreachable, &["refused"], |s| {
        ready(s);
        forward(s, "tcp dport 443 reject with tcp reset");
        s.boot();
    }),
    situation("firewall forbids 443 by ICMP", C::EndpointUnreachable, &["198.51.100.2"], |s| {
        ready(s);
        forward(s, "tcp dport 443 reject with icmp type admin-prohibited");
        s.boot();
    }),
    situation(
        "guest network, redirection on 443",
        C::CaptivePortal,
        &["302 to http://login.hotel.example"],
        |s| {
            ready(s);
            plain_http(s, Place::Router, 8443, "302 Found\r\nLocation: http://login.hotel.example/");
            redirect(s, 8443);
            s.boot();
        },
    ),
    situation("guest network, page on 443", C::CaptivePortal, &["status 200"], |s| {
        ready(s);
        plain_http(s, Place::Router, 8443, "200 OK\r\nContent-Type: text/html");
        redirect(s, 8443);
        s.boot();
    }),
    situation("guest network with TLS of its own", C::CaptivePortal, &["login.hotel.example"], |s| {
        ready(s);
        let hotel = std::sync::Arc::new(Authority::new("Hotel CA"));
        let script = Script {
            names: vec!["login.hotel.example"],
            redirect: Some("https://login.hotel.example/"),
            ..Script::default()
        };
        s.double(Place::Router, move || super::double::Portal::start_at("0.0.0.0:8443", hotel, script));
        redirect(s, 8443);
        s.boot();
    }),
    // the management network
    situation("no DHCP server", C::NoManagementAddress, &["ens160 has a link but no address"], |s| {
        names(s);
        portal(s);
        s.boot();
    }),
    situation("management cable unplugged", C::ManagementDown, &["ens160 has no link"], |s| {
        ready(s);
        s.on(Place::Router, "ip link set lan down");
        s.boot();
    }),
    situation("wrong gateway", C::GatewayUnreachable, &["192.0.2.254 does not answer"], |s| {
        s.on(Place::Appliance, "ip addr add 192.0.2.10/24 dev ens160; ip route add default via 192.0.2.254");
        names(s);
        portal(s);
        s.boot();
    }),
    situation("no gateway", C::GatewayUnreachable, &["ens160 has no gateway"], |s| {
        s.on(Place::Appliance, "ip addr add 192.0.2.10/24 dev ens160");
        names(s);
        portal(s);
        s.boot();
    }),
    situation("another machine has the address", C::DuplicateAddress, &["has 192.0.2.10 too"], |s| {
        ready(s);
        s.on(Place::Router, "ip addr add 192.0.2.10/32 dev lan");
        s.boot();
    }),
    // names
    situation("DNS does not know the name", C::EndpointDns, &["there is no such name"], |s| {
        s.addressed();
        names_with(s, &["--local=/example/"]);
        portal(s);
        s.boot();
    }),
    situation("DNS is silent", C::EndpointDns, &["no "], |s| {
        ready(s);
        s.on(
            Place::Router,
            "nft add table inet dns; nft \"add chain inet dns i { type filter hook input priority 0; }\"
            nft add rule inet dns i meta l4proto { tcp, udp } th dport 53 drop",
        );
        s.boot();
    }),
    situation("DNS is not there", C::EndpointDns, &["no DNS server gives an answer"], |s| {
        s.addressed();
        portal(s);
        s.boot();
    }),
    situation("DNS refuses", C::EndpointDns, &["cannot be resolved"], |s| {
        s.addressed();
        names_with(s, &[]);
        portal(s);
        s.boot();
    }),
    situation("DNS answers 0.0.0.0", C::EndpointDns, &["0.0.0.0, where no such machine can be"], |s| {
        s.addressed();
        names_with(s, &[&format!("--address=/{PORTAL}/0.0.0.0")]);
        portal(s);
        s.boot();
    }),
    situation("DNS answers 127.0.0.1", C::EndpointDns, &["127.0.0.1"], |s| {
        s.addressed();
        names_with(s, &[&format!("--address=/{PORTAL}/127.0.0.1")]);
        portal(s);
        s.boot();
    }),
    // the portal
    situation("portal is down", C::EndpointUnreachable, &["refused"], |s| {
        s.addressed();
        names(s);
        let portal = RealPortal::new(s, "portal", &format!("https://{PORTAL}"));
        s.set("activation.token", portal.token.clone());
        s.boot();
    }),
    situation("portal answers 503", C::EndpointError, &["status 503"], |s| {
        let status = Some(hyper::StatusCode::SERVICE_UNAVAILABLE);
        odd(s, "Eyot portal CA double", Script { status, ..double() });
    }),
    situation("portal is mute", C::EndpointUnreachable, &["did not answer within"], |s| {
        odd(s, "Eyot portal CA double", Script { mute: true, ..double() });
    }),
    situation("another portal in its place", C::EndpointTls, &["Eyot portal CA", "new token"], |s| {
        s.addressed();
        names(s);
        let first = RealPortal::new(s, "first", &format!("https://{PORTAL}"));
        s.set("activation.token", first.token.clone());
        RealPortal::new(s, "second", &format!("https://{PORTAL}")).serve();
        s.boot();
    }),
    situation("portal's certificate has expired", C::EndpointTls, &["renew it at the portal"], |s| {
        odd(s, "Eyot portal CA double", Script { valid: (days(-30), days(-1)), ..double() });
    }),
    situation("portal's certificate is for another name", C::EndpointTls, &["elsewhere.example"], |s| {
        odd(s, "Eyot portal CA double", Script { names: vec!["elsewhere.example"], ..double() });
    }),
    situation("token has expired", C::ActivationRefused, &["expired"], |s| {
        ready(s).expire_tokens();
        s.boot();
    }),
    situation("token was used by another machine", C::ActivationRefused, &["another machine"], |s| {
        ready(s);
        s.boot_another();
        s.boot();
    }),
    situation("token was replaced", C::ActivationRefused, &["newer"], |s| {
        ready(s).command(&["activation", "--name", "lobby"]);
        s.boot();
    }),
    situation("token is damaged", C::ActivationRefused, &["damaged"], |s| {
        let portal = ready(s);
        s.set("activation.token", &portal.token[..portal.token.len() - 6]);
        s.boot();
    }),
    situation("no token yet", C::PendingActivation, &[], |s| {
        ready(s);
        s.set("activation.token", "");
        s.boot();
    }),
    situation("sensor deleted before activation", C::SensorDeleted, &["deleted at the portal"], |s| {
        ready(s).delete_sensor();
        s.boot();
    }),
    situation("portal goes down after activation", C::EndpointUnreachable, &["refused"], |s| {
        ready(s);
        s.boot();
        forward(s, "tcp dport 443 reject with tcp reset");
        s.round();
    }),
    situation("sensor deleted after activation", C::SensorDeleted, &[], |s| {
        let portal = ready(s);
        s.boot();
        portal.delete_sensor();
        s.round();
    }),
    // the clock
    situation("clock a day ahead", C::ClockDrift, &["the portal says"], |s| {
        *s.clock.borrow_mut() = Some("+1d");
        ready(s);
        s.boot();
    }),
    situation("clock ten years behind", C::ClockDrift, &["the portal says"], |s| {
        *s.clock.borrow_mut() = Some("-3650d");
        ready(s);
        s.boot();
    }),
    situation("clock two minutes off", C::Connected, &[], |s| {
        *s.clock.borrow_mut() = Some("+120");
        ready(s);
        s.boot();
    }),
    situation("clock wrong and time server right", C::ClockDrift, &["the portal says"], |s| {
        *s.clock.borrow_mut() = Some("-1d");
        ready(s);
        time_server(s, None, true);
        s.set("time.servers", "ntp.example");
        s.boot();
    }),
    situation("time server right", C::Connected, &[], |s| {
        ready(s);
        time_server(s, None, true);
        s.set("time.servers", "ntp.example");
        s.boot();
    }),
    situation("time server wrong by a day", C::TimeServerWrong, &["ntp.example and the portal are"], |s| {
        ready(s);
        time_server(s, Some("+1d"), true);
        s.set("time.servers", "ntp.example");
        s.boot();
    }),
    situation("time server has no time itself", C::TimeServerWrong, &["not synchronised"], |s| {
        ready(s);
        time_server(s, None, false);
        s.set("time.servers", "ntp.example");
        s.boot();
    }),
    situation("time server is silent", C::TimeServerSilent, &["ntp.example"], |s| {
        ready(s);
        s.set("time.servers", "ntp.example");
        s.boot();
    }),
    // proxies
    situation("proxy, anonymous", C::Connected, &[], |s| {
        ready(s);
        open_squid(s);
        through(s, PROXY);
        s.boot();
    }),
    situation("proxy, Basic, and apt through it", C::Connected, &[], |s| {
        ready(s);
        basic_squid(s);
        through(s, PROXY);
        credentials(s, "p@ss word");
        s.boot();
        plain_http(s, Place::Portal, 80, "200 OK");
        let conf = s.appliance_file(eyot_appliance::paths::APT_PROXY);
        let fetched = s.dir.path().join("fetched");
        s.on(
            Place::Appliance,
            &format!(
                "/usr/lib/apt/apt-helper -c {} download-file http://mirror.example/x {}",
                conf.display(),
                fetched.display()
            ),
        );
        assert_eq!(std::fs::read_to_string(fetched).unwrap(), "hi\n");
        let log = std::fs::read_to_string(s.dir.path().join("squid/access.log")).unwrap();
        assert!(
            log.lines().any(|l| l.contains("http://mirror.example/x sensor")),
            "apt did not log in: {log}"
        );
    }),
    situation(
        "proxy, Basic, wrong password",
        C::ProxyAuthentication,
        &["refuses the user name and password"],
        |s| {
            ready(s);
            basic_squid(s);
            through(s, PROXY);
            credentials(s, "guess");
            s.boot();
        },
    ),
    situation(
        "proxy, Basic, nothing given",
        C::ProxyAuthentication,
        &["asks for a user name and password"],
        |s| {
            ready(s);
            basic_squid(s);
            through(s, PROXY);
            s.boot();
        },
    ),
    situation("proxy, needless credentials", C::ProxyNeedlessCredentials, &["proxy.example"], |s| {
        ready(s);
        open_squid(s);
        through(s, PROXY);
        credentials(s, "p@ss word");
        s.boot();
    }),
    situation("proxy offers NTLM only", C::ProxyScheme, &["NTLM", "not supported"], |s| {
        ready(s);
        squid_with_scheme(s, "ntlm", "/usr/lib/squid/ntlm_fake_auth");
        through(s, PROXY);
        credentials(s, "p@ss word");
        s.boot();
    }),
    situation("proxy offers Kerberos only", C::ProxyScheme, &["Negotiate", "not supported"], |s| {
        ready(s);
        squid_with_scheme(s, "negotiate", "/usr/lib/squid/ntlm_fake_auth");
        through(s, PROXY);
        s.boot();
    }),
    situation("proxy offers Digest only", C::ProxyScheme, &["Digest", "not supported"], |s| {
        ready(s);
        let users = s.file("digest", "sensor:proxy:0123456789abcdef0123456789abcdef\n");
        squid_with_scheme(s, "digest", &format!("/usr/lib/squid/digest_file_auth -c {}", users.display()));
        through(s, PROXY);
        credentials(s, "p@ss word");
        s.boot();
    }),
    situation(
        "proxy inspects TLS",
        C::TlsInspected,
        &["Corporate Inspection CA", "exempt portal.example"],
        |s| {
            ready(s);
            inspecting_squid(s, false);
            through(s, PROXY);
            s.boot();
        },
    ),
    situation("proxy inspects TLS, its CA let in", C::TlsInspected, &["Corporate Inspection CA"], |s| {
        ready(s);
        let ca = inspecting_squid(s, false);
        through(s, PROXY);
        s.set("portal.ca", ca);
        s.boot();
    }),
    situation("inspection begins after activation", C::TlsInspected, &["Corporate Inspection CA"], |s| {
        ready(s);
        s.boot();
        inspecting_squid(s, true);
        redirect(s, 3130);
        s.round();
    }),
    situation("router inspects TLS unasked", C::TlsInspected, &["Corporate Inspection CA"], |s| {
        ready(s);
        inspecting_squid(s, true);
        redirect(s, 3130);
        s.boot();
    }),
    situation("proxy refuses the portal", C::ProxyRefused, &["status 403", "allow CONNECT"], |s| {
        ready(s);
        squid(s, "http_port 3128\nacl allowed dstdomain .other.example\nhttp_access allow allowed\nhttp_access deny all");
        through(s, PROXY);
        s.boot();
    }),
    situation(
        "proxy cannot reach the portal",
        C::EndpointUnreachable,
        &["cannot reach", "ERR_CONNECT_FAIL"],
        |s| {
            s.addressed();
            names(s);
            let portal = RealPortal::new(s, "portal", &format!("https://{PORTAL}"));
            s.set("activation.token", portal.token.clone());
            open_squid(s);
            through(s, PROXY);
            s.boot();
        },
    ),
    situation(
        "proxy does not know the portal's name",
        C::EndpointUnreachable,
        &["cannot reach portal.example"],
        |s| {
            s.addressed();
            names_with(s, &["--local=/example/"]);
            portal(s);
            open_squid(s);
            through(s, PROXY);
            s.boot();
        },
    ),
    situation("proxy is down", C::ProxyUnreachable, &["192.0.2.1"], |s| {
        ready(s);
        through(s, PROXY);
        s.boot();
    }),
    situation("proxy's name does not resolve", C::ProxyUnreachable, &["its name cannot be resolved"], |s| {
        s.addressed();
        names_with(s, &["--local=/example/", "--address=/nothing.example/"]);
        portal(s);
        through(s, "http://no-such-proxy.example:3128");
        s.boot();
    }),
    situation("proxy is down, portal excepted", C::Connected, &[], |s| {
        ready(s);
        s.set("proxy.url", PROXY);
        s.set("proxy.exceptions", ".example");
        s.boot();
    }),
    situation("proxy with TLS", C::Connected, &[], |s| {
        ready(s);
        let ca = tls_squid(s, None);
        through(s, TLS_PROXY);
        s.set("portal.ca", ca);
        s.boot();
    }),
    situation("proxy with TLS, its CA not given", C::ProxyTls, &["UnknownIssuer", "portal.ca"], |s| {
        ready(s);
        tls_squid(s, None);
        through(s, TLS_PROXY);
        s.boot();
    }),
    situation("proxy without TLS, https:// written", C::ProxyTls, &["http:// if it speaks no TLS"], |s| {
        ready(s);
        open_squid(s);
        through(s, "https://proxy.example:3128");
        s.boot();
    }),
    situation("proxy asks for a certificate, given", C::Connected, &[], |s| {
        ready(s);
        let clients = Authority::new("Proxy clients");
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["eyot".to_owned()]).unwrap();
        let ours = params.signed_by(&key, &clients.issuer).unwrap();
        let ca = tls_squid(s, Some(&clients));
        through(s, TLS_PROXY);
        s.set("portal.ca", ca);
        s.set("proxy.certificate", ours.pem());
        s.set("proxy.key", key.serialize_pem());
        s.boot();
    }),
    situation(
        "proxy asks for a certificate, not given",
        C::ProxyAuthentication,
        &["client certificate"],
        |s| {
            ready(s);
            let ca = tls_squid(s, Some(&Authority::new("Proxy clients")));
            through(s, TLS_PROXY);
            s.set("portal.ca", ca);
            s.boot();
        },
    ),
    // the appliance itself
    situation(
        "settings contradict each other",
        C::SettingsInvalid,
        &["proxy.password is set without"],
        |s| {
            ready(s);
            s.set("proxy.password", "s3cret");
            s.boot();
        },
    ),
    situation("no adapter to monitor", C::NoMonitoringInterface, &["ens160"], |s| {
        ready(s);
        s.on(Place::Router, "ip link delete mirror");
        s.set("capture.interfaces", "auto");
        s.boot();
    }),
];
