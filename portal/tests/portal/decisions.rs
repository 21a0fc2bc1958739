//! What people decide about devices, and how long unseen ones are kept.

use eyot_contract::Timestamp;
use hyper::Method;
use serde_json::{json, Value};

use crate::support::{device, Answer, Client, House};

async fn patch(program: &Client, body: Value) -> Answer {
    program.send(Method::PATCH, "/api/v1/devices", "application/json", body.to_string()).await
}

async fn devices(program: &Client, query: &str) -> Vec<Value> {
    let answer = program.get(&format!("/api/v1/devices?sort=mac&{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["devices"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_a_person_set_stays_until_it_is_given_back() {
    let house = House::open().await;
    let program = house.program("security_admin").await;
    let sensor = house.sensor("one").await;
    sensor.report_well(1, vec![device(1, "cam-1"), device(2, "cam-2")]).await;
    let id = devices(&program, "").await[0]["id"].clone();
    let edit = json!({ "ids": [id], "name": "Front door", "type": "doorbell", "authorized": true,
        "importance": "high", "tags": ["lobby", "a_b"], "location": "Ground floor", "notes": "ask Kim" });
    assert_eq!(patch(&program, edit).await.status, 200);
    sensor.report_well(2, vec![device(1, "renamed-1"), device(2, "renamed-2")]).await;
    let all = devices(&program, "").await;
    assert_eq!((&all[0]["hostname"], &all[0]["type"]), (&json!("Front door"), &json!("doorbell")));
    assert_eq!((&all[0]["class"], &all[0]["decisions"]["authorized"]), (&json!("smart_home"), &json!(true)));
    assert_eq!(all[1]["hostname"], "renamed-2", "others follow the report");
    for query in
        ["search=front", "search=ask%20kim", "tag=lobby", "tag=a_b", "authorized=yes", "importance=high"]
    {
        assert_eq!(devices(&program, query).await.len(), 1, "{query}");
    }
    for query in ["tag=aXb", "authorized=no", "importance=low", "state=unclassified"] {
        assert_eq!(devices(&program, query).await.len(), 0, "{query}");
    }
    let page = program.get(&format!("/devices/{}", id.as_str().unwrap())).await.text();
    assert!(page.contains("token test security_admin") && page.contains("(locked)"));
    let back = json!({ "ids": [id], "name": "", "type": "", "authorized": null });
    assert_eq!(patch(&program, back).await.status, 200);
    let one = &devices(&program, "").await[0];
    assert_eq!((&one["hostname"], &one["type"]), (&json!("renamed-1"), &json!("camera")));
    assert_eq!(one["decisions"]["authorized"], Value::Null);
    assert!(program.get("/audit").await.text().contains("Device edited"));
}

#[tokio::test]
async fn new_and_transient_follow_the_clock() {
    let house = House::open().await;
    let program = house.program("security_admin").await;
    let sensor = house.sensor("one").await;
    let now = Timestamp::now().0;
    let (hour, day) = (3_600 * 1_000_000, 86_400 * 1_000_000);
    let seen = |n, first, last| {
        let mut record = device(n, "x");
        (record.first_seen, record.last_seen) = (Timestamp(now - first), Timestamp(now - last));
        record
    };
    let all = vec![seen(1, hour, 0), seen(2, 20 * day, 0), seen(3, 20 * day, 20 * day - hour / 2)];
    sensor.report_well(1, all).await;
    let macs =
        |found: Vec<Value>| found.iter().map(|d| d["mac"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(macs(devices(&program, "state=new").await), [device(1, "").mac.to_string()]);
    assert_eq!(macs(devices(&program, "state=transient").await), [device(3, "").mac.to_string()]);
}

#[tokio::test]
async fn many_at_once_by_their_boxes_and_readers_not_at_all() {
    let house = House::open().await;
    let person = house.program("security_admin").await;
    let reader = house.program("security_reader").await;
    let sensor = house.sensor("one").await;
    sensor.report_well(1, (1..=3).map(|n| device(n, "x")).collect()).await;
    let ids: Vec<_> =
        devices(&person, "").await.iter().map(|d| d["id"].as_str().unwrap().to_owned()).collect();
    let chosen = [("id", ids[0].as_str()), ("id", ids[1].as_str()), ("back", "/devices?page=1")];
    let with = |more: &[(&'static str, &'static str)]| [&chosen[..], more].concat();
    let set =
        person.post_form("/devices/change", &with(&[("authorized", "yes"), ("add_tags", "a, b")])).await;
    assert_eq!((set.status.as_u16(), set.header("location")), (303, "/devices?page=1"));
    assert_eq!(devices(&person, "tag=b&authorized=yes").await.len(), 2);
    assert_eq!(person.post_form("/devices/change", &with(&[])).await.status, 422, "nothing to change");
    assert_eq!(person.post_form("/devices/change", &with(&[("name", "one")])).await.status, 422);
    assert_eq!(reader.post_form("/devices/change", &with(&[("do", "delete")])).await.status, 403);
    assert_eq!(patch(&reader, json!({ "ids": [ids[0]], "notes": "x" })).await.status, 403);
    assert!(!reader.get("/devices").await.text().contains("type=\"checkbox\" name=\"id\""));
    for wrong in [
        json!({ "ids": [], "notes": "x" }),
        json!({ "ids": [ids[0]] }),
        json!({ "ids": [ids[0]], "type": "teleporter" }),
        json!({ "ids": [ids[0], ids[1]], "name": "same" }),
    ] {
        assert_eq!(patch(&person, wrong.clone()).await.status, 422, "{wrong}");
    }
    assert_eq!(person.post_form("/devices/change", &with(&[("do", "delete")])).await.status, 303);
    assert_eq!(devices(&person, "").await.len(), 1);
    sensor.report_well(2, vec![device(1, "x")]).await;
    assert_eq!(devices(&person, "").await.len(), 2, "who is still there comes back");
}

#[tokio::test]
async fn unseen_devices_are_removed_after_the_set_time() {
    let house = House::open().await;
    let program = house.program("security_admin").await;
    let sensor = house.sensor("one").await;
    let now = Timestamp::now();
    let day = 86_400 * 1_000_000_i64;
    let seen = |n, days: i64| {
        let mut record = device(n, "x");
        record.last_seen = Timestamp(now.0 - days * day);
        record
    };
    sensor.report_well(1, vec![seen(1, 1), seen(2, 40), seen(3, 100)]).await;
    assert_eq!(house.store.remove_unseen(now).await.unwrap(), 1, "90 days unless somebody says otherwise");
    let set = |days: i64| {
        let body = json!({ "days": days }).to_string();
        let program = program.clone();
        async move {
            program.send(Method::PUT, "/api/v1/retention", "application/json", body).await.status.as_u16()
        }
    };
    assert_eq!((set(30).await, set(0).await, set(4_000).await), (204, 422, 422));
    assert_eq!(program.get("/api/v1/retention").await.json()["days"], 30);
    assert_eq!(house.store.remove_unseen(now).await.unwrap(), 1);
    assert_eq!(devices(&program, "").await.len(), 1);
    assert!(program.get("/audit").await.text().contains("Unseen devices removed"));
}
