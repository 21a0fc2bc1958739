//! `validate`, one situation per row: which step fails, with which remedy, and what the exit code is.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../../contract/client/tests/double/mod.rs"]
mod double;
mod rooted;

use std::sync::Arc;

use double::{Authority, Portal, ProxyDouble, ProxyManner, Script};
use eyot_appliance::agent::Agent;
use eyot_appliance::health::validate::{exit_code, validate, Check, Outcome};
use eyot_appliance::host::{Access, Host};
use eyot_appliance::paths;
use eyot_appliance::settings::gather;
use eyot_contract::settings::Layer;
use eyot_contract::{ActivationToken, CaPin};
use rooted::Rooted;

struct Bench {
    _root: tempfile::TempDir,
    host: Rooted,
}

impl Bench {
    fn new(token: Option<&ActivationToken>, more: &[(&str, &str)]) -> Self {
        // in memory: activation discards the free blocks of whatever disk it finds itself on
        let root = tempfile::tempdir_in("/dev/shm").unwrap();
        let host = Rooted::below(root.path());
        let mut layer = Layer::new("test");
        if let Some(token) = token {
            layer.set("activation.token", token.encode()).unwrap();
        }
        for (key, value) in more {
            layer.set(key, *value).unwrap();
        }
        host.write(paths::SEED_SETTINGS, layer.to_toml().as_bytes(), Access::Root).unwrap();
        Self { _root: root, host }
    }

    async fn checks(&self) -> Vec<Check> {
        validate(&self.host, &gather(&self.host)).await
    }

    /// The step that fails first, and everything it says.
    async fn first_failure(&self) -> (&'static str, String) {
        let checks = self.checks().await;
        assert_eq!(exit_code(&checks), 2, "{checks:#?}");
        let failed = checks.iter().find(|c| c.outcome == Outcome::Failed).unwrap();
        assert!(!failed.remedy.is_empty());
        (failed.name, format!("{} > {}", failed.detail, failed.remedy))
    }
}

#[tokio::test]
async fn an_activated_appliance_passes_every_step() {
    let portal = Portal::start(Script::default()).await;
    let bench = Bench::new(Some(&portal.token()), &[]);
    Agent::new(&bench.host).round().await.unwrap();
    let checks = bench.checks().await;
    assert!(checks.iter().all(|c| c.outcome == Outcome::Passed), "{checks:#?}");
    let names: Vec<_> = checks.iter().map(|c| c.name).collect();
    assert_eq!(
        names,
        [
            "settings",
            "management",
            "name",
            "proxy",
            "connection",
            "certificate",
            "clock",
            "time servers",
            "firewall",
            "monitoring",
            "sensor",
            "portal"
        ]
    );
    assert_eq!(exit_code(&checks), 0);
}

#[tokio::test]
async fn before_activation_what_cannot_be_tried_says_so() {
    let bench = Bench::new(None, &[]);
    Agent::new(&bench.host).round().await.unwrap();
    let checks = bench.checks().await;
    let not_tried = checks.iter().filter(|c| c.outcome == Outcome::NotTried).count();
    assert_eq!((not_tried, exit_code(&checks)), (7, 1), "{checks:#?}");
}

#[tokio::test]
async fn each_obstacle_is_named_by_its_step() {
    let portal = Portal::start(Script::default()).await;
    let token = portal.token();
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let at = |address: &str| ActivationToken { portal: address.to_owned(), ..token.clone() };
    let inspected = Portal::start_as(Arc::new(Authority::new("Inspection CA")), Script::default()).await;
    let late = Portal::start(Script { clock_offset: -7200, ..Script::default() }).await;
    let strict = ProxyDouble::start(ProxyManner::Basic("dTpw")).await;
    let shut = ProxyDouble::start(ProxyManner::Refuse(403)).await;
    let (strict, shut) = (strict.url(), shut.url());
    let rows = [
        ("name", at("https://no-such-portal.invalid"), vec![], "no-such-portal.invalid cannot be resolved"),
        ("connection", at(&format!("https://{closed}")), vec![], "no connection to the portal"),
        (
            "certificate",
            ActivationToken { portal: inspected.url(), ca_pin: CaPin([1; 32]), ..token.clone() },
            vec![],
            "Inspection CA",
        ),
        ("clock", late.token(), vec![], "clock is wrong"),
        ("proxy", token.clone(), vec![("proxy.url", "http://127.0.0.1:1")], "cannot be reached"),
        ("proxy", token.clone(), vec![("proxy.url", strict.as_str())], "asks for a user name and password"),
        ("proxy", token.clone(), vec![("proxy.url", shut.as_str())], "status 403"),
        (
            "settings",
            token.clone(),
            vec![("management.mode", "bootp")],
            "\"bootp\" is not one of dhcp, static",
        ),
    ];
    for (step, token, settings, words) in rows {
        let (failed, said) = Bench::new(Some(&token), &settings).first_failure().await;
        assert_eq!(failed, step, "{said}");
        assert!(said.contains(words), "{said}");
        assert!(!said.contains(&token.encode()));
    }
}

#[tokio::test]
async fn needless_proxy_credentials_are_a_warning() {
    let portal = Portal::start(Script::default()).await;
    let proxy = ProxyDouble::start(ProxyManner::Open).await;
    let settings = [
        ("proxy.url", proxy.url()),
        ("proxy.username", "u".to_owned()),
        ("proxy.password", "s3cret".to_owned()),
    ];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let bench = Bench::new(Some(&portal.token()), &settings);
    Agent::new(&bench.host).round().await.unwrap();
    let checks = bench.checks().await;
    let proxy = checks.iter().find(|c| c.name == "proxy").unwrap();
    assert_eq!(proxy.outcome, Outcome::Warning);
    assert!(proxy.remedy.contains("remove proxy.username"));
    assert_eq!(exit_code(&checks), 1);
    assert!(!format!("{checks:?}").contains("s3cret"));
    // the sensor reads the password from a file of its own, not from its configuration
    let read = |path| String::from_utf8(bench.host.read(path).unwrap().unwrap()).unwrap();
    assert!(!read(paths::SENSOR_CONFIG).contains("s3cret"));
    assert_eq!(read(paths::SENSOR_PROXY_PASSWORD), "s3cret\n");
}

#[tokio::test]
async fn a_management_adapter_without_an_address_is_named() {
    let mut bench = Bench::new(None, &[]);
    bench.host.address = "";
    let (failed, said) = bench.first_failure().await;
    assert_eq!(failed, "management");
    assert!(said.contains("ens160 has a link but no address > check the DHCP server"), "{said}");
}
