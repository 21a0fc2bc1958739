//! Forgetting the token: after activation it must be nowhere on the machine.
//!
//! Files that carried it are overwritten in place (same inode, same blocks) before anything is removed: the operator's
//! own file keeps everything but the token, the seed file goes afterwards, cloud-init's copies keep their length and shape so that
//! its later stages still read them. Blocks freed earlier, by whoever wrote copies and deleted them, are discarded with
//! FITRIM; where the disk cannot do that, the record says so.
//!
//! cloud-init rewrites its copies stage by stage, each time freeing blocks that held the token. What is done before its
//! last stage is therefore not final: the record says `settled: false`, and the agent does it once more afterwards.
//!
//! A platform that handed the token over is asked to forget it too: VMware's `guestinfo.ovfEnv` is set again without
//! secrets, `guestinfo.eyot.*` are emptied, the value in Hyper-V's pool becomes NULs. What the host keeps for itself is
//! beyond our reach, as are its discs and the firmware's strings; a channel that will not be cleaned is recorded and stops
//! nothing.
//!
//! A copy is the token's own text, or base64 of something that contains it (any alignment, wrapped or not): cloud-init
//! keeps user-data raw, MIME-encoded and pickled.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use eyot_contract::Timestamp;
use serde::{Deserialize, Serialize};

use crate::datasource::{guestinfo, kvp, ovf_environment, smbios};
use crate::host::{Access, Discard, Host, HostError};
use crate::paths;
use crate::settings::chain;

/// What was done, kept for `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// When.
    pub at: Timestamp,
    /// Files that carried a copy.
    pub files: Vec<String>,
    /// Bytes of free blocks discarded; `None` where the disk cannot discard.
    pub discarded_bytes: Option<u64>,
    /// Whether nobody was left who could write another copy.
    pub settled: bool,
    /// Channels of the platform's that carried the token.
    #[serde(default)]
    pub channels: Vec<Channel>,
}

/// A channel of the platform's that carried the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Which.
    pub place: String,
    /// Why the token is still in it; `None` if it is not.
    pub problem: Option<String>,
}

/// Whether cloud-init has ended, or does not run in this boot at all.
///
/// # Errors
/// When its state cannot be read.
pub fn cloud_init_has_ended(host: &dyn Host) -> Result<bool, HostError> {
    Ok(host.read(paths::CLOUD_INIT_ENABLED)?.is_none() || host.read(paths::CLOUD_INIT_RESULT)?.is_some())
}

impl Forgotten {
    /// The record, if the token has been forgotten.
    pub fn load(host: &dyn Host) -> Result<Option<Self>, HostError> {
        Ok(host.read(paths::FORGOTTEN)?.and_then(|c| serde_json::from_slice(&c).ok()))
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = match self.discarded_bytes {
            Some(_) => "activation token removed, free disk blocks discarded".to_owned(),
            None => "activation token removed; this disk cannot discard free blocks, so remnants of deleted files may stay on it until they are overwritten".to_owned(),
        };
        for Channel { place, problem } in &self.channels {
            if let Some(problem) = problem {
                text.push_str(&format!("; {place} may still carry it ({problem}), remove it on the host"));
            }
        }
        text
    }
}

/// Removes every copy of these token texts. Repeatable; once settled, another time finds nothing and changes nothing.
pub fn forget(host: &dyn Host, tokens: &[String]) -> Result<Forgotten, HostError> {
    // asked before the search: what ends during it is seen the next time
    let settled = cloud_init_has_ended(host)?;
    let needles: Vec<Needle> = tokens.iter().filter(|t| !t.is_empty()).map(|t| Needle::new(t)).collect();
    let mut cleaned = Vec::new();
    // the sources come last: as long as they have the token, a power cut in between leads back here with it
    let mut copies: Vec<String> = paths::CLOUD_INIT_LOGS.map(str::to_owned).to_vec();
    for dir in paths::CLOUD_INIT_COPIES {
        copies.extend(host.files_below(dir)?);
    }
    for path in copies {
        let Some(content) = host.read(&path)? else { continue };
        if let Some(clean) = scrub(&content, &needles) {
            host.overwrite(&path, &clean)?;
            cleaned.push(path);
        }
    }
    for path in [paths::LOCAL_SETTINGS, paths::PAGE_SETTINGS, paths::SEED_SETTINGS] {
        let Some(content) = host.read(path)? else { continue };
        if let Some(blank) = without_value(&content, &needles) {
            host.overwrite(path, &blank)?;
            cleaned.push(path.to_owned());
        }
    }
    let channels = clean_channels(host, tokens, &needles);
    // the seed file has done its work; what else it says is kept elsewhere by now
    host.remove(paths::SEED_SETTINGS)?;
    let known = Forgotten::load(host)?;
    // a platform that hands the token over at each start makes no news of it
    let nothing_new = |k: &Forgotten| channels.is_empty() || channels == k.channels;
    if let Some(known) = known.filter(|k| k.settled && cleaned.is_empty() && nothing_new(k)) {
        return Ok(known);
    }
    let discarded_bytes = match host.discard_free_blocks(paths::STATE_DIR)? {
        Discard::Done(bytes) => Some(bytes),
        Discard::Unsupported => None,
    };
    let record = Forgotten { at: Timestamp::now(), files: cleaned, discarded_bytes, settled, channels };
    let text = serde_json::to_vec_pretty(&record).unwrap_or_default();
    host.make_dir(paths::STATE_DIR, Access::Everyone)?;
    host.write(paths::FORGOTTEN, &text, Access::Everyone)?;
    Ok(record)
}

/// Takes the token out of the platform's channels; those that carried it.
fn clean_channels(host: &dyn Host, tokens: &[String], needles: &[Needle]) -> Vec<Channel> {
    if needles.is_empty() {
        return Vec::new();
    }
    let firmware = match smbios::carries(host, tokens) {
        Ok(true) => Err("nothing in the machine can change the firmware's strings".to_owned()),
        other => other.map_err(|e| chain(&e)),
    };
    let outcomes = [
        (ovf_environment::GUESTINFO, clean_variable(host, needles)),
        (paths::KVP_POOL, kvp::erase(host, tokens).map_err(|e| chain(&e))),
        (smbios::ORIGIN, firmware),
    ];
    let channel = |(place, outcome): (&str, Result<bool, String>)| match outcome {
        Ok(false) => None,
        Ok(true) => Some(Channel { place: place.to_owned(), problem: None }),
        Err(problem) => Some(Channel { place: place.to_owned(), problem: Some(problem) }),
    };
    let mut channels: Vec<Channel> = outcomes.into_iter().filter_map(channel).collect();
    match guestinfo::erase(host, |value| scrub(value.as_bytes(), needles).is_some()) {
        Ok(found) => channels.extend(found.into_iter().map(|(place, problem)| Channel { place, problem })),
        Err(error) => {
            channels.push(Channel { place: format!("{}*", guestinfo::PREFIX), problem: Some(chain(&error)) })
        }
    }
    channels
}

/// Whether the OVF environment's variable carried a copy; none is left in it.
fn clean_variable(host: &dyn Host, needles: &[Needle]) -> Result<bool, String> {
    let carrying = || -> Result<Option<String>, String> {
        let Some(document) = ovf_environment::variable(host).map_err(|e| chain(&e))? else {
            return Ok(None);
        };
        let carries =
            ovf_environment::carries_token(&document)? || scrub(document.as_bytes(), needles).is_some();
        Ok(carries.then_some(document))
    };
    let Some(document) = carrying()? else { return Ok(false) };
    let clean = ovf_environment::without_secrets(&document)?;
    // other properties can have copies inside, cloud-init's user-data for one
    let clean = match scrub(clean.as_bytes(), needles) {
        Some(bytes) => String::from_utf8(bytes).map_err(|e| e.utf8_error().to_string())?,
        None => clean,
    };
    ovf_environment::set_variable(host, &clean)?;
    match carrying()? {
        None => Ok(true),
        Some(_) => Err("it was set and did not change".to_owned()),
    }
}

/// A token's text and the three ways base64 can spell its inside.
struct Needle {
    text: Vec<u8>,
    encoded: Vec<Vec<u8>>,
}

impl Needle {
    fn new(token: &str) -> Self {
        let encoded = (0..3)
            .map(|before| {
                let mut padded = vec![0; before];
                padded.extend_from_slice(token.as_bytes());
                padded.truncate(padded.len() / 3 * 3);
                // the first group mixes in whatever stands before the token
                STANDARD.encode(padded).into_bytes().split_off(if before == 0 { 0 } else { 4 })
            })
            .collect();
        Self { text: token.as_bytes().to_vec(), encoded }
    }

    fn spellings(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.text.as_slice()).chain(self.encoded.iter().map(Vec::as_slice))
    }
}

/// The same bytes with every copy made meaningless and the length kept; `None` if there is no copy.
fn scrub(content: &[u8], needles: &[Needle]) -> Option<Vec<u8>> {
    let mut clean = content.to_vec();
    let mut found = false;
    for spelling in needles.iter().flat_map(Needle::spellings) {
        // 'A' is a letter of base64, of TOML text and of a pickled string alike
        found |= replace(&mut clean, spelling, b'A');
    }
    found |= scrub_wrapped(&mut clean, needles);
    found.then_some(clean)
}

/// Base64 broken into lines, as MIME does: decoded as one, looked through, blanked as a whole.
fn scrub_wrapped(content: &mut [u8], needles: &[Needle]) -> bool {
    let mut found = false;
    for (start, end) in base64_runs(content) {
        let letters: Vec<u8> =
            content[start..end].iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
        let whole = letters.len() / 4 * 4;
        let Ok(decoded) = STANDARD.decode(&letters[..whole]) else { continue };
        if scrub(&decoded, needles).is_some() {
            for byte in content[start..end].iter_mut().filter(|b| !b.is_ascii_whitespace() && **b != b'=') {
                *byte = b'A';
            }
            found = true;
        }
    }
    found
}

/// Stretches of base64 letters, line breaks included, long enough to hold a token.
fn base64_runs(content: &[u8]) -> Vec<(usize, usize)> {
    const SHORTEST: usize = 64;
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let mut runs = Vec::new();
    let mut start = 0;
    while start < content.len() {
        if !letter(content[start]) {
            start += 1;
            continue;
        }
        let mut end = start;
        while end < content.len() && (letter(content[end]) || matches!(content[end], b'\n' | b'\r')) {
            end += 1;
        }
        if end - start >= SHORTEST {
            runs.push((start, end));
        }
        start = end;
    }
    runs
}

/// Every occurrence overwritten with one byte.
fn replace(content: &mut [u8], needle: &[u8], with: u8) -> bool {
    let mut found = false;
    let mut from = 0;
    while let Some(at) = position(&content[from..], needle) {
        content[from + at..from + at + needle.len()].fill(with);
        from += at + needle.len();
        found = true;
    }
    found
}

/// A settings file with the token's value made empty and the length kept: `token = "eyot1_…"` → `token = ""` and blanks.
fn without_value(content: &[u8], needles: &[Needle]) -> Option<Vec<u8>> {
    let mut blank = content.to_vec();
    let mut found = false;
    for needle in needles {
        while let Some(at) = position(&blank, &needle.text) {
            let end = at + needle.text.len();
            let quote = blank.get(end).copied().filter(|q| matches!(q, b'"' | b'\''));
            blank[at..end].fill(b' ');
            if let Some(quote) = quote.filter(|q| at > 0 && blank[at - 1] == *q) {
                // close the text where the token began
                blank[at] = quote;
                blank[end] = b' ';
            }
            found = true;
        }
    }
    found.then_some(blank)
}

fn position(content: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    // most places are settled by their first byte, without a call
    content.windows(needle.len()).position(|w| w[0] == first && w == needle)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::double::Double;
    use eyot_contract::settings::Layer;

    const TOKEN: &str = "eyot1_Zm9yZ2V0IG1lIG5vdCwgc2FpZCB0aGUgdG9rZW4gdG8gdGhlIG1hY2hpbmUgYW5kIHdhcw-_";

    fn wrapped(bytes: &[u8]) -> String {
        let encoded = STANDARD.encode(bytes);
        encoded.as_bytes().chunks(76).map(|c| std::str::from_utf8(c).unwrap()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_spelling_is_found_and_the_length_kept() {
        let needles = [Needle::new(TOKEN)];
        for before in 0..7 {
            let inside = format!("{}token = \"{TOKEN}\"\n", "x".repeat(before));
            let cases = [
                inside.clone(),
                STANDARD.encode(&inside),
                wrapped(inside.as_bytes()),
                wrapped(format!("#cloud-config\ncontent: {}\n", STANDARD.encode(&inside)).as_bytes()),
            ];
            for case in cases {
                let clean = scrub(case.as_bytes(), &needles).unwrap_or_else(|| panic!("missed in {case}"));
                assert_eq!(clean.len(), case.len());
                assert!(scrub(&clean, &needles).is_none(), "left in {case}");
            }
        }
        assert!(scrub(b"nothing of the kind", &needles).is_none());
        assert!(scrub(STANDARD.encode([7; 500]).as_bytes(), &needles).is_none());
    }

    #[test]
    fn an_operators_file_keeps_everything_but_the_token() {
        let text = format!(
            "# mine\nversion = 1\n[activation]\ntoken = \"{TOKEN}\" # from the portal\n[host]\nname = \"x\"\n"
        );
        let blank = without_value(text.as_bytes(), &[Needle::new(TOKEN)]).unwrap();
        assert_eq!(blank.len(), text.len());
        let layer = Layer::from_toml("local", std::str::from_utf8(&blank).unwrap()).unwrap();
        assert_eq!(
            (layer.values["activation.token"].as_str(), layer.values["host.name"].as_str()),
            ("", "x")
        );
        assert!(String::from_utf8(blank).unwrap().contains("# from the portal"));
    }

    #[test]
    fn forgetting_twice_changes_nothing_the_second_time() {
        let host = Double::default();
        let seed = format!("version = 1\n[activation]\ntoken = \"{TOKEN}\"\n");
        host.put(paths::SEED_SETTINGS, &seed);
        host.put("/var/lib/cloud/instances/i/user-data.txt", &STANDARD.encode(&seed));
        host.put("/var/lib/cloud/instances/i/other", "untouched");
        host.discard_gives(Discard::Done(4096));
        let record = forget(&host, &[TOKEN.to_owned()]).unwrap();
        assert_eq!(record.files.len(), 2);
        assert_eq!(record.discarded_bytes, Some(4096));
        let state = host.state();
        host.take_log();
        assert_eq!(forget(&host, &[TOKEN.to_owned()]).unwrap(), record);
        assert!(host.take_log().is_empty());
        assert_eq!(host.state(), state);
    }

    #[test]
    fn what_cloud_init_writes_after_the_first_time_is_forgotten_too() {
        let host = Double::default();
        let seed = format!("version = 1\n[activation]\ntoken = \"{TOKEN}\"\n");
        let copy = "/var/lib/cloud/instances/i/obj.pkl";
        host.put(paths::CLOUD_INIT_ENABLED, "");
        host.put(copy, &seed);
        host.discard_gives(Discard::Done(4096));
        let tokens = [TOKEN.to_owned()];
        assert!(!forget(&host, &tokens).unwrap().settled);

        host.put(copy, &seed);
        host.put(paths::CLOUD_INIT_RESULT, "{}");
        host.take_log();
        assert!(forget(&host, &tokens).unwrap().settled);
        assert!(host.take_log().iter().any(|l| l.contains("discard")), "blocks freed since are discarded");
        assert!(!String::from_utf8(host.read(copy).unwrap().unwrap()).unwrap().contains(TOKEN));
    }

    #[test]
    fn a_disk_that_cannot_discard_is_told_honestly() {
        let host = Double::default();
        host.discard_gives(Discard::Unsupported);
        assert!(forget(&host, &[]).unwrap().text().contains("cannot discard"));
    }

    fn environment(properties: &str) -> String {
        format!(
            "<Environment xmlns=\"http://schemas.dmtf.org/ovf/environment/1\" \
             xmlns:oe=\"http://schemas.dmtf.org/ovf/environment/1\"><PropertySection>{properties}\
             </PropertySection></Environment>"
        )
    }

    fn property(key: &str, value: &str) -> String {
        format!("<Property oe:key=\"{key}\" oe:value=\"{value}\"/>")
    }

    #[test]
    fn the_ovf_environment_is_set_again_without_secrets_and_the_settings_hold() {
        let host = Double::default();
        host.put(paths::DMI_VENDOR, "VMware, Inc.\n");
        let said = [
            ("activation_token", TOKEN),
            ("proxy_url", "http://p:1"),
            ("proxy_username", "u"),
            ("proxy_password", "s3cret"),
            ("user-data", &STANDARD.encode(format!("token = \"{TOKEN}\""))),
        ];
        host.set_guestinfo(&environment(&said.map(|(k, v)| property(k, v)).concat()));
        let keep = || {
            let kept = crate::settings::gather(&host).to_keep().unwrap();
            host.write(paths::KEPT_SETTINGS, kept.to_toml().as_bytes(), Access::Root).unwrap();
        };
        keep();
        let record = forget(&host, &[TOKEN.to_owned()]).unwrap();
        let place = ovf_environment::GUESTINFO.to_owned();
        assert_eq!(record.channels, [Channel { place, problem: None }]);
        let log = host.take_log().join("\n");
        assert!(log.contains("info-set") && !log.contains(TOKEN) && !log.contains("s3cret"), "{log}");
        let left = ovf_environment::variable(&host).unwrap().unwrap();
        assert!(scrub(left.as_bytes(), &[Needle::new(TOKEN)]).is_none(), "{left}");

        keep();
        let gathered = crate::settings::gather(&host);
        assert!(!gathered.offers_token());
        let proxy = gathered.resolve().unwrap().settings.proxy.unwrap();
        assert_eq!(proxy.credentials, Some(("u".to_owned(), "s3cret".to_owned())));
    }

    #[test]
    fn a_platform_that_hands_the_token_over_again_is_cleaned_again_and_makes_no_news() {
        let host = Double::default();
        let pool =
            format!("{:\0<512}{TOKEN:\0<2048}{:\0<512}{:\0<2048}", "activation_token", "host_name", "one");
        host.put(paths::KVP_POOL, &pool);
        let tokens = [TOKEN.to_owned()];
        let record = forget(&host, &tokens).unwrap();
        assert_eq!(record.channels, [Channel { place: paths::KVP_POOL.to_owned(), problem: None }]);
        let clean = host.text(paths::KVP_POOL).unwrap();
        assert_eq!(clean, pool.replace(TOKEN, &"\0".repeat(TOKEN.len())));
        assert_eq!(forget(&host, &[]).unwrap(), record, "the record of the channel stays");

        host.put(paths::KVP_POOL, &pool);
        host.take_log();
        assert_eq!(forget(&host, &tokens).unwrap(), record);
        assert_eq!(host.text(paths::KVP_POOL).unwrap(), clean);
        assert_eq!(host.take_log(), [format!("changing {}", paths::KVP_POOL)]);
    }

    #[test]
    fn a_channel_that_will_not_be_cleaned_is_recorded_and_stops_nothing() {
        let host = Double::default();
        host.put(paths::DMI_VENDOR, "VMware, Inc.\n");
        host.set_guestinfo(&environment(&property("activation_token", TOKEN)));
        host.put(paths::SEED_SETTINGS, "version = 1\n");
        host.fail_at(0);
        let record = forget(&host, &[TOKEN.to_owned()]).unwrap();
        assert_eq!(record.channels[0].problem.as_deref(), Some("made to fail"));
        assert!(
            record.text().contains("guestinfo.ovfEnv may still carry it (made to fail)"),
            "{}",
            record.text()
        );
        assert!(!record.text().contains(TOKEN));
        assert_eq!(host.text(paths::SEED_SETTINGS), None);
    }

    #[test]
    fn a_record_of_an_older_version_is_read() {
        let host = Double::default();
        host.put(
            paths::FORGOTTEN,
            "{\"at\":\"2026-01-01T00:00:00Z\",\"files\":[],\"discarded_bytes\":null,\"settled\":true}",
        );
        assert!(Forgotten::load(&host).unwrap().unwrap().channels.is_empty());
    }
}
