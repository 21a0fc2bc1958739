//! The wires: a namespace for the management network, one for the mirrored segment, taps for the machine's two adapters.
//!
//! ```text
//! management namespace          span namespace
//!   portal, dnsmasq               QEMU, tcpdump, tcpreplay
//!   uplink 10.99.0.1/24 ======== uplink - bridge - mgmt   (first adapter)
//!                                          no bridge - span   (second adapter)
//! ```
//!
//! Names carry this process's number, so runs do not meet. Cleaning up is left to a janitor: a shell that waits for the
//! end of a pipe from us, so that it works however we end, and then removes what the wires have.

use std::io::PipeWriter;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{ensure, Context, Result};

use crate::tool::{self, output, Background};

/// The portal's address in the management network; DHCP, DNS and the portal answer there.
pub const PORTAL_IP: &str = "10.99.0.1";
/// The portal's name there.
pub const PORTAL_NAME: &str = "portal.eyot.test";
/// Tap of the first adapter, in the span namespace.
pub const MANAGEMENT_TAP: &str = "mgmt";
/// Taps of the other adapters, in the span namespace; a machine need not have all of them.
pub const MONITOR_TAPS: [&str; 3] = ["span", "span2", "span3"];
/// The one that the office is played into.
pub const MONITOR_TAP: &str = MONITOR_TAPS[0];
/// First argument that makes this program scan ports and nothing else.
pub const SCAN: &str = "scan-ports";

/// Removes the namespaces with everything in them, and the folder, when standard input ends.
const JANITOR: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
for ns in "$1" "$2"; do
  ip netns pids "$ns" 2>/dev/null | xargs -r kill -KILL 2>/dev/null
done
# the kernel gives taps, mounts and loop devices back only when their holders are gone
for try in 1 2 3 4 5 6 7 8 9 10; do
  [ -z "$(ip netns pids "$1" 2>/dev/null; ip netns pids "$2" 2>/dev/null)" ] && break
  sleep 0.2
done
for mounted in "$3"/mount-*; do
  if [ -d "$mounted" ]; then umount "$mounted" 2>/dev/null; fi
done
ip netns delete "$1" 2>/dev/null
ip netns delete "$2" 2>/dev/null
rm -rf "/etc/netns/$1"
rm -rf --one-file-system "$3"
"#;

/// The two namespaces and a folder for this journey's files.
pub struct Wiring {
    journey: String,
    management: String,
    span: String,
    folder: PathBuf,
    dnsmasq: Option<Background>,
    janitor: Child,
    pipe: Option<PipeWriter>,
}

impl Wiring {
    /// Makes the namespaces, the wires and the name service.
    pub fn new(journey: &str) -> Result<Self> {
        let id = format!("eyot-{}-{journey}", std::process::id());
        let (management, span) = (format!("{id}-management"), format!("{id}-span"));
        let folder = std::env::temp_dir().join(&id);
        std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let (reader, writer) = std::io::pipe()?;
        let janitor = Command::new("setsid")
            .args(["sh", "-c", JANITOR, "janitor", &management, &span])
            .arg(&folder)
            .stdin(reader)
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .context("the janitor does not start")?;
        let journey = journey.to_owned();
        let mut wiring =
            Self { journey, management, span, folder, dnsmasq: None, janitor, pipe: Some(writer) };
        wiring.connect()?;
        wiring.serve_names()?;
        Ok(wiring)
    }

    /// Where this journey's files go; removed afterwards.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A command in the management network.
    pub fn in_management(&self, program: impl AsRef<Path>) -> Command {
        inside(&self.management, program.as_ref())
    }

    /// A command in the mirrored segment.
    pub fn in_span(&self, program: impl AsRef<Path>) -> Command {
        inside(&self.span, program.as_ref())
    }

    /// The address that the management network's DHCP server gave to an adapter.
    pub fn address_of(&self, mac: &str) -> Result<IpAddr> {
        let leases = std::fs::read_to_string(self.leases())?;
        let found = leases.lines().find_map(|line| {
            let mut words = line.split(' ').skip(1);
            (words.next()? == mac).then(|| words.next()?.parse().ok())?
        });
        found.with_context(|| format!("the DHCP server has given no address to {mac}"))
    }

    /// The MACs that the management network's DHCP server has given addresses to.
    pub fn leased(&self) -> Result<Vec<String>> {
        let leases = std::fs::read_to_string(self.leases())?;
        Ok(leases.lines().filter_map(|line| Some(line.split(' ').nth(1)?.to_owned())).collect())
    }

    /// Frames that the machine has sent into a tap.
    pub fn sent_into(&self, tap: &str) -> Result<u64> {
        let counter = format!("/sys/class/net/{tap}/statistics/rx_packets");
        output(self.in_span("cat").arg(counter))?.trim().parse().context("the tap's counter is no number")
    }

    /// The TCP ports among 1 to 1024, and some above, that accept a connection from the management network.
    pub fn open_ports(&self, address: IpAddr) -> Result<Vec<u16>> {
        let own = std::env::current_exe()?;
        let found = output(self.in_management(own).args([SCAN, &address.to_string()]))?;
        found.split_whitespace().map(|port| Ok(port.parse()?)).collect()
    }

    fn connect(&self) -> Result<()> {
        let (management, span) = (self.management.as_str(), self.span.as_str());
        ip(&["netns", "add", management])?;
        ip(&["netns", "add", span])?;
        for ns in [management, span] {
            // our own side of the wires says nothing by itself
            let quiet = ["net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"];
            output(inside(ns, "sysctl".as_ref()).args(["-q", "-w"]).args(quiet))?;
            ip(&["-n", ns, "link", "set", "lo", "up"])?;
        }
        ip(&[
            "link", "add", "uplink", "netns", management, "type", "veth", "peer", "name", "uplink", "netns",
            span,
        ])?;
        ip(&["-n", management, "address", "add", &format!("{PORTAL_IP}/24"), "dev", "uplink"])?;
        ip(&["-n", management, "link", "set", "uplink", "up"])?;
        ip(&["-n", span, "link", "add", "bridge", "type", "bridge"])?;
        ip(&["-n", span, "tuntap", "add", "dev", MANAGEMENT_TAP, "mode", "tap"])?;
        for tap in MONITOR_TAPS {
            ip(&["-n", span, "tuntap", "add", "dev", tap, "mode", "tap"])?;
        }
        for port in ["uplink", MANAGEMENT_TAP] {
            ip(&["-n", span, "link", "set", port, "master", "bridge"])?;
        }
        for link in ["uplink", MANAGEMENT_TAP, "bridge"].iter().chain(&MONITOR_TAPS) {
            ip(&["-n", span, "link", "set", link, "up"])?;
        }
        // for programs of this machine that are run in the namespace
        let etc = Path::new("/etc/netns").join(management);
        std::fs::create_dir_all(&etc)?;
        std::fs::write(etc.join("hosts"), format!("127.0.0.1 localhost\n{PORTAL_IP} {PORTAL_NAME}\n"))?;
        std::fs::write(etc.join("resolv.conf"), format!("nameserver {PORTAL_IP}\n"))?;
        Ok(())
    }

    fn serve_names(&mut self) -> Result<()> {
        let log = self.folder.join("dnsmasq.log");
        let mut command = self.in_management("dnsmasq");
        command
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--no-hosts",
                "--no-resolv",
                "--user=root",
            ])
            .args(["--interface=uplink", "--bind-interfaces", "--pid-file=", "--dhcp-authoritative"])
            .arg(format!("--address=/{PORTAL_NAME}/{PORTAL_IP}"))
            .args(["--local=/test/", "--dhcp-range=10.99.0.100,10.99.0.199,1h"])
            .arg(format!("--dhcp-leasefile={}", self.leases().display()))
            .arg(format!("--log-facility={}", log.display()));
        let mut dnsmasq = Background::start(&mut command)?;
        tool::wait_for(Duration::from_secs(10), Duration::from_millis(100), || {
            dnsmasq.still_runs()?;
            let said = std::fs::read_to_string(&log)?;
            ensure!(said.contains("started"), "dnsmasq has not started: {said}");
            Ok(())
        })?;
        self.dnsmasq = Some(dnsmasq);
        Ok(())
    }

    /// Copies the logs and records to the folder that `EYOT_JOURNEY_LOGS` names, if it does.
    fn keep_logs(&self) -> Result<()> {
        let Some(folder) = std::env::var_os("EYOT_JOURNEY_LOGS").map(PathBuf::from) else { return Ok(()) };
        let folder = folder.join(&self.journey);
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let is_log = path.extension().is_some_and(|e| e == "log" || e == "pcap");
            if let (true, Some(name)) = (is_log, path.file_name()) {
                std::fs::copy(&path, folder.join(name))?;
            }
        }
        Ok(())
    }

    fn leases(&self) -> PathBuf {
        self.folder.join("leases")
    }
}

impl Drop for Wiring {
    fn drop(&mut self) {
        self.dnsmasq = None;
        if let Err(error) = self.keep_logs() {
            println!("the logs could not be kept: {error:#}");
        }
        // the end of the pipe is the janitor's sign; waiting for it means that nothing is left when we go on
        self.pipe = None;
        let _ = self.janitor.wait();
    }
}

/// Prints the open ones among ports 1 to 1024 and a few that services like, as seen from the namespace we are in.
pub fn scan_from_here(arguments: &[String]) -> ExitCode {
    let Some(address) = arguments.first().and_then(|a| a.parse::<IpAddr>().ok()) else {
        eprintln!("{SCAN} needs an address");
        return ExitCode::FAILURE;
    };
    const ABOVE: [u16; 12] = [2375, 3000, 4243, 5000, 5353, 5355, 8000, 8080, 8443, 9000, 9090, 9100];
    let ports = Mutex::new((1..=1024).chain(ABOVE));
    let open = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                // the lock must not be held while a port is tried
                while let Some(port) = ports.lock().ok().and_then(|mut rest| rest.next()) {
                    if TcpStream::connect_timeout(&SocketAddr::new(address, port), Duration::from_secs(1))
                        .is_ok()
                    {
                        if let Ok(mut open) = open.lock() {
                            open.push(port);
                        }
                    }
                }
            });
        }
    });
    let mut open = open.into_inner().unwrap_or_default();
    open.sort_unstable();
    println!("{}", open.iter().map(u16::to_string).collect::<Vec<_>>().join(" "));
    ExitCode::SUCCESS
}

fn inside(namespace: &str, program: &Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program);
    command
}

fn ip(arguments: &[&str]) -> Result<()> {
    output(Command::new("ip").args(arguments))
        .map(drop)
        .with_context(|| format!("ip {}", arguments.join(" ")))
}
