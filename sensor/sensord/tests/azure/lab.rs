//! Azure's stand-in, Azurite, mosquitto, squid, and a sensor's configuration that leads to them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use eyot_capture::{Frame, LinkType};
use eyot_contract::Timestamp;
use eyot_dissect::{Dissector, Limits};
use eyot_inventory::Store;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;

use crate::support::arp;

const HUB: &str = "lab.azure-devices.net";
const EVENTS: &str = "lab.servicebus.windows.net";
const DPS: &str = "global.azure-devices-provisioning.net";
pub const STORAGE: &str = "labstore.blob.core.windows.net";
/// base64 of 32 bytes; the group's, and the storage account's.
pub const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// How long anything may take to come about.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that ends with its owner.
pub struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        Self(
            command
                .spawn()
                .unwrap_or_else(|error| panic!("{name}: {error}; scripts/check-azure installs it")),
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct Lab {
    dir: tempfile::TempDir,
    control: u16,
    /// mosquitto's plain listener, for the hub's side of the twin.
    pub broker: u16,
    _processes: Vec<Process>,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program of Debian's.
fn installed(path: &str, package: &str) -> String {
    assert!(
        Path::new(path).exists(),
        "there is no {path}; install the package {package}, or run scripts/check-azure, which does"
    );
    path.to_owned()
}

/// Azurite, as scripts/check-azure installs it.
fn azurite() -> PathBuf {
    let cache = std::env::var_os("EYOT_CACHE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache"), PathBuf::from);
    let program = cache.join("tools/azurite/node_modules/.bin/azurite-blob");
    assert!(
        program.exists(),
        "there is no {}; scripts/check-azure installs Azurite and runs these tests",
        program.display()
    );
    program
}

fn wait_for_port(port: u16, what: &str) {
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "{what} does not listen");
        sleep(Duration::from_millis(50));
    }
}

impl Lab {
    /// Everything, and a sensor whose configuration has `more` under `[azure]`.
    pub fn new(key: &str, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // squid and mosquitto give up root's rights
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let at = |name: &str| dir.path().join(name);
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let leaf_key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new([HUB, EVENTS, DPS, STORAGE].map(str::to_owned)).unwrap();
        fs::write(at("ca.pem"), ca.pem()).unwrap();
        fs::write(at("leaf.pem"), leaf.signed_by(&leaf_key, &ca).unwrap().pem()).unwrap();
        fs::write(at("leaf.key"), leaf_key.serialize_pem()).unwrap();

        let [azure, control, broker, twin, storage, proxy] = [(); 6].map(|()| free_port());
        let log = |name: &str| File::create(at(name)).unwrap();
        let mut processes = vec![Process::start(
            Command::new(azurite())
                .args(["--blobHost", "127.0.0.1", "--inMemoryPersistence", "--disableTelemetry", "--silent"])
                .args(["--blobPort", &storage.to_string()])
                .arg("--cert")
                .arg(at("leaf.pem"))
                .arg("--key")
                .arg(at("leaf.key"))
                .env("AZURITE_ACCOUNTS", format!("labstore:{KEY}"))
                .current_dir(dir.path())
                .stdout(log("azurite.log"))
                .stderr(log("azurite.err")),
        )];
        let leaf = |name: &str| at(name).display().to_string();
        let conf = format!(
            "user root\nallow_anonymous true\nlistener {broker} 127.0.0.1\nlistener {twin} 127.0.0.1\n\
             protocol websockets\ncertfile {}\nkeyfile {}\n",
            leaf("leaf.pem"),
            leaf("leaf.key")
        );
        fs::write(at("mosquitto.conf"), conf).unwrap();
        processes.push(Process::start(
            Command::new(installed("/usr/sbin/mosquitto", "mosquitto"))
                .arg("-c")
                .arg(at("mosquitto.conf"))
                .stderr(log("mosquitto.log")),
        ));
        processes.push(squid(dir.path(), proxy, internet(azure, storage)));

        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/azure/mock.py");
        let mut mock = Process::start(
            Command::new("python3")
                .arg(script)
                .args(["--listen", &format!("127.0.0.1:{azure}"), "--control", &control.to_string()])
                .args(["--hub", HUB, "--event-hub-host", EVENTS, "--storage-host", STORAGE])
                .args(["--azurite", &storage.to_string(), "--mosquitto", &twin.to_string()])
                .arg("--certificate")
                .arg(at("leaf.pem"))
                .arg("--key")
                .arg(at("leaf.key"))
                .arg("--journal")
                .arg(at("journal.ndjson"))
                .env("EYOT_MOCK_KEY", KEY)
                .env("EYOT_MOCK_RULE_KEY", "rule-key-text")
                .env("EYOT_MOCK_STORAGE_KEY", KEY)
                .stdout(Stdio::piped())
                .stderr(log("mock.log")),
        );
        let mut ready = String::new();
        BufReader::new(mock.0.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let words = || fs::read_to_string(at("mock.log")).unwrap_or_default();
        assert_eq!(ready.trim(), "ready", "{}", words());
        processes.push(mock);
        wait_for_port(proxy, "squid");
        wait_for_port(broker, "mosquitto");

        fs::write(at("key"), key).unwrap();
        let connection = format!(
            "Endpoint=sb://{EVENTS}/;SharedAccessKeyName=send;SharedAccessKey=rule-key-text;EntityPath=devices"
        );
        fs::write(at("events"), connection).unwrap();
        fs::write(at("password"), "s3cret\n").unwrap();
        let dir_name = dir.path().display();
        let configuration = format!(
            "version = 1\ninterfaces = [\"no-such-nic\"]\n\
             database = \"{dir_name}/i.sqlite\"\nstatus = \"{dir_name}/status.json\"\n\
             [azure]\nid_scope = \"0ne00ABC123\"\nregistration_id = \"lab-7\"\nkey_file = \"{dir_name}/key\"\n\
             enrolment = \"group\"\nevent_hub_file = \"{dir_name}/events\"\nextra_ca_file = \"{dir_name}/ca.pem\"\n\
             {more}\n[azure.proxy]\nurl = \"http://127.0.0.1:{proxy}\"\nusername = \"sensor\"\n\
             password_file = \"{dir_name}/password\"\n",
        );
        fs::write(at("sensor.toml"), configuration).unwrap();
        Self { dir, control, broker, _processes: processes }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn sensor(&self) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_eyot-sensor"));
        let log = File::options().create(true).append(true).open(self.path("sensor.log")).unwrap();
        command.args(["run", "--config"]).arg(self.path("sensor.toml")).stderr(log);
        Process::start(&mut command)
    }

    /// Devices that have been seen and told to nobody.
    pub fn see(&self, devices: std::ops::RangeInclusive<u8>) {
        let mut store = Store::open(self.path("i.sqlite")).unwrap();
        let (mut inventory, mut dissector) = (store.load().unwrap(), Dissector::new(Limits::default()));
        for n in devices {
            let (at, bytes) = (Timestamp::now(), arp(n));
            let frame = Frame { at, link: LinkType::ETHERNET, bytes: &bytes, wire_len: 42, vlan: None };
            inventory.frame(&mut dissector, &frame);
        }
        store.save(&mut inventory, true, &[], Timestamp::now()).unwrap();
    }

    pub fn fault(&self, place: &str, kind: &str, times: u32) {
        let body = format!("{{\"where\":\"{place}\",\"kind\":\"{kind}\",\"times\":{times}}}");
        let answer =
            self.ask(&format!("POST /fault HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        assert!(answer.contains(" 204 "), "{answer}");
    }

    /// What lies in the storage: names and contents.
    pub fn blobs(&self) -> BTreeMap<String, String> {
        let answer = self.ask("GET /blobs HTTP/1.0\r\n\r\n");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {answer}"))
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.control)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// What Azure has accepted so far, oldest first.
    pub fn journal(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("journal.ndjson")).unwrap_or_default();
        // the last line may be half written
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    pub fn count(&self, place: &str) -> usize {
        self.journal().iter().filter(|e| e["where"] == place).count()
    }

    pub fn told(&self, place: &str) -> BTreeSet<String> {
        let device = |entry: &Value| entry["message"]["device"]["mac"].as_str().map(str::to_owned);
        self.journal().iter().filter(|e| e["where"] == place).filter_map(device).collect()
    }

    pub fn wait(&self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !wanted(self) {
            assert!(Instant::now() < until, "{what} did not come about: {:#}\n{}", self.status(), self.log());
            sleep(Duration::from_millis(100));
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("sensor.log")).unwrap_or_default()
    }

    /// Who went through the proxy to where, and with which status.
    pub fn proxy_log(&self) -> String {
        fs::read_to_string(self.path("squid/access.log")).unwrap_or_default()
    }

    pub fn status(&self) -> Value {
        let text = fs::read(self.path("status.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// What the status says of one destination.
    pub fn destination(&self, name: &str) -> Value {
        let status = self.status();
        let list = status["destinations"].as_array();
        list.and_then(|l| l.iter().find(|d| d["name"] == name)).cloned().unwrap_or_default()
    }
}

/// Squid with Basic authentication, CONNECT to 443 only, which hands everything on to `behind` instead of looking up names.
fn squid(dir: &Path, port: u16, behind: u16) -> Process {
    let place = dir.join("squid");
    fs::create_dir(&place).unwrap();
    let hash = Command::new("openssl").args(["passwd", "-apr1", "s3cret"]).output().unwrap();
    assert!(hash.status.success(), "openssl cannot hash a password; install the package openssl");
    fs::write(place.join("users"), format!("sensor:{}", String::from_utf8(hash.stdout).unwrap())).unwrap();
    let helper = installed("/usr/lib/squid/basic_ncsa_auth", "squid-openssl");
    let place = place.display();
    let conf = format!(
        "visible_hostname proxy.example
http_port 127.0.0.1:{port}
pid_filename none
coredump_dir {place}
cache_log {place}/cache.log
access_log stdio:{place}/access.log
netdb_filename none
pinger_enable off
cache deny all
cache_mem 8 MB
shutdown_lifetime 0 seconds
auth_param basic program {helper} {place}/users
auth_param basic realm proxy
acl known proxy_auth REQUIRED
acl SSL_ports port 443
http_access deny CONNECT !SSL_ports
http_access deny !CONNECT
http_access allow known
http_access deny all
cache_peer 127.0.0.1 parent {behind} 0 no-query no-digest no-netdb-exchange default
never_direct allow all
"
    );
    fs::write(dir.join("squid.conf"), conf).unwrap();
    let as_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if as_root {
        let owned =
            Command::new("chown").args(["-R", "proxy:proxy"]).arg(dir.join("squid")).status().unwrap();
        assert!(owned.success());
    }
    Process::start(
        Command::new(installed("/usr/sbin/squid", "squid-openssl"))
            .args(["-N", "-f"])
            .arg(dir.join("squid.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )
}

/// What lies behind the proxy: CONNECT to the storage's name leads to Azurite, to any other to the stand-in. In the place of
/// name servers and port 443, which a test may not have. Its port.
fn internet(azure: u16, storage: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().filter_map(Result::ok) {
            thread::spawn(move || lead(client, azure, storage));
        }
    });
    port
}

fn lead(mut client: TcpStream, azure: u16, storage: u16) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let to_storage = String::from_utf8_lossy(&head).starts_with(&format!("CONNECT {STORAGE}:443 "));
    let mut server = TcpStream::connect(("127.0.0.1", if to_storage { storage } else { azure }))?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let copied = io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    copied.map(drop)
}
