//! The service on a real interface: a veth pair in a network namespace that the test makes and removes. Needs root.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{arp, dhcp_request, in_vlan, mac};

/// Tells a child process of this test to send frames instead of testing.
const SEND: &str = "EYOT_TEST_SEND_TO";
/// How often the frames are sent, so that blocks of the ring fill.
const ROUNDS: usize = 500;
const PATIENCE: Duration = Duration::from_secs(40);

/// A namespace with a veth pair: frames sent into `mirror` come out of `monitor`.
struct Wire {
    namespace: String,
}

impl Wire {
    fn new() -> Self {
        let wire = Self { namespace: format!("eyot-live-{}", std::process::id()) };
        run(Command::new("ip").args(["netns", "add", &wire.namespace]));
        // the kernel's own router solicitations would spoil the count of frames sent
        wire.exec(&["sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"]);
        wire.connect();
        wire
    }

    fn connect(&self) {
        self.exec(&["ip", "link", "add", "mirror", "type", "veth", "peer", "name", "monitor"]);
        self.exec(&["ip", "link", "set", "mirror", "up"]);
        self.exec(&["ip", "link", "set", "monitor", "arp", "off", "up"]);
    }

    fn disconnect(&self) {
        self.exec(&["ip", "link", "del", "mirror"]);
    }

    fn inside(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]);
        command
    }

    fn exec(&self, args: &[&str]) -> String {
        run(self.inside().args(args))
    }

    fn sent_by_the_monitor(&self) -> u64 {
        self.exec(&["cat", "/sys/class/net/monitor/statistics/tx_packets"]).trim().parse().unwrap()
    }

    fn send(&self) {
        run(self
            .inside()
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "sender", "--nocapture"])
            .env(SEND, "mirror"));
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.namespace]).status();
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Not a test of its own: sends the frames when it is called as a child, and does nothing otherwise.
#[test]
fn sender() {
    let Ok(interface) = std::env::var(SEND) else { return };
    let mut capture = pcap::Capture::from_device(interface.as_str()).unwrap().open().unwrap();
    for round in 0..ROUNDS as u16 {
        // two alike within milliseconds would be a mirror's second copy: padding and identification differ
        let round = round.to_be_bytes();
        let padded = |n| [&arp(n)[..], &round].concat();
        let mut request = dhcp_request(1, "DCS-935L");
        request[18..20].copy_from_slice(&round);
        for frame in [padded(1), request, in_vlan(42, &padded(2))] {
            capture.sendpacket(&frame[..]).unwrap();
        }
    }
}

struct Sensor {
    child: Child,
    status: PathBuf,
}

impl Sensor {
    fn start(wire: &Wire, dir: &Path) -> Self {
        let status = dir.join("status.json");
        let config = dir.join("sensor.toml");
        let text = format!(
            "version = 1\ninterfaces = [\"monitor\"]\nring_mib = 8\ndatabase = {:?}\nstatus = {status:?}\n",
            dir.join("inventory.sqlite")
        );
        fs::write(&config, text).unwrap();
        let child = wire
            .inside()
            .arg(env!("CARGO_BIN_EXE_eyot-sensor"))
            .arg("run")
            .arg("--config")
            .arg(&config)
            .spawn()
            .unwrap();
        Self { child, status }
    }

    /// Waits until the status file shows what is wanted.
    fn wait(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        let mut latest = Value::Null;
        while Instant::now() < until {
            if let Ok(text) = fs::read(&self.status) {
                // the file is replaced whole, so it always parses
                latest = serde_json::from_slice(&text).unwrap();
                if wanted(&latest) {
                    return latest;
                }
            }
            sleep(Duration::from_millis(100));
        }
        panic!("{what} did not come about: {latest:#}");
    }

    fn terminate(mut self) {
        run(Command::new("kill").args(["-TERM", &self.child.id().to_string()]));
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn devices_come_from_the_ring_and_nothing_is_ever_sent() {
    let dir = tempfile::tempdir().unwrap();
    let wire = Wire::new();
    let sensor = Sensor::start(&wire, dir.path());
    sensor.wait("the first status", |s| s["interfaces"][0]["problem"].is_null());

    wire.send();
    let total = 3 * ROUNDS as u64;
    let status = sensor.wait("every frame", |s| s["frames"] == total && s["devices"] == 2);
    assert_eq!(status["dropped"], 0, "{status:#}");
    assert_eq!(status["interfaces"][0]["kernel_received"], total, "{status:#}");
    assert_eq!(status["devices_present"], 2);
    assert_eq!(wire.sent_by_the_monitor(), 0);

    // the interface is taken away and comes back as another one of the same name
    wire.disconnect();
    sensor.wait("the loss", |s| s["interfaces"][0]["problem"].is_string());
    wire.connect();
    sensor.wait("the return", |s| {
        s["interfaces"][0]["problem"].is_null() && s["interfaces"][0]["reopened"] == 1
    });
    wire.send();
    sensor.wait("every frame after the return", |s| s["frames"] == 2 * total);
    assert_eq!(wire.sent_by_the_monitor(), 0);
    sensor.terminate();

    let database = dir.path().join("inventory.sqlite");
    let list = run(Command::new(env!("CARGO_BIN_EXE_eyot-sensor"))
        .args(["devices", "--format", "ndjson", "--database"])
        .arg(database));
    let devices: Vec<Value> = list.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(devices.len(), 2);
    assert_eq!(devices[0]["hostname"], "DCS-935L");
    assert_eq!(devices[0]["frames"], 4 * ROUNDS);
    assert_eq!(devices[1]["mac"], mac(2));
    assert_eq!(
        devices[1]["vlans"],
        serde_json::json!([42]),
        "the kernel takes tags out, libpcap puts them back"
    );
}
