//! Who may use the set-up page: whoever read the code off the console. The code works once; then another one is shown.
//!
//! A code has 40 random bits. Wrong ones are counted whoever enters them, since addresses are cheap: after five the page
//! takes none at all for a minute, and twice as long each further time, so that guessing one takes longer than any appliance
//! lives. The console's wizard and the command line stay open to the owner meanwhile.
//!
//! Sessions are in memory only: a restarted agent asks for the new code on the console. What was stored stays.

use std::io;
use std::time::{Duration, Instant};

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use eyot_contract::settings::Layer;
use ring::digest::{digest, SHA256};
use ring::rand::{SecureRandom, SystemRandom};

/// Letters and digits that are not mistaken for each other.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const CODE_CHARS: usize = 8;
/// Wrong codes before none is taken for a while.
pub const WRONG_CODES: u32 = 5;
/// First and longest while.
pub const LOCKED: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
/// A session that does nothing for so long is over.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// Sessions at a time; the one that has been quiet longest makes room.
const SESSIONS: usize = 4;

/// Why a code was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is not the code on the console.
    Wrong,
    /// None is taken for so long.
    Locked(Duration),
}

/// Somebody who entered the code.
pub struct Session {
    key: [u8; 32],
    last: Instant,
    /// What each of its forms must carry.
    pub csrf: String,
    /// What was entered and is not stored yet.
    pub draft: Option<Layer>,
}

/// Code, attempts and sessions.
pub struct Door {
    code: String,
    wrong: u32,
    locked_until: Option<Instant>,
    next_lock: Duration,
    sessions: Vec<Session>,
}

impl Door {
    /// With a new code and nobody inside.
    ///
    /// # Errors
    /// The kernel gives no random numbers.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            code: new_code()?,
            wrong: 0,
            locked_until: None,
            next_lock: LOCKED.0,
            sessions: Vec::new(),
        })
    }

    /// The code as the console shows it.
    pub fn code(&self) -> String {
        let (left, right) = self.code.split_at(CODE_CHARS / 2);
        format!("{left}-{right}")
    }

    /// Lets in whoever has the code, and makes another one. The answer is the new session's key.
    ///
    /// # Errors
    /// The kernel gives no random numbers.
    pub fn enter(&mut self, typed: &str, now: Instant) -> io::Result<Result<String, Refused>> {
        if let Some(left) = self.locked_until.and_then(|until| until.checked_duration_since(now)) {
            if !left.is_zero() {
                return Ok(Err(Refused::Locked(left)));
            }
        }
        self.locked_until = None;
        let typed: String = typed
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(64)
            .collect::<String>()
            .to_ascii_uppercase();
        // digests are compared, so that the time it takes says nothing about the code
        if digest(&SHA256, typed.as_bytes()).as_ref() != digest(&SHA256, self.code.as_bytes()).as_ref() {
            self.wrong += 1;
            if self.wrong < WRONG_CODES {
                return Ok(Err(Refused::Wrong));
            }
            let lock = self.next_lock;
            self.wrong = 0;
            self.locked_until = Some(now + lock);
            self.next_lock = (lock * 2).min(LOCKED.1);
            self.code = new_code()?;
            return Ok(Err(Refused::Locked(lock)));
        }
        self.code = new_code()?;
        self.wrong = 0;
        self.next_lock = LOCKED.0;
        let key = random_text()?;
        self.sessions.retain(|s| now.duration_since(s.last) < IDLE);
        if self.sessions.len() >= SESSIONS {
            self.sessions.sort_by_key(|s| s.last);
            self.sessions.remove(0);
        }
        self.sessions.push(Session { key: hashed(&key), last: now, csrf: random_text()?, draft: None });
        Ok(Ok(key))
    }

    /// The session with this key, if it is one and not over.
    pub fn session(&mut self, key: &str, now: Instant) -> Option<&mut Session> {
        self.sessions.retain(|s| now.duration_since(s.last) < IDLE);
        let key = hashed(key);
        let found = self.sessions.iter_mut().find(|s| s.key == key)?;
        found.last = now;
        Some(found)
    }

    /// Sends everybody away.
    pub fn clear(&mut self) {
        self.sessions.clear();
    }
}

fn hashed(key: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
    bytes
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| io::Error::other("the kernel gives no random numbers"))?;
    Ok(bytes)
}

fn random_text() -> io::Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

fn new_code() -> io::Result<String> {
    // 256 is a multiple of 32: every character is as likely as any other
    Ok(random::<CODE_CHARS>()?.iter().map(|b| char::from(ALPHABET[usize::from(b % 32)])).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_code_opens_once_however_it_is_typed() {
        let (mut door, now) = (Door::new().unwrap(), Instant::now());
        let code = door.code();
        let key =
            door.enter(&format!(" {} ", code.to_ascii_lowercase().replace('-', " ")), now).unwrap().unwrap();
        assert!(door.session(&key, now).is_some() && door.session("", now).is_none());
        assert_ne!(door.code(), code);
        assert_eq!(door.enter(&code, now).unwrap(), Err(Refused::Wrong));
        assert!(door.session(&key, now + IDLE).is_none());
    }

    #[test]
    fn wrong_codes_close_the_door_for_longer_each_time_and_change_the_code() {
        let (mut door, mut now) = (Door::new().unwrap(), Instant::now());
        let mut locked = Vec::new();
        for _ in 0..8 {
            let code = door.code();
            for n in 1..=WRONG_CODES {
                match door.enter("AAAA-AAA", now).unwrap() {
                    Err(Refused::Wrong) => assert!(n < WRONG_CODES),
                    Err(Refused::Locked(lock)) => {
                        assert_eq!(n, WRONG_CODES);
                        locked.push(lock.as_secs());
                    }
                    Ok(_) => panic!("a wrong code was taken"),
                }
            }
            assert_ne!(door.code(), code);
            let right = door.code();
            assert!(
                matches!(door.enter(&right, now).unwrap(), Err(Refused::Locked(_))),
                "even the right one"
            );
            now += Duration::from_secs(*locked.last().unwrap());
        }
        assert_eq!(locked, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
        let right = door.code();
        assert!(door.enter(&right, now).unwrap().is_ok());
    }

    #[test]
    fn the_quietest_session_makes_room() {
        let (mut door, now) = (Door::new().unwrap(), Instant::now());
        let keys: Vec<String> = (0..=SESSIONS as u64)
            .map(|n| {
                let code = door.code();
                door.enter(&code, now + Duration::from_secs(n)).unwrap().unwrap()
            })
            .collect();
        let later = now + Duration::from_secs(60);
        assert!(door.session(&keys[0], later).is_none());
        assert!(keys[1..].iter().all(|k| door.session(k, later).is_some()));
    }
}
