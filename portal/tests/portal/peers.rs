//! Whom a device sends to: what several sensors say, drawn and listed, with the peers' own pages.

use eyot_contract::{Location, Peer, Timestamp};
use serde_json::json;

use crate::support::{device, House};

fn peer(ip: &str, bytes: u64) -> Peer {
    Peer {
        ip: ip.parse().unwrap(),
        mac: None,
        location: Some(Location::Routed),
        protocol: Some("tls".to_owned()),
        port: 443,
        serves: false,
        bytes,
        last_seen: Timestamp(1_790_000_100_000_000),
    }
}

#[tokio::test]
async fn peers_of_all_sensors_are_one_list_that_leads_to_their_pages() {
    let house = House::open().await;
    let reader = house.program("security_reader").await;
    let (one, two) = (house.sensor("one").await, house.sensor("two").await);
    let recorder = device(2, "recorder");
    let mut camera = device(1, "front-door");
    let mut local = peer("10.0.0.2", 1_500_000);
    (local.mac, local.location) = (Some(recorder.mac), Some(Location::Local));
    (local.protocol, local.port, local.serves) = (Some("rtsp".to_owned()), 554, true);
    camera.activity.peers = vec![local, peer("203.0.113.9", 900)];
    one.report_well(1, vec![camera.clone(), recorder]).await;
    camera.activity.peers = vec![peer("203.0.113.9", 4_000), peer("2001:db8::7", 10)];
    two.report_well(1, vec![camera]).await;

    let found = reader.get("/api/v1/devices?search=front-door").await.json();
    let id = found["devices"][0]["id"].as_str().unwrap().to_owned();
    let peers = reader.get(&format!("/api/v1/devices/{id}/peers")).await.json();
    let said: Vec<_> =
        peers.as_array().unwrap().iter().map(|p| (p["ip"].clone(), p["bytes"].clone())).collect();
    let expected = [("10.0.0.2", 1_500_000), ("203.0.113.9", 4_000), ("2001:db8::7", 10)];
    assert_eq!(said, expected.map(|(ip, bytes)| (json!(ip), json!(bytes))));
    assert_eq!(
        (&peers[0]["name"], &peers[0]["serves"], &peers[1]["device"]),
        (&json!("recorder"), &json!(true), &json!(null))
    );

    let page = reader.get(&format!("/devices/{id}/map")).await.text();
    let own = format!("href=\"/devices/{}\"", peers[0]["device"].as_str().unwrap());
    for expected in
        [&own, "RTSP, port 554 (its own)", "1.5 MB", "External", "role=\"img\"", "Not in the inventory"]
    {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    assert_eq!(page.matches("<line").count(), 3);
    let alone = reader.get("/api/v1/devices?search=recorder").await.json();
    let alone = format!("/devices/{}/map", alone["devices"][0]["id"].as_str().unwrap());
    assert!(reader.get(&alone).await.text().contains("No sensor has seen this device send"));
    let nobody = "/api/v1/devices/00000000-0000-0000-0000-000000000000/peers";
    assert_eq!(reader.get(nobody).await.status, 404);
}
