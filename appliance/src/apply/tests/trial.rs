//! Rules on trial: confirmed, taken back, and what becomes of them when nobody watches any more.

use eyot_contract::settings::Settings;

use super::{settings, two_adapters};
use crate::apply::firewall::trial::{Refused, Trial};
use crate::apply::firewall::{self, apply_with, Applied, Ports, Ruleset};
use crate::apply::{role, Caution};
use crate::host::double::Double;
use crate::host::Host;
use crate::keeper::Keeper;
use crate::paths;

const OLD: &str = "https://old.example";
const NEW: &str = "https://new.example:8443";

fn ssh() -> Settings {
    settings("[management]\nssh = \"on\"\n")
}

fn rules(portal: &str, settings: &Settings) -> Ruleset {
    firewall::plan(&role::assign(settings, &two_adapters()), &Ports::of(Some(portal), settings))
}

/// A machine with the old rules in force and on disk.
fn fresh() -> (Double, Ruleset) {
    let host = Double::with_adapters(two_adapters());
    let old = rules(OLD, &settings(""));
    firewall::apply(&host, &old, Some("ens160")).unwrap();
    (host, old)
}

fn in_kernel(host: &Double, rules: &Ruleset) -> bool {
    host.state().ruleset.contains(rules.mark())
}

fn on_disk(host: &Double, rules: &Ruleset) -> bool {
    host.text(paths::FIREWALL).as_deref() == Some(rules.text.as_str())
}

/// No process has this number: Linux ends below (`PID_MAX_LIMIT`).
const NOBODY: u32 = 1 << 23;

#[test]
fn rules_on_trial_are_in_force_and_a_restart_has_the_old_ones() {
    let (host, old) = fresh();
    let new = rules(NEW, &settings(""));
    let trial = Trial::begin(&host, &new, Some("ens160"), 1).unwrap().unwrap();
    assert!(in_kernel(&host, &new) && on_disk(&host, &old));
    assert!(paths::FIREWALL_TRIAL.starts_with("/run/"), "gone with the power");
    assert_eq!(Trial::under_way(&host).unwrap().unwrap(), trial);
    assert!(trial.is_watched());
    trial.confirm(&host).unwrap();
    assert!(in_kernel(&host, &new) && on_disk(&host, &new));
    assert_eq!(Trial::under_way(&host).unwrap(), None);
    // the very same rules need no trial
    assert_eq!(Trial::begin(&host, &new, Some("ens160"), 1).unwrap(), None);
}

#[test]
fn rules_taken_back_are_not_tried_again_until_they_are_others() {
    let (host, old) = fresh();
    let new = rules(NEW, &settings(""));
    let trial = Trial::begin(&host, &new, Some("ens160"), 1).unwrap().unwrap();
    trial.take_back(&host, "nobody confirmed them").unwrap();
    assert!(in_kernel(&host, &old) && on_disk(&host, &old));
    assert_eq!(Refused::last(&host).unwrap().unwrap().why, "nobody confirmed them");
    host.take_log();
    for caution in [Caution::None, Caution::Trial(1)] {
        let outcome = apply_with(&host, &new, Some("ens160"), caution).unwrap();
        assert_eq!(outcome, Applied::Refused("nobody confirmed them".to_owned()));
    }
    assert!(host.take_log().is_empty());
    let other = rules(NEW, &ssh());
    let outcome = apply_with(&host, &other, Some("ens160"), Caution::Trial(1)).unwrap();
    assert_eq!(outcome, Applied::OnTrial { begun: true });
    assert!(in_kernel(&host, &other));
}

#[test]
fn only_rules_that_replace_ours_go_on_trial() {
    let host = Double::with_adapters(two_adapters());
    host.change(|s| s.ruleset = "table inet distribution {\n}\n".to_owned());
    let new = rules(NEW, &settings(""));
    let first = apply_with(&host, &new, Some("ens160"), Caution::Trial(1)).unwrap();
    assert_eq!(first, Applied::Loaded);
    assert!(on_disk(&host, &new));
    assert_eq!(apply_with(&host, &new, Some("ens160"), Caution::Trial(1)).unwrap(), Applied::Already);
}

#[test]
fn a_trial_that_cannot_begin_leaves_everything_as_it_was() {
    let new = rules(NEW, &settings(""));
    for step in 0.. {
        let (host, _) = fresh();
        let before = host.state();
        host.fail_at(step);
        match Trial::begin(&host, &new, Some("ens160"), 1) {
            // record, candidate, check, load, candidate away
            Ok(_) => return assert_eq!(step, 5),
            Err(error) => assert_eq!(host.state(), before, "step {step}: {error:?}"),
        }
    }
}

#[test]
fn the_daemon_confirms_its_trial_when_the_portal_answers_and_else_waits() {
    let (host, old) = fresh();
    let mut keeper = Keeper::default();
    keeper.round(&host, &settings(""), Some(OLD), true).unwrap();
    assert!(!keeper.has_trial());
    let state = keeper.round(&host, &ssh(), Some(OLD), true).unwrap();
    assert!(keeper.has_trial());
    assert!(state.changes.iter().any(|c| c.contains("on trial until the portal is reached")), "{state:?}");
    let new = rules(OLD, &ssh());
    assert!(in_kernel(&host, &new) && on_disk(&host, &old));
    // news of adapters meanwhile change nothing about it, nor does another round
    keeper.tend(&host).unwrap();
    keeper.round(&host, &ssh(), Some(OLD), false).unwrap();
    assert!(in_kernel(&host, &new) && on_disk(&host, &old));
    assert_eq!(keeper.judge(&host, false).unwrap(), None, "a minute has not passed");
    assert!(keeper.judge(&host, true).unwrap().unwrap().contains("they stay"));
    assert!(!keeper.has_trial() && on_disk(&host, &new));
}

#[test]
fn without_a_portal_that_answers_rules_are_loaded_at_once() {
    let (host, _) = fresh();
    let mut keeper = Keeper::default();
    keeper.round(&host, &ssh(), Some(OLD), false).unwrap();
    assert!(!keeper.has_trial() && on_disk(&host, &rules(OLD, &ssh())));
}

/// A daemon that was killed, a watchdog that was: whoever comes next takes the rules back.
#[test]
fn a_trial_whose_watcher_is_gone_is_taken_back() {
    for watcher in [NOBODY, std::process::id()] {
        let (host, old) = fresh();
        let new = rules(OLD, &ssh());
        Trial::begin(&host, &new, Some("ens160"), watcher).unwrap().unwrap();
        // a daemon begins anew; its number can be that of the one before
        let mut keeper = Keeper::default();
        let state = keeper.round(&host, &ssh(), Some(OLD), false).unwrap();
        assert!(in_kernel(&host, &old) && on_disk(&host, &old), "{watcher}");
        assert!(
            state.problems.iter().any(|(_, d)| d.contains("were taken back: nobody confirmed them")),
            "{state:?}"
        );
        assert_eq!(Trial::under_way(&host).unwrap(), None);
    }
}

#[test]
fn a_trial_by_hand_is_left_to_its_watchdog() {
    let (host, _) = fresh();
    let new = rules(OLD, &ssh());
    let trial = Trial::begin(&host, &new, Some("ens160"), std::process::id()).unwrap().unwrap();
    // process 1 is always there
    trial.watched_by(&host, 1, std::time::Duration::from_secs(60)).unwrap();
    let mut keeper = Keeper::default();
    keeper.round(&host, &settings(""), Some(OLD), true).unwrap();
    assert!(!keeper.has_trial() && in_kernel(&host, &new));
    assert_eq!(keeper.judge(&host, false).unwrap(), None);
    assert_eq!(Trial::under_way(&host).unwrap().unwrap().watcher, 1);
    assert!(host.read(paths::FIREWALL_REFUSED).unwrap().is_none());
}
