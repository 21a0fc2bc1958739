//! API tokens that people make for themselves, and what the API says when it refuses.

use hyper::Method;
use serde_json::json;

use crate::support::{Client, House};

async fn signed_in(house: &House, cookie: &str) -> Client {
    let mut client = house.anybody();
    client.headers.insert("cookie", cookie.parse().unwrap());
    client
}

#[tokio::test]
async fn people_make_tokens_within_their_role_and_take_them_back() {
    let house = House::open().await;
    let anna = signed_in(&house, &house.session("anna").await).await;
    let rita = json!({ "name": "rita", "role": "security_reader", "password": "a long enough password" });
    assert_eq!(anna.post_json("/api/v1/users", &rita).await.status, 201);
    assert_eq!(anna.post_json("/api/v1/users", &rita).await.status, 409);
    let form = [("name", "rita"), ("password", "a long enough password")];
    let mut reader = house.anybody();
    let answer = reader.post_form("/login", &form).await;
    reader.keep_cookie(&answer);

    let too_much = reader.post_json("/api/v1/api-tokens", &json!({ "name": "x", "role": "owner" })).await;
    assert_eq!(too_much.status, 403);
    assert_eq!(too_much.header("content-type"), "application/problem+json");
    let problem = too_much.json();
    assert_eq!((problem["status"].as_u64(), problem["title"].as_str()), (Some(403), Some("Forbidden")));
    let wanted = json!({ "name": "reports", "role": "security_reader", "days": 7 });
    let made = reader.post_json("/api/v1/api-tokens", &wanted).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let token = made.json()["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("eyotapi_"));

    let mut program = house.anybody();
    program.headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    assert_eq!(program.get("/api/v1/devices?cursor=start").await.json()["next"], json!(null));
    assert_eq!(program.post_json("/api/v1/api-tokens", &wanted).await.status, 403, "a token makes none");
    assert_eq!(program.get("/metrics").await.status, 200);
    let listed = reader.get("/api/v1/api-tokens").await.json();
    assert_eq!(listed["tokens"].as_array().unwrap().len(), 1);
    assert!(listed["tokens"][0]["used"].is_string() && !listed.to_string().contains(&token));

    let gone = anna.send(Method::DELETE, "/api/v1/api-tokens/reports", "", "").await;
    assert_eq!(gone.status, 204);
    assert_eq!(program.get("/api/v1/devices").await.status, 401);
    let log = anna.get("/api/v1/audit?limit=2").await.json();
    assert_eq!(log["entries"][0]["action"], "api_token.deleted");
    let next = log["next"].as_str().unwrap();
    let further = anna.get(&format!("/api/v1/audit?limit=2&cursor={next}")).await.json();
    assert_ne!(further["entries"][0], log["entries"][1]);
}

#[tokio::test]
async fn a_walk_by_cursor_meets_every_device_once() {
    let house = House::open().await;
    let sensor = house.sensor("one").await;
    sensor.report_well(1, (0..7).map(|n| crate::support::device(n, "d")).collect()).await;
    let program = house.program("security_reader").await;
    let (mut cursor, mut met) = ("start".to_owned(), Vec::new());
    loop {
        let page = program.get(&format!("/api/v1/devices?per_page=3&cursor={cursor}")).await.json();
        met.extend(page["devices"].as_array().unwrap().iter().map(|d| d["mac"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    met.sort();
    let expected: Vec<_> = (0..7).map(|n| crate::support::device(n, "d").mac.to_string()).collect();
    assert_eq!(met, expected);
    for (path, status) in [
        ("/api/v1/devices?cursor=x", 422),
        ("/api/v1/devices?page=x", 400),
        ("/api/v1/devices/x", 400),
        ("/api/v1/nothing", 404),
    ] {
        let answer = program.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
    }
}
