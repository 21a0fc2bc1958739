//! Device batches: stored once, refused whole, and the inventory they make.

use eyot_contract::{path, RefusalCode, MAX_BATCH_DEVICES};
use hyper::Method;

use crate::support::{device, House};

#[tokio::test]
async fn a_repeated_batch_counts_once() {
    let house = House::open().await;
    let program = house.program("security_reader").await;
    let sensor = house.sensor("one").await;
    sensor.report_well(1, vec![device(1, "old name")]).await;
    sensor.report_well(2, vec![device(1, "new name")]).await;
    // the first batch again, as after a lost acknowledgement: acknowledged, and it changes nothing
    sensor.report_well(1, vec![device(1, "old name"), device(2, "never stored")]).await;
    let devices = program.get("/api/v1/devices").await.json();
    assert_eq!(devices["total"], 1);
    assert_eq!(devices["devices"][0]["hostname"], "new name");
    // numbers may jump: a sensor whose spool was full drops the oldest
    sensor.report_well(7, vec![device(3, "after a gap")]).await;
    assert_eq!(program.get("/api/v1/devices").await.json()["total"], 2);
}

#[tokio::test]
async fn a_batch_too_large_is_refused_whole() {
    let house = House::open().await;
    let program = house.program("security_reader").await;
    let sensor = house.sensor("one").await;
    let many = |count: usize| (0..count as u32).map(|n| device(n, "d")).collect::<Vec<_>>();
    let answer = sensor.report(1, many(MAX_BATCH_DEVICES + 1)).await;
    assert_eq!(answer.refusal(), (413, RefusalCode::BadRequest));
    assert_eq!(program.get("/api/v1/devices").await.json()["total"], 0);
    let mut bloated = device(1, "x");
    bloated.evidence[0].seen = "x".repeat(9_000_000);
    assert_eq!(sensor.report(1, vec![bloated]).await.refusal(), (413, RefusalCode::BadRequest));
    let answer = sensor.client.send(Method::POST, path::DEVICES, "application/json", "{\"epoch\": 1}").await;
    assert_eq!(answer.refusal(), (400, RefusalCode::BadRequest));
    sensor.report_well(1, many(MAX_BATCH_DEVICES)).await;
    assert_eq!(program.get("/api/v1/devices").await.json()["total"], MAX_BATCH_DEVICES);
}

#[tokio::test]
async fn two_sensors_that_see_one_device_show_one() {
    let house = House::open().await;
    let program = house.program("security_reader").await;
    let (near, far) = (house.sensor("near").await, house.sensor("far").await);
    let seen = device(1, "cam");
    let mut glimpsed = seen.clone();
    glimpsed.hostname = None;
    glimpsed.model = None;
    glimpsed.confidence = 0.1;
    glimpsed.ips = vec!["10.9.9.9".parse().unwrap()];
    glimpsed.last_seen.0 += 1_000_000;
    near.report_well(1, vec![seen]).await;
    far.report_well(1, vec![glimpsed]).await;
    let devices = program.get("/api/v1/devices").await.json();
    assert_eq!(devices["total"], 1);
    let device = &devices["devices"][0];
    assert_eq!(device["hostname"], "cam");
    assert_eq!(device["ips"], serde_json::json!(["10.9.9.9", "10.0.0.1"]));
    let one = program.get(&format!("/api/v1/devices/{}", device["id"].as_str().unwrap())).await.json();
    assert_eq!(one["sightings"].as_array().unwrap().len(), 2);
    for sensor in [&near, &far] {
        let of = program.get(&format!("/api/v1/devices?sensor={}", sensor.id)).await.json();
        assert_eq!(of["total"], 1);
    }
}

#[tokio::test]
async fn search_filter_sort_and_page() {
    let house = House::open().await;
    let program = house.program("security_reader").await;
    let sensor = house.sensor("one").await;
    let mut printer = device(300, "Print_Er\0");
    printer.vendor = Some("Brother".to_owned());
    printer.device_type = Some(eyot_contract::DeviceType::Printer);
    let mut nameless = device(2, "");
    (nameless.hostname, nameless.vendor, nameless.device_type, nameless.class) = (None, None, None, None);
    nameless.confidence = 0.0;
    sensor.report_well(1, vec![device(9, "cam-b"), device(10, "cam-a"), printer, nameless]).await;
    let names = |query: &'static str| {
        let program = program.clone();
        async move {
            let answer = program.get(&format!("/api/v1/devices?{query}")).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let devices = answer.json()["devices"].as_array().unwrap().clone();
            devices
                .iter()
                .map(|d| d["hostname"].as_str().unwrap_or("?").to_owned())
                .collect::<Vec<_>>()
                .join(" ")
        }
    };
    assert_eq!(names("").await, "Print_Er cam-a cam-b ?", "latest first");
    assert_eq!(names("sort=name").await, "cam-a cam-b Print_Er ?", "without a name last");
    assert_eq!(names("sort=name&order=desc").await, "Print_Er cam-b cam-a ?");
    assert_eq!(names("sort=ip").await, "? cam-b cam-a Print_Er", "by number, not by text");
    assert_eq!(names("search=PRINTER").await, "Print_Er", "by type");
    assert_eq!(names("search=_er").await, "Print_Er", "no wildcard");
    assert_eq!(names("search=cam%2010.0.0.10").await, "cam-a", "every word");
    assert_eq!(names("search=004000000009").await, "cam-b", "address without separators");
    assert_eq!(names("type=printer").await, "Print_Er");
    assert_eq!(names("type=unknown").await, "?");
    assert_eq!(names("vendor=Brother").await, "Print_Er");
    assert_eq!(names("class=enterprise&sort=name").await, "cam-a cam-b Print_Er");
    assert_eq!(names("sort=name&per_page=1&page=2").await, "cam-b");
    for wrong in ["sort=evil", "order=up", "sensor=7", "sort=name;DROP%20TABLE%20devices"] {
        let answer = program.get(&format!("/api/v1/devices?{wrong}")).await;
        assert_eq!(answer.status, 422, "{wrong}");
    }
    assert_eq!(names("search=%27%20OR%201%3D1%20--").await, "");
}

#[tokio::test]
async fn a_sensor_takes_its_devices_to_another_zone() {
    let house = House::open().await;
    let program = house.program("contributor").await;
    let (one, two) = (house.sensor("one").await, house.sensor("two").await);
    let mut surest = device(1, "shared, surest");
    surest.confidence = 0.95;
    one.report_well(1, vec![surest, device(2, "only one's")]).await;
    two.report_well(1, vec![device(1, "shared, less sure"), device(3, "only two's")]).await;
    let names = || async {
        let all = program.get("/api/v1/devices?sort=name").await.json();
        let name = |d: &serde_json::Value| {
            format!("{}@{}", d["hostname"].as_str().unwrap(), d["zone"].as_str().unwrap())
        };
        all["devices"].as_array().unwrap().iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["only one's@default", "only two's@default", "shared, surest@default"]);
    let path = format!("/api/v1/sensors/{}", one.id);
    let patch = |body: &'static str| program.send(Method::PATCH, &path, "application/json", body);
    assert_eq!(patch("{\"zone\": \"Hall 2\"}").await.status, 204);
    let apart =
        ["only one's@Hall 2", "only two's@default", "shared, less sure@default", "shared, surest@Hall 2"];
    assert_eq!(names().await, apart, "one device in two zones is two");
    one.report_well(2, vec![device(4, "new")]).await;
    assert!(names().await.contains(&"new@Hall 2".to_owned()));
    assert_eq!(patch("{\"zone\": \"default\"}").await.status, 204);
    assert_eq!(
        names().await,
        ["new@default", "only one's@default", "only two's@default", "shared, surest@default"],
        "and together again"
    );
    assert_eq!(patch("{\"name\": \"two\"}").await.status, 409);
    assert_eq!(patch("{\"name\": \"\"}").await.status, 422);
    assert_eq!(patch("{\"name\": \"uno\", \"subscription\": \"other\"}").await.status, 204);
    let listed = program.get(&path).await.json();
    assert_eq!((&listed["name"], &listed["subscription"]), (&"uno".into(), &"other".into()));
}
