//! Plans and the count of committed devices, as programs and people see them.

use eyot_contract::{DeviceType, MAX_BATCH_DEVICES};
use hyper::Method;

use crate::support::{device, House};

#[tokio::test]
async fn the_worked_example_through_the_whole_portal() {
    let house = House::open().await;
    let program = house.program("contributor").await;
    let sensor = house.sensor("one").await;
    let now = eyot_contract::Timestamp::now();
    let site: Vec<_> = (0..1679)
        .map(|n| {
            let mut one = device(n, &format!("d-{n}"));
            one.device_type = Some(if n < 473 { DeviceType::Switch } else { DeviceType::Workstation });
            one.last_seen = now;
            one
        })
        .collect();
    for (at, some) in site.chunks(MAX_BATCH_DEVICES).enumerate() {
        sensor.report_well(at as u64 + 1, some.to_vec()).await;
    }
    let count = || async { program.get("/api/v1/plans").await.json()["subscriptions"][0].clone() };
    let before = count().await;
    assert_eq!((&before["network_devices"], &before["iot_devices"]), (&473.into(), &1206.into()));
    assert_eq!((&before["counted"], &before["committed_devices"]), (&1679.into(), &1700.into()));

    let list: String = (1000..1500).map(|n| format!("d-{n}\n")).collect();
    let put = |text: String| program.send(Method::PUT, "/api/v1/managed-endpoints", "text/csv", text);
    assert_eq!(put(format!("name\n{list}")).await.json()["names"], 500);
    let after = count().await;
    assert_eq!((&after["counted"], &after["committed_devices"]), (&1179.into(), &1200.into()));
    assert_eq!(after["excluded"]["managed"], 500);
    let wrong = put("mac\nnonsense\n".to_owned()).await;
    assert_eq!(wrong.status, 422);
    assert_eq!(count().await["excluded"]["managed"], 500, "a wrong list replaces nothing");
    let page = program.get("/plans").await.text();
    for text in ["473", "1206", "1179", "1200", "Managed endpoints"] {
        assert!(page.contains(text), "{text}");
    }
}

#[tokio::test]
async fn a_plan_is_changed_by_cancelling_and_adding() {
    let house = House::open().await;
    let program = house.program("contributor").await;
    let add = |kind: &'static str, devices: Option<i64>| {
        let asked = serde_json::json!({"subscription": "main", "kind": kind, "devices": devices});
        let program = program.clone();
        async move { program.post_json("/api/v1/plans", &asked).await.status.as_u16() }
    };
    let cancel = || program.send(Method::DELETE, "/api/v1/plans/main", "", "");
    assert_eq!(cancel().await.status, 404);
    assert_eq!(add("weekly", None).await, 422);
    assert_eq!(add("monthly", None).await, 422);
    assert_eq!(add("trial", None).await, 201);
    assert_eq!(add("monthly", Some(10)).await, 409, "one at a time");
    let plan = || async { program.get("/api/v1/plans").await.json()["subscriptions"][0]["plan"].clone() };
    assert_eq!((&plan().await["devices"], &plan().await["standing"]), (&1000.into(), &"Pending".into()));
    assert_eq!(cancel().await.status, 204);
    assert_eq!(plan().await["standing"], "Cancelled");
    assert_eq!(cancel().await.status, 404, "once");
    assert_eq!(add("trial", None).await, 409, "one trial in a life");
    assert_eq!(add("annual", Some(1179)).await, 201);
    assert_eq!((&plan().await["devices"], &plan().await["kind"]), (&1200.into(), &"annual".into()));
    // pricing is for owners and contributors
    let admin = house.program("security_admin").await;
    assert_eq!(admin.send(Method::DELETE, "/api/v1/plans/main", "", "").await.status, 403);
    assert_eq!(admin.post_form("/plans/cancel", &[("subscription", "main")]).await.status, 403);
    assert!(!admin.get("/plans").await.text().contains("Cancel plan"));
    // people do the same on the page
    let form = [("subscription", "main"), ("kind", "monthly"), ("devices", "x")];
    let refused = program.post_form("/plans", &form).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("is not a number of devices"));
    assert_eq!(program.post_form("/plans/cancel", &[("subscription", "main")]).await.status, 303);
    let form = [("subscription", "main"), ("kind", "monthly"), ("devices", "300")];
    assert_eq!(program.post_form("/plans", &form).await.status, 303);
    assert_eq!(plan().await["kind"], "monthly");
    let upload = "--b\r\ncontent-disposition: form-data; name=\"list\"; filename=\"l.csv\"\r\n\r\nip\n10.0.0.1\n\r\n--b--\r\n";
    let sent = program.send(Method::POST, "/plans/managed", "multipart/form-data; boundary=b", upload).await;
    assert_eq!(sent.status, 303, "{}", sent.text());
    assert_eq!(
        house.store.audit().await.unwrap().iter().filter(|e| e.action == "managed.imported").count(),
        1
    );
}

#[tokio::test]
async fn more_devices_than_committed_to_is_a_warning_and_blocks_nothing() {
    let house = House::open().await;
    let program = house.program("owner").await;
    let asked = serde_json::json!({"subscription": "main", "kind": "monthly", "devices": 100});
    assert_eq!(program.post_json("/api/v1/plans", &asked).await.status, 201);
    let sensor = house.sensor("one").await;
    let now = eyot_contract::Timestamp::now();
    let many = |from: u32, to: u32| {
        (from..to)
            .map(|n| {
                let mut d = device(n, "d");
                d.last_seen = now;
                d
            })
            .collect::<Vec<_>>()
    };
    sensor.report_well(1, many(0, 100)).await;
    let over =
        || async { program.get("/api/v1/plans").await.json()["subscriptions"][0]["over_committed"].clone() };
    assert_eq!(over().await, false);
    sensor.report_well(2, many(100, 101)).await;
    assert_eq!(over().await, true);
    assert!(program.get("/plans").await.text().contains("Nothing is blocked"));
    sensor.report_well(3, many(101, 120)).await;
}
