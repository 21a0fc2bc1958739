//! Lists of vulnerabilities: brought here by the terminal, a program and a person; what devices then have, and how sure.

use std::io::Read;

use hyper::{Method, StatusCode};
use serde_json::{json, Value};

use crate::support::{device, run, Answer, Client, House};

const NVD: &str = include_str!("../fixtures/vulnerabilities/nvd.json");
const KEV: &str = include_str!("../fixtures/vulnerabilities/kev.json");
const KEV_CSV: &str = include_str!("../fixtures/vulnerabilities/kev.csv");

async fn import(program: &Client, file: impl Into<hyper::body::Bytes>) -> Answer {
    program.send(Method::POST, "/api/v1/vulnerabilities", "application/octet-stream", file).await
}

fn packed(text: &str) -> Vec<u8> {
    let mut packed = Vec::new();
    flate2::read::GzEncoder::new(text.as_bytes(), flate2::Compression::fast())
        .read_to_end(&mut packed)
        .unwrap();
    packed
}

/// Names with what is said of them.
fn named(list: &Value, what: &str) -> Vec<(String, Value)> {
    let all = list.as_array().unwrap();
    all.iter().map(|one| (one["cve"].as_str().unwrap().to_owned(), one[what].clone())).collect()
}

/// Two cameras with version 9.80, one whose version nobody knows, and one thing that is in no list.
async fn fleet(house: &House, program: &Client) -> Vec<String> {
    let sensor = house.sensor("one").await;
    let mut unknown = device(3, "third");
    unknown.firmware = None;
    let mut other = device(4, "fourth");
    (other.vendor, other.model) = (Some("Nobody".to_owned()), Some("Thing".to_owned()));
    sensor.report_well(1, vec![device(1, "first"), device(2, "second"), unknown, other]).await;
    let listed = program.get("/api/v1/devices?sort=ip").await.json();
    listed["devices"].as_array().unwrap().iter().map(|d| d["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn devices_have_what_the_lists_say_about_them_and_how_sure_that_is() {
    let house = House::open().await;
    let program = house.program("security_admin").await;
    let devices = fleet(&house, &program).await;
    let of = |at: usize| format!("/api/v1/devices/{}/vulnerabilities", devices[at]);
    assert_eq!(program.get(&of(0)).await.json(), json!([]), "there is no list yet");

    let taken = import(&program, packed(NVD)).await;
    assert_eq!(taken.status, 200, "{}", taken.text());
    let expected =
        json!({ "kind": "nvd", "kept": 7, "known": 0, "removed": 1, "unreadable": 1, "matched": 3 });
    assert_eq!(taken.json(), expected);
    let taken = import(&program, KEV).await;
    assert_eq!(taken.json()["kind"], "kev");

    let first = program.get(&of(0)).await.json();
    let sure = |list: &[(&str, &str)]| -> Vec<(String, Value)> {
        list.iter().map(|(cve, confidence)| ((*cve).to_owned(), json!(confidence))).collect()
    };
    let exact = sure(&[
        ("CVE-2099-1001", "exact_version"),
        ("CVE-2099-1004", "exact_version"),
        ("CVE-2099-1003", "model_only"),
    ]);
    assert_eq!(named(&first, "confidence"), exact, "what is exploited comes first, then by score");
    assert_eq!(first[0]["exploited"]["due"], "2099-02-10T00:00:00Z");
    assert_eq!(first[0]["why"], "the device's version 9.80 is listed: before 9.80.1");
    let unknown = sure(&[
        ("CVE-2099-1001", "version_unknown"),
        ("CVE-2099-1002", "version_unknown"),
        ("CVE-2099-1003", "model_only"),
    ]);
    assert_eq!(named(&program.get(&of(2)).await.json(), "confidence"), unknown);
    assert_eq!(program.get(&of(3)).await.json(), json!([]));

    let all = program.get("/api/v1/vulnerabilities").await.json();
    assert_eq!(
        (&all["total"], &all["lists"]["cves"], &all["lists"]["exploited"]),
        (&json!(4), &json!(7), &json!(2))
    );
    let counts: Vec<_> = named(&all["vulnerabilities"], "devices")
        .into_iter()
        .map(|(c, n)| (c, n.as_i64().unwrap()))
        .collect();
    let expected = [("CVE-2099-1001", 3), ("CVE-2099-1002", 1), ("CVE-2099-1004", 2), ("CVE-2099-1003", 3)];
    assert_eq!(counts, expected.map(|(cve, n)| (cve.to_owned(), n)));
    for (question, expected) in [
        ("exploited=yes", vec!["CVE-2099-1001"]),
        ("severity=high", vec!["CVE-2099-1002"]),
        ("confidence=exact_version", vec!["CVE-2099-1001", "CVE-2099-1004"]),
        ("search=SERIAL%20port", vec!["CVE-2099-1003"]),
        ("search=%25", vec![]),
        ("sort=published&per_page=1", vec!["CVE-2099-1004"]),
    ] {
        let found = program.get(&format!("/api/v1/vulnerabilities?{question}")).await.json();
        let found: Vec<_> = named(&found["vulnerabilities"], "cve").into_iter().map(|(cve, _)| cve).collect();
        assert_eq!(found, expected, "{question}");
    }
    let one = program.get("/api/v1/vulnerabilities/CVE-2099-1001").await.json();
    let kinds = one["products"].as_array().unwrap();
    assert_eq!(
        (kinds.len(), &kinds[0]["devices"], kinds[0]["named"].as_array().unwrap().len()),
        (2, &json!(2), 2)
    );
    let filtered = program.get("/api/v1/devices?cve=CVE-2099-1004").await.json();
    assert_eq!(filtered["total"], 2);
}

#[tokio::test]
async fn matches_follow_the_devices_and_the_lists() {
    let house = House::open().await;
    let program = house.program("security_admin").await;
    let sensor = house.sensor("one").await;
    sensor.report_well(1, vec![device(1, "first")]).await;
    assert_eq!(import(&program, NVD).await.status, 200);
    let total = || async { program.get("/api/v1/vulnerabilities").await.json()["total"].clone() };
    assert_eq!(total().await, 3);

    // mended: at once on its page, with the next pass in the list of all
    let mut mended = device(1, "first");
    mended.firmware = Some("9.80.60".to_owned());
    sensor.report_well(2, vec![mended]).await;
    let id = program.get("/api/v1/devices").await.json()["devices"][0]["id"].as_str().unwrap().to_owned();
    let own = program.get(&format!("/api/v1/devices/{id}/vulnerabilities")).await.json();
    assert_eq!(named(&own, "cve").len(), 1, "{own}");
    let done = house.store.match_products().await.unwrap();
    assert_eq!((done.matched, done.gone), (1, 1));
    assert_eq!(total().await, 1);
    assert_eq!(house.store.match_products().await.unwrap().matched, 0, "nothing changed");

    // a person knows better than the sensor
    let edit = json!({ "ids": [id], "model": "Q1615" });
    let edited = program.send(Method::PATCH, "/api/v1/devices", "application/json", edit.to_string()).await;
    assert_eq!(edited.status, 200, "{}", edited.text());
    assert_eq!(program.get(&format!("/api/v1/devices/{id}/vulnerabilities")).await.json(), json!([]));

    // a newer entry replaces an older one, an older one nothing, and what is taken back is gone
    let newer =
        NVD.replace("9.80.55", "9.80.99").replace("2099-02-01T10:00:00.000", "2099-03-01T10:00:00.000");
    let taken = import(&program, newer).await.json();
    assert_eq!((&taken["kept"], &taken["known"]), (&json!(7), &json!(0)));
    assert_eq!(total().await, 1, "the system's versions reach 9.80.60 now");
    let taken = import(&program, NVD).await.json();
    assert_eq!((&taken["kept"], &taken["known"]), (&json!(0), &json!(7)), "{taken}");
    let back = NVD.replace("2099-02-01T10", "2099-04-01T10").replace("\"Analyzed\"", "\"Rejected\"");
    assert_eq!(import(&program, back).await.json()["removed"], 8);
    assert_eq!(total().await, 0);
    assert_eq!(program.get("/api/v1/vulnerabilities/CVE-2099-1001").await.status, 404);
}

#[tokio::test]
async fn what_is_no_list_is_refused_and_readers_bring_none() {
    let house = House::open().await;
    let program = house.program("security_admin").await;
    for (file, expected) in [
        ("hello", "neither NVD's list of CVEs"),
        ("{\"vulnerabilities\": [{\"cveID\": \"no\", \"dateAdded\": \"\"}]}", "nothing was taken: "),
    ] {
        let refused = import(&program, file).await;
        assert_eq!(refused.status, 422);
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(expected), "{detail}");
    }
    let reader = house.program("security_reader").await;
    assert_eq!(import(&reader, NVD).await.status, 403);
    assert_eq!(import(&house.anybody(), NVD).await.status, 401);
    assert_eq!(reader.get("/api/v1/vulnerabilities").await.json()["lists"]["cves"], 0);
    assert_eq!(reader.get("/api/v1/vulnerabilities?severity=awful").await.status, 422);
    let packed = packed(NVD);
    let cut = import(&program, packed[..packed.len() / 2].to_vec()).await;
    assert_eq!(cut.status, 422);
}

#[tokio::test]
async fn people_upload_files_and_see_what_they_mean() {
    let house = House::open().await;
    let person = house.program("security_admin").await;
    let devices = fleet(&house, &person).await;
    let page = person.get("/vulnerabilities").await.text();
    assert!(page.contains("No list of vulnerabilities is here yet"));
    let own = format!("/devices/{}", devices[0]);
    assert!(person.get(&own).await.text().contains("No list of vulnerabilities is here yet"));
    let send = |name: &str, file: &str| {
        let body = format!(
            "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{file}\r\n--x--\r\n"
        );
        let person = &person;
        async move { person.send(Method::POST, "/vulnerabilities", "multipart/form-data; boundary=x", body).await }
    };
    assert_eq!(send("nvd.json", NVD).await.status, 303);
    assert_eq!(send("kev.csv", KEV_CSV).await.status, 303);
    let refused = send("notes.txt", "notes").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().contains("nothing was taken: this is neither"));

    let page = person.get("/vulnerabilities").await.text();
    for expected in ["7 CVEs", "CVE-2099-1001", "due 2099-02-10", "Exact version", "Vendor and model only"] {
        assert!(page.contains(expected), "{expected}");
    }
    let one = person.get("/vulnerabilities/CVE-2099-1001").await.text();
    for expected in ["also for ransom", "Update, or take it off the network.", "before 9.80.1", &own] {
        assert!(one.contains(expected), "{expected}");
    }
    assert!(person.get(&own).await.text().contains("Vulnerabilities (3)"));
    let filtered = person.get("/devices?cve=CVE-2099-1004").await.text();
    assert!(filtered.contains("<strong>2</strong> devices"));
    let reader = house.program("security_reader").await;
    assert!(!reader.get("/vulnerabilities").await.text().contains("multipart/form-data"));
    let audit = reader.get("/audit").await.text();
    assert!(audit.contains("Vulnerability list imported") && audit.contains("kev.csv"));
}

#[tokio::test]
async fn the_terminal_imports_several_files_and_names_the_one_that_is_none() {
    let house = House::open().await;
    let program = house.program("security_reader").await;
    fleet(&house, &program).await;
    let folder = house.folder.path().to_str().unwrap();
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let (nvd, kev, notes) = (path("nvd.json.gz"), path("kev.csv"), path("notes.txt"));
    std::fs::write(&nvd, packed(NVD)).unwrap();
    std::fs::write(&kev, KEV_CSV).unwrap();
    std::fs::write(&notes, "notes").unwrap();
    let whole = ["vulnerabilities", "import", "--data", folder, "--format", "json", &nvd, &notes, &kev];
    let done = tokio::task::spawn_blocking({
        let whole = whole.map(str::to_owned);
        move || run(&whole.each_ref().map(String::as_str))
    });
    let done = done.await.unwrap();
    assert_eq!(done.status.code(), Some(1));
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("notes.txt: nothing was taken: this is neither"), "{said}");
    let taken: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (taken.as_array().unwrap().len(), &taken[0]["kept"], &taken[1]["kind"]),
        (2, &json!(7), &json!("kev"))
    );
    let listed = run(&["vulnerabilities", "list", "--data", folder, "--exploited"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("CVE-2099-1001") && !listed.contains("CVE-2099-1003"), "{listed}");
}
