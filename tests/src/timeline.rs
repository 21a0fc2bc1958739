//! A boot's time line, read from the machine's own journal (`journalctl -o json`, systemd.journal-fields(7)): what the
//! appliance's units did when, and what they cost up to the first report that the portal acknowledged.
//!
//! The programs log their own cost ("used 1.20 s of the processor in 3.40 s"), those they called included. What is not the
//! processor's time is waiting: for the seed, the network, the portal, the disk, other programs.

use anyhow::{ensure, Context, Result};
use regex::Regex;
use serde_json::Value;

/// Messages worth a line: the unit that the service manager speaks of or that speaks itself, words, and what they mean.
const MILESTONES: &[(&str, &str, &str)] = &[
    ("eyot-data.service", "Starting ", "the data volume is looked for"),
    ("eyot-data.service", "Finished ", "the data volume is settled"),
    ("eyot-network.service", "Starting ", "adapters' roles, firewall and netplan: begun"),
    ("eyot-network.service", "Finished ", "adapters' roles, firewall and netplan: done"),
    ("eyot-appliance.service", "Started ", "the agent runs"),
    ("eyot-appliance.service", "activated as ", "activated"),
    ("eyot-sensor.service", "Started ", "the sensor runs"),
    ("eyot-appliance.service", "connected; ", "the portal has acknowledged the first report"),
];

/// Units that say what they cost.
const UNITS: [&str; 3] = ["eyot-data.service", "eyot-network.service", "eyot-appliance.service"];

/// What a unit cost, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// The unit.
    pub unit: &'static str,
    /// Of the processor.
    pub processor: f64,
    /// By the clock, of which the processor's are a part.
    pub elapsed: f64,
}

/// The time line.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeLine {
    /// Seconds since the kernel started, and what happened; in order.
    pub milestones: Vec<(f64, &'static str)>,
    /// What each unit cost until then.
    pub shares: Vec<Share>,
}

impl TimeLine {
    /// Of the first boot in this journal, one JSON object a line, oldest first.
    ///
    /// # Errors
    /// It does not tell: no journal, an agent that did not become connected, a unit that does not say what it cost.
    pub fn of_journal(lines: &str) -> Result<Self> {
        let cost = Regex::new(r"used ([0-9.]+) s of the processor in ([0-9.]+) s")?;
        let (mut milestones, mut shares) = (Vec::<(f64, &'static str)>::new(), Vec::<Share>::new());
        let mut boot = None;
        for line in lines.lines().filter(|l| !l.is_empty()) {
            let entry: Value = serde_json::from_str(line).context("the journal is not JSON")?;
            let text = |key: &str| entry[key].as_str().unwrap_or_default();
            if *boot.get_or_insert_with(|| text("_BOOT_ID").to_owned()) != text("_BOOT_ID") {
                break;
            }
            let speaks = if text("UNIT").is_empty() { text("_SYSTEMD_UNIT") } else { text("UNIT") };
            let message = text("MESSAGE");
            let at = text("__MONOTONIC_TIMESTAMP").parse::<f64>().unwrap_or_default() / 1e6;
            for (unit, words, meaning) in MILESTONES {
                let told = milestones.iter().any(|(_, m)| m == meaning);
                if !told && speaks == *unit && message.contains(words) {
                    milestones.push((at, meaning));
                }
            }
            let unit = UNITS.into_iter().find(|u| *u == speaks && shares.iter().all(|s| s.unit != *u));
            if let (Some(unit), Some(found)) = (unit, cost.captures(message)) {
                shares.push(Share { unit, processor: found[1].parse()?, elapsed: found[2].parse()? });
            }
        }
        for unit in UNITS {
            ensure!(shares.iter().any(|s| s.unit == unit), "{unit} does not say what it cost");
        }
        Ok(Self { milestones, shares })
    }

    /// Seconds of the processor that all of them used.
    pub fn processor(&self) -> f64 {
        self.shares.iter().map(|s| s.processor).sum()
    }

    /// Seconds that they waited.
    pub fn waiting(&self) -> f64 {
        self.shares.iter().map(|s| (s.elapsed - s.processor).max(0.0)).sum()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn entry(boot: &str, seconds: u32, unit: (&str, &str), message: &str) -> String {
        json!({"_BOOT_ID": boot, "__MONOTONIC_TIMESTAMP": format!("{seconds}000000"), unit.0: unit.1, "MESSAGE": message}).to_string()
    }

    #[test]
    fn waiting_is_told_from_work_and_the_second_boot_from_the_first() {
        let (by_manager, itself) = (|u| ("UNIT", u), |u| ("_SYSTEMD_UNIT", u));
        let [data, network, agent] = UNITS;
        let mut lines = vec![
            entry("a", 10, by_manager(data), "Starting eyot-data.service - Eyot data volume..."),
            entry("a", 11, itself(data), " INFO eyot_appliance::cli: used 0.20 s of the processor in 1.20 s"),
            entry(
                "a",
                14,
                itself(network),
                " INFO eyot_appliance::cli: used 0.50 s of the processor in 2.50 s",
            ),
            entry("a", 20, by_manager(agent), "Started eyot-appliance.service - Eyot appliance agent."),
            entry("a", 21, ("_SYSTEMD_UNIT", "ssh.service"), "used 9.00 s of the processor in 9.00 s"),
            entry(
                "a",
                30,
                itself(agent),
                " INFO eyot_appliance::agent: activated as lobby at https://portal.test",
            ),
        ];
        assert!(TimeLine::of_journal(&lines.join("\n")).unwrap_err().to_string().contains(agent));
        lines.push(entry("a", 31, itself(agent), "connected; used 1.30 s of the processor in 11.30 s"));
        lines.push(entry("b", 5, itself(agent), "connected; used 7.00 s of the processor in 8.00 s"));
        let line = TimeLine::of_journal(&lines.join("\n")).unwrap();
        assert_eq!((line.processor() * 100.0).round(), 200.0);
        assert_eq!((line.waiting() * 100.0).round(), 1300.0);
        let at: Vec<f64> = line.milestones.iter().map(|(at, _)| *at).collect();
        assert_eq!(at, [10.0, 20.0, 30.0, 31.0]);
    }
}
