//! Devices merged, taken apart, and what is told of it.

use eyot_contract::{Interval, Timestamp};
use hyper::Method;
use serde_json::{json, Value};

use crate::support::{device, Answer, Client, House};

async fn devices(program: &Client, query: &str) -> Vec<Value> {
    let answer = program.get(&format!("/api/v1/devices?sort=mac&{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["devices"].as_array().unwrap().clone()
}

async fn ids(program: &Client) -> Vec<String> {
    devices(program, "").await.iter().map(|d| d["id"].as_str().unwrap().to_owned()).collect()
}

async fn merge(program: &Client, body: Value) -> Answer {
    program.post_json("/api/v1/devices/merge", &body).await
}

async fn undo(program: &Client, merge: &Value) -> Answer {
    let path = format!("/api/v1/merges/{}", merge.as_str().unwrap());
    program.send(Method::DELETE, &path, "", "").await
}

async fn timeline(program: &Client, id: &str) -> Vec<(String, String)> {
    let answer = program.get(&format!("/api/v1/devices/{id}/timeline")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let events = answer.json()["events"].as_array().unwrap().clone();
    let text = |e: &Value, name: &str| e[name].as_str().unwrap().to_owned();
    events.iter().map(|e| (text(e, "kind"), text(e, "detail"))).collect()
}

#[tokio::test]
async fn an_absorbed_device_lives_on_in_the_survivor_until_it_is_taken_out_again() {
    let house = House::open().await;
    let program = house.program("security_admin").await;
    let sensor = house.sensor("one").await;
    sensor.report_well(1, vec![device(1, "dock"), device(2, "laptop"), device(3, "other")]).await;
    let all = ids(&program).await;
    let decide = json!({ "ids": [all[0]], "name": "The dock", "tags": ["desk"], "notes": "of Kim" });
    let set = program.send(Method::PATCH, "/api/v1/devices", "application/json", decide.to_string()).await;
    assert_eq!(set.status, 200);
    let made = merge(&program, json!({ "ids": [all[0], all[1]] })).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let made = made.json();
    assert_eq!(made["device"], all[1], "the latest activity stays");
    let now = devices(&program, "").await;
    assert_eq!(now.len(), 2);
    assert_eq!(now[0]["hostname"], "laptop");
    assert_eq!(now[0]["ips"], json!(["10.0.0.2", "10.0.0.1"]));
    assert_eq!(now[0]["frames"], 20, "frames of two addresses are different frames");
    // a later report about either address is about the one device
    let mut later = device(1, "dock");
    later.ips = vec!["10.9.9.9".parse().unwrap()];
    later.last_seen.0 += 60_000_000;
    sensor.report_well(2, vec![later, device(2, "laptop")]).await;
    let now = devices(&program, "").await;
    assert_eq!((now.len(), &now[0]["id"]), (2, &json!(all[1])));
    assert_eq!(now[0]["ips"], json!(["10.9.9.9", "10.0.0.2"]));
    assert_eq!(devices(&program, "search=00:40:00:00:00:01").await.len(), 1, "found by its old address");
    let merged = program.get(&format!("/api/v1/devices/{}/merged", all[1])).await.json();
    assert_eq!((&merged[0]["name"], &merged[0]["mac"]), (&json!("The dock"), &json!("00:40:00:00:00:01")));
    // an old bookmark leads on
    let old = program.get(&format!("/devices/{}", all[0])).await;
    assert_eq!((old.status.as_u16(), old.header("location")), (303, &*format!("/devices/{}", all[1])));
    let page = program.get(&format!("/devices/{}", all[1])).await.text();
    assert!(page.contains("Merged devices") && page.contains("Undo merge") && page.contains("The dock"));

    assert_eq!(undo(&program, &made["merge"]).await.json()["devices"], 1);
    let now = devices(&program, "").await;
    assert_eq!(now.len(), 3);
    assert_eq!(now[0]["id"], all[0], "under its old id");
    assert_eq!((&now[0]["hostname"], &now[0]["ips"]), (&json!("The dock"), &json!(["10.9.9.9"])));
    assert_eq!(
        (&now[0]["decisions"]["tags"], &now[0]["decisions"]["notes"]),
        (&json!(["desk"]), &json!("of Kim"))
    );
    assert_eq!((&now[1]["ips"], &now[1]["frames"]), (&json!(["10.0.0.2"]), &json!(10)));
    sensor.report_well(3, vec![device(1, "renamed")]).await;
    let now = devices(&program, "").await;
    assert_eq!((now.len(), &now[0]["hostname"]), (3, &json!("The dock")), "still locked");
    assert_eq!(undo(&program, &made["merge"]).await.status, 404, "once");
    let audit = program.get("/audit").await.text();
    assert!(audit.contains("Devices merged") && audit.contains("Merge undone"));
}

#[tokio::test]
async fn a_merge_of_merges_comes_apart_one_by_one() {
    let house = House::open().await;
    let program = house.program("security_admin").await;
    let (near, far) = (house.sensor("near").await, house.sensor("far").await);
    near.report_well(1, (1..=4).map(|n| device(n, &format!("d{n}"))).collect()).await;
    far.report_well(1, vec![device(1, "d1")]).await;
    let all = ids(&program).await;
    let inner = merge(&program, json!({ "ids": [all[0], all[1]], "into": all[0] })).await.json();
    let outer = merge(&program, json!({ "ids": [all[0], all[2], all[3]], "into": all[3] })).await.json();
    let names = || async {
        devices(&program, "")
            .await
            .iter()
            .map(|d| d["mac"].as_str().unwrap()[12..].to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["00:04"]);
    far.report_well(2, vec![device(2, "d2"), device(1, "d1")]).await;
    assert_eq!(names().await, ["00:04"], "an address absorbed twice over");
    // the inner one first: it comes out of where it is now
    assert_eq!(undo(&program, &inner["merge"]).await.json()["devices"], 1);
    assert_eq!(names().await, ["00:02", "00:04"]);
    assert_eq!(undo(&program, &outer["merge"]).await.json()["devices"], 2);
    assert_eq!(names().await, ["00:01", "00:02", "00:03", "00:04"]);
    // and the outer one first: what it had absorbed goes along
    let inner = merge(&program, json!({ "ids": [all[0], all[1]], "into": all[0] })).await.json();
    let outer = merge(&program, json!({ "ids": [all[0], all[3]], "into": all[3] })).await.json();
    assert_eq!(undo(&program, &outer["merge"]).await.json()["devices"], 1);
    assert_eq!(names().await, ["00:01", "00:03", "00:04"]);
    near.report_well(2, vec![device(2, "d2")]).await;
    assert_eq!(names().await, ["00:01", "00:03", "00:04"], "still part of the first");
    assert_eq!(undo(&program, &inner["merge"]).await.json()["devices"], 1);
    assert_eq!(names().await, ["00:01", "00:02", "00:03", "00:04"]);
}

#[tokio::test]
async fn what_cannot_be_merged_and_who_may_not() {
    let house = House::open().await;
    let program = house.program("security_admin").await;
    let reader = house.program("security_reader").await;
    let (here, there) = (house.sensor("here").await, house.sensor("there").await);
    here.report_well(1, (1..=11).map(|n| device(n, "x")).collect()).await;
    there.report_well(1, vec![device(50, "far away")]).await;
    let zone = program
        .send(
            Method::PATCH,
            &format!("/api/v1/sensors/{}", there.id),
            "application/json",
            "{\"zone\": \"Hall 2\"}",
        )
        .await;
    assert_eq!(zone.status, 204);
    let all = ids(&program).await;
    assert_eq!(all.len(), 12);
    for wrong in [
        json!({ "ids": [] }),
        json!({ "ids": [all[0], all[0]] }),
        json!({ "ids": all[..11] }),
        json!({ "ids": [all[0], all[11]] }),
        json!({ "ids": [all[0], all[1]], "into": all[2] }),
        json!({ "ids": [all[0], uuid::Uuid::new_v4()] }),
    ] {
        assert_eq!(merge(&program, wrong.clone()).await.status, 422, "{wrong}");
    }
    assert_eq!(merge(&reader, json!({ "ids": all[..2] })).await.status, 403);
    let form = [("id", all[0].as_str()), ("id", all[1].as_str())];
    assert_eq!(reader.post_form("/devices/merge", &form).await.status, 403);
    assert_eq!(ids(&program).await.len(), 12, "nothing was merged");
    // as the boxes of the page do it
    let to_confirm = program.post_form("/devices/change", &[form[0], form[1], ("do", "merge")]).await;
    let question = format!("/devices/merge?id={}&id={}", all[0], all[1]);
    assert_eq!((to_confirm.status.as_u16(), to_confirm.header("location")), (303, &*question));
    assert!(program.get(&question).await.text().contains("Merge 2 devices"));
    let done = program.post_form("/devices/merge", &[form[0], form[1], ("into", &all[0])]).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, &*format!("/devices/{}", all[0])));
    // the survivor goes, and with it what leads there: the others come back by themselves
    let gone = json!({ "ids": [all[0]] }).to_string();
    assert_eq!(program.send(Method::DELETE, "/api/v1/devices", "application/json", gone).await.status, 200);
    here.report_well(2, vec![device(2, "x")]).await;
    assert_eq!(devices(&program, "search=00:40:00:00:00:02").await.len(), 1);
}

#[tokio::test]
async fn the_timeline_tells_what_changed_and_who_did_it() {
    let house = House::open().await;
    let program = house.program("security_admin").await;
    let sensor = house.sensor("one").await;
    let first = device(1, "cam");
    sensor.report_well(1, vec![first.clone()]).await;
    let id = ids(&program).await[0].clone();
    assert_eq!(timeline(&program, &id).await.len(), 2, "first seen and last activity");
    let mut moved = first.clone();
    moved.ips = vec!["10.0.0.77".parse().unwrap()];
    moved.firmware = Some("10.1".to_owned());
    let back = Timestamp(first.last_seen.0 + 5 * 3_600 * 1_000_000);
    moved.activity.intervals = vec![Interval { from: back, to: back }];
    moved.last_seen = back;
    sensor.report_well(2, vec![moved.clone()]).await;
    sensor.report_well(3, vec![moved.clone()]).await;
    let edit = json!({ "ids": [id], "location": "Roof" });
    assert_eq!(
        program.send(Method::PATCH, "/api/v1/devices", "application/json", edit.to_string()).await.status,
        200
    );
    let told = timeline(&program, &id).await;
    for expected in [
        ("ips", "+ 10.0.0.77, − 10.0.0.1"),
        ("firmware", "9.80 → 10.1"),
        ("returned", "after 5 h 0 min of silence"),
        ("edited", "location"),
        ("first_seen", ""),
    ] {
        let count = told.iter().filter(|(k, d)| (k.as_str(), d.as_str()) == expected).count();
        assert_eq!(count, 1, "{expected:?} in {told:?}");
    }
    let page = program.get(&format!("/devices/{id}/timeline")).await;
    assert!(page.text().contains("Address changed") && page.text().contains("9.80 → 10.1"));
    // a device that changes at every report fills no database
    for n in 4..70 {
        let mut flapping = moved.clone();
        flapping.ips = vec![std::net::Ipv4Addr::new(10, 1, 0, n as u8).into()];
        sensor.report_well(n, vec![flapping]).await;
    }
    let told = timeline(&program, &id).await;
    assert_eq!(told.iter().filter(|(kind, _)| kind == "limit").count(), 1, "{told:?}");
    assert!(told.len() <= 55, "{}", told.len());
    let later = Timestamp(Timestamp::now().0 + 91 * 86_400 * 1_000_000);
    assert!(house.store.remove_old_events(later).await.unwrap() > 0);
    assert_eq!(timeline(&program, &id).await.len(), 2);
    let nobody = uuid::Uuid::new_v4();
    assert_eq!(program.get(&format!("/api/v1/devices/{nobody}/timeline")).await.status, 404);
}
