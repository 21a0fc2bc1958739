//! Findings: what sensors report, what people make of them, and what nobody wants to hear of.

use eyot_contract::{Finding, FindingEvidence, FindingKind, Timestamp, MAX_BATCH_FINDINGS};
use hyper::Method;
use serde_json::{json, Value};

use crate::support::{device, Client, House, Sensor};

/// A finding about device `n`, noticed `count` times, lastly at second `last`.
fn finding(kind: FindingKind, n: u32, count: u64, last: i64) -> Finding {
    let mac = device(n, "").mac;
    Finding {
        id: format!("{}/{mac}", kind.name()),
        kind,
        severity: kind.definition().severity,
        mac: Some(mac),
        summary: format!("device {n}: {}", kind.name()),
        first_seen: Timestamp(0),
        last_seen: Timestamp::from_seconds(last),
        count,
        evidence: vec![FindingEvidence {
            at: Timestamp::from_seconds(last),
            source: Some("10.0.0.1".parse().unwrap()),
            destination: None,
            port: Some(23),
            vlan: None,
            protocol: "telnet".to_owned(),
            seen: "<b>login:</b>".to_owned(),
        }],
    }
}

async fn report(sensor: &Sensor, sequence: u64, findings: Vec<Finding>) {
    let devices = findings.iter().enumerate().map(|(n, _)| device(n as u32 + 1, &format!("host-{}", n + 1)));
    let batch = eyot_contract::DeviceBatch {
        findings: findings.clone(),
        ..sensor.batch(sequence, devices.collect())
    };
    let answer = sensor.client.post_json(eyot_contract::path::DEVICES, &batch).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn list(program: &Client, query: &str) -> Vec<Value> {
    let answer = program.get(&format!("/api/v1/findings?{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let found = answer.json();
    let all = found["findings"].as_array().unwrap().clone();
    assert_eq!(found["total"], all.len(), "all on one page here");
    all
}

async fn work(program: &Client, body: Value) -> u16 {
    let text = body.to_string();
    program.send(Method::PATCH, "/api/v1/findings", "application/json", text).await.status.as_u16()
}

fn now() -> i64 {
    Timestamp::now().seconds()
}

#[tokio::test]
async fn a_finding_is_worked_on_and_comes_back_when_it_happens_again() {
    let house = House::open().await;
    let program = house.program("security_admin").await;
    let sensor = house.sensor("one").await;
    report(
        &sensor,
        1,
        vec![finding(FindingKind::ArpSpoofing, 1, 1, now()), finding(FindingKind::NewDevice, 2, 1, now())],
    )
    .await;
    let all = list(&program, "").await;
    let kinds: Vec<_> = all.iter().map(|f| f["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["arp_spoofing", "new_device"], "the worst first");
    assert_eq!((&all[0]["status"], &all[0]["technique"]), (&json!("new"), &json!("T1557.002")));
    assert!(all[0]["device"].is_string(), "it is linked with the inventory");

    let id = &all[0]["id"];
    assert_eq!(work(&program, json!({ "ids": [id], "status": "active", "note": "asked Kim" })).await, 200);
    // the same finding again keeps what people made of it
    report(&sensor, 2, vec![finding(FindingKind::ArpSpoofing, 1, 5, now())]).await;
    let one = program.get(&format!("/api/v1/findings/{}", id.as_str().unwrap())).await.json();
    assert_eq!(
        (&one["status"], &one["note"], &one["count"]),
        (&json!("active"), &json!("asked Kim"), &json!(5))
    );
    assert_eq!(one["status_by"], "token test security_admin");

    assert_eq!(work(&program, json!({ "ids": [id], "status": "closed" })).await, 200);
    assert_eq!(list(&program, "").await.len(), 1, "closed ones are not in the way");
    assert_eq!(list(&program, "status=closed").await.len(), 1);
    // reported again without having happened again: stays closed
    report(&sensor, 3, vec![finding(FindingKind::ArpSpoofing, 1, 5, now() - 60)]).await;
    assert_eq!(list(&program, "status=closed").await.len(), 1);
    report(&sensor, 4, vec![finding(FindingKind::ArpSpoofing, 1, 6, now() + 60)]).await;
    let again = list(&program, "kind=arp_spoofing").await;
    assert_eq!((&again[0]["status"], &again[0]["note"]), (&json!("new"), &json!("asked Kim")));
    // a repeated batch changes nothing
    report(&sensor, 4, vec![finding(FindingKind::PortScan, 1, 1, now())]).await;
    assert!(list(&program, "kind=port_scan").await.is_empty());
}

#[tokio::test]
async fn suppressed_findings_are_kept_and_not_shown() {
    let house = House::open().await;
    let program = house.program("security_admin").await;
    let sensor = house.sensor("one").await;
    let scan = |n, count| finding(FindingKind::PortScan, n, count, now());
    report(&sensor, 1, vec![scan(1, 1), scan(2, 1)]).await;
    let mac = device(1, "").mac;
    let rule = json!({ "kind": "port_scan", "mac": mac, "reason": "the team's scanner" });
    let made = program.post_json("/api/v1/suppressions", &rule).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(list(&program, "").await.len(), 1, "those that are here");
    report(&sensor, 2, vec![scan(1, 9)]).await;
    assert_eq!(list(&program, "").await.len(), 1, "and those to come");
    assert_eq!(list(&program, "suppressed=yes").await[0]["count"], 9);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/suppressions/{id}");
    assert_eq!(program.send(Method::DELETE, &path, "", "").await.status, 204);
    assert_eq!(program.send(Method::DELETE, &path, "", "").await.status, 404);
    assert_eq!(list(&program, "").await.len(), 2);
    let without_reason = json!({ "kind": "port_scan", "mac": null, "reason": " " });
    assert_eq!(program.post_json("/api/v1/suppressions", &without_reason).await.status, 422);
}

#[tokio::test]
async fn recommendations_count_devices_once() {
    let house = House::open().await;
    let program = house.program("security_reader").await;
    let (near, far) = (house.sensor("near").await, house.sensor("far").await);
    let telnet = |n| finding(FindingKind::ClearTelnet, n, 1, now());
    near.report_well(1, (1..=5).map(|n| device(n, "x")).collect()).await;
    report(&near, 2, vec![telnet(1), telnet(2)]).await;
    report(&far, 1, vec![telnet(1)]).await;
    let all = program.get("/api/v1/recommendations").await.json();
    assert_eq!(all[0]["kind"], "clear_telnet");
    assert_eq!((&all[0]["unhealthy_devices"], &all[0]["healthy_devices"]), (&json!(2), &json!(3)));
}

#[tokio::test]
async fn readers_only_read_and_wrong_questions_are_refused() {
    let house = House::open().await;
    let reader = house.program("security_reader").await;
    let admin = house.program("security_admin").await;
    let sensor = house.sensor("one").await;
    report(&sensor, 1, vec![finding(FindingKind::ClearTelnet, 1, 1, now())]).await;
    let id = list(&reader, "").await[0]["id"].clone();
    assert_eq!(work(&reader, json!({ "ids": [id], "status": "closed" })).await, 403);
    let rule = json!({ "kind": "port_scan", "mac": null, "reason": "x" });
    assert_eq!(reader.post_json("/api/v1/suppressions", &rule).await.status, 403);
    assert_eq!(house.anybody().get("/api/v1/findings").await.status, 401);
    for wrong in ["status=gone", "severity=huge", "kind=evil", "category=x", "mac=zz"] {
        assert_eq!(reader.get(&format!("/api/v1/findings?{wrong}")).await.status, 422, "{wrong}");
    }
    for wrong in [
        json!({ "ids": [], "status": "new" }),
        json!({ "ids": [id] }),
        json!({ "ids": [id], "status": "gone" }),
        json!({ "ids": [id], "note": "x".repeat(3_000) }),
    ] {
        assert_eq!(work(&admin, wrong.clone()).await, 422, "{wrong}");
    }
    assert_eq!(work(&admin, json!({ "ids": [uuid::Uuid::nil()], "status": "new" })).await, 404);
    let many = (0..=MAX_BATCH_FINDINGS as u32).map(|n| finding(FindingKind::NewDevice, n, 1, 0)).collect();
    let batch = eyot_contract::DeviceBatch { findings: many, ..sensor.batch(2, Vec::new()) };
    assert_eq!(sensor.client.post_json(eyot_contract::path::DEVICES, &batch).await.status, 413);
}

#[tokio::test]
async fn the_pages_show_it_and_nothing_from_the_network_becomes_markup() {
    let house = House::open().await;
    let person = house.program("security_admin").await;
    let sensor = house.sensor("one").await;
    report(
        &sensor,
        1,
        vec![finding(FindingKind::ClearTelnet, 1, 1, now()), finding(FindingKind::ArpSpoofing, 1, 1, now())],
    )
    .await;
    let alerts = person.get("/alerts").await.text();
    assert!(
        alerts.contains("Two devices fight over an IPv4 address") && !alerts.contains("Telnet is used</a>")
    );
    let id = list(&person, "kind=clear_telnet").await[0]["id"].as_str().unwrap().to_owned();
    let one = person.get(&format!("/alerts/{id}")).await.text();
    assert!(one.contains("&lt;b&gt;login:") && one.contains("Turn Telnet off") && one.contains("T1040"));
    let recommendations = person.get("/recommendations").await.text();
    assert!(recommendations.contains("Telnet is used"));
    let of = list(&person, "").await[0]["device"].as_str().unwrap().to_owned();
    let page = person.get(&format!("/devices/{of}")).await.text();
    assert!(page.contains("Alerts and recommendations") && page.contains("Telnet is used"));

    let closed =
        person.post_form("/alerts/work", &[("id", &id), ("status", "closed"), ("back", "/alerts")]).await;
    assert_eq!((closed.status.as_u16(), closed.header("location")), (303, "/alerts"));
    assert_eq!(person.post_form("/alerts/work", &[("status", "closed")]).await.status, 422);
    let away = person.post_form("/alerts/work", &[("id", &id), ("status", "new"), ("back", "//evil")]).await;
    assert_eq!(away.header("location"), "/alerts");
    let rule = [("kind", "clear_telnet"), ("mac", ""), ("reason", "lab")];
    assert_eq!(person.post_form("/alerts/suppressions", &rule).await.status, 303);
    let rules = person.get("/alerts/suppressions").await.text();
    assert!(rules.contains("Every device") && rules.contains("lab"));
    assert!(person.get("/audit").await.text().contains("Suppression rule added"));
}
