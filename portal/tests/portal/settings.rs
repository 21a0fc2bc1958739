//! Settings for sensors: set at three places, given to sensors, refused and acknowledged by them.

use std::collections::BTreeMap;

use eyot_contract::{path, SettingsAnswer, SettingsRequest};
use hyper::Method;
use serde_json::{json, Value};

use crate::support::{Answer, Client, House, Sensor};

async fn put(program: &Client, place: &str, settings: Value) -> Answer {
    let at = format!("/api/v1/settings/{place}");
    program.send(Method::PUT, &at, "application/json", settings.to_string()).await
}

async fn ask(sensor: &Sensor, in_force: Option<&str>, refused: &[(&str, &str)]) -> SettingsAnswer {
    let refused: BTreeMap<_, _> = refused.iter().map(|(n, w)| ((*n).to_owned(), (*w).to_owned())).collect();
    let asked = SettingsRequest { in_force: in_force.map(str::to_owned), refused };
    let answer = sensor.client.post_json(path::SETTINGS, &asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

async fn standing(program: &Client) -> Value {
    program.get("/api/v1/settings").await.json()["sensors"][0].clone()
}

#[tokio::test]
async fn the_narrower_place_wins_and_the_portal_knows_what_is_in_force() {
    let house = House::open().await;
    let program = house.program("security_admin").await;
    let sensor = house.sensor("one").await;
    assert_eq!(standing(&program).await["status"], "not_asked_yet");
    let nothing = ask(&sensor, None, &[]).await;
    assert_eq!(nothing.settings, Some(serde_json::Map::new()), "nothing is set");
    assert_eq!(standing(&program).await["status"], "pending");
    assert_eq!(ask(&sensor, Some(&nothing.version), &[]).await.settings, None);
    assert_eq!(standing(&program).await["status"], "applied");

    let site = json!({ "filter": "not port 9000", "bandwidth_kbps": 1500, "vlan_names": { "10": "voice" } });
    assert_eq!(put(&program, "site/Enterprise%20network", site).await.status, 204);
    let zone = json!({ "filter": "arp", "subnets": ["10.0.0.0/8"] });
    assert_eq!(put(&program, "zone/default", zone).await.status, 204);
    let own = format!("sensor/{}", sensor.id);
    assert_eq!(put(&program, &own, json!({ "filter": "udp" })).await.status, 204);
    let wanted = ask(&sensor, Some(&nothing.version), &[]).await;
    let expected = json!({
        "filter": "udp", "bandwidth_kbps": 1500, "vlan_names": { "10": "voice" }, "subnets": ["10.0.0.0/8"],
    });
    assert_eq!(Value::Object(wanted.settings.unwrap()), expected);
    let seen = standing(&program).await;
    assert_eq!((&seen["status"], &seen["settings"]), (&json!("pending"), &expected));
    let from =
        json!({ "filter": "sensor", "bandwidth_kbps": "site", "vlan_names": "site", "subnets": "zone" });
    assert_eq!(seen["from"], from);

    ask(&sensor, Some(&wanted.version), &[("filter", "not a capture filter (syntax error)")]).await;
    let seen = standing(&program).await;
    assert_eq!(seen["status"], "refused");
    assert_eq!(seen["refused"]["filter"], "not a capture filter (syntax error)");
    let page = program.get("/settings").await.text();
    assert!(page.contains("Refused in part") && page.contains("not a capture filter (syntax error)"));

    // without its own, the zone's filter holds
    assert_eq!(put(&program, &own, json!({})).await.status, 204);
    let wanted = ask(&sensor, Some(&wanted.version), &[]).await;
    assert_eq!(wanted.settings.unwrap()["filter"], "arp");
    // and in another zone the site's
    let to = json!({ "zone": "lab" }).to_string();
    let at = format!("/api/v1/sensors/{}", sensor.id);
    assert_eq!(program.send(Method::PATCH, &at, "application/json", to).await.status, 204);
    let moved = ask(&sensor, Some(&wanted.version), &[]).await;
    assert_eq!(moved.settings.as_ref().unwrap()["filter"], "not port 9000");
    assert_eq!(moved.settings.unwrap().get("subnets"), None);

    let audit = program.get("/api/v1/audit").await.json();
    let told: Vec<&Value> =
        audit["entries"].as_array().unwrap().iter().filter(|e| e["action"] == "settings.changed").collect();
    assert_eq!(told.len(), 4, "{audit:#}");
    assert_eq!(
        (&told[0]["subject"], &told[0]["detail"]),
        (&json!("sensor one"), &json!("filter: \"udp\" → not set"))
    );
}

#[tokio::test]
async fn what_cannot_be_set_is_refused_and_readers_set_nothing() {
    let house = House::open().await;
    let program = house.program("security_admin").await;
    for (place, settings, status, detail) in [
        ("zone/default", json!({ "bandwidth_kbps": 349 }), 422, "bandwidth_kbps: 350 to"),
        ("zone/default", json!({ "subnets": ["10.0.0.0/64"] }), 422, "subnets: \"10.0.0.0/64\" is not"),
        ("zone/default", json!({ "vlan_names": { "4095": "x" } }), 422, "vlan_names: VLANs have"),
        ("zone/default", json!({ "filter": "a\nb" }), 422, "filter: a filter stands on one line"),
        ("zone/default", json!({ "colour": "red" }), 422, "unknown field"),
        ("zone/none", json!({}), 404, "there is no such place"),
        ("planet/earth", json!({}), 404, "there is no such place"),
        ("sensor/00000000-0000-0000-0000-000000000000", json!({}), 404, "there is no such place"),
    ] {
        let answer = put(&program, place, settings.clone()).await;
        assert_eq!(answer.status, status, "{place} {settings}");
        let said = answer.json()["detail"].to_string().replace("\\\"", "\"");
        assert!(said.contains(detail), "{place} {settings}: {said}");
    }
    let reader = house.program("security_reader").await;
    assert_eq!(put(&reader, "zone/default", json!({ "filter": "arp" })).await.status, 403);
    let form = [("at", "zone:default"), ("bandwidth", ""), ("subnets", ""), ("vlans", ""), ("filter", "arp")];
    assert_eq!(reader.post_form("/settings", &form).await.status, 403);
    assert_eq!(house.anybody().post_json(path::SETTINGS, &SettingsRequest::default()).await.status, 401);
    assert_eq!(reader.get("/api/v1/settings").await.json()["places"], json!([]));
    assert!(!reader.get("/settings").await.text().contains("method=\"post\" action=\"/settings"));
}

#[tokio::test]
async fn people_set_by_form_and_a_mistake_keeps_what_they_wrote() {
    let house = House::open().await;
    let person = house.program("security_admin").await;
    let form = |subnets: &'static str, vlans: &'static str| {
        [("at", "zone:default"), ("bandwidth", "500"), ("subnets", subnets), ("vlans", vlans), ("filter", "")]
    };
    let wrong = person.post_form("/settings", &form("10.0.0.0/8\r\nnonsense", "10 voice")).await;
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.text().contains("&quot;nonsense&quot; is not a network") && wrong.text().contains("10 voice")
    );
    let twice = person.post_form("/settings", &form("", "10 voice\r\n10 data")).await;
    assert!(twice.text().contains("VLAN 10 has two names"));
    assert_eq!(
        person.post_form("/settings", &form("10.0.0.0/8\r\n", "10 voice and data\r\n\r\n")).await.status,
        303
    );
    let places = person.get("/api/v1/settings").await.json()["places"].clone();
    assert_eq!(places[0]["scope"], "zone");
    let expected =
        json!({ "bandwidth_kbps": 500, "subnets": ["10.0.0.0/8"], "vlan_names": { "10": "voice and data" } });
    assert_eq!(places[0]["settings"], expected);
    let gone = [("at", "zone:none"), ("bandwidth", ""), ("subnets", ""), ("vlans", ""), ("filter", "")];
    assert_eq!(person.post_form("/settings", &gone).await.status, 404);
}
