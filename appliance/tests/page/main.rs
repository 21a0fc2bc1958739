//! The local page with a real TLS client: from the code on the console to connected, and everything that it refuses.
//!
//! The last test runs the real program on port 443 of a network namespace: needs root, `unshare`, `ip`, `nft` and `curl`.

#![allow(clippy::unwrap_used, missing_docs)]

mod browser;
#[path = "../../../contract/client/tests/double/mod.rs"]
mod double;
#[path = "../rooted/mod.rs"]
mod rooted;

use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;

use browser::Browser;
use double::{Portal, Script};
use eyot_appliance::agent::Agent;
use eyot_appliance::page::{Page, MAX_BODY, WRONG_CODES};
use eyot_appliance::paths;
use eyot_contract::settings::{Layer, DEFINITIONS};
use eyot_contract::{ActivationToken, ConditionCode};
use rooted::Rooted;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

/// An appliance with its page open on loopback.
struct Appliance {
    root: tempfile::TempDir,
    host: Arc<Rooted>,
    page: Rc<Page>,
    browser: Browser,
}

impl Appliance {
    async fn new() -> Self {
        Self::on(tempfile::tempdir_in("/dev/shm").unwrap()).await
    }

    async fn on(root: tempfile::TempDir) -> Self {
        let mut host = Rooted::below(root.path());
        host.owns_network = true;
        let host = Arc::new(host);
        let page = Rc::new(Page::new(Arc::clone(&host) as _, Arc::default(), Arc::default()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap();
        tokio::task::spawn_local(Rc::clone(&page).serve(listener));
        let browser = Browser::new(place, page.fingerprint());
        Self { root, host, page, browser }
    }

    /// Somebody who has read the code; what each form must carry.
    async fn inside(&mut self) -> String {
        let code = self.page.code().unwrap();
        assert_eq!(self.browser.enter(&code).await, 303);
        self.browser.get("/settings").await.csrf()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    fn stored(&self) -> Option<Layer> {
        let text = std::fs::read_to_string(self.path(paths::PAGE_SETTINGS)).ok()?;
        Some(Layer::from_toml(paths::PAGE_SETTINGS, &text).expect("half stored"))
    }
}

async fn locally<T>(work: impl Future<Output = T>) -> T {
    LocalSet::new().run_until(work).await
}

/// A token for nobody: its portal is a port on which nothing listens.
fn dead_end() -> String {
    ActivationToken {
        sensor: double::SENSOR,
        secret: double::SECRET,
        ca_pin: eyot_contract::CaPin([7; 32]),
        expires: eyot_contract::Timestamp::from_seconds(4_000_000_000),
        portal: "https://127.0.0.1:9".to_owned(),
    }
    .encode()
}

fn holding(dir: &Path, secret: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, secret));
        } else if std::fs::read(&path).is_ok_and(|c| String::from_utf8_lossy(&c).contains(secret)) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn from_the_code_on_the_console_to_connected_and_then_only_the_status() {
    locally(async {
        let portal = Portal::start(Script::default()).await;
        let token = portal.token().encode();
        let mut it = Appliance::new().await;
        let first = it.browser.get("/").await;
        assert_eq!(first.status, 200);
        assert!(first.body.contains("Set-up code") && !first.body.contains("csrf"));
        assert_eq!(it.browser.get("/settings").await.header("location"), Some("/"));

        let csrf = it.inside().await;
        let form = it.browser.get("/settings").await;
        for definition in DEFINITIONS {
            assert!(
                form.body.contains(&format!("name=\"{}\"", definition.property_key())),
                "{}",
                definition.key
            );
            assert!(form.body.contains(definition.label), "{}", definition.key);
        }
        let command = format!("curl -fsSk https://portal/install | sudo sh -s -- --token '{token}'");
        let fields = [
            ("csrf", csrf.as_str()),
            ("activation_token", command.as_str()),
            ("host_name", "eyot-test"),
            ("time_servers", ""),
            ("management_mode", "dhcp"),
        ];
        let stored = it.browser.post("/settings", &fields).await;
        assert_eq!((stored.status, stored.header("location")), (200, None), "{}", stored.body);
        assert!(
            stored.body.contains("put back as it was"),
            "the host name is the network's: {}",
            stored.body
        );
        let mode = std::fs::metadata(it.path(paths::PAGE_SETTINGS)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(it.stored().unwrap().values.len(), 2, "what holds anyway is not stored");
        assert!(it.browser.get("/").await.body.contains("critical"), "nobody has reported yet");

        let host = Arc::clone(&it.host);
        let report = Agent::new(&*host).round().await.unwrap();
        assert!(
            report.conditions.iter().any(|c| c.code == ConditionCode::Connected),
            "{:?}",
            report.conditions
        );
        assert_eq!(holding(it.root.path(), &token), Vec::<String>::new());
        assert_eq!(it.stored().unwrap().values["host.name"], "eyot-test");

        // no code and no form any more: a page to read
        assert_eq!(it.page.code(), None);
        let status = it.browser.get("/").await;
        for condition in &report.conditions {
            let escaped = |t: &str| {
                t.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
            };
            assert!(status.body.contains(&escaped(condition.code.title())), "{}", status.body);
            assert!(status.body.contains(&escaped(&condition.detail)), "{}", status.body);
        }
        assert!(!status.body.contains("<form") && !status.body.contains("eyot1_"), "{}", status.body);
        assert_eq!(it.browser.get("/settings").await.header("location"), Some("/"));
        assert_eq!(it.browser.post("/settings", &fields).await.status, 403);
        assert_eq!(it.browser.enter("AAAAAAAA").await, 403);
    })
    .await;
}

#[tokio::test]
async fn what_does_not_work_is_told_in_words_of_health_and_not_stored_unless_asked() {
    locally(async {
        let mut it = Appliance::new().await;
        let csrf = it.inside().await;
        let token = dead_end();
        let fields = [
            ("csrf", csrf.as_str()),
            ("activation_token", token.as_str()),
            ("proxy_url", "http://127.0.0.1:9"),
            ("proxy_username", "u<script>"),
            ("proxy_password", "s3cret"),
        ];
        let tried = it.browser.post("/settings", &fields).await;
        assert_eq!(tried.status, 422);
        let phrase = ConditionCode::ProxyUnreachable;
        assert!(
            tried.body.contains(phrase.title()) && tried.body.contains(phrase.remedy()),
            "{}",
            tried.body
        );
        assert!(
            !tried.body.contains("s3cret") && !tried.body.contains(&token) && !tried.body.contains("<script")
        );
        assert_eq!(it.stored(), None);

        // the secrets were given already; what is wrong with one setting is said before anything is tried
        let again = [("csrf", csrf.as_str()), ("proxy_url", "ftp://p"), ("anyway", "on")];
        let wrong = it.browser.post("/settings", &again).await;
        assert_eq!(wrong.status, 422);
        assert!(
            wrong.body.contains("proxy.url: &quot;ftp://p&quot; is not http://host:port"),
            "{}",
            wrong.body
        );
        assert_eq!(it.stored(), None);
        let damaged = [
            ("csrf", csrf.as_str()),
            ("activation_token", &token[..60]),
            ("proxy_url", "http://127.0.0.1:9"),
        ];
        assert!(it
            .browser
            .post("/settings", &damaged)
            .await
            .body
            .contains("the activation token is damaged"));

        let only_try = [&fields[..], &[("check", "on"), ("anyway", "on")]].concat();
        assert_eq!(it.browser.post("/settings", &only_try).await.status, 422);
        assert_eq!(it.stored(), None);
        let anyway = [("csrf", csrf.as_str()), ("activation_token", ""), ("anyway", "on")];
        let stored = it.browser.post("/settings", &anyway).await;
        assert_eq!((stored.status, stored.header("location")), (303, Some("/")), "{}", stored.body);
        let stored = it.stored().unwrap();
        assert_eq!(
            (&*stored.values["activation.token"], &*stored.values["proxy.password"]),
            (&*token, "s3cret")
        );
    })
    .await;
}

#[tokio::test]
async fn strangers_forms_bodies_and_paths_are_refused_and_nothing_is_stored() {
    locally(async {
        let mut it = Appliance::new().await;
        let csrf = it.inside().await;
        let browser = &it.browser;
        let good = browser::encoded(&[("csrf", &csrf), ("time_servers", "ntp.example"), ("anyway", "on")]);
        for (what, headers, body, status) in [
            ("another site's form", "Origin: https://evil.example\r\n", good.as_str(), 403),
            ("a form out of nowhere", "Origin: null\r\n", &good, 403),
            ("a form that the browser tells from ours", "Sec-Fetch-Site: cross-site\r\n", &good, 403),
            ("no secret of the session's", "", "time_servers=ntp.example&anyway=on", 403),
            ("another secret", "", "csrf=x&time_servers=ntp.example&anyway=on", 403),
            ("JSON", "Content-Type: application/json\r\n", "{}", 415),
            ("a broken escape", "", &format!("{good}&host_name=%4"), 400),
            ("an unknown field", "", &format!("{good}&host_nom=x"), 400),
            ("a longer body than any form's", "", &format!("{good}&portal_ca={}", "A".repeat(MAX_BODY)), 413),
        ] {
            assert_eq!(browser.post_with("/settings", headers, body).await.status, status, "{what}");
        }
        for path in [
            "/../../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/style.css/../settings",
            "//etc/passwd",
            "/settings/",
        ] {
            let answer = browser.get(path).await;
            assert_eq!(answer.status, 404, "{path}");
            assert!(!answer.body.contains("root:"), "{path}");
        }
        let named = |name: &str| format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n");
        assert_eq!(browser.raw(named("evil.example").as_bytes()).await.status, 421);
        assert_eq!(browser.raw(named("eyot-test.example").as_bytes()).await.status, 200, "our own name");
        assert_eq!(browser.raw(b"PUT / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await.status, 405);
        let endless = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: {}\r\n\r\n", "a".repeat(1 << 17));
        assert_ne!(browser.raw(endless.as_bytes()).await.status, 200);
        assert_eq!(it.stored(), None);

        let style = browser.get("/style.css").await;
        for answer in [&browser.get("/").await, &style, &browser.get("/nothing").await] {
            let policy = answer.header("content-security-policy").unwrap();
            assert!(
                policy.starts_with("default-src 'none'; style-src 'self'; form-action 'self'"),
                "{policy}"
            );
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert!(
                !answer.body.contains("<script")
                    && !answer.body.contains("http://")
                    && !answer.body.contains("style=")
            );
        }
        assert_eq!(style.header("content-type"), Some("text/css"));
        // the good one, so that the refusals above are for their own reasons
        assert_eq!(browser.post_with("/settings", "", &good).await.status, 303);
        assert_eq!(it.stored().unwrap().values["time.servers"], "ntp.example");
    })
    .await;
}

#[tokio::test]
async fn wrong_codes_lock_the_page_and_a_code_opens_once() {
    locally(async {
        let mut it = Appliance::new().await;
        let code = it.page.code().unwrap();
        assert_eq!(it.browser.enter(&code).await, 303);
        assert_eq!(it.browser.enter(&code).await, 403, "used");
        assert_eq!(it.browser.get("/settings").await.status, 200, "the session goes on");
        for n in 2..=WRONG_CODES {
            let expected = if n < WRONG_CODES { 403 } else { 429 };
            assert_eq!(it.browser.enter("AAAA-AAAA").await, expected, "{n}");
        }
        let code = it.page.code().unwrap();
        let mut other = Browser::new(it.browser.place(), it.page.fingerprint());
        assert_eq!(other.enter(&code).await, 429, "the right one neither, and nobody else's");
        assert!(other.cookie.is_none());
        assert_eq!(it.browser.get("/settings").await.status, 200, "who is inside stays inside");
    })
    .await;
}

#[tokio::test]
async fn a_power_cut_at_any_step_leaves_all_of_it_or_none() {
    locally(async {
        let mut stored = 0;
        for step in 0..20 {
            let root = tempfile::tempdir_in("/dev/shm").unwrap();
            // its certificate is there before anything fails
            let mut it = Appliance::on(root).await;
            let Appliance { root, .. } = it;
            let mut host = Rooted::below(root.path());
            (host.owns_network, host.fail_at) = (true, Some(step));
            let page = Rc::new(Page::new(Arc::new(host), Arc::default(), Arc::default()).unwrap());
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let place = listener.local_addr().unwrap();
            tokio::task::spawn_local(Rc::clone(&page).serve(listener));
            it = Appliance {
                root,
                host: Arc::new(Rooted::below(Path::new("/nowhere"))),
                browser: Browser::new(place, page.fingerprint()),
                page,
            };
            let csrf = it.inside().await;
            let token = dead_end();
            let fields = [
                ("csrf", csrf.as_str()),
                ("activation_token", &token),
                ("management_mode", "static"),
                ("management_address", "192.0.2.20/24"),
                ("anyway", "on"),
            ];
            let answer = it.browser.post("/settings", &fields).await;
            match it.stored() {
                None => assert_eq!(answer.status, 500, "step {step}"),
                Some(layer) => {
                    stored += 1;
                    assert_eq!((answer.status, layer.values.len()), (200, 3), "step {step}");
                    assert!(answer.body.contains("https://192.0.2.20/"), "{}", answer.body);
                }
            }
        }
        assert!((1..20).contains(&stored), "{stored}");
    })
    .await;
}

/// The page on 443 of an appliance in a namespace, with curl as the browser.
#[test]
fn the_program_takes_port_443_when_it_is_free_and_a_kill_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .args(["--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"])
        .arg(include_str!("on-443.sh"))
        .env("EYOT", env!("CARGO_BIN_EXE_eyot-appliance"))
        .env("ROOT", root.path())
        .output()
        .expect("unshare is needed");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let log = std::fs::read_to_string(root.path().join("log")).unwrap_or_default();
    assert!(output.status.success(), "{out}{err}{log}");
    let code = out.lines().find_map(|l| l.strip_prefix("code ")).unwrap();
    assert!(!log.contains(code) && !log.contains("s3cret"), "{log}");
}
