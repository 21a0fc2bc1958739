//! Tokens and certificates: what is accepted, what is refused and with which word.

use std::sync::Arc;

use eyot_contract::{
    path, CaPin, ConditionCode, EnrolmentResponse, RefusalCode, RenewalRequest, RenewalResponse, Timestamp,
};
use eyot_portal::{registration, Actor};
use hyper::Method;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use ring::digest::{digest, SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::PrivateKeyDer;
use uuid::Uuid;

use crate::support::{by, device, enrolment, key_and_request, Client, House, Sensor};

#[tokio::test]
async fn from_registration_to_the_inventory() {
    let house = House::open().await;
    let program = house.program("contributor").await;
    let asked =
        serde_json::json!({"name": "lobby", "subscription": "main", "settings": {"host.name": "eyot-lobby"}});
    let registered = program.post_json("/api/v1/sensors", &asked).await;
    assert_eq!(registered.status, 201, "{}", registered.text());
    let registered = registered.json();
    assert_eq!(registered["message"], "Sensor registration successful");
    let token = registered["token"].as_str().unwrap();
    assert_eq!(
        registered["command"].as_str().unwrap(),
        format!("sudo eyot-appliance activate --token-file - <<< '{token}'")
    );

    // the seed volume carries the token and the settings
    use base64::Engine;
    let volume =
        base64::engine::general_purpose::STANDARD.decode(registered["seed_iso"].as_str().unwrap()).unwrap();
    let mut volume = eyot_iso::read(std::io::Cursor::new(volume)).unwrap();
    assert_eq!(volume.label(), "cidata");
    let seed = String::from_utf8(volume.get("eyot.toml").unwrap()).unwrap();
    assert!(seed.contains(token) && seed.contains("eyot-lobby"), "{seed}");

    let list = || async { program.get("/api/v1/sensors").await.json()["sensors"][0].clone() };
    assert_eq!(list().await["health"]["code"], "pending_activation");
    assert_eq!(list().await["connected"], false);

    let sensor = Sensor::activate(&house.anybody(), house.folder.path(), token).await;
    assert_eq!(list().await["health"]["code"], "activating");
    assert_eq!(sensor.say(&[ConditionCode::Connected]).await.status, 204);
    sensor.report_well(1, vec![device(1, "cam-1"), device(2, "cam-2")]).await;

    let listed = list().await;
    assert_eq!(listed["id"], sensor.id.to_string());
    assert_eq!(listed["name"], "lobby");
    assert_eq!(listed["site"], "Enterprise network");
    assert_eq!(listed["sensor_type"], "Enterprise IoT");
    assert_eq!(listed["connected"], true);
    assert_eq!(listed["health"]["title"], "Connected");
    assert_eq!(listed["devices"], 2);
    let devices = program.get("/api/v1/devices?sort=name").await.json();
    assert_eq!(devices["total"], 2);
    assert_eq!(devices["devices"][0]["hostname"], "cam-1");
    assert_eq!(devices["devices"][0]["type"], "camera");
    assert_eq!(devices["devices"][0]["sensor"], "lobby");
    let one = format!("/api/v1/devices/{}", devices["devices"][0]["id"].as_str().unwrap());
    assert_eq!(program.get(&one).await.json()["evidence"][0]["rule"], "axis-mdns");
}

#[tokio::test]
async fn the_token_pins_the_ca_that_the_server_shows() {
    let house = House::open().await;
    let issued = house.register("one").await;
    let token: eyot_contract::ActivationToken = issued.token.parse().unwrap();
    let answer = house.anybody().get(path::ALIVE).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.header("date").is_empty());
    assert_eq!(answer.chain.len(), 2, "leaf and CA");
    let mut pin = [0; 32];
    pin.copy_from_slice(digest(&SHA256, &answer.chain[1]).as_ref());
    assert_eq!(CaPin(pin), token.ca_pin);
    assert_eq!(token.portal, crate::support::ADDRESS);
}

#[tokio::test]
async fn the_same_key_may_ask_again_and_another_may_not() {
    let house = House::open().await;
    let issued = house.register("one").await;
    let (_, request) = key_and_request();
    let asked = enrolment(&issued.token, &request);
    let first = house.anybody().post_json(path::ENROL, &asked).await;
    let again = house.anybody().post_json(path::ENROL, &asked).await;
    let read = |a: &crate::support::Answer| serde_json::from_slice::<EnrolmentResponse>(&a.body).unwrap();
    assert_eq!(read(&first), read(&again));
    assert_eq!(read(&first).sensor_name, "one");

    let (_, other) = key_and_request();
    let refused = house.anybody().post_json(path::ENROL, &enrolment(&issued.token, &other)).await;
    assert_eq!(refused.refusal(), (409, RefusalCode::TokenUsed));
}

#[tokio::test]
async fn of_many_machines_with_one_token_one_enrols() {
    let house = Arc::new(House::open().await);
    let token = house.register("one").await.token;
    let race = (0..8).map(|_| {
        let (house, token) = (house.clone(), token.clone());
        tokio::spawn(async move {
            let (_, request) = key_and_request();
            house.anybody().post_json(path::ENROL, &enrolment(&token, &request)).await.status.as_u16()
        })
    });
    let mut outcomes = Vec::new();
    for one in race.collect::<Vec<_>>() {
        outcomes.push(one.await.unwrap());
    }
    outcomes.sort_unstable();
    assert_eq!(outcomes, [200, 409, 409, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn every_refusal_has_its_word() {
    let house = House::open().await;
    let anybody = house.anybody();
    let (_, request) = key_and_request();

    let issued = house.register("forged").await;
    let mut forged = enrolment(&issued.token, &request);
    forged.secret = "A".repeat(43);
    assert_eq!(anybody.post_json(path::ENROL, &forged).await.refusal(), (403, RefusalCode::TokenUnknown));
    forged.secret = "not base64!".to_owned();
    assert_eq!(anybody.post_json(path::ENROL, &forged).await.refusal(), (403, RefusalCode::TokenUnknown));
    let mut stranger = enrolment(&issued.token, &request);
    stranger.sensor = Uuid::new_v4();
    assert_eq!(anybody.post_json(path::ENROL, &stranger).await.refusal(), (403, RefusalCode::TokenUnknown));

    let long_ago = Timestamp(Timestamp::now().0 - (registration::TOKEN_DAYS + 1) * 86_400_000_000);
    let old = registration::register(
        &house.store,
        &house.identity,
        "late",
        "main",
        Actor { name: "test", at: long_ago },
    )
    .await
    .unwrap();
    let answer = anybody.post_json(path::ENROL, &enrolment(&old.token, &request)).await;
    assert_eq!(answer.refusal(), (410, RefusalCode::TokenExpired));

    let first = house.register("replaced").await;
    let second = registration::reissue(&house.store, &house.identity, first.sensor, by()).await.unwrap();
    let answer = anybody.post_json(path::ENROL, &enrolment(&first.token, &request)).await;
    assert_eq!(answer.refusal(), (410, RefusalCode::TokenReplaced));
    assert_eq!(anybody.post_json(path::ENROL, &enrolment(&second.token, &request)).await.status, 200);

    let gone = house.register("gone").await;
    house.store.delete_sensor(gone.sensor, by()).await.unwrap();
    let answer = anybody.post_json(path::ENROL, &enrolment(&gone.token, &request)).await;
    assert_eq!(answer.refusal(), (410, RefusalCode::SensorDeleted));

    let issued = house.register("bad").await;
    let mut bad = enrolment(&issued.token, &request);
    bad.csr_pem = "rubbish".to_owned();
    assert_eq!(anybody.post_json(path::ENROL, &bad).await.refusal(), (400, RefusalCode::BadRequest));
    for body in ["", "{", "{\"sensor\": 7}", "[]"] {
        let answer = anybody.send(Method::POST, path::ENROL, "application/json", body).await;
        assert_eq!(answer.refusal(), (400, RefusalCode::BadRequest), "{body}");
    }
    let huge = vec![b'x'; 100_000];
    let answer = anybody.send(Method::POST, path::ENROL, "application/json", huge).await;
    assert_eq!(answer.refusal(), (413, RefusalCode::BadRequest));

    for machine in [path::DEVICES, path::HEALTH] {
        let answer = anybody.post_json(machine, &serde_json::json!({})).await;
        assert_eq!(answer.refusal(), (401, RefusalCode::NotEnrolled));
    }
}

#[tokio::test]
async fn only_standing_certificates_of_this_ca_are_let_in() {
    let house = House::open().await;
    let sensor = house.sensor("one").await;
    sensor.report_well(1, vec![device(1, "cam")]).await;
    let refused = |certificate: String, key: String| {
        let client = Client::new(house.at, house.folder.path(), Some((&certificate, &key)));
        let batch = sensor.batch(9, Vec::new());
        async move { client.post_json(path::DEVICES, &batch).await.refusal() }
    };
    let not_enrolled = (401, RefusalCode::NotEnrolled);
    let text = std::fs::read_to_string(house.folder.path().join("ca.pem")).unwrap();
    let ours = || {
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).unwrap();
        Issuer::from_ca_cert_pem(&text, KeyPair::try_from(&key).unwrap()).unwrap()
    };
    let name = sensor.id.to_string();
    let made = |issuer: &Issuer<'static, KeyPair>, years: (i32, i32), usage: ExtendedKeyUsagePurpose| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name.as_str());
        params.extended_key_usages = vec![usage];
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
    };
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};

    let (certificate, key) = made(&ours(), (2020, 2021), ClientAuth);
    assert_eq!(refused(certificate, key).await, not_enrolled, "expired");
    let (certificate, key) = made(&ours(), (2020, 2100), ServerAuth);
    assert_eq!(refused(certificate, key).await, not_enrolled, "not for clients");
    let (certificate, key) = made(&ours(), (2020, 2100), ClientAuth);
    assert_eq!(refused(certificate, key).await, not_enrolled, "never issued");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let foreign = Issuer::new(params, KeyPair::generate().unwrap());
    let (certificate, key) = made(&foreign, (2020, 2100), ClientAuth);
    assert_eq!(refused(certificate, key).await, not_enrolled, "another CA's");

    // a certificate without its key does not even make a connection
    let (_, other_key) = made(&foreign, (2020, 2100), ClientAuth);
    let thief = Client::new(house.at, house.folder.path(), Some((&sensor.certificate, &other_key)));
    let batch = serde_json::to_vec(&sensor.batch(9, Vec::new())).unwrap();
    assert!(thief.try_send(Method::POST, path::DEVICES, "application/json", batch.into()).await.is_err());

    // the standing one still does, until the sensor is deleted
    sensor.report_well(2, vec![device(1, "cam")]).await;
    house.store.delete_sensor(sensor.id, by()).await.unwrap();
    let deleted = (410, RefusalCode::SensorDeleted);
    assert_eq!(sensor.report(3, vec![device(1, "cam")]).await.refusal(), deleted, "deleted");
}

#[tokio::test]
async fn a_certificate_is_renewed_by_who_holds_it() {
    let house = House::open().await;
    let sensor = house.sensor("one").await;
    sensor.report_well(1, vec![device(1, "cam")]).await;
    let (key, csr_pem) = key_and_request();
    let asked = RenewalRequest { csr_pem };
    let renew = |client: Client| {
        let asked = asked.clone();
        async move { client.post_json(path::RENEW, &asked).await }
    };
    assert_eq!(renew(house.anybody()).await.refusal(), (401, RefusalCode::NotEnrolled));
    let renewed: RenewalResponse = serde_json::from_slice(&renew(sensor.client.clone()).await.body).unwrap();
    // the answer got lost, and is the same the second time
    let again: RenewalResponse = serde_json::from_slice(&renew(sensor.client.clone()).await.body).unwrap();
    assert_eq!(again, renewed);
    assert_ne!(renewed.certificate_pem, sensor.certificate);

    // both work until the next renewal, which the first can no longer ask for afterwards
    sensor.report_well(2, vec![device(1, "cam")]).await;
    let new = Client::new(house.at, house.folder.path(), Some((&renewed.certificate_pem, &key)));
    let batch = sensor.batch(3, vec![device(1, "cam")]);
    assert_eq!(new.post_json(path::DEVICES, &batch).await.status, 200);
    let (_, csr_pem) = key_and_request();
    assert_eq!(new.post_json(path::RENEW, &RenewalRequest { csr_pem }).await.status, 200);
    assert_eq!(sensor.report(4, Vec::new()).await.refusal(), (401, RefusalCode::NotEnrolled));
    assert_eq!(renew(sensor.client.clone()).await.refusal(), (401, RefusalCode::NotEnrolled));
    assert_eq!(new.post_json(path::DEVICES, &sensor.batch(4, Vec::new())).await.status, 200);

    let bad = RenewalRequest { csr_pem: "no request".to_owned() };
    assert_eq!(new.post_json(path::RENEW, &bad).await.refusal(), (400, RefusalCode::BadRequest));
    house.store.delete_sensor(sensor.id, by()).await.unwrap();
    assert_eq!(renew(new).await.refusal(), (410, RefusalCode::SensorDeleted));
}

#[tokio::test]
async fn a_new_machine_takes_the_sensor_over() {
    let house = House::open().await;
    let old = house.sensor("one").await;
    old.report_well(1, vec![device(1, "cam")]).await;
    let issued = registration::reissue(&house.store, &house.identity, old.id, by()).await.unwrap();
    old.report_well(2, vec![device(1, "cam")]).await;
    let new = Sensor::activate(&house.anybody(), house.folder.path(), &issued.token).await;
    assert_eq!(new.id, old.id);
    new.report_well(1, vec![device(2, "cam")]).await;
    assert_eq!(old.report(3, Vec::new()).await.refusal(), (401, RefusalCode::NotEnrolled));
}

#[tokio::test]
async fn names_are_taken_once_and_free_again_after_deletion() {
    let house = House::open().await;
    let first = house.register("lobby").await;
    let register =
        |name: &'static str| registration::register(&house.store, &house.identity, name, "main", by());
    let error = register(" lobby ").await.err().unwrap().to_string();
    assert!(error.contains("there is a sensor named \"lobby\" already"), "{error}");
    for (name, reason) in [("", "is empty"), ("a\nb", "control character")] {
        let error = register(name).await.err().unwrap().to_string();
        assert!(error.contains(reason), "{error}");
    }
    house.store.delete_sensor(first.sensor, by()).await.unwrap();
    assert!(register("lobby").await.is_ok());
}

#[tokio::test]
async fn the_client_that_appliances_use_gets_along() {
    use eyot_client::{Client, ClientError, Trust};
    let house = House::open().await;
    let issued = house.register("one").await;
    let token: eyot_contract::ActivationToken = issued.token.parse().unwrap();
    let portal = format!("https://localhost:{}", house.at.port());
    let pinned = |pin| Client::builder(portal.as_str()).trust(Trust::Pin(pin));
    let before = pinned(token.ca_pin).build().unwrap();
    assert!(before.alive().await.unwrap().drift_seconds().abs() <= 2);
    let (key, request) = key_and_request();
    let enrolled: EnrolmentResponse =
        before.post_json(path::ENROL, &enrolment(&issued.token, &request)).await.unwrap();
    let after = pinned(token.ca_pin).identity(enrolled.certificate_pem, key).build().unwrap();
    let batch = eyot_contract::DeviceBatch {
        epoch: Uuid::new_v4(),
        sequence: 1,
        sent: Timestamp::now(),
        devices: vec![device(1, "cam")],
        findings: Vec::new(),
    };
    let answer: eyot_contract::BatchAcknowledged = after.post_json(path::DEVICES, &batch).await.unwrap();
    assert_eq!(answer.sequence, 1);
    let refused = before.post_json::<_, ()>(path::DEVICES, &batch).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused(r) if r.code == RefusalCode::NotEnrolled));
    let elsewhere = pinned(CaPin([7; 32])).build().unwrap();
    assert!(elsewhere.alive().await.is_err());
}
