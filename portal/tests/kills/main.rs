//! Sensors report through two portals on one PostgreSQL while a portal, the database or the network between goes away without
//! warning, again and again. Afterwards nothing that was acknowledged is missing and nothing counts twice.
//!
//! Everything is real but the cable: two `eyot-portal` processes, a PostgreSQL server of this test's own, the sensors' own
//! client with certificates. The cable is a relay on the loopback address that also spreads connections over the portals,
//! as a load balancer does. `EYOT_KILL_TIMES` says how often each of the three goes away (3).

#![allow(clippy::unwrap_used)]

mod postgres;
#[path = "../portal/process.rs"]
mod process;
mod relay;
mod sensors;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use postgres::Postgres;
use process::Process;
use relay::{Cut, Relay};
use sensors::Fleet;

/// Sensors that report all the time.
const SENSORS: usize = 6;
/// Longest wait until reports are acknowledged again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two portals with one database and one CA.
struct Portals {
    folders: [TempDir; 2],
    config: String,
    processes: [Option<Process>; 2],
}

impl Portals {
    fn start(database: &str, address: &str) -> Self {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let one = folders[0].path();
        eyot(&["init", "--data", one.to_str().unwrap(), "--address", address, "--db", database]);
        for entry in std::fs::read_dir(one).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), folders[1].path().join(entry.file_name())).unwrap();
        }
        // a destination where nobody is: every event waits, and can be counted
        let config = one.join("portal.toml");
        std::fs::write(one.join("secret"), "between us\n").unwrap();
        let secret = one.join("secret");
        std::fs::write(
            &config,
            format!(
                "[[outlets]]\nname = \"nobody\"\nevents = \"all\"\n\
                 webhook = {{ url = \"http://127.0.0.1:1/\", secret_file = \"{}\" }}\n",
                secret.display()
            ),
        )
        .unwrap();
        let config = config.to_str().unwrap().to_owned();
        let mut portals = Self { folders, config, processes: [None, None] };
        portals.revive(0);
        portals.revive(1);
        portals
    }

    fn revive(&mut self, which: usize) -> SocketAddr {
        let process = Process::start(self.folders[which].path(), &["--config", &self.config], "");
        self.processes[which].insert(process).at
    }

    fn kill(&mut self, which: usize) {
        if let Some(process) = self.processes[which].take() {
            process.kill();
        }
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.processes.iter().flatten().map(|p| p.at).collect()
    }

    fn folder(&self) -> &Path {
        self.folders[0].path()
    }
}

/// Runs a command of the portal's and gives its words.
fn eyot(arguments: &[&str]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_eyot-portal")).args(arguments).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {done:?}");
    String::from_utf8(done.stdout).unwrap()
}

/// What goes away.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Replica(usize),
    Database,
    Network(Cut),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_nothing_counts_twice() {
    let times: u32 =
        std::env::var("EYOT_KILL_TIMES").map_or(3, |n| n.parse().expect("EYOT_KILL_TIMES: a number"));
    let mut database = Postgres::start();
    let relay = Relay::open().await;
    let address = format!("https://localhost:{}", relay.port);
    let url = database.create("portal").await;
    let mut portals = Portals::start(&url, &address);
    relay.lead_to(portals.addresses());
    let fleet = Arc::new(Fleet::enrol(&address, portals.folder(), SENSORS).await);
    let reporting = fleet.clone().report();

    let cuts = [Cut::Reset, Cut::Silence, Cut::AnswersLost];
    let mut lasted = 0;
    for round in 0..times {
        let n = round as usize;
        for fault in [Fault::Replica(n % 2), Fault::Database, Fault::Network(cuts[n % cuts.len()])] {
            // at another moment of the sensors' work each time
            let (before, pause) = (moment(lasted, 40, 400), moment(lasted + 1, 100, 700));
            lasted += 1;
            tokio::time::sleep(before).await;
            match fault {
                Fault::Replica(which) => {
                    portals.kill(which);
                    relay.lead_to(portals.addresses());
                    tokio::time::sleep(pause).await;
                    portals.revive(which);
                    relay.lead_to(portals.addresses());
                }
                Fault::Database => {
                    database.kill();
                    tokio::time::sleep(pause).await;
                    database.start_again();
                }
                Fault::Network(cut) => {
                    relay.cut(cut);
                    tokio::time::sleep(pause).await;
                    relay.mend();
                }
            }
            // nothing that was acknowledged until now is missing
            let acknowledged = fleet.acknowledged();
            let stored = database.marks(&url).await;
            for (sensor, sequence) in &acknowledged {
                let stored = stored.get(sensor).map_or(0, |mark| mark.sequence);
                assert!(stored >= *sequence, "{fault:?}: {sequence} acknowledged, {stored} stored");
            }
            // and every sensor gets further
            let waiting = std::time::Instant::now();
            while fleet.acknowledged().iter().any(|(id, now)| *now < acknowledged[id] + 2) {
                assert!(waiting.elapsed() < PATIENCE, "after {fault:?} nothing is acknowledged any more");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            println!(
                "{round} {fault:?}: {} batches acknowledged",
                fleet.acknowledged().values().sum::<u64>()
            );
        }
    }

    fleet.stop();
    reporting.await.unwrap();
    let acknowledged = fleet.acknowledged();
    let marks = database.marks(&url).await;
    for (sensor, last) in &acknowledged {
        let mark = &marks[sensor];
        assert_eq!(mark.sequence, *last, "the last that was acknowledged is the last that is stored");
        assert_eq!(mark.batches, *last, "every batch counted once");
        assert_eq!(mark.records, *last * sensors::DEVICES_A_BATCH as u64);
    }
    let batches: u64 = acknowledged.values().sum();
    let events = database.events(&url).await;
    assert_eq!(events.device, batches * sensors::DEVICES_A_BATCH as u64, "an event for every record");
    assert_eq!(events.finding, batches, "and for every finding");
    assert_eq!(events.last, events.device + events.finding, "numbered without a gap");
    let devices = database.devices(&url).await;
    assert_eq!(devices, fleet.expected_devices(), "every device as its latest acknowledged record has it");
    println!("{} faults, {batches} batches of {SENSORS} sensors: none lost, none twice", times * 3);
    println!(
        "{} connections were made again, {} batches were sent more than once",
        relay.connections(),
        fleet.repeated()
    );
    assert!(fleet.repeated() > 0, "no fault ever hit a batch under way");
}

/// A time between two limits, in ms: as if by chance, and the same in every run.
fn moment(n: u64, from: u64, to: u64) -> Duration {
    let mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    Duration::from_millis(from + mixed % (to - from))
}
