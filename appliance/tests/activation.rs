//! Activation against a portal that misbehaves on request: every bad input of the first milestone, each with one clear
//! line; and the good way, after which the token is nowhere.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../../contract/client/tests/double/mod.rs"]
mod double;
mod rooted;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use double::{Authority, Portal, ProxyDouble, ProxyManner, Script};
use eyot_appliance::activate::Identity;
use eyot_appliance::agent::Agent;
use eyot_appliance::paths;
use eyot_contract::settings::Layer;
use eyot_contract::{ActivationToken, CaPin, ConditionCode, RefusalCode, Seed};
use rooted::Rooted;
use time::OffsetDateTime;

struct Appliance {
    root: tempfile::TempDir,
}

impl Appliance {
    fn new() -> Self {
        // in memory: activation discards the free blocks of whatever disk it finds itself on
        Self { root: tempfile::tempdir_in("/dev/shm").unwrap() }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        std::fs::write(self.path(path), content).unwrap();
    }

    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    /// `eyot-appliance activate --token-file -`, away from the runtime's threads.
    async fn activate(&self, token: &str) -> Output {
        let (root, token) = (self.root.path().to_owned(), token.to_owned());
        tokio::task::spawn_blocking(move || activate_below(&root, &token)).await.unwrap()
    }

    /// It must fail with one line that has these words, leave no identity and not repeat the token.
    async fn refuses(&self, token: &str, words: &[&str]) {
        let output = self.activate(token).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
        for word in words {
            assert!(said.contains(word), "\"{word}\" is not in: {said}");
        }
        assert!(token.trim().is_empty() || !said.contains(token.trim()), "{said}");
        assert!(!self.path(paths::IDENTITY_DIR).exists());
    }

    /// Files below the root that hold the token or base64 of a text that holds it.
    fn holding(&self, token: &str) -> Vec<String> {
        let mut found = Vec::new();
        look(self.root.path(), token, &mut found);
        found
    }
}

fn activate_below(root: &Path, token: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_eyot-appliance"))
        .arg("--root")
        .arg(root)
        .args(["activate", "--token-file", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), token.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn look(dir: &Path, token: &str, found: &mut Vec<String>) {
    use base64::Engine;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look(&path, token, found);
            continue;
        }
        let Ok(content) = std::fs::read(&path) else { continue };
        let text = String::from_utf8_lossy(&content).into_owned();
        let decoded = text.split_whitespace().filter_map(|word| {
            let bytes = base64::engine::general_purpose::STANDARD.decode(word).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        });
        if std::iter::once(text.clone()).chain(decoded).any(|t| t.contains(token)) {
            found.push(path.display().to_string());
        }
    }
}

fn seed(token: &ActivationToken) -> Layer {
    let mut layer = Layer::new("portal");
    layer.set("activation.token", token.encode()).unwrap();
    layer.set("host.name", "eyot-test").unwrap();
    layer
}

/// User data that somebody wrote with the token in it, as cloud-init keeps it.
fn own_user_data(settings: &str) -> String {
    use base64::Engine;
    let content = base64::engine::general_purpose::STANDARD.encode(settings);
    format!(
        "#cloud-config\nwrite_files:\n- path: {}\n  encoding: b64\n  content: {content}\n",
        paths::SEED_SETTINGS
    )
}

#[tokio::test]
async fn the_good_way_ends_with_an_identity_and_without_a_token() {
    let portal = Portal::start(Script::default()).await;
    let token = portal.token();
    let appliance = Appliance::new();
    let settings = seed(&token).to_toml();
    appliance.put(paths::SEED_SETTINGS, &settings);
    // where cloud-init leaves copies
    let user_data = own_user_data(&settings);
    appliance.put("/var/lib/cloud/instances/eyot-1/user-data.txt", &user_data);
    appliance.put("/var/lib/cloud/instances/eyot-1/obj.pkl", format!("\u{80}\u{3}c{user_data}q"));
    appliance.put("/var/lib/cloud/instances/eyot-1/scripts/other", "untouched");
    appliance
        .put("/run/cloud-init/instance-data-sensitive.json", format!("{{\"ud\":\"{}\"}}", token.encode()));
    appliance.put(
        paths::LOCAL_SETTINGS,
        format!("# mine\nversion = 1\n[activation]\ntoken = \"{}\"\n", token.encode()),
    );

    let output = appliance.activate(&token.encode()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("activated as test sensor at https://127.0.0.1:"), "{said}");

    assert_eq!(appliance.holding(&token.encode()), Vec::<String>::new());
    assert_eq!(appliance.holding(&token.secret_text()), Vec::<String>::new());
    assert!(!appliance.path(paths::SEED_SETTINGS).exists());
    assert_eq!(appliance.text("/var/lib/cloud/instances/eyot-1/scripts/other"), "untouched");
    assert!(appliance.text(paths::KEPT_SETTINGS).contains("eyot-test"), "what else the seed said is kept");
    assert!(appliance
        .text(paths::LOCAL_SETTINGS)
        .starts_with("# mine\nversion = 1\n[activation]\ntoken = \"\""));

    use std::os::unix::fs::PermissionsExt;
    let mode = |p: &str| std::fs::metadata(appliance.path(p)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("/var/lib/eyot/identity/key.pem"), 0o640);
    assert_eq!(mode("/var/lib/eyot/identity"), 0o750);
    assert_eq!(mode(paths::KEPT_SETTINGS), 0o600);
    assert!(!appliance.path(paths::NEXT_IDENTITY_DIR).exists());
    let enrolments = portal.record.lock().unwrap().enrolments.clone();
    assert_eq!(enrolments.len(), 1);
    assert!(!enrolments[0].csr_pem.contains("PRIVATE"));

    // once more, and again as the daemon would: nothing is asked, nothing is written
    let before = fingerprints(appliance.root.path());
    let again = appliance.activate(&token.encode()).await;
    assert!(String::from_utf8(again.stdout).unwrap().contains("already activated as test sensor"));
    assert_eq!(fingerprints(appliance.root.path()), before);
    assert_eq!(portal.record.lock().unwrap().enrolments.len(), 1);
}

/// A small ext4 of its own, mounted from a file, so that the raw bytes can be searched afterwards.
struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        let disk = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(disk.mounted()).unwrap();
        std::fs::File::create(disk.image()).unwrap().set_len(16 << 20).unwrap();
        disk.tool("mkfs.ext4", &["-q", disk.image().to_str().unwrap()]);
        disk.mount();
        disk
    }

    fn image(&self) -> std::path::PathBuf {
        self.dir.path().join("disk.img")
    }

    fn mounted(&self) -> std::path::PathBuf {
        self.dir.path().join("root")
    }

    fn mount(&self) {
        self.tool("mount", &["-o", "loop", self.image().to_str().unwrap(), self.mounted().to_str().unwrap()]);
    }

    fn unmount(&self) {
        self.tool("umount", &[self.mounted().to_str().unwrap()]);
    }

    fn tool(&self, program: &str, arguments: &[&str]) {
        let output =
            Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn occurrences(&self, text: &str) -> usize {
        let raw = std::fs::read(self.image()).unwrap();
        raw.windows(text.len()).filter(|w| *w == text.as_bytes()).count()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // unmounted already, unless the test failed half way
        let _ = Command::new("umount").arg("-q").arg(self.mounted()).output();
    }
}

#[tokio::test]
async fn the_token_is_nowhere_on_the_raw_disk_not_even_in_freed_blocks() {
    let portal = Portal::start(Script::default()).await;
    let token = portal.token().encode();
    let disk = Disk::new();
    let root = disk.mounted();
    let put = |path: &str, text: String| {
        std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        std::fs::write(root.join(path), text).unwrap();
    };
    put("etc/eyot/seed.toml", seed(&portal.token()).to_toml());
    put("var/lib/cloud/user-data.txt", format!("text with {token} in it"));
    for copy in 0..5 {
        put(&format!("var/tmp/{copy}"), format!("copy {copy} of {token}"));
    }
    disk.tool("sync", &[]);
    std::fs::remove_dir_all(root.join("var/tmp")).unwrap();
    disk.unmount();
    // two files and some of the deleted ones: a freed block may have been given to a directory meanwhile
    assert!(disk.occurrences(&token) > 2, "remnants must be on the disk for this to prove anything");

    disk.mount();
    let child_root = root.clone();
    let input = token.clone();
    let output = tokio::task::spawn_blocking(move || activate_below(&child_root, &input)).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("free disk blocks discarded"));
    disk.unmount();
    assert_eq!(disk.occurrences(&token), 0);
}

fn fingerprints(dir: &Path) -> Vec<(String, u64, Vec<u8>)> {
    use std::os::unix::fs::MetadataExt;
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(fingerprints(&path)),
            false => all.push((
                path.display().to_string(),
                std::fs::symlink_metadata(&path).unwrap().ino(),
                // a link into /run points nowhere below another root
                std::fs::read(&path).unwrap_or_default(),
            )),
        }
    }
    all.sort();
    all
}

#[tokio::test]
async fn tokens_that_are_none() {
    let appliance = Appliance::new();
    let portal = Portal::start(Script::default()).await;
    let token = portal.token().encode();
    appliance.refuses("", &["the activation token is empty"]).await;
    appliance.refuses("my password", &["this is not an activation token"]).await;
    appliance.refuses(&token[..token.len() - 7], &["damaged", "cut short", "copy it again"]).await;
    let mut changed = token.clone().into_bytes();
    changed[60] = if changed[60] == b'A' { b'B' } else { b'A' };
    appliance.refuses(std::str::from_utf8(&changed).unwrap(), &["damaged", "changed"]).await;
    assert!(portal.record.lock().unwrap().requests.is_empty(), "nothing is sent");
}

#[tokio::test]
async fn a_forged_token_is_told_by_the_portal() {
    let portal = Portal::start(Script::default()).await;
    let forged = ActivationToken { secret: [1; 32], ..portal.token() };
    Appliance::new().refuses(&forged.encode(), &["does not know this activation token"]).await;
}

#[tokio::test]
async fn expired_used_and_replaced_tokens_have_their_own_words() {
    for (code, words) in [
        (RefusalCode::TokenExpired, "has expired; issue a new one"),
        (RefusalCode::TokenUsed, "already activated another machine; issue a new one"),
        (RefusalCode::TokenReplaced, "a newer activation token was issued"),
        (RefusalCode::SensorDeleted, "was deleted at the portal; register it again"),
    ] {
        let portal = Portal::start(Script { refuse: Some(code), ..Script::default() }).await;
        Appliance::new().refuses(&portal.token().encode(), &[words]).await;
    }
}

#[tokio::test]
async fn a_token_used_by_another_machine_is_refused_by_key() {
    let portal = Portal::start(Script::default()).await;
    let token = portal.token().encode();
    assert!(Appliance::new().activate(&token).await.status.success());
    Appliance::new().refuses(&token, &["already activated another machine"]).await;
}

#[tokio::test]
async fn a_wrong_pin_names_who_answered_and_sends_no_secret() {
    let portal =
        Portal::start_as(Arc::new(Authority::new("Corporate Inspection CA")), Script::default()).await;
    let token = ActivationToken { ca_pin: CaPin([3; 32]), ..portal.token() };
    Appliance::new().refuses(&token.encode(), &["Corporate Inspection CA", "exempt 127.0.0.1"]).await;
    let record = portal.record.lock().unwrap();
    assert!(record.enrolments.is_empty() && record.requests.iter().all(|r| r == "GET /healthz"));
}

#[tokio::test]
async fn an_unreachable_portal_and_a_name_that_does_not_exist() {
    let portal = Portal::start(Script::default()).await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let token = ActivationToken { portal: format!("https://{closed}"), ..portal.token() };
    Appliance::new().refuses(&token.encode(), &["no connection to the portal", "allow TCP"]).await;
    let token = ActivationToken { portal: "https://no-such-portal.invalid".to_owned(), ..portal.token() };
    Appliance::new().refuses(&token.encode(), &["no-such-portal.invalid cannot be resolved", "DNS"]).await;
}

#[tokio::test]
async fn a_wrong_clock_is_told_with_both_times_and_nothing_secret_is_sent() {
    // within the certificate's dates: only the Date header shows it
    let portal = Portal::start(Script { clock_offset: 3600, ..Script::default() }).await;
    Appliance::new()
        .refuses(&portal.token().encode(), &["clock is wrong", "it says", "the portal says"])
        .await;
    assert!(portal.record.lock().unwrap().enrolments.is_empty());
    // outside of them: the certificate is not valid yet
    let (now, ahead) = (OffsetDateTime::now_utc(), time::Duration::days(3650));
    let portal = Portal::start(Script {
        valid: (now + ahead, now + ahead + time::Duration::days(1)),
        clock_offset: (ahead + time::Duration::hours(1)).whole_seconds(),
        ..Script::default()
    })
    .await;
    Appliance::new().refuses(&portal.token().encode(), &["clock is wrong", "time.servers"]).await;
    assert!(portal.record.lock().unwrap().enrolments.is_empty());
}

#[tokio::test]
async fn an_answer_lost_on_the_way_is_asked_for_again_with_the_same_key() {
    let portal = Portal::start(Script { lose_first_answer: true, ..Script::default() }).await;
    let token = portal.token().encode();
    let appliance = Appliance::new();
    appliance.refuses(&token, &[]).await;
    assert!(appliance.activate(&token).await.status.success());
    let record = portal.record.lock().unwrap();
    assert_eq!(record.enrolments.len(), 2);
    let keys: Vec<_> = record
        .enrolments
        .iter()
        .map(|e| rcgen::CertificateSigningRequestParams::from_pem(&e.csr_pem).unwrap().public_key)
        .map(|k| rcgen::PublicKeyData::der_bytes(&k).to_vec())
        .collect();
    assert_eq!(keys[0], keys[1]);
}

#[tokio::test]
async fn the_proxy_of_the_settings_is_used() {
    let portal = Portal::start(Script::default()).await;
    let proxy = ProxyDouble::start(ProxyManner::Basic("dTpw")).await; // u:p
    let appliance = Appliance::new();
    let settings = |password: &str| {
        format!(
            "version = 1\n[proxy]\nurl = \"{}\"\nusername = \"u\"\npassword = \"{password}\"\n",
            proxy.url()
        )
    };
    appliance.put(paths::LOCAL_SETTINGS, settings("s3cret"));
    appliance.refuses(&portal.token().encode(), &["refuses the user name and password"]).await;
    appliance.put(paths::LOCAL_SETTINGS, settings("p"));
    assert!(appliance.activate(&portal.token().encode()).await.status.success());
}

/// The daemon's rounds, with the real machine's adapters left out of it: no root directory has any rules or services, so
/// only what concerns activation is looked at.
mod daemon {
    use super::*;

    fn codes(report: &eyot_contract::HealthReport) -> Vec<ConditionCode> {
        report.conditions.iter().map(|c| c.code).collect()
    }

    #[tokio::test]
    async fn from_the_cd_alone_to_connected_and_again_after_a_restart() {
        let portal = Portal::start(Script::default()).await;
        let token = portal.token();
        let appliance = Appliance::new();
        let files = Seed::new(seed(&token), token.sensor).files();
        let volume = files
            .into_iter()
            .try_fold(eyot_iso::Volume::new("cidata", 0).unwrap(), |v, (name, text)| {
                v.file(name, text.into_bytes())
            })
            .unwrap();
        let disc = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(disc.path(), volume.to_bytes()).unwrap();
        let mut host = Rooted::below(appliance.root.path());
        host.disc = Some(disc.path().display().to_string());

        let report = Agent::new(&host).round().await.unwrap();
        assert_eq!(codes(&report), [ConditionCode::Connected], "{:?}", report.conditions);
        assert_eq!(portal.record.lock().unwrap().health.len(), 1);
        assert_eq!(codes(&portal.record.lock().unwrap().health[0]), [ConditionCode::Connected]);
        assert!(Identity::load(&host).unwrap().is_some());
        assert_eq!(appliance.holding(&token.encode()), Vec::<String>::new());
        let sensor = appliance.text(paths::SENSOR_CONFIG);
        assert!(sensor.contains("interfaces = [\"ens192\"]") && sensor.contains(&portal.url()), "{sensor}");
        assert!(appliance.text(paths::BANNER).contains("Connected"));

        // another process, the disc still in the drive, cloud-init having copied the token anew
        let leave_out_run = |all: Vec<(String, u64, Vec<u8>)>| {
            all.into_iter().filter(|(p, ..)| !p.contains("/run/")).collect::<Vec<_>>()
        };
        let before = leave_out_run(fingerprints(appliance.root.path()));
        let report = Agent::new(&host).round().await.unwrap();
        assert_eq!(codes(&report), [ConditionCode::Connected]);
        assert_eq!(
            leave_out_run(fingerprints(appliance.root.path())),
            before,
            "a second run changes nothing"
        );
        appliance.put("/var/lib/cloud/instance/user-data.txt", token.encode());
        Agent::new(&host).round().await.unwrap();
        assert_eq!(appliance.holding(&token.encode()), Vec::<String>::new());
        assert_eq!(portal.record.lock().unwrap().enrolments.len(), 1);
        // and without the disc: what the seed said is kept
        host.disc = None;
        assert!(appliance.text(paths::KEPT_SETTINGS).contains("eyot-test"));
        assert_eq!(codes(&Agent::new(&host).round().await.unwrap()), [ConditionCode::Connected]);
    }

    #[tokio::test]
    async fn from_a_key_value_pair_to_connected_and_the_pair_is_erased() {
        let portal = Portal::start(Script::default()).await;
        let token = portal.token().encode();
        let appliance = Appliance::new();
        let pool =
            format!("{:\0<512}{token:\0<2048}{:\0<512}{:\0<2048}", "activation_token", "host_name", "pair");
        appliance.put(paths::KVP_POOL, &pool);
        let host = Rooted::below(appliance.root.path());
        for again in [false, true] {
            // the host hands everything over again when the machine starts
            appliance.put(paths::KVP_POOL, &pool);
            let report = Agent::new(&host).round().await.unwrap();
            assert_eq!(codes(&report), [ConditionCode::Connected], "{again}: {:?}", report.conditions);
            assert_eq!(appliance.holding(&token), Vec::<String>::new(), "{again}");
            assert_eq!(appliance.text(paths::KVP_POOL), pool.replace(&token, &"\0".repeat(token.len())));
        }
        assert!(appliance.text(paths::FORGOTTEN).contains(paths::KVP_POOL));
        assert!(appliance.text(paths::KEPT_SETTINGS).contains("pair"));
        assert_eq!(portal.record.lock().unwrap().enrolments.len(), 1);
    }

    #[tokio::test]
    async fn from_the_platforms_disc_to_connected() {
        let portal = Portal::start(Script::default()).await;
        let token = portal.token().encode();
        let appliance = Appliance::new();
        let document = format!(
            "<Environment xmlns=\"http://schemas.dmtf.org/ovf/environment/1\" \
             xmlns:oe=\"http://schemas.dmtf.org/ovf/environment/1\"><PropertySection>\
             <Property oe:key=\"activation_token\" oe:value=\"{token}\"/></PropertySection></Environment>"
        );
        let volume = eyot_iso::Volume::new("OVF ENV", 0).unwrap();
        let volume = volume.file("ovf-env.xml", document.into_bytes()).unwrap();
        let disc = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(disc.path(), volume.to_bytes()).unwrap();
        let mut host = Rooted::below(appliance.root.path());
        host.disc = Some(disc.path().display().to_string());
        let report = Agent::new(&host).round().await.unwrap();
        assert_eq!(codes(&report), [ConditionCode::Connected], "{:?}", report.conditions);
        assert_eq!(appliance.holding(&token), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_power_cut_at_any_step_leads_to_the_same_end() {
        let mut step = 0;
        loop {
            let portal = Portal::start(Script::default()).await;
            let token = portal.token();
            let appliance = Appliance::new();
            let settings = seed(&token).to_toml();
            appliance.put(paths::SEED_SETTINGS, &settings);
            appliance.put("/var/lib/cloud/instances/i/user-data.txt", own_user_data(&settings));
            appliance.put(
                paths::LOCAL_SETTINGS,
                format!("version = 1\n[activation]\ntoken = \"{}\"\n", token.encode()),
            );
            let mut host = Rooted::below(appliance.root.path());
            host.fail_at = Some(step);
            let cut = Agent::new(&host).round().await;
            host.fail_at = None;
            let report = Agent::new(&host).round().await.unwrap();
            assert_eq!(codes(&report), [ConditionCode::Connected], "step {step}: {:?}", report.conditions);
            assert_eq!(appliance.holding(&token.encode()), Vec::<String>::new(), "step {step}");
            assert!(appliance.text(paths::KEPT_SETTINGS).contains("eyot-test"), "step {step}");
            if cut.is_ok_and(|r| codes(&r) == [ConditionCode::Connected]) {
                break;
            }
            step += 1;
        }
        assert!(step > 15, "only {step} steps were tried");
    }

    #[tokio::test]
    async fn a_portal_that_comes_back_is_found_without_a_restart() {
        let portal = Portal::start(Script::default()).await;
        let appliance = Appliance::new();
        let host = Rooted::below(appliance.root.path());
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let write = |token: &ActivationToken| appliance.put(paths::SEED_SETTINGS, seed(token).to_toml());
        write(&ActivationToken { portal: format!("https://{closed}"), ..portal.token() });
        let mut agent = Agent::new(&host);
        let report = agent.round().await.unwrap();
        assert_eq!(codes(&report), [ConditionCode::EndpointUnreachable], "{:?}", report.conditions);
        // a new token is tried at once, whatever the wait of the old one
        write(&portal.token());
        assert_eq!(codes(&agent.round().await.unwrap()), [ConditionCode::Connected]);
    }

    #[tokio::test]
    async fn a_refused_token_is_not_tried_again_and_a_damaged_one_not_at_all() {
        let portal =
            Portal::start(Script { refuse: Some(RefusalCode::TokenExpired), ..Script::default() }).await;
        let appliance = Appliance::new();
        let host = Rooted::below(appliance.root.path());
        appliance.put(paths::SEED_SETTINGS, seed(&portal.token()).to_toml());
        let mut agent = Agent::new(&host);
        for _ in 0..3 {
            let report = agent.round().await.unwrap();
            assert_eq!(codes(&report), [ConditionCode::ActivationRefused]);
            assert!(report.conditions[0].detail.contains("has expired"), "{:?}", report.conditions);
        }
        assert_eq!(portal.record.lock().unwrap().enrolments.len(), 1);
        let text = seed(&portal.token()).to_toml().replace("eyot1_", "eyot1_A");
        appliance.put(paths::SEED_SETTINGS, text);
        let report = agent.round().await.unwrap();
        assert_eq!(codes(&report), [ConditionCode::ActivationRefused]);
        assert!(report.conditions[0].detail.contains("damaged"), "{:?}", report.conditions);
    }

    #[tokio::test]
    async fn settings_that_cannot_be_used_stop_everything_but_the_report() {
        let appliance = Appliance::new();
        let host = Rooted::below(appliance.root.path());
        appliance.put(paths::LOCAL_SETTINGS, "version = 1\n[host]\nnom = \"x\"\n");
        let report = Agent::new(&host).round().await.unwrap();
        assert_eq!(codes(&report), [ConditionCode::SettingsInvalid]);
        assert!(report.conditions[0].detail.contains("unknown setting \"host.nom\""));
        assert!(!appliance.path(paths::FIREWALL).exists());
    }
}
