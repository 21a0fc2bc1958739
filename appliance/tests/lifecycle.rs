//! An activated appliance as the years go by: its certificate is renewed, it is deleted at the portal, moved to another
//! one, its disk is copied. In each case the machine says what is the matter, and what the sensor has learnt stays.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../../contract/client/tests/double/mod.rs"]
mod double;
mod rooted;

use double::{Portal, Script};
use eyot_appliance::activate::Identity;
use eyot_appliance::agent::Agent;
use eyot_appliance::paths;
use eyot_contract::settings::Layer;
use eyot_contract::{ActivationToken, ConditionCode, HealthReport};
use rooted::Rooted;

const LEARNT: &str = "/var/lib/eyot-sensor/inventory.db";

struct Appliance {
    root: tempfile::TempDir,
}

impl Appliance {
    fn new() -> Self {
        let appliance = Self { root: tempfile::tempdir_in("/dev/shm").unwrap() };
        appliance.put(paths::MACHINE_ID, "0123456789abcdef0123456789abcdef\n");
        appliance.put(LEARNT, "what the sensor has learnt");
        appliance
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    fn put(&self, path: &str, content: &str) {
        std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        std::fs::write(self.path(path), content).unwrap();
    }

    fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.path(path)).ok()
    }

    fn give(&self, token: &ActivationToken) {
        let mut layer = Layer::new("operator");
        layer.set("activation.token", token.encode()).unwrap();
        layer.set("host.name", "eyot-test").unwrap();
        self.put(paths::LOCAL_SETTINGS, &layer.to_toml());
    }

    fn host(&self) -> Rooted {
        Rooted::below(self.root.path())
    }

    fn identity(&self) -> Identity {
        Identity::load(&self.host()).unwrap().unwrap()
    }
}

fn detail(report: &HealthReport, code: ConditionCode) -> &str {
    let found = report.conditions.iter().find(|c| c.code == code);
    &found.unwrap_or_else(|| panic!("{code:?} is not among {:?}", report.conditions)).detail
}

fn key_of(appliance: &Appliance) -> String {
    appliance.text("/var/lib/eyot/identity/key.pem").unwrap()
}

#[tokio::test]
async fn a_certificate_is_renewed_when_two_thirds_of_its_life_are_over() {
    let young = Portal::start(Script { certificate_life: (-60, 60), ..Script::default() }).await;
    let appliance = Appliance::new();
    appliance.give(&young.token());
    let host = appliance.host();
    Agent::new(&host).round().await.unwrap();
    assert!(young.record.lock().unwrap().renewals.is_empty(), "half of its life is to come");

    let old = Portal::start(Script { certificate_life: (-100, 40), ..Script::default() }).await;
    let appliance = Appliance::new();
    appliance.give(&old.token());
    let host = appliance.host();
    let mut agent = Agent::new(&host);
    let report = agent.round().await.unwrap();
    detail(&report, ConditionCode::Connected);
    assert_eq!(old.record.lock().unwrap().renewals.len(), 1);
    let (key, mark) = (key_of(&appliance), appliance.identity().certificate_mark());
    assert!(
        appliance.text(paths::SENSOR_CONFIG).unwrap().contains(&mark),
        "the sensor starts with the new one"
    );
    assert!(!appliance.identity().is_due_for_renewal(eyot_contract::Timestamp::now()));
    agent.round().await.unwrap();
    assert_eq!(old.record.lock().unwrap().renewals.len(), 1, "once");
    assert_eq!(key_of(&appliance), key);
    assert_eq!(old.record.lock().unwrap().enrolments.len(), 1);
}

#[tokio::test]
async fn a_renewal_whose_answer_is_lost_is_asked_for_again_with_the_same_key() {
    let portal =
        Portal::start(Script { certificate_life: (-100, 40), lose_first_answer: true, ..Script::default() })
            .await;
    let appliance = Appliance::new();
    appliance.give(&portal.token());
    let host = appliance.host();
    // the first enrolment's answer is lost too
    Agent::new(&host).round().await.unwrap();
    Agent::new(&host).round().await.unwrap();
    let before = key_of(&appliance);
    let report = Agent::new(&host).round().await.unwrap();
    detail(&report, ConditionCode::Connected);
    let renewals = portal.record.lock().unwrap().renewals.clone();
    let public = |csr: &str| {
        use rcgen::PublicKeyData;
        rcgen::CertificateSigningRequestParams::from_pem(csr).unwrap().public_key.der_bytes().to_vec()
    };
    assert_eq!(renewals.len(), 2);
    assert_eq!(public(&renewals[0].csr_pem), public(&renewals[1].csr_pem));
    assert_ne!(key_of(&appliance), before, "a new key");
}

#[tokio::test]
async fn deleted_at_the_portal_is_a_state_and_not_a_loop() {
    let portal = Portal::start(Script::default()).await;
    let appliance = Appliance::new();
    appliance.give(&portal.token());
    let host = appliance.host();
    let mut agent = Agent::new(&host);
    detail(&agent.round().await.unwrap(), ConditionCode::Connected);
    portal.record.lock().unwrap().deleted = true;
    let mut agent = Agent::new(&host);
    for _ in 0..3 {
        let report = agent.round().await.unwrap();
        detail(&report, ConditionCode::SensorDeleted);
    }
    let asked = portal.record.lock().unwrap().requests.iter().filter(|r| r.contains("sensor/health")).count();
    assert_eq!(asked, 2, "one report before, one after, and then rarely");
    assert!(appliance.text(paths::SENSOR_CONFIG).is_some(), "it goes on recording");
    assert!(host.ran.lock().unwrap().iter().all(|l| !l.contains("stop")));
}

#[tokio::test]
async fn another_token_moves_the_appliance_to_another_portal_and_nothing_is_lost() {
    let (old, new) = (Portal::start(Script::default()).await, Portal::start(Script::default()).await);
    let appliance = Appliance::new();
    appliance.give(&old.token());
    let host = appliance.host();
    let mut agent = Agent::new(&host);
    agent.round().await.unwrap();
    assert_eq!(appliance.identity().enrolment.portal, old.url());

    // the platform hands the old one over again at each start
    appliance.give(&old.token());
    Agent::new(&host).round().await.unwrap();
    assert_eq!(old.record.lock().unwrap().enrolments.len(), 1);

    // a token that does not work yet changes nothing and stays
    let nobody = ActivationToken { portal: "https://127.0.0.1:1".to_owned(), ..new.token() };
    appliance.give(&nobody);
    let report = Agent::new(&host).round().await.unwrap();
    assert_eq!(appliance.identity().enrolment.portal, old.url());
    detail(&report, ConditionCode::Connected);
    assert!(appliance.text(paths::LOCAL_SETTINGS).unwrap().contains(&nobody.encode()));

    appliance.give(&new.token());
    let report = agent.round().await.unwrap();
    detail(&report, ConditionCode::Connected);
    assert_eq!(appliance.identity().enrolment.portal, new.url());
    assert_eq!(new.record.lock().unwrap().health.len(), 1);
    assert!(appliance.text(paths::SENSOR_CONFIG).unwrap().contains(&new.url()));
    assert!(!appliance.text(paths::LOCAL_SETTINGS).unwrap().contains("eyot1_"));
    assert!(appliance.text(paths::LOCAL_SETTINGS).unwrap().contains("eyot-test"));
    assert_eq!(appliance.text(LEARNT).unwrap(), "what the sensor has learnt");
}

#[tokio::test]
async fn a_copied_disk_asks_for_a_token_of_its_own() {
    let portal = Portal::start(Script::default()).await;
    let appliance = Appliance::new();
    appliance.give(&portal.token());
    let host = appliance.host();
    Agent::new(&host).round().await.unwrap();
    assert!(appliance.text(paths::SENSOR_CONFIG).is_some());

    appliance.put(paths::MACHINE_ID, "fedcba9876543210fedcba9876543210\n");
    let mut agent = Agent::new(&host);
    let report = agent.round().await.unwrap();
    let said = detail(&report, ConditionCode::PendingActivation);
    assert!(said.contains("activated on another machine (the machine-id is another one)"), "{said}");
    assert!(host.ran.lock().unwrap().iter().any(|l| l == "systemctl stop eyot-sensor.service"));
    assert!(appliance.text(paths::SENSOR_CONFIG).is_none(), "it does not start again by itself");
    assert_eq!(portal.record.lock().unwrap().health.len(), 1, "nothing is said in the other one's name");
    assert_eq!(appliance.text(LEARNT).unwrap(), "what the sensor has learnt");

    let other = Portal::start(Script::default()).await;
    appliance.give(&other.token());
    let report = agent.round().await.unwrap();
    detail(&report, ConditionCode::Connected);
    assert_eq!(appliance.identity().enrolment.portal, other.url());
    detail(&Agent::new(&host).round().await.unwrap(), ConditionCode::Connected);
}
