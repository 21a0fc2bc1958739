//! The inventory in groups, saved views, and exports of everything that matches.

use eyot_contract::DeviceType;
use hyper::Method;
use serde_json::json;

use crate::support::{device, Client, House};

async fn filled(house: &House) {
    let sensor = house.sensor("one").await;
    let mut all: Vec<_> = (1..=5).map(|n| device(n, &format!("cam-{n}"))).collect();
    for n in 6..=7 {
        let mut printer = device(n, &format!("printer-{n}"));
        printer.device_type = Some(DeviceType::Printer);
        printer.vendor = Some("Brother".to_owned());
        printer.vlans = vec![10, 30];
        all.push(printer);
    }
    let mut nobody = device(8, "nobody");
    (nobody.device_type, nobody.class, nobody.vendor) = (None, None, None);
    nobody.vlans = Vec::new();
    all.push(nobody);
    sensor.report_well(1, all).await;
}

async fn total(program: &Client, query: &str) -> i64 {
    let answer = program.get(&format!("/api/v1/devices?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()["total"].as_i64().unwrap()
}

#[tokio::test]
async fn groups_follow_each_other_and_are_counted() {
    let house = House::open().await;
    let program = house.program("security_reader").await;
    filled(&house).await;
    let answer = program.get("/api/v1/devices?group=type&sort=name&order=desc").await.json();
    let names: Vec<_> =
        answer["devices"].as_array().unwrap().iter().map(|d| d["hostname"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["cam-5", "cam-4", "cam-3", "cam-2", "cam-1", "printer-7", "printer-6", "nobody"],
        "by group, then by the order asked for, unknown last"
    );
    for (query, count) in [
        ("group=type&in=camera", 5),
        ("group=type&in=unknown", 1),
        ("group=vendor&in=Brother", 2),
        ("group=class&in=unknown", 1),
        ("group=model&in=P1435", 8),
        ("group=os&in=unknown", 8),
        ("group=site&in=Enterprise%20network", 8),
        ("group=zone&in=default", 8),
        ("group=sensor&in=one", 8),
        ("group=vlans&in=10,30", 2),
        ("group=vlans&in=unknown", 1),
        ("group=authorized&in=unknown", 8),
        ("group=importance&in=normal", 8),
        ("group=location&in=unknown", 8),
        ("group=vendor&in=Brother&search=printer-6", 1),
    ] {
        assert_eq!(total(&program, query).await, count, "{query}");
    }
    for wrong in ["group=evil", "in=camera"] {
        assert_eq!(program.get(&format!("/api/v1/devices?{wrong}")).await.status, 422, "{wrong}");
    }
    let page = program.get("/devices?group=type").await.text();
    for text in [
        "Camera <small>5 devices",
        "Printer <small>2 devices",
        "Unknown <small>1 device<",
        "Camera <strong>5",
    ] {
        assert!(page.contains(text), "{text} in {page}");
    }
    for group in [
        "class",
        "vendor",
        "model",
        "os",
        "site",
        "zone",
        "sensor",
        "vlans",
        "authorized",
        "importance",
        "location",
    ] {
        let page = program.get(&format!("/devices?group={group}")).await;
        assert_eq!(page.status, 200, "{group}");
        assert!(page.text().contains("<tr class=\"group\">") && page.text().contains(" device"), "{group}");
    }
}

#[tokio::test]
async fn a_view_keeps_question_and_columns_for_its_owner_or_for_all() {
    let house = House::open().await;
    let (olga, rita) = (house.program("security_admin").await, house.program("security_reader").await);
    filled(&house).await;
    let saved = olga
        .post_form(
            "/devices/views",
            &[
                ("name", "Printers"),
                ("query", "type=printer&sort=name&group=vendor"),
                ("columns", "name,vlans,vendor"),
                ("shared", "yes"),
                ("first", "yes"),
            ],
        )
        .await;
    assert_eq!(saved.status, 303, "{}", saved.text());
    let view = saved.header("location").to_owned();
    let page = olga.get(&view).await.text();
    assert!(page.contains("<strong>2</strong> devices") && page.contains("printer-6"), "{page}");
    let headings: Vec<_> =
        ["Name", "VLAN", "Vendor"].iter().map(|h| page.find(&format!(">{h}<span")).unwrap()).collect();
    assert!(headings.is_sorted() && !page.contains(">Firmware<span"), "the columns, in their order");
    // it is what olga sees first, and everybody's
    assert_eq!(olga.get("/devices").await.header("location"), view);
    assert_eq!(olga.get("/devices?view=all").await.status, 200);
    assert_eq!(rita.get("/devices").await.status, 200, "not what rita sees first");
    assert!(rita.get(&view).await.text().contains("<strong>2</strong> devices"));
    let csv = rita.get(&view.replace("/devices?", "/devices.csv?")).await.text();
    assert_eq!(csv.trim().lines().count(), 3, "{csv}");
    // a reader has views too, shows them to nobody, and removes nobody's
    let own = rita
        .post_form("/devices/views", &[("name", "Mine"), ("query", ""), ("columns", ""), ("shared", "yes")])
        .await;
    assert_eq!(own.status, 303);
    assert!(!olga.get("/devices?view=all").await.text().contains(">Mine"));
    let id = view.rsplit('=').next().unwrap();
    let remove = [("id", id), ("do", "remove")];
    assert_eq!(rita.post_form("/devices/views/change", &remove).await.status, 403);
    for wrong in [
        [("name", ""), ("query", "")],
        [("name", "x"), ("query", "sort=evil")],
        [("name", "x"), ("query", "page=x")],
    ] {
        assert_eq!(olga.post_form("/devices/views", &wrong).await.status, 422, "{wrong:?}");
    }
    assert_eq!(olga.post_form("/devices/views/change", &[("id", id), ("do", "not-first")]).await.status, 303);
    assert_eq!(olga.get("/devices").await.status, 200);
    assert_eq!(olga.post_form("/devices/views/change", &remove).await.status, 303);
    assert_eq!(olga.get(&view).await.status, 200, "a view that is gone shows everything");
    let audit = olga.get("/audit").await.text();
    assert!(audit.contains("View shared") && audit.contains("View removed"));
}

#[tokio::test]
async fn columns_have_an_order() {
    let house = House::open().await;
    let program = house.program("security_reader").await;
    filled(&house).await;
    let chosen = [
        ("column", "vendor"),
        ("position-vendor", "2"),
        ("column", "mac"),
        ("position-mac", "1"),
        ("position-model", "1"),
        ("back", "/devices"),
    ];
    assert_eq!(program.post_form("/devices/columns", &chosen).await.status, 303);
    let page = program.get("/devices").await.text();
    let at = |heading: &str| page.find(&format!(">{heading}<span"));
    assert!(at("Name") < at("MAC address") && at("MAC address") < at("Vendor") && at("Model").is_none());
}

#[tokio::test]
async fn exports_hold_everything_that_matches_and_end_properly() {
    let house = House::open().await;
    let program = house.program("security_reader").await;
    let sensor = house.sensor("one").await;
    for batch in 0..3_u32 {
        let some = (0..400).map(|n| device(batch * 400 + n + 1, &format!("d{n}"))).collect();
        sensor.report_well(u64::from(batch) + 1, some).await;
    }
    let csv = program.get("/devices.csv?sort=mac").await;
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"devices.csv\"");
    let text = csv.text();
    let lines: Vec<_> = text.split("\r\n").filter(|l| !l.is_empty()).collect();
    assert_eq!(lines.len(), 1_201);
    assert!(lines[0].starts_with("Name,IP address,") && lines[1].contains("00:40:00:00:00:01"));
    assert!(lines[1_200].contains("00:40:00:00:04:b0"), "in the order asked for");
    let json = program.get("/devices.json?search=d399").await.json();
    assert_eq!(json.as_array().unwrap().len(), 3);
    assert_eq!(program.get("/devices.json?search=nothing").await.json(), json!([]));
    assert_eq!(program.get("/devices.csv?search=nothing").await.text().lines().count(), 1);
    assert_eq!(program.get("/devices.csv?sort=evil").await.status, 422);
    assert_eq!(house.anybody().send(Method::GET, "/devices.csv", "", "").await.status, 303, "to sign in");
}

#[tokio::test]
async fn programs_save_views_share_them_where_they_may_and_remove_them() {
    let house = House::open().await;
    let admin = house.program("security_admin").await;
    let reader = house.program("security_reader").await;
    let phones = |shared: bool| json!({ "name": "Phones", "shared": shared, "query": "type=voip_phone&sort=name", "columns": ["name", "ip"] });
    let made = admin.post_json("/api/v1/views", &phones(true)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let seen = reader.get("/api/v1/views").await.json();
    assert_eq!((&seen[0]["id"], &seen[0]["columns"]), (&json!(id), &json!(["name", "ip"])));
    assert_eq!(reader.post_json("/api/v1/views", &phones(true)).await.status, 403);
    assert_eq!(reader.post_json("/api/v1/views", &phones(false)).await.status, 201);
    assert_eq!(
        admin.get("/api/v1/views").await.json().as_array().unwrap().len(),
        1,
        "a reader's own is a reader's own"
    );
    for wrong in [
        json!({ "name": "", "columns": ["name"] }),
        json!({ "name": "x", "columns": ["nonsense"] }),
        json!({ "name": "x", "columns": [] }),
        json!({ "name": "x", "columns": ["name"], "query": "sort=nonsense" }),
    ] {
        assert_eq!(admin.post_json("/api/v1/views", &wrong).await.status, 422, "{wrong}");
    }
    let at = format!("/api/v1/views/{id}");
    assert_eq!(reader.send(Method::DELETE, &at, "", "").await.status, 403);
    assert_eq!(admin.send(Method::DELETE, &at, "", "").await.status, 204);
    assert_eq!(admin.send(Method::DELETE, &at, "", "").await.status, 404);
}
