//! Software for sensors: uploaded with a publisher's signature, rolled out by zone, fetched by sensors, taken back.

use eyot_contract::{path, SoftwareAnswer, SoftwareAttempt, SoftwareRequest, MAX_PACKAGE};
use hyper::Method;
use minisign::KeyPair;
use serde_json::{json, Value};
use tempfile::TempDir;

use crate::process::Process;
use crate::support::{own_database, run, Answer, Client, Sensor};

/// A portal that knows a publisher's key.
struct Centre {
    folder: TempDir,
    process: Process,
    publisher: KeyPair,
}

impl Centre {
    async fn open() -> Self {
        let publisher = KeyPair::generate_unencrypted_keypair().unwrap();
        Self::with_key(Some(&publisher.pk.to_base64()), publisher.clone()).await
    }

    async fn with_key(key: Option<&str>, publisher: KeyPair) -> Self {
        let folder = tempfile::tempdir().unwrap();
        own_database(folder.path()).await;
        let config = folder.path().join("portal.toml");
        std::fs::write(&config, key.map(|key| format!("software_key = {key:?}\n")).unwrap_or_default())
            .unwrap();
        let process = Process::start(folder.path(), &["--config", config.to_str().unwrap()], "");
        Self { folder, process, publisher }
    }

    fn program(&self, role: &str) -> Client {
        let data = self.folder.path().to_str().unwrap();
        let made = run(&["api-token", "create", "--data", data, "--name", role, "--role", role]);
        let mut client = Client::new(self.process.at, self.folder.path(), None);
        let token = String::from_utf8(made.stdout).unwrap();
        client.headers.insert("authorization", format!("Bearer {}", token.trim()).parse().unwrap());
        client
    }

    async fn sensor(&self, name: &str) -> Sensor {
        let data = self.folder.path().to_str().unwrap();
        let made = ["register", "--data", data, "--name", name, "--subscription", "m", "--format", "json"];
        let made: Value = serde_json::from_slice(&run(&made).stdout).unwrap();
        let anybody = Client::new(self.process.at, self.folder.path(), None);
        Sensor::activate(&anybody, self.folder.path(), made["token"].as_str().unwrap()).await
    }

    fn signature(&self, of: &[u8]) -> String {
        minisign::sign(None, &self.publisher.sk, of, Some("release of the test"), None).unwrap().to_string()
    }

    /// A package signed by itself.
    async fn publish(&self, program: &Client, version: &str, bytes: &[u8]) -> Answer {
        let name = format!("eyot-sensor_{version}_amd64.deb");
        upload(program, &name, bytes, &self.signature(bytes), None).await
    }
}

/// What looks like a package, of this length.
fn package(fill: u8, length: usize) -> Vec<u8> {
    let mut bytes = b"!<arch>\ndebian-binary   ".to_vec();
    bytes.resize(length, fill);
    bytes
}

async fn upload(client: &Client, name: &str, bytes: &[u8], signature: &str, sums: Option<&str>) -> Answer {
    let mut body = Vec::new();
    let head = |field: &str, more: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{field}\"{more}\r\n\r\n")
    };
    body.extend(head("package", &format!("; filename=\"{name}\"")).bytes());
    body.extend(bytes);
    body.extend(format!("\r\n{}{signature}\r\n", head("signature", "")).bytes());
    if let Some(sums) = sums {
        body.extend(format!("{}{sums}\r\n", head("sums", "")).bytes());
    }
    body.extend(b"--x--\r\n");
    client.send(Method::POST, "/api/v1/software", "multipart/form-data; boundary=x", body).await
}

async fn ask(sensor: &Sensor, version: &str, attempt: Option<(&str, &str, &str)>) -> SoftwareAnswer {
    let attempt = attempt.map(|(version, step, reason)| SoftwareAttempt {
        version: version.to_owned(),
        step: step.to_owned(),
        reason: Some(reason.to_owned()).filter(|reason| !reason.is_empty()),
    });
    let asked = SoftwareRequest { version: version.to_owned(), architecture: "amd64".to_owned(), attempt };
    let answer = sensor.client.post_json(path::SOFTWARE, &asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

async fn roll_out(program: &Client, zone: &str, version: &str) -> u16 {
    let body = json!({ "version": version }).to_string();
    let at = format!("/api/v1/rollouts/{zone}");
    program.send(Method::PUT, &at, "application/json", body).await.status.as_u16()
}

async fn standing(program: &Client) -> Value {
    program.get("/api/v1/software").await.json()["sensors"][0].clone()
}

#[tokio::test]
async fn a_version_is_rolled_out_to_one_zone_watched_and_taken_back() {
    let centre = Centre::open().await;
    let program = centre.program("security_admin");
    let (one, two) = (centre.sensor("one").await, centre.sensor("two").await);
    let to = json!({ "zone": "lab" }).to_string();
    let at = format!("/api/v1/sensors/{}", two.id);
    assert_eq!(program.send(Method::PATCH, &at, "application/json", to).await.status, 204);

    let (old, new) = (package(1, 5_000), package(2, 2_000_000));
    assert_eq!(centre.publish(&program, "1.0", &old).await.status, 201);
    // the second one by the sums of its release
    let sha256 = hex::encode(ring::digest::digest(&ring::digest::SHA256, &new));
    let sums = format!("{sha256}  eyot-sensor_1.1_amd64.deb\n{}  other.ova\n", "0".repeat(64));
    let signed = centre.signature(sums.as_bytes());
    let kept = upload(&program, "eyot-sensor_1.1_amd64.deb", &new, &signed, Some(&sums)).await;
    assert_eq!((kept.status.as_u16(), &kept.json()["sha256"]), (201, &json!(sha256)));

    assert_eq!(ask(&one, "0.9", None).await.wanted, None, "nothing is rolled out");
    assert_eq!(standing(&program).await["status"], "free");
    assert_eq!(roll_out(&program, "default", "1.0").await, 204);
    assert_eq!(standing(&program).await["status"], "waiting");
    let offer = ask(&one, "0.9", None).await.wanted.unwrap();
    assert_eq!((offer.version.as_str(), offer.bytes), ("1.0", 5_000));
    assert_eq!(ask(&two, "0.9", None).await.wanted, None, "another zone");
    ask(&one, "0.9", Some(("1.0", "downloading", ""))).await;
    assert_eq!(standing(&program).await["status"], "downloading");
    assert_eq!(ask(&one, "1.0", Some(("1.0", "installed", ""))).await.wanted, None);
    assert_eq!(standing(&program).await["status"], "installed");

    assert_eq!(roll_out(&program, "default", "1.1").await, 204);
    let offer = ask(&one, "1.0", None).await.wanted.unwrap();
    assert_eq!((offer.sha256.as_str(), offer.sums.as_deref()), (sha256.as_str(), Some(sums.as_str())));
    let fetched = one.client.get(&format!("{}/{}", path::SOFTWARE, offer.file)).await;
    assert_eq!(fetched.status, 200);
    assert!(fetched.body == new, "{} of {} bytes", fetched.body.len(), new.len());
    ask(&one, "1.0", Some(("1.1", "failed", "dpkg: error\nprocessing"))).await;
    let seen = standing(&program).await;
    assert_eq!((&seen["status"], &seen["reason"]), (&json!("failed"), &json!("dpkg: errorprocessing")));
    ask(&one, "1.0", Some(("1.1", "rolled_back", "no traffic after it"))).await;
    assert_eq!(standing(&program).await["status"], "rolled_back");
    assert!(program.get("/software").await.text().contains("no traffic after it"));

    let back = program.send(Method::POST, "/api/v1/rollouts/default/back", "", "").await;
    assert_eq!(back.status, 204, "{}", back.text());
    assert_eq!(standing(&program).await["status"], "installed", "it has 1.0 already");
    assert_eq!(ask(&one, "1.1", None).await.wanted.unwrap().version, "1.0", "a newer one goes back");
    assert_eq!(program.send(Method::DELETE, "/api/v1/rollouts/default", "", "").await.status, 204);
    assert_eq!(ask(&one, "1.1", None).await.wanted, None);

    let audit = program.get("/api/v1/audit").await.json().to_string();
    for told in ["software.added", "none → 1.0", "1.0 → 1.1", "1.1 → 1.0", "1.0 → none"] {
        assert!(audit.contains(told), "{told}");
    }
}

#[tokio::test]
async fn nothing_is_refused_silently() {
    let centre = Centre::open().await;
    let program = centre.program("security_admin");
    let sensor = centre.sensor("one").await;
    assert_eq!(centre.publish(&program, "1.0", &package(1, 100)).await.status, 201);
    assert_eq!(roll_out(&program, "default", "1.0").await, 204);
    let asked =
        SoftwareRequest { version: "0.9".to_owned(), architecture: "riscv64".to_owned(), attempt: None };
    let answer = sensor.client.post_json(path::SOFTWARE, &asked).await.json();
    assert_eq!(answer["note"], "version 1.0 is wanted, and there is no package of it for riscv64");
    assert_eq!(answer["portal"], env!("CARGO_PKG_VERSION"), "each knows the other's version");
    let seen = standing(&program).await;
    assert_eq!((&seen["version"], &seen["architecture"]), (&json!("0.9"), &json!("riscv64")));
    // a sensor far newer than the portal is heard all the same
    ask(&sensor, "99.0", Some(("99.0", "a step of the future", ""))).await;
    assert_eq!(standing(&program).await["version"], "99.0");
    assert_eq!(roll_out(&program, "default", "7").await, 422);
    assert_eq!(roll_out(&program, "none", "1.0").await, 404);
    assert_eq!(program.send(Method::POST, "/api/v1/rollouts/default/back", "", "").await.status, 409);
}

#[tokio::test]
async fn what_the_publisher_did_not_sign_is_not_taken() {
    let centre = Centre::open().await;
    let program = centre.program("security_admin");
    let good = package(1, 3_000);
    let signature = centre.signature(&good);
    let name = "eyot-sensor_1.0_amd64.deb";
    let mut changed = good.clone();
    changed[2_000] ^= 1;
    let stranger = KeyPair::generate_unencrypted_keypair().unwrap();
    let foreign = minisign::sign(None, &stranger.sk, &good[..], None, None).unwrap().to_string();
    let sums = format!("{}  {name}\n", "0".repeat(64));
    let sums_signed = centre.signature(sums.as_bytes());
    for (what, name, bytes, signature, sums, reason) in [
        ("changed", name, &changed, &signature, None, "not one by the publisher's key"),
        ("another's", name, &good, &foreign, None, "not one by the publisher's key"),
        ("no signature", name, &good, &"nonsense".to_owned(), None, "not one by the publisher's key"),
        ("not in the sums", name, &good, &sums_signed, Some(sums.as_str()), "SHA256SUMS has no line"),
        ("a path", "../eyot-sensor_1.0_amd64.deb", &good, &signature, None, "a package is named"),
        ("another's package", "eyot-portal_1.0_amd64.deb", &good, &signature, None, "a package is named"),
        ("no package", name, &vec![0; 100], &centre.signature(&[0; 100]), None, "is not a Debian package"),
    ] {
        let refused = upload(&program, name, bytes, signature, sums).await;
        assert_eq!(refused.status, 422, "{what}: {}", refused.text());
        assert!(refused.text().contains(reason), "{what}: {}", refused.text());
    }
    assert_eq!(program.get("/api/v1/software").await.json()["packages"], json!([]));
    assert_eq!(upload(&program, name, &good, &signature, None).await.status, 201);
    assert_eq!(upload(&program, name, &good, &signature, None).await.status, 201, "the same again");
    let other = package(9, 3_000);
    assert_eq!(upload(&program, name, &other, &centre.signature(&other), None).await.status, 409);

    let reader = centre.program("security_reader");
    assert_eq!(upload(&reader, name, &good, &signature, None).await.status, 403);
    let anybody = Client::new(centre.process.at, centre.folder.path(), None);
    let at = format!("{}/{name}", path::SOFTWARE);
    assert_eq!(anybody.get(&at).await.status, 401);
    assert_eq!(program.get(&at).await.status, 401, "sensors fetch, with their certificate");
    let sensor = centre.sensor("one").await;
    assert_eq!(sensor.client.get(&at).await.status, 200);
    assert_eq!(sensor.client.get(&format!("{}/..%2Fca.pem", path::SOFTWARE)).await.status, 404);
    assert_eq!(program.send(Method::DELETE, &format!("/api/v1/software/{name}"), "", "").await.status, 204);
    assert_eq!(sensor.client.get(&at).await.status, 404);

    let huge = vec![b'x'; MAX_PACKAGE + 512 * 1024];
    let sent = program
        .try_send(Method::POST, "/api/v1/software", "multipart/form-data; boundary=x", huge.into())
        .await;
    assert!(sent.is_err() || sent.is_ok_and(|answer| [400, 413].contains(&answer.status.as_u16())));
}

#[tokio::test]
async fn without_a_key_nothing_is_taken_and_a_wrong_one_stops_the_start() {
    let publisher = KeyPair::generate_unencrypted_keypair().unwrap();
    let centre = Centre::with_key(None, publisher).await;
    let program = centre.program("security_admin");
    let refused = centre.publish(&program, "1.0", &package(1, 100)).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("no key for software is configured"), "{}", refused.text());
    assert!(program.get("/software").await.text().contains("has no key to check packages with"));
    let config = centre.folder.path().join("portal.toml");
    std::fs::write(&config, "software_key = \"RW nonsense\"\n").unwrap();
    let data = centre.folder.path().join("other");
    let started = run(&[
        "serve",
        "--config",
        config.to_str().unwrap(),
        "--data",
        data.to_str().unwrap(),
        "--address",
        "https://x",
    ]);
    let said = String::from_utf8(started.stderr).unwrap();
    assert!(said.contains("software_key: this is not a minisign public key"), "{said}");
}
