//! The servers of a site: the portal itself, and Debian's dnsmasq, squid and chrony as administrators set them up.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use serde_json::Value;

use super::double::{Authority, Portal, Script};
use super::site::{Place, Site};

/// libfaketime, as Debian installs it.
pub const FAKE_TIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
pub const PORTAL: &str = "portal.example";
/// The proxy, on the router.
pub const PROXY: &str = "http://proxy.example:3128";
pub const TLS_PROXY: &str = "https://proxy.example:3129";

/// What has to be on the machine.
pub fn tools() -> Result<(), String> {
    if !nix::unistd::Uid::effective().is_root() {
        return Err("network namespaces need root; run this as root".to_owned());
    }
    for (file, package) in [
        ("/usr/sbin/squid", "squid-openssl"),
        ("/usr/lib/squid/security_file_certgen", "squid-openssl"),
        ("/usr/sbin/dnsmasq", "dnsmasq-base"),
        ("/usr/sbin/chronyd", "chrony"),
        ("/usr/sbin/nft", "nftables"),
        ("/usr/sbin/tc", "iproute2"),
        ("/usr/sbin/ethtool", "ethtool"),
        ("/usr/bin/curl", "curl"),
        ("/usr/bin/python3", "python3"),
        ("/usr/lib/apt/apt-helper", "apt"),
        (FAKE_TIME, "libfaketime"),
    ] {
        if !Path::new(file).exists() && !Path::new(file.trim_start_matches("/usr")).exists() {
            return Err(format!("there is no {file}; install the package {package}"));
        }
    }
    portal_program().map(drop)
}

fn portal_program() -> Result<String, String> {
    let program = std::env::var("EYOT_PORTAL").map_err(|_| {
        "EYOT_PORTAL must name the eyot-portal program; scripts/check-sites does so".to_owned()
    })?;
    match Path::new(&program).is_file() {
        true => Ok(program),
        false => Err(format!("there is no {program}; cargo build -p eyot-portal makes it")),
    }
}

/// A portal's data folder, with one sensor registered.
pub struct RealPortal<'s> {
    site: &'s Site,
    data: String,
    pub token: String,
    pub sensor: String,
}

impl<'s> RealPortal<'s> {
    /// Makes one; it does not listen yet.
    pub fn new(site: &'s Site, name: &str, address: &str) -> Self {
        let data = site.dir.path().join(name).display().to_string();
        let mut portal = Self { site, data, token: String::new(), sensor: String::new() };
        portal.command(&["init", "--address", address]);
        let told =
            portal.command(&["register", "--name", "lobby", "--subscription", "main", "--format", "json"]);
        let told: Value = serde_json::from_str(&told).unwrap();
        portal.token = told["token"].as_str().unwrap().to_owned();
        portal.sensor = told["sensor"].as_str().unwrap().to_owned();
        portal
    }

    pub fn serve(self) -> Self {
        let program = portal_program().unwrap();
        let command = [program.as_str(), "serve", "--data", &self.data, "--listen", "[::]:443"];
        self.site.serve(Place::Portal, &command, None, Some(("tcp", 443)));
        self
    }

    pub fn command(&self, arguments: &[&str]) -> String {
        let output = Command::new(portal_program().unwrap())
            .args(arguments)
            .args(["--data", &self.data])
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Lets the tokens' time run out, which no command does.
    pub fn expire_tokens(&self) {
        let script = "import sqlite3,sys; d=sqlite3.connect(sys.argv[1]); d.execute('UPDATE activations SET expires_at=1'); d.commit()";
        let file = format!("{}/portal.db", self.data);
        assert!(Command::new("python3").args(["-c", script, &file]).status().unwrap().success());
    }

    /// Deletes the sensor as a program of the portal's users would.
    pub fn delete_sensor(&self) {
        let token = self.command(&["api-token", "create", "--name", "matrix", "--role", "owner"]);
        let address = format!("https://198.51.100.2/api/v1/sensors/{}", self.sensor);
        self.site.on(
            Place::Portal,
            &format!("curl -skf -X DELETE -H \"Authorization: Bearer {}\" {address}", token.trim()),
        );
    }
}

/// DNS on the router: the portal and the proxy, and nothing else.
pub fn names(site: &Site) {
    names_with(site, &[&format!("--address=/{PORTAL}/198.51.100.2")]);
}

pub fn names_with(site: &Site, options: &[&str]) {
    let mut command = vec![
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--user=root",
        "--pid-file=",
        "--interface=lan",
        "--bind-interfaces",
        "--address=/proxy.example/192.0.2.1",
        "--address=/mirror.example/198.51.100.2",
        "--address=/ntp.example/192.0.2.1",
    ];
    command.extend(options);
    site.serve(Place::Router, &command, None, Some(("udp", 53)));
}

/// Whether the kernel can make a link slow itself.
pub fn has_netem() -> bool {
    let script = "n=eyot-$$; ip netns add $n; trap 'ip netns delete $n' EXIT; ip netns exec $n tc qdisc add dev lo root netem delay 1ms";
    Command::new("sh").args(["-ec", script]).output().is_ok_and(|o| o.status.success())
}

/// 300 ms each way, give or take 50, and one frame in fifty lost, between the appliance and the router. With one in twenty the
/// C library itself gives a name up now and then, after two questions.
pub fn slow_link(site: &Site) {
    if has_netem() {
        for (place, link) in [(Place::Router, "lan"), (Place::Appliance, "ens160")] {
            site.on(place, &format!("tc qdisc add dev {link} root netem delay 300ms 50ms loss 2%"));
        }
        return;
    }
    // the router's end is put behind a wire of our own
    site.on(
        Place::Router,
        "ip link set lan down; ip link set lan name port; ip link set port up; ip addr flush dev port
         ip link add lan type veth peer name inner; ip link set inner up; ip link set lan up
         ip addr add 192.0.2.1/24 dev lan; ethtool -K lan tx off >/dev/null",
    );
    site.on(Place::Appliance, "ethtool -K ens160 tx off >/dev/null");
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sites/slow_link.py");
    site.serve(Place::Router, &["python3", program, "port", "inner", "300", "50", "2"], None, None);
}

/// chrony on the router; `clock` makes it a wrong one. It serves its own clock and never touches it (`-x`).
pub fn time_server(site: &Site, clock: Option<&str>, own_time: bool) {
    let local = if own_time { "local stratum 3\n" } else { "" };
    let file = site.file(
        "chrony.conf",
        &format!(
            "{local}allow all\ncmdport 0\nbindcmdaddress /\npidfile {}/chrony.pid\n",
            site.dir.path().display()
        ),
    );
    let file = file.display().to_string();
    site.serve(Place::Router, &["chronyd", "-x", "-d", "-u", "root", "-f", &file], clock, Some(("udp", 123)));
}

/// Squid on the router with these lines; ports and access rules are the situation's.
pub fn squid(site: &Site, lines: &str) {
    let dir = site.dir.path().join("squid");
    std::fs::create_dir_all(&dir).unwrap();
    let place = dir.display();
    let conf = format!(
        "visible_hostname proxy.example
pid_filename none
coredump_dir {place}
cache_log {place}/cache.log
access_log stdio:{place}/access.log
netdb_filename none
pinger_enable off
cache deny all
cache_mem 8 MB
dns_nameservers 192.0.2.1
shutdown_lifetime 0 seconds
connect_timeout 5 seconds
acl SSL_ports port 443
{lines}
"
    );
    let file = site.file("squid.conf", &conf).display().to_string();
    let owned = Command::new("chown").args(["-R", "proxy:proxy"]).arg(&dir).status().unwrap();
    assert!(owned.success());
    site.serve(Place::Router, &["squid", "-N", "-f", &file], None, Some(("tcp", 3128)));
}

/// A squid that lets everybody through to 443.
pub fn open_squid(site: &Site) {
    squid(site, "http_port 3128\nhttp_access deny CONNECT !SSL_ports\nhttp_access allow all");
}

/// A squid with Basic authentication: `sensor`, `p@ss word`.
pub fn basic_squid(site: &Site) {
    let hash = Command::new("openssl").args(["passwd", "-apr1", "p@ss word"]).output().unwrap();
    let users = site.file("users", &format!("sensor:{}", String::from_utf8(hash.stdout).unwrap()));
    squid(
        site,
        &format!(
            "auth_param basic program /usr/lib/squid/basic_ncsa_auth {}
auth_param basic realm proxy
acl known proxy_auth REQUIRED
http_port 3128
http_access deny CONNECT !SSL_ports
http_access allow known
http_access deny all",
            users.display()
        ),
    );
}

/// A squid that offers one scheme only.
pub fn squid_with_scheme(site: &Site, scheme: &str, helper: &str) {
    let realm = if scheme == "digest" { "auth_param digest realm proxy\n" } else { "" };
    squid(
        site,
        &format!(
            "auth_param {scheme} program {helper}
{realm}acl known proxy_auth REQUIRED
http_port 3128
http_access allow known
http_access deny all"
        ),
    );
}

/// A squid that opens TLS with certificates of its own; the CA's PEM. `intercepting`: it also takes what the router
/// redirects to it, on 3130.
pub fn inspecting_squid(site: &Site, intercepting: bool) -> String {
    let ca = Authority::new("Corporate Inspection CA");
    let dir = site.dir.path().join("squid");
    std::fs::create_dir_all(&dir).unwrap();
    let bundle = site.file("inspection.pem", &format!("{}{}", ca.pem, ca.issuer.key().serialize_pem()));
    let certificates = dir.join("certificates");
    let made = Command::new("/usr/lib/squid/security_file_certgen")
        .args(["-c", "-s"])
        .arg(&certificates)
        .args(["-M", "4MB"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let options = format!("ssl-bump tls-cert={} generate-host-certificates=on", bundle.display());
    let intercept =
        if intercepting { format!("https_port 3130 intercept {options}\n") } else { String::new() };
    squid(
        site,
        &format!(
            "http_port 3128 {options}
{intercept}sslcrtd_program /usr/lib/squid/security_file_certgen -s {} -M 4MB
sslcrtd_children 1
sslproxy_cert_error allow all
ssl_bump bump all
http_access allow all",
            certificates.display()
        ),
    );
    ca.pem
}

/// A squid that is itself reached over TLS, on 3129; the CA's PEM. `clients`: whose certificates it asks for.
pub fn tls_squid(site: &Site, clients: Option<&Authority>) -> String {
    let ca = Authority::new("Proxy CA");
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["proxy.example".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "proxy.example");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.signed_by(&key, &ca.issuer).unwrap().pem();
    let bundle =
        site.file("proxy.pem", &format!("{certificate}{}", key.serialize_pem())).display().to_string();
    let clients = clients
        .map(|c| format!(" clientca={}", site.file("clients.pem", &c.pem).display()))
        .unwrap_or_default();
    squid(
        site,
        &format!("http_port 3128\nhttps_port 3129 tls-cert={bundle}{clients}\nhttp_access deny CONNECT !SSL_ports\nhttp_access allow all"),
    );
    ca.pem
}

/// A portal double in the portal's place, for what the real one never does.
pub fn odd_portal(site: &Site, authority: Authority, script: Script) {
    let authority = Arc::new(authority);
    let token = eyot_contract::ActivationToken {
        sensor: super::double::SENSOR,
        secret: super::double::SECRET,
        ca_pin: authority.pin(),
        expires: eyot_contract::Timestamp::from_seconds(eyot_contract::Timestamp::now().seconds() + 3600),
        portal: format!("https://{PORTAL}"),
    };
    site.set("activation.token", token.encode());
    site.double(Place::Portal, move || Portal::start_at("0.0.0.0:443", authority, script));
}

/// Something that answers whatever comes with the same plain HTTP.
pub fn plain_http(site: &Site, place: Place, port: u16, answer: &'static str) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    site.double(place, move || async move {
        let listener = tokio::net::TcpListener::bind(("0.0.0.0", port)).await.unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut some = [0; 4096];
                    // whoever goes away is not this server's problem
                    let _ = stream.read(&mut some).await;
                    let text =
                        format!("HTTP/1.1 {answer}\r\nContent-Length: 3\r\nConnection: close\r\n\r\nhi\n");
                    let _ = stream.write_all(text.as_bytes()).await;
                });
            }
        });
    });
}
