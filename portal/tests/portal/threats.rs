//! Threat lists: uploaded by people and programs, fetched in parts by sensors.

use eyot_contract::{path, ThreatListPart, ThreatListRequest, MAX_THREAT_PART};
use hyper::Method;
use serde_json::{json, Value};

use crate::support::{Answer, Client, House, Sensor};

async fn put(program: &Client, name: &str, text: &str) -> Answer {
    program.send(Method::PUT, &format!("/api/v1/threat-lists/{name}"), "text/plain", text.to_owned()).await
}

async fn part(sensor: &Sensor, known: Option<&str>, offset: u64) -> ThreatListPart {
    let asked = ThreatListRequest { known: known.map(str::to_owned), offset };
    let answer = sensor.client.post_json(path::THREATS, &asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

async fn standing(program: &Client) -> Value {
    program.get("/api/v1/threat-lists").await.json()["sensors"][0].clone()
}

#[tokio::test]
async fn sensors_fetch_all_active_lists_in_parts_and_the_portal_knows_what_they_have() {
    let house = House::open().await;
    let program = house.program("security_admin").await;
    let sensor = house.sensor("one").await;
    assert_eq!(part(&sensor, None, 0).await.total, 0, "no list is an empty one");

    let many: String = (0..50_000).map(|n| format!("host-{n:06}.bad.example\n")).collect();
    assert_eq!(put(&program, "big", &many).await.status, 200);
    let bundle = json!({ "type": "bundle", "id": "bundle--1", "objects": [
        { "type": "indicator", "id": "indicator--1", "pattern": "[ipv4-addr:value = '203.0.113.9']", "pattern_type": "stix" },
        { "type": "indicator", "id": "indicator--2", "pattern": "[file:name = 'x']", "pattern_type": "stix" },
    ] });
    assert_eq!(put(&program, "stix", &bundle.to_string()).await.status, 200);
    let lists = program.get("/api/v1/threat-lists").await.json();
    assert_eq!((&lists["entries"], &lists["lists"][1]["left_out"]), (&json!(50_001), &json!(1)));
    assert_eq!(standing(&program).await["status"], "update_available");

    let first = part(&sensor, None, 0).await;
    assert_eq!(first.part.len(), MAX_THREAT_PART);
    let mut whole = first.part;
    while (whole.len() as u64) < first.total {
        let next = part(&sensor, None, whole.len() as u64).await;
        assert!(!next.part.is_empty() && next.version == first.version);
        whole.push_str(&next.part);
    }
    assert_eq!(whole.lines().count(), 50_001);
    assert!(
        whole.lines().any(|l| l == "203.0.113.9") && whole.lines().any(|l| l == "host-049999.bad.example")
    );
    assert_eq!(standing(&program).await["status"], "ok");
    assert_eq!(part(&sensor, Some(&first.version), 0).await.part, "", "it is known");

    let off = json!({ "active": false }).to_string();
    let at = "/api/v1/threat-lists/big";
    assert_eq!(program.send(Method::PATCH, at, "application/json", off).await.status, 204);
    assert_eq!(standing(&program).await["status"], "update_available");
    assert_eq!(part(&sensor, Some(&first.version), 0).await.part, "203.0.113.9\n");
    assert_eq!(program.send(Method::DELETE, at, "", "").await.status, 204);
    assert_eq!(program.send(Method::DELETE, at, "", "").await.status, 404);
    let audit = house.program("security_reader").await.get("/audit").await.text();
    for action in ["Threat list uploaded", "Threat list switched", "Threat list removed"] {
        assert!(audit.contains(action), "{action}");
    }
}

#[tokio::test]
async fn wrong_lists_are_refused_by_their_line_and_readers_change_nothing() {
    let house = House::open().await;
    let program = house.program("security_admin").await;
    let reader = house.program("security_reader").await;
    let wrong = put(&program, "x", "10.0.0.1\nnot an entry\n").await;
    assert_eq!(wrong.status, 422);
    assert_eq!(wrong.json()["detail"], "line 2: \"not\" is not an address, network or host name");
    assert_eq!(put(&program, "x", "{\"type\": \"bundle\",\n\"objects\": 5}").await.status, 422);
    assert_eq!(put(&program, &"n".repeat(81), "10.0.0.1").await.status, 422);
    let many: String =
        (0..=500_000_u32).map(|n| format!("{}\n", std::net::Ipv4Addr::from(0x0b00_0000 + n))).collect();
    assert_eq!(put(&program, "x", &many).await.json()["detail"], "the list has more than 500000 entries");
    assert_eq!(put(&reader, "x", "10.0.0.1").await.status, 403);
    assert_eq!(reader.get("/api/v1/threat-lists").await.json()["lists"], json!([]));
    assert_eq!(house.anybody().get("/api/v1/threat-lists").await.status, 401);
    assert_eq!(house.anybody().post_json(path::THREATS, &ThreatListRequest::default()).await.status, 401);
}

#[tokio::test]
async fn people_upload_a_file_and_see_which_sensor_has_it() {
    let house = House::open().await;
    let person = house.program("security_admin").await;
    let sensor = house.sensor("one").await;
    let body = |text: &str| {
        format!(
            "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n\r\n--x\r\nContent-Disposition: form-data; \
             name=\"list\"; filename=\"<feed>.txt\"\r\n\r\n{text}\r\n--x--\r\n"
        )
    };
    let send =
        |text: &str| person.send(Method::POST, "/threats", "multipart/form-data; boundary=x", body(text));
    assert_eq!(send("bad.example\n").await.status, 303);
    let refused = send("ok.example\n\n?\n").await;
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("line 3: "));
    part(&sensor, None, 0).await;
    let page = person.get("/threats").await.text();
    assert!(page.contains("&lt;feed&gt;.txt") && page.contains("Up to date") && page.contains("Turn off"));
    let off = [("name", "<feed>.txt"), ("what", "deactivate")];
    assert_eq!(person.post_form("/threats/change", &off).await.status, 303);
    let page = house.program("security_reader").await.get("/threats").await.text();
    assert!(page.contains("Update available") && !page.contains("<form method=\"post\" action=\"/threats"));
    let gone = [("name", "other"), ("what", "remove")];
    assert_eq!(person.post_form("/threats/change", &gone).await.status, 404);
}
