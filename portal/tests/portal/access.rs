//! Who gets in and who does not.

use eyot_contract::Timestamp;
use hyper::Method;
use uuid::Uuid;

use crate::support::{Client, House};

const PASSWORD: &str = "a long enough password";

/// Sets the portal up and signs its owner in.
async fn owner(house: &House) -> Client {
    let portal = eyot_portal::Portal::open(house.folder.path()).await.unwrap();
    let file = portal.setup_secret_file().await.unwrap().unwrap();
    let secret = std::fs::read_to_string(&file).unwrap();
    let mut client = house.anybody();
    let form = [("secret", secret.trim()), ("name", "anna"), ("password", PASSWORD), ("again", PASSWORD)];
    let answer = client.post_form("/setup", &form).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert!(!file.exists(), "the used set-up secret is gone");
    client.keep_cookie(&answer);
    client
}

#[tokio::test]
async fn nothing_but_the_door_is_open_to_anybody() {
    let house = House::open().await;
    let anybody = house.anybody();
    let id = Uuid::new_v4();
    for page in [
        "/",
        "/getting-started",
        "/sensors",
        "/devices",
        "/devices.csv",
        "/devices.json",
        "/no-such-page",
        "/audit",
        "/plans",
        &format!("/sensors/{id}"),
        &format!("/sensors/{id}/delete"),
        &format!("/devices/{id}"),
    ] {
        let answer = anybody.get(page).await;
        assert_eq!(answer.status, 303, "{page}");
        assert!(answer.header("location").starts_with("/login"), "{page}");
        assert!(answer.body.is_empty(), "{page}");
    }
    for api in [
        "/api/v1/sensors",
        "/api/v1/devices",
        "/api/v1/plans",
        "/api/v1/nothing",
        &format!("/api/v1/sensors/{id}"),
    ] {
        assert_eq!(anybody.get(api).await.status, 401, "{api}");
    }
    for (method, path) in [
        (Method::POST, "/getting-started".to_owned()),
        (Method::POST, "/getting-started/seed".to_owned()),
        (Method::POST, "/plans".to_owned()),
        (Method::POST, "/plans/cancel".to_owned()),
        (Method::POST, "/plans/managed".to_owned()),
        (Method::POST, "/devices/columns".to_owned()),
        (Method::POST, "/api/v1/plans".to_owned()),
        (Method::PUT, "/api/v1/managed-endpoints".to_owned()),
        (Method::DELETE, "/api/v1/plans/x".to_owned()),
        (Method::PATCH, format!("/api/v1/sensors/{id}")),
        (Method::POST, format!("/sensors/{id}/edit")),
        (Method::POST, format!("/sensors/{id}/activation")),
        (Method::POST, format!("/sensors/{id}/delete")),
        (Method::POST, "/api/v1/sensors".to_owned()),
        (Method::DELETE, format!("/api/v1/sensors/{id}")),
        (Method::POST, format!("/api/v1/sensors/{id}/activation")),
    ] {
        let status = anybody.send(method, &path, "application/x-www-form-urlencoded", "name=x").await.status;
        assert!(status == 303 || status == 401, "{path}: {status}");
    }
    assert!(house.store.sensors().await.unwrap().is_empty());
    for open in ["/healthz", "/assets/eyot.css", "/assets/eyot.js", "/assets/eyot.svg"] {
        assert_eq!(anybody.get(open).await.status, 200, "{open}");
    }
    assert_eq!(anybody.get("/assets/..%2f..%2fca.pem").await.status, 404);
    // a sensor's certificate opens the machine interface and nothing else
    let sensor = house.sensor("one").await;
    assert_eq!(sensor.client.get("/api/v1/sensors").await.status, 401);
    assert_eq!(sensor.client.get("/sensors").await.status, 303);
    let mut wrong = house.anybody();
    wrong.headers.insert("authorization", "Bearer eyotapi_wrong".parse().unwrap());
    assert_eq!(wrong.get("/api/v1/sensors").await.status, 401);
}

#[tokio::test]
async fn a_new_portal_is_set_up_once_by_who_has_its_secret() {
    let house = House::open().await;
    let anybody = house.anybody();
    assert_eq!(anybody.get("/login").await.header("location"), "/setup");
    assert!(anybody.get("/setup").await.text().contains("Set up this portal"));
    let form = [("secret", "guess"), ("name", "eve"), ("password", PASSWORD), ("again", PASSWORD)];
    assert_eq!(anybody.post_form("/setup", &form).await.status, 403);
    // with no secret issued yet, no text is the secret
    let empty = [("secret", ""), ("name", "eve"), ("password", PASSWORD), ("again", PASSWORD)];
    assert_eq!(anybody.post_form("/setup", &empty).await.status, 403);
    let client = owner(&house).await;
    assert_eq!(client.get("/getting-started").await.status, 200);
    let again = anybody.post_form("/setup", &form).await;
    assert_eq!((again.status.as_u16(), again.header("location")), (303, "/login"));
}

#[tokio::test]
async fn signing_in_and_out() {
    let house = House::open().await;
    let signed_in = owner(&house).await;
    assert_eq!(signed_in.post_form("/logout", &[]).await.status, 303);
    assert_eq!(signed_in.get("/sensors").await.status, 303, "the session is over on the server too");

    let mut client = house.anybody();
    let to = client.get("/sensors?x=1").await;
    assert_eq!(to.header("location"), "/login?next=%2Fsensors%3Fx%3D1");
    let wrong = client.post_form("/login", &[("name", "anna"), ("password", "wrong")]).await;
    assert_eq!(wrong.status, 403);
    assert!(wrong.text().contains("The name or the password is wrong."));
    let form = [("name", "anna"), ("password", PASSWORD), ("next", "/sensors?x=1")];
    let right = client.post_form("/login", &form).await;
    assert_eq!((right.status.as_u16(), right.header("location")), (303, "/sensors?x=1"));
    let cookie = right.header("set-cookie");
    for part in ["__Host-", "HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    client.keep_cookie(&right);
    assert_eq!(client.get("/sensors").await.status, 200);
    let evil = [("name", "anna"), ("password", PASSWORD), ("next", "//evil.example")];
    assert_eq!(house.anybody().post_form("/login", &evil).await.header("location"), "/");
}

#[tokio::test]
async fn too_many_wrong_passwords_lock_the_account() {
    let house = House::open().await;
    owner(&house).await;
    let id = house.store.login("anna", Timestamp::now()).await.unwrap().unwrap().id;
    for _ in 0..10 {
        house.store.count_failure(&id, Timestamp::now()).await.unwrap();
    }
    let right = [("name", "anna"), ("password", PASSWORD)];
    let answer = house.anybody().post_form("/login", &right).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("Too many wrong passwords"));
    let later = Timestamp(Timestamp::now().0 + 16 * 60 * 1_000_000);
    assert!(!house.store.login("anna", later).await.unwrap().unwrap().locked);
}

#[tokio::test]
async fn other_sites_cannot_use_a_session() {
    let house = House::open().await;
    let client = owner(&house).await;
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        let mut abused = client.clone();
        abused.headers.insert(name, value.parse().unwrap());
        let answer = abused.post_form("/getting-started", &[("name", "x"), ("subscription", "y")]).await;
        assert_eq!(answer.status, 403, "{name}");
    }
    assert!(house.store.sensors().await.unwrap().is_empty());
    let mut own = client;
    own.headers.insert("origin", "https://localhost".parse().unwrap());
    let answer = own.post_form("/getting-started", &[("name", "x"), ("subscription", "y")]).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_reader_reads() {
    let house = House::open().await;
    let issued = house.register("one").await;
    let reader = house.program("security_reader").await;
    let id = issued.sensor;
    assert_eq!(reader.get("/api/v1/sensors").await.status, 200);
    assert_eq!(reader.get("/devices.csv").await.status, 200);
    let asked = serde_json::json!({"name": "x", "subscription": "y"});
    assert_eq!(reader.post_json("/api/v1/sensors", &asked).await.status, 403);
    assert_eq!(reader.send(Method::DELETE, &format!("/api/v1/sensors/{id}"), "", "").await.status, 403);
    assert_eq!(reader.post_form(&format!("/sensors/{id}/delete"), &[]).await.status, 403);
    assert_eq!(reader.post_form(&format!("/sensors/{id}/activation"), &[]).await.status, 403);
    assert_eq!(reader.post_form("/getting-started/seed", &[("token", &issued.token)]).await.status, 403);
    assert_eq!(house.store.sensors().await.unwrap().len(), 1);
    let changer = house.program("security_admin").await;
    assert_eq!(changer.send(Method::DELETE, &format!("/api/v1/sensors/{id}"), "", "").await.status, 204);
    assert_eq!(changer.send(Method::DELETE, &format!("/api/v1/sensors/{id}"), "", "").await.status, 404);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let house = House::open().await;
    let client = owner(&house).await;
    for page in
        ["/getting-started", "/sensors", "/devices", "/nothing", "/assets/eyot.css", "/api/v1/sensors"]
    {
        let answer = client.get(page).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{page}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{page}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{page}");
        let cache = if page.starts_with("/assets") { "no-cache" } else { "no-store" };
        assert_eq!(answer.header("cache-control"), cache, "{page}");
    }
}

#[tokio::test]
async fn every_change_is_in_the_audit_log() {
    let house = House::open().await;
    let client = owner(&house).await;
    client.post_form("/getting-started", &[("name", "lobby"), ("subscription", "main")]).await;
    let id = house.store.sensors().await.unwrap()[0].id;
    let edit = [("name", "lobby"), ("zone", "Hall 2"), ("subscription", "main")];
    assert_eq!(client.post_form(&format!("/sensors/{id}/edit"), &edit).await.status, 303);
    // nothing changed: nothing to log
    assert_eq!(client.post_form(&format!("/sensors/{id}/edit"), &edit).await.status, 303);
    client.post_form(&format!("/sensors/{id}/activation"), &[]).await;
    client.post_form(&format!("/sensors/{id}/delete"), &[]).await;
    client.post_form(&format!("/sensors/{id}/delete"), &[]).await;
    house.program("security_reader").await;
    let entries = house.store.audit().await.unwrap();
    let mut actions: Vec<_> =
        entries.iter().map(|e| format!("{} {} {}", e.actor, e.action, e.subject)).collect();
    actions.reverse();
    let expected = [
        "anna user.added anna",
        "anna user.signed_in anna",
        "anna sensor.registered lobby",
        "anna sensor.edited lobby",
        "anna sensor.activation_created lobby",
        "anna sensor.deleted lobby",
        "command line api_token.created test security_reader",
    ];
    // two of one microsecond have no order; compare what happened
    actions.sort();
    let mut sorted = expected.map(str::to_owned);
    sorted.sort();
    assert_eq!(actions, sorted);
    let edited = entries.iter().find(|e| e.action == "sensor.edited").unwrap();
    assert_eq!(edited.detail, "zone: default → Hall 2");
    let page = client.get("/audit").await.text();
    assert!(page.contains("Activation command created") && !page.contains("eyot1_"));
}
