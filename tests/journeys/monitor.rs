//! The mirrored segment: the recorded office played into the machine's second adapter, and a record of everything the
//! machine ever sends there.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use eyot_tests::Office;

use crate::tool::{self, output, run, Background};
use crate::wiring::{Wiring, MONITOR_TAP};

/// How many times faster than life the office is played: once through in some twenty seconds.
const SPEED: &str = "4";

/// The record of what the machine sends. Begun before the machine is switched on.
pub struct Recorder {
    tcpdump: Background,
    file: PathBuf,
}

impl Recorder {
    /// Listens on the tap, to the machine's direction only.
    pub fn start(wiring: &Wiring) -> Result<Self> {
        let file = wiring.folder().join("from-the-machine.pcap");
        let log = wiring.folder().join("tcpdump.log");
        let mut command = wiring.in_span("tcpdump");
        // -Q in: what comes in from the guest; -U: each frame on disk at once, so that a kill loses none
        command.args(["-q", "-n", "-U", "-Q", "in", "-i", MONITOR_TAP, "-w"]).arg(&file);
        command.stderr(File::create(&log)?);
        let mut tcpdump = Background::start(&mut command)?;
        tool::wait_for(Duration::from_secs(10), Duration::from_millis(100), || {
            tcpdump.still_runs()?;
            let said = std::fs::read_to_string(&log)?;
            ensure!(said.contains("listening on"), "tcpdump does not listen: {said}");
            Ok(())
        })?;
        Ok(Self { tcpdump, file })
    }

    /// Ends the record; every frame in it, one line each.
    pub fn frames(self) -> Result<Vec<String>> {
        self.tcpdump.interrupt()?;
        let mut command = std::process::Command::new("tcpdump");
        let output = run(command.args(["-n", "-e", "-r"]).arg(&self.file))?;
        ensure!(
            output.status.success(),
            "the record cannot be read: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }
}

/// The office, played over and over until this goes.
pub struct Replay {
    _tcpreplay: Background,
}

impl Replay {
    /// Begins to play.
    pub fn start(wiring: &Wiring, office: &Office) -> Result<Self> {
        let mut command = wiring.in_span("tcpreplay");
        command
            .args(["--quiet", "--loop=0", "--multiplier", SPEED, "--intf1", MONITOR_TAP])
            .arg(&office.capture);
        let log = File::create(wiring.folder().join("tcpreplay.log"))?;
        command.stdout(log.try_clone()?).stderr(log);
        let mut tcpreplay = Background::start(&mut command)?;
        std::thread::sleep(Duration::from_secs(2));
        tcpreplay.still_runs()?;
        let sent =
            output(wiring.in_span("cat").arg(format!("/sys/class/net/{MONITOR_TAP}/statistics/tx_packets")))?;
        let sent: u64 = sent.trim().parse().context("the tap's counter is no number")?;
        let dropped =
            output(wiring.in_span("cat").arg(format!("/sys/class/net/{MONITOR_TAP}/statistics/tx_dropped")))?;
        ensure!(sent > 0 || dropped.trim() != "0", "nothing is played into the tap");
        Ok(Self { _tcpreplay: tcpreplay })
    }
}
