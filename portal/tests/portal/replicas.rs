//! Two portals on one PostgreSQL database. Without a server to test with there is nothing to see here: `scripts/test`
//! starts one and runs all of these tests again.

use serde_json::json;

use crate::support::{device, enrolment, key_and_request, postgres, House, Sensor};

#[tokio::test]
async fn what_one_is_told_the_other_knows() {
    if postgres().is_none() {
        return;
    }
    let one = House::open().await;
    let two = one.replica().await;
    // registered here, enrolled there, reporting to either
    let issued = one.register("roamer").await;
    let sensor = Sensor::activate(&two.anybody(), two.folder.path(), &issued.token).await;
    sensor.report_well(1, vec![device(1, "a")]).await;
    let at_one = sensor.at(&one);
    at_one.report_well(2, vec![device(2, "b")]).await;
    // the other's batch again, at this one: acknowledged, and it counts once
    at_one.report_well(1, vec![device(3, "never")]).await;
    let program = two.program("security_reader").await;
    assert_eq!(program.get("/api/v1/devices").await.json()["total"], 2);
    // a token works once, wherever it is shown
    let again = enrolment(&issued.token, &key_and_request().1);
    let refused = one.anybody().post_json(eyot_contract::path::ENROL, &again).await;
    assert_eq!(refused.status, 409);
}

#[tokio::test]
async fn both_at_once_lose_nothing_and_repeat_nothing() {
    if postgres().is_none() {
        return;
    }
    let one = House::open().await;
    let two = one.replica().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..6 {
        let sensor = one.sensor(&format!("s{n}")).await;
        let beside = sensor.at(&two);
        tasks.spawn(async move {
            for sequence in 1..=10 {
                // the same devices from all of them, in another order each: they are put together under each other's eyes
                let mut devices: Vec<_> = (0..20).map(|d| device(d, "shared")).collect();
                devices.rotate_left((n * 3 + sequence as usize) % 20);
                devices.push(device(1_000 + n as u32 * 100 + sequence as u32, "own"));
                let through = if sequence % 2 == 0 { &sensor } else { &beside };
                through.report_well(sequence, devices).await;
            }
        });
    }
    tasks.join_all().await;
    let program = one.program("security_reader").await;
    assert_eq!(program.get("/api/v1/devices?search=shared").await.json()["total"], json!(20));
    assert_eq!(program.get("/api/v1/devices?search=own").await.json()["total"], json!(60));
}
