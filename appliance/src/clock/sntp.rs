//! One question to an NTP server (SNTP, RFC 5905 §14): is it there, is it synchronised, what time does it have.
//!
//! Nothing is set from the answer; the system's time service does that. 48 bytes in network order; times are seconds
//! since 1900 in 32.32 fixed point.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::UdpSocket;
use tokio::time::timeout;

const PORT: u16 = 123;
const PACKET_BYTES: usize = 48;
/// Leap 0, version 4, mode 3 (client).
const QUESTION: u8 = 0x23;
/// Mode of an answer.
const MODE_SERVER: u8 = 4;
/// Leap indicator of a server that has no time itself.
const LEAP_UNKNOWN: u8 = 3;
/// Stratum of a server that has no time itself; 0 is a refusal ("kiss of death").
const STRATUM_UNSYNCHRONISED: u8 = 16;
/// From 1900 to 1970, in seconds.
const EPOCH_OFFSET_S: f64 = 2_208_988_800.0;
/// One NTP era, in seconds.
const ERA_S: f64 = 4_294_967_296.0;

/// What a server says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// Its clock less this machine's, in seconds.
    pub ahead_s: f64,
    /// Its distance from a reference clock.
    pub stratum: u8,
    /// Whether it has the time from somewhere itself.
    pub synchronised: bool,
}

/// Asks.
///
/// # Errors
/// No answer in time, or something that is none; in words.
pub async fn ask(server: &str, patience: Duration) -> Result<Answer, String> {
    let asking = async {
        let words = |e: std::io::Error| e.to_string();
        let address = tokio::net::lookup_host((server, PORT))
            .await
            .map_err(|_| "its name cannot be resolved".to_owned())?
            .next()
            .ok_or("its name has no address")?;
        let local = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(local).await.map_err(words)?;
        socket.connect(address).await.map_err(words)?;
        let sent = now_s();
        // a cookie in place of the time: the answer must repeat it, and it tells nobody what this clock says
        let cookie = (sent.fract() * ERA_S) as u64 ^ 0x9e37_79b9_7f4a_7c15;
        let mut packet = [0; PACKET_BYTES];
        packet[0] = QUESTION;
        packet[40..48].copy_from_slice(&cookie.to_be_bytes());
        socket.send(&packet).await.map_err(words)?;
        let mut answer = [0; 128];
        let length = socket.recv(&mut answer).await.map_err(words)?;
        read(&answer[..length], cookie, (sent, now_s()))
    };
    timeout(patience, asking)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", patience.as_secs().max(1))))
}

/// `sent` and `received` are this machine's times, in seconds since 1970.
fn read(packet: &[u8], cookie: u64, (sent, received): (f64, f64)) -> Result<Answer, String> {
    let field =
        |at: usize| -> Option<u64> { Some(u64::from_be_bytes(packet.get(at..at + 8)?.try_into().ok()?)) };
    let (Some(&first), Some(&stratum), Some(origin), Some(arrived), Some(left)) =
        (packet.first(), packet.get(1), field(24), field(32), field(40))
    else {
        return Err(format!("its answer has {} bytes, {PACKET_BYTES} were expected", packet.len()));
    };
    if first & 7 != MODE_SERVER || origin != cookie {
        return Err("its answer is to another question".to_owned());
    }
    let synchronised =
        first >> 6 != LEAP_UNKNOWN && stratum != 0 && stratum < STRATUM_UNSYNCHRONISED && left != 0;
    let ahead_s = (seconds(arrived, sent) - sent + seconds(left, received) - received) / 2.0;
    Ok(Answer { ahead_s, stratum, synchronised })
}

/// An NTP time as seconds since 1970, in the era nearest to `about`.
fn seconds(fixed: u64, about: f64) -> f64 {
    let within = fixed as f64 / ERA_S - EPOCH_OFFSET_S;
    within + ((about - within) / ERA_S).round() * ERA_S
}

fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn packet(first: u8, stratum: u8, cookie: u64, at: f64) -> [u8; PACKET_BYTES] {
        let fixed = (((at + EPOCH_OFFSET_S) % ERA_S) * ERA_S) as u64;
        let mut packet = [0; PACKET_BYTES];
        (packet[0], packet[1]) = (first, stratum);
        packet[24..32].copy_from_slice(&cookie.to_be_bytes());
        packet[32..40].copy_from_slice(&fixed.to_be_bytes());
        packet[40..48].copy_from_slice(&fixed.to_be_bytes());
        packet
    }

    #[test]
    fn an_answer_is_compared_with_the_middle_of_the_way() {
        let answer = read(&packet(0x24, 2, 7, 1_000_010.5), 7, (1_000_000.0, 1_000_001.0)).unwrap();
        assert!((answer.ahead_s - 10.0).abs() < 1e-3, "{answer:?}");
        assert!(answer.synchronised);
    }

    #[test]
    fn the_era_that_begins_in_2036_is_understood() {
        let later = 2_100_000_000.0;
        let answer = read(&packet(0x24, 1, 7, later), 7, (later - 5.0, later - 5.0)).unwrap();
        assert!((answer.ahead_s - 5.0).abs() < 1e-2, "{answer:?}");
    }

    #[test]
    fn servers_without_a_time_say_so_and_strangers_are_refused() {
        let at = (1_000_000.0, 1_000_000.0);
        for (first, stratum) in [(0xe4, 2), (0x24, 0), (0x24, 16)] {
            assert!(!read(&packet(first, stratum, 7, at.0), 7, at).unwrap().synchronised);
        }
        assert!(read(&packet(0x24, 2, 8, at.0), 7, at).unwrap_err().contains("another question"));
        assert!(read(&packet(0x23, 2, 7, at.0), 7, at).is_err());
        for length in 0..PACKET_BYTES {
            assert!(read(&packet(0x24, 2, 7, at.0)[..length], 7, at).is_err());
        }
    }
}
