//! One site: three namespaces in a row, what runs in them, and the appliance's agent.
//!
//! ```text
//! appliance  ens160 ── lan  router  wan ── eth0  portal
//!            ens192 ── mirror
//! 192.0.2.10/24   .1              198.51.100.1/24   .2
//! 2001:db8:1::10  ::1             2001:db8:2::1     ::2
//! ```
//!
//! Everything ends and is taken away when the site is dropped.

use std::cell::RefCell;
use std::future::Future;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use eyot_appliance::paths;
use eyot_contract::settings::Layer;
use nix::sched::{setns, CloneFlags};
use serde_json::Value;

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Appliance,
    Router,
    Portal,
}

pub struct Site {
    name: String,
    /// Readable by servers that drop their privileges.
    pub dir: tempfile::TempDir,
    /// The appliance's files, in memory so that no disk of ours is trimmed.
    root: tempfile::TempDir,
    settings: RefCell<Layer>,
    /// As libfaketime takes it: `+1d`.
    pub clock: RefCell<Option<&'static str>>,
    children: RefCell<Vec<Child>>,
    doubles: RefCell<Vec<(tokio::sync::oneshot::Sender<()>, std::thread::JoinHandle<()>)>>,
}

/// What the appliance says.
pub struct Said {
    pub status: Value,
    pub banner: String,
    pub validate: Value,
}

impl Site {
    pub fn new(number: usize) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let site = Self {
            name: format!("eyot-{}-{number}", std::process::id()),
            dir,
            root: tempfile::tempdir_in("/dev/shm").unwrap(),
            settings: RefCell::new(Layer::new("the situation")),
            clock: RefCell::new(None),
            children: RefCell::default(),
            doubles: RefCell::default(),
        };
        let [a, r, p] = [Place::Appliance, Place::Router, Place::Portal].map(|p| site.namespace(p));
        machine(&format!(
            "for n in {a} {r} {p}; do ip netns add $n; ip -n $n link set lo up; done
             ip -n {r} link add lan type veth peer name ens160 netns {a}
             ip -n {r} link add mirror type veth peer name ens192 netns {a}
             ip -n {r} link add wan type veth peer name eth0 netns {p}
             mkdir -p /etc/netns/{a} /etc/netns/{r} /etc/netns/{p}
             for n in {a} {r}; do echo nameserver 192.0.2.1 >/etc/netns/$n/resolv.conf; done
             ip netns exec {r} sysctl -q net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
             ip -n {r} link set lan up; ip -n {r} link set wan up; ip -n {r} link set mirror up
             ip -n {r} addr add 192.0.2.1/24 dev lan; ip -n {r} addr add 198.51.100.1/24 dev wan
             ip -n {p} link set eth0 up; ip -n {p} addr add 198.51.100.2/24 dev eth0
             ip -n {p} route add default via 198.51.100.1
             ip -n {a} link set ens160 up"
        ));
        site.set("management.interface", "name:ens160");
        site.set("capture.interfaces", "name:ens192");
        site.stand_ins();
        site
    }

    /// Programs that act on the whole machine: the service manager, the console and netplan only take note.
    fn stand_ins(&self) {
        use std::os::unix::fs::PermissionsExt;
        let dir = self.dir.path().join("stand-ins");
        std::fs::create_dir(&dir).unwrap();
        for name in ["systemctl", "agetty", "netplan"] {
            let answer = if name == "systemctl" { "[ \"$1\" != is-active ] || echo active" } else { ":" };
            let file = dir.join(name);
            std::fs::write(&file, format!("#!/bin/sh\n{answer}\n")).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    /// The usual address and gateway.
    pub fn addressed(&self) {
        self.on(Place::Appliance, "ip addr add 192.0.2.10/24 dev ens160; ip route add default via 192.0.2.1");
    }

    pub fn namespace(&self, place: Place) -> String {
        let letter = match place {
            Place::Appliance => 'a',
            Place::Router => 'r',
            Place::Portal => 'p',
        };
        format!("{}-{letter}", self.name)
    }

    pub fn set(&self, key: &str, value: impl Into<String>) {
        self.settings.borrow_mut().set(key, value).unwrap();
    }

    /// A new adapter in a namespace, whose cable ends in another as `mirror`.
    pub fn add_cable(&self, name: &str, address: &str, here: &str, there: &str) {
        machine(&format!(
            "ip -n {there} link add mirror type veth peer name {name} address {address} netns {here}"
        ));
    }

    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Where one of the appliance's files is here.
    pub fn appliance_file(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// Runs a script in a namespace.
    pub fn on(&self, place: Place, script: &str) -> String {
        machine(&format!(
            "exec ip netns exec {} sh -euc '{}'",
            self.namespace(place),
            script.replace('\'', "'\\''")
        ))
    }

    /// Starts a server in a namespace; it is waited for until it listens, if a port is given.
    pub fn serve(&self, place: Place, command: &[&str], clock: Option<&str>, listens: Option<(&str, u16)>) {
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(self.dir.path().join("servers.log"));
        let log = log.unwrap();
        let mut child = Command::new("ip");
        child.args(["netns", "exec", &self.namespace(place)]).args(command);
        if let Some(clock) = clock {
            child.envs(fake_time(clock));
        }
        child.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
        let child = child.spawn().unwrap();
        let id = child.id();
        self.children.borrow_mut().push(child);
        if let Some((protocol, port)) = listens {
            let started = Instant::now();
            while !is_listening(id, protocol, port) {
                assert!(
                    started.elapsed() < PATIENCE,
                    "{command:?} does not listen on {port}: {}",
                    self.log()
                );
                let ended = self.children.borrow_mut().last_mut().unwrap().try_wait().unwrap();
                assert!(ended.is_none(), "{command:?} ended: {}", self.log());
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    fn log(&self) -> String {
        let text = std::fs::read_to_string(self.dir.path().join("servers.log")).unwrap_or_default();
        text.lines().rev().take(5).collect::<Vec<_>>().join(" | ")
    }

    /// Runs one of our own doubles on a thread that lives in a namespace; `start` returns once it listens.
    pub fn double<T: 'static, F>(&self, place: Place, start: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = T>,
    {
        let namespace = format!("/run/netns/{}", self.namespace(place));
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            setns(std::fs::File::open(namespace).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let _running = start().await;
                ready.send(()).unwrap();
                // the sender gone is as good as its word
                let _ = stopped.await;
            });
            runtime.shutdown_background();
        });
        is_ready.recv_timeout(PATIENCE).expect("the double did not start");
        self.doubles.borrow_mut().push((stop, thread));
    }

    /// The appliance's program, after `before`, in its namespace.
    fn program(&self, before: &[&str], root: &Path, arguments: &[&str]) -> Command {
        let stand_ins = self.dir.path().join("stand-ins");
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", stand_ins.display());
        let namespace = self.namespace(Place::Appliance);
        let words = [before, &["ip", "netns", "exec", &namespace]].concat();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .arg(env!("CARGO_BIN_EXE_eyot-appliance"))
            .arg("--root")
            .arg(root)
            .args(arguments)
            .env_clear()
            .env("PATH", path);
        if let Some(clock) = *self.clock.borrow() {
            command.envs(fake_time(clock));
        }
        command
    }

    fn command(&self, root: &Path, arguments: &[&str]) -> Output {
        self.program(&["timeout", "150"], root, arguments).output().unwrap()
    }

    fn put_settings(&self, root: &Path) {
        let file = root.join(paths::SEED_SETTINGS.trim_start_matches('/'));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, self.settings.borrow().to_toml()).unwrap();
    }

    /// Starts the appliance's agent for one round, with its settings as a seed left them.
    pub fn boot(&self) {
        self.put_settings(self.root.path());
        self.round();
    }

    /// One more round.
    pub fn round(&self) {
        let output = self.command(self.root.path(), &["run", "--once"]);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        self.file("agent.log", &words);
        assert!(output.status.success(), "the agent ended with {}: {words}", output.status);
    }

    /// Starts the appliance's agent as its unit does, with its settings as a seed left them; it runs until the site goes.
    pub fn start(&self) {
        self.put_settings(self.root.path());
        let log = std::fs::File::create(self.dir.path().join("agent.log")).unwrap();
        let mut daemon = self.program(&[], self.root.path(), &["run"]);
        daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
        self.children.borrow_mut().push(daemon.spawn().unwrap());
    }

    /// The report that the agent published last, once this holds for it.
    pub fn when(&self, patience: Duration, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let text = std::fs::read(self.appliance_file(paths::HEALTH)).unwrap_or_default();
            let report: Value = serde_json::from_slice(&text).unwrap_or_default();
            if holds(&report) {
                return report;
            }
            assert!(
                started.elapsed() < patience,
                "after {} s not {what}: {}; the agent: {}",
                patience.as_secs(),
                report["conditions"],
                self.agent_log()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn agent_log(&self) -> String {
        let text = std::fs::read_to_string(self.dir.path().join("agent.log")).unwrap_or_default();
        text.lines().rev().take(3).collect::<Vec<_>>().join(" | ")
    }

    /// What `mirror` says of the adapter that listens, after listening for some seconds.
    pub fn mirror(&self) -> Value {
        let output = self.command(self.root.path(), &["mirror", "--seconds", "6", "--format", "json"]);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("mirror: {e}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Another appliance in the same place does the same first.
    pub fn boot_another(&self) {
        let other = tempfile::tempdir_in("/dev/shm").unwrap();
        self.put_settings(other.path());
        let output = self.command(other.path(), &["run", "--once"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn ask(&self) -> Said {
        let json = |arguments: &[&str]| -> Value {
            let output = self.command(self.root.path(), arguments);
            serde_json::from_slice(&output.stdout)
                .unwrap_or_else(|e| panic!("{arguments:?}: {e}: {}", String::from_utf8_lossy(&output.stderr)))
        };
        let banner = std::fs::read_to_string(self.appliance_file(paths::BANNER)).unwrap();
        Said {
            status: json(&["status", "--format", "json"]),
            banner,
            validate: json(&["validate", "--format", "json"]),
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for (stop, thread) in self.doubles.borrow_mut().drain(..) {
            // a double that has ended already
            let _ = stop.send(());
            let _ = thread.join();
        }
        for child in self.children.borrow_mut().iter_mut() {
            let group = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
            // one that has ended already
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
            let _ = child.wait();
        }
        for place in [Place::Appliance, Place::Router, Place::Portal] {
            let name = self.namespace(place);
            let _ = Command::new("ip").args(["netns", "delete", &name]).stderr(Stdio::null()).status();
            let _ = std::fs::remove_dir_all(format!("/etc/netns/{name}"));
        }
    }
}

/// Runs a script on the machine, for its namespaces.
fn machine(script: &str) -> String {
    let output = Command::new("sh").args(["-euc", script]).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn fake_time(clock: &str) -> [(&'static str, String); 3] {
    [
        ("LD_PRELOAD", super::servers::FAKE_TIME.to_owned()),
        ("FAKETIME", clock.to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
}

/// Looks a socket up in the kernel's tables of the process's namespace.
fn is_listening(process: u32, protocol: &str, port: u16) -> bool {
    let state = if protocol == "udp" { "07" } else { "0A" };
    ["", "6"].iter().any(|family| {
        let table =
            std::fs::read_to_string(format!("/proc/{process}/net/{protocol}{family}")).unwrap_or_default();
        table.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.get(1).is_some_and(|local| local.ends_with(&format!(":{port:04X}")))
                && words.get(3) == Some(&state)
        })
    })
}
