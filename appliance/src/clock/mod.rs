//! The time: how far this machine's clock is from the portal's, whether the time servers that are set are right, and
//! setting the clock from the portal when nothing else does.
//!
//! The portal's time comes with its answers (`Date`), from a portal whose CA is the pinned one: nobody in between can set
//! the clock. It has whole seconds and the way's delay in it, which is enough to judge certificates by. A clock that a
//! time service keeps is never touched.

mod sntp;

use std::time::Duration;

use eyot_client::{Alive, Client, ClientError};
use eyot_contract::{ConditionCode, Timestamp};

use crate::activate::MAX_DRIFT_S;
use crate::host::Host;
use crate::settings::chain;

pub use sntp::{ask, Answer};

/// Time servers asked at most; the system's own time service asks them all.
const SERVERS_ASKED: usize = 3;
/// How long a time server may take.
const SERVER_PATIENCE: Duration = Duration::from_secs(2);

/// What was found out about the time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Time {
    /// The portal's clock less this machine's, in seconds.
    pub portal_ahead_s: Option<i64>,
    /// Each time server asked, and its answer or why there is none.
    pub servers: Vec<(String, Result<Answer, String>)>,
}

/// Asks the portal, if one is known, and the time servers, if some are set.
pub async fn measure(client: Option<&Client>, servers: &[String]) -> Time {
    let portal_ahead_s = match client {
        None => None,
        Some(client) => portal_ahead(client.alive().await.as_ref()),
    };
    Time { portal_ahead_s, servers: ask_all(servers).await }
}

/// Asks the time servers.
pub async fn ask_all(servers: &[String]) -> Vec<(String, Result<Answer, String>)> {
    let mut asked = Vec::new();
    for server in servers.iter().take(SERVERS_ASKED) {
        asked.push((server.clone(), ask(server, SERVER_PATIENCE).await));
    }
    asked
}

/// How far the portal's clock is ahead of ours, in seconds, if the portal has said so itself.
fn portal_ahead(outcome: Result<&Alive, &ClientError>) -> Option<i64> {
    match outcome {
        // an inspecting proxy could say anything
        Ok(alive) => alive.admitted.is_none().then(|| -alive.drift_seconds()),
        Err(ClientError::ClockDrift { local, portal }) => Some(portal.seconds() - local.seconds()),
        Err(_) => None,
    }
}

impl Time {
    /// What is wrong with the time servers, and with this machine's clock.
    pub fn complaints(&self) -> Vec<(ConditionCode, String)> {
        let mut found = Vec::new();
        if let Some(ahead) = self.portal_ahead_s.filter(|a| a.abs() > MAX_DRIFT_S) {
            found.push((ConditionCode::ClockDrift, drift_words(ahead)));
        }
        found.extend(server_complaint(&self.servers, self.portal_ahead_s));
        found
    }
}

fn drift_words(portal_ahead_s: i64) -> String {
    let side = if portal_ahead_s > 0 { "behind" } else { "ahead of" };
    format!("this machine's clock is {} s {side} the portal's", portal_ahead_s.abs())
}

/// The one thing to say about the time servers, if there is one.
pub fn server_complaint(
    servers: &[(String, Result<Answer, String>)],
    portal_ahead_s: Option<i64>,
) -> Option<(ConditionCode, String)> {
    if servers.is_empty() {
        return None;
    }
    let wrong = servers.iter().find_map(|(server, answer)| {
        let answer = answer.as_ref().ok()?;
        if !answer.synchronised {
            return Some(format!("{server} says that it is not synchronised itself"));
        }
        let apart = answer.ahead_s - portal_ahead_s? as f64;
        (apart.abs() > MAX_DRIFT_S as f64)
            .then(|| format!("{server} and the portal are {:.0} s apart", apart.abs()))
    });
    if let Some(words) = wrong {
        return Some((ConditionCode::TimeServerWrong, words));
    }
    let silent: Option<Vec<String>> = servers
        .iter()
        .map(|(server, answer)| answer.as_ref().err().map(|reason| format!("{server}: {reason}")))
        .collect();
    silent.map(|reasons| (ConditionCode::TimeServerSilent, reasons.join("; ")))
}

/// Sets the clock to the portal's where it is too far off and nobody else keeps it. Says what was done, or why not.
pub fn put_right(host: &dyn Host, time: &Time, now: Timestamp) -> Option<Result<String, String>> {
    let ahead = time.portal_ahead_s.filter(|a| a.abs() > MAX_DRIFT_S)?;
    match host.clock_is_kept() {
        Ok(true) => return Some(Err("a time service keeps it, so it was left alone".to_owned())),
        Ok(false) => {}
        Err(error) => return Some(Err(chain(&error))),
    }
    let right = Timestamp::from_seconds(now.seconds() + ahead);
    Some(match host.set_clock(right) {
        Ok(()) => Ok(format!("clock set to {right}, the portal's time; it was {} s off", ahead.abs())),
        Err(error) => Err(format!("it could not be set: {}", chain(&error))),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::double::Double;

    fn answer(ahead_s: f64) -> Result<Answer, String> {
        Ok(Answer { ahead_s, stratum: 2, synchronised: true })
    }

    fn time(portal_ahead_s: Option<i64>, servers: Vec<Result<Answer, String>>) -> Time {
        let named = servers.into_iter().enumerate().map(|(i, a)| (format!("ntp{i}"), a));
        Time { portal_ahead_s, servers: named.collect() }
    }

    fn codes(time: &Time) -> Vec<ConditionCode> {
        time.complaints().into_iter().map(|(code, _)| code).collect()
    }

    #[test]
    fn clocks_and_servers_are_told_apart() {
        use ConditionCode as C;
        let silent = || Err("no answer within 2 s".to_owned());
        let rows = [
            (time(None, vec![]), vec![]),
            (time(Some(3), vec![answer(2.9)]), vec![]),
            (time(Some(-4), vec![silent(), answer(0.0)]), vec![]),
            (time(Some(4), vec![silent(), silent()]), vec![C::TimeServerSilent]),
            (time(Some(2), vec![answer(86_400.0)]), vec![C::TimeServerWrong]),
            // both agree that it is this machine that is wrong
            (time(Some(86_400), vec![answer(86_399.0)]), vec![C::ClockDrift]),
            // this machine follows a wrong server
            (time(Some(-86_400), vec![answer(0.0)]), vec![C::ClockDrift, C::TimeServerWrong]),
            // nobody to compare with
            (time(None, vec![answer(86_400.0)]), vec![]),
            (
                time(None, vec![Ok(Answer { ahead_s: 0.0, stratum: 16, synchronised: false })]),
                vec![C::TimeServerWrong],
            ),
        ];
        for (time, expected) in rows {
            assert_eq!(codes(&time), expected, "{time:?}");
        }
    }

    #[test]
    fn p17_a_clock_that_nobody_keeps_is_set_to_the_portals() {
        let host = Double::default();
        let now = Timestamp::from_seconds(1_000_000_000);
        assert_eq!(put_right(&host, &time(Some(20), vec![]), now), None);
        assert_eq!(put_right(&host, &time(None, vec![]), now), None);
        assert_eq!(host.clock(), None);
        let said = put_right(&host, &time(Some(700_000_000), vec![]), now).unwrap().unwrap();
        assert!(said.contains("700000000 s off"), "{said}");
        assert_eq!(host.clock(), Some(Timestamp::from_seconds(1_700_000_000)));
    }

    #[test]
    fn a_clock_that_a_time_service_keeps_is_left_alone() {
        let host = Double::default();
        host.keep_clock();
        let now = Timestamp::from_seconds(1_000_000_000);
        assert!(put_right(&host, &time(Some(4_000), vec![]), now).unwrap().is_err());
        assert_eq!(host.clock(), None);
    }
}
