//! The site matrix: networks as they are found, each built in namespaces of its own with real servers, and the phrase
//! that the appliance reports there.
//!
//! A situation has an appliance, a router and a portal ([`site`]); the router runs what the situation is about (dnsmasq,
//! squid, chrony, nftables, netem: [`servers`]). The agent runs once, as on an appliance, and what `status` says first is
//! compared with the expected phrase; the console's text must have the same one, and `validate` must name the same
//! condition at one of its steps. [`situations`] is the list. What is about adapters and mirrors ([`adapters`]) changes
//! while the agent looks on: there it runs as the daemon that it is, and frames arrive from a generator.
//!
//! Needs root, and the programs `eyot-portal` (EYOT_PORTAL names it), `ip`, `nft`, `tc`, `ethtool`, `squid` (squid-openssl),
//! `dnsmasq`, `chronyd`, `faketime`'s library, `curl`, `python3`. One that is missing fails the run. The machine's own
//! network and clock are not touched.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod adapters;
mod azure;
#[path = "../../../contract/client/tests/double/mod.rs"]
mod double;
mod servers;
mod site;
mod situations;

use std::collections::VecDeque;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use adapters::ADAPTERS;
use azure::AZURE;
use situations::{Situation, SITUATIONS};

/// Situations at once: they wait far more than they compute.
const AT_ONCE: usize = 10;

const USAGE: &str = "usage: sites [--list] [WORDS...]\n\nRuns the situations whose names hold all of the words; all of them without words.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == "--help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let words: Vec<&String> = arguments.iter().filter(|a| !a.starts_with("--")).collect();
    let chosen = || {
        ADAPTERS
            .iter()
            .chain(AZURE)
            .chain(SITUATIONS)
            .filter(|s| words.iter().all(|w| s.name.contains(w.as_str())))
    };
    if arguments.iter().any(|a| a == "--list") {
        chosen().for_each(|s| println!("{}", s.name));
        return ExitCode::SUCCESS;
    }
    if let Err(missing) = servers::tools() {
        eprintln!("sites: {missing}");
        return ExitCode::FAILURE;
    }
    if !servers::has_netem() {
        println!("this kernel has no netem: the slow link is made by tests/sites/slow_link.py");
    }
    let started = Instant::now();
    let queue: Mutex<VecDeque<(usize, &Situation)>> = Mutex::new(chosen().enumerate().collect());
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| loop {
                let next = queue.lock().unwrap().pop_front();
                let Some((number, situation)) = next else { return };
                let passed = run(number, situation);
                outcomes.lock().unwrap().push(passed);
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    let passed = outcomes.iter().filter(|o| **o).count();
    println!("{} s", started.elapsed().as_secs());
    println!("{passed} passed, {} failed", outcomes.len() - passed);
    match passed == outcomes.len() && passed > 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn run(number: usize, situation: &Situation) -> bool {
    let started = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| situation.play(number)));
    let told = match outcome {
        Ok(told) => told,
        Err(panic) => Err(panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_else(|| "it panicked".to_owned())),
    };
    let seconds = started.elapsed().as_secs();
    match &told {
        Ok(phrase) => println!("ok     {seconds:>4}s  {:<44}  {phrase}", situation.name),
        Err(why) => println!("FAILED {seconds:>4}s  {:<44}  {why}", situation.name),
    }
    told.is_ok()
}
