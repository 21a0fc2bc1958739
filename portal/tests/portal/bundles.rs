//! Bundles that somebody carries here: whose they are, what they change, what is refused and in which words.

use std::path::Path;

use eyot_contract::{
    write_bundle, BundleHeader, Content, DeviceRecord, Message, SensorStatus, Timestamp, BUNDLE_SCHEMA,
    MESSAGE_SCHEMA,
};
use hyper::Method;
use ring::rand::SystemRandom;
use ring::signature::{EcdsaKeyPair, ECDSA_P256_SHA256_ASN1_SIGNING};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::PrivatePkcs8KeyDer;
use uuid::Uuid;

use crate::support::{device, run, Answer, Client, House, Sensor};

const EPOCH: Uuid = Uuid::from_u128(7);

/// A bundle as the sensor's own program writes it.
fn bundle(sensor: &Sensor, sequence: u64, created: Timestamp, devices: Vec<DeviceRecord>) -> Vec<u8> {
    let mut contents: Vec<_> = devices.into_iter().map(|d| Content::Device { device: Box::new(d) }).collect();
    contents.push(Content::Health { health: Box::new(SensorStatus::default()) });
    let message = |(at, content): (usize, Content)| Message {
        schema: MESSAGE_SCHEMA.to_owned(),
        id: format!("e-{sequence}-{at}"),
        sensor: "lab".to_owned(),
        time: created,
        content,
    };
    let messages: Vec<_> = contents.into_iter().enumerate().map(message).collect();
    let header = BundleHeader {
        bundle: BUNDLE_SCHEMA.to_owned(),
        sensor: "lab".to_owned(),
        epoch: EPOCH,
        sequence,
        created,
        messages: messages.len() as u64,
    };
    let der = PrivatePkcs8KeyDer::from_pem_slice(sensor.key.as_bytes()).unwrap();
    let random = SystemRandom::new();
    let key =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der.secret_pkcs8_der(), &random).unwrap();
    write_bundle::<serde_json::Error>(&header, &messages, &sensor.certificate, |signed| {
        Ok(key.sign(&random, signed).unwrap().as_ref().to_vec())
    })
    .unwrap()
}

async fn upload(client: &Client, files: &[(&str, &[u8])]) -> Answer {
    let mut body = Vec::new();
    for (name, bytes) in files {
        body.extend(
            format!(
                "--x\r\nContent-Disposition: form-data; name=\"bundle\"; filename=\"{name}\"\r\n\
                 Content-Type: application/x-ndjson\r\n\r\n"
            )
            .bytes(),
        );
        body.extend_from_slice(bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--x--\r\n");
    client.send(Method::POST, "/bundles", "multipart/form-data; boundary=x", body).await
}

fn import(house: &House, files: &[&Path]) -> std::process::Output {
    let mut arguments = vec!["import", "--format", "json", "--data", house.folder.path().to_str().unwrap()];
    arguments.extend(files.iter().map(|f| f.to_str().unwrap()));
    run(&arguments)
}

/// Everything about the devices but when they were told of.
async fn inventory(program: &Client) -> serde_json::Value {
    program.get("/api/v1/devices?sort=name").await.json()["devices"].clone()
}

#[tokio::test]
async fn a_bundle_counts_once_and_in_any_order() {
    let house = House::open().await;
    let person = house.program("security_admin").await;
    let sensor = house.sensor("one").await;
    let now = Timestamp::now();
    let mut newer = device(1, "new name");
    newer.last_seen.0 += 60_000_000;
    let first = bundle(&sensor, 1, now, vec![device(1, "old name"), device(2, "only here")]);
    let second = bundle(&sensor, 2, now, vec![newer]);

    let answer = upload(&person, &[("b.ndjson", &second)]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("1 devices and 0 findings imported"));
    let answer = upload(&person, &[("a.ndjson", &first), ("b.ndjson", &second)]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("1 devices and 0 findings imported, 1 older than what was known"));
    assert!(answer.text().contains("imported before, nothing was changed"));
    let names = |devices: &serde_json::Value| -> Vec<String> {
        devices.as_array().unwrap().iter().map(|d| d["hostname"].as_str().unwrap().to_owned()).collect()
    };
    let devices = inventory(&person).await;
    assert_eq!(names(&devices), ["new name", "only here"]);

    // the same from a terminal changes nothing either
    let file = house.folder.path().join("a.ndjson");
    std::fs::write(&file, &first).unwrap();
    let done = import(&house, &[&file, &file]);
    assert!(done.status.success(), "{done:?}");
    let told: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&told[0]["repeated"], &told[1]["repeated"]), (&true.into(), &true.into()));
    assert_eq!(inventory(&person).await, devices);

    // and a connection that works again is not disturbed by them, nor they by it
    sensor.report_well(1, vec![device(3, "by wire")]).await;
    assert_eq!(names(&inventory(&person).await), ["by wire", "new name", "only here"]);
    let page = house.program("security_reader").await.get("/bundles").await.text();
    assert!(page.contains("Imported last") && !page.contains("<form method=\"post\" action=\"/bundles\""));
    assert!(person.get("/audit").await.text().contains("Bundle imported"));
}

#[tokio::test]
async fn what_is_refused_is_named_and_stops_nothing_else() {
    let (house, elsewhere) = (House::open().await, House::open().await);
    let person = house.program("security_admin").await;
    let (sensor, stranger) = (house.sensor("one").await, elsewhere.sensor("other").await);
    let now = Timestamp::now();
    let day = 86_400_000_000;
    let good = bundle(&sensor, 1, now, vec![device(1, "good")]);
    let text = String::from_utf8(good.clone()).unwrap();
    let mixed = Sensor { key: stranger.key.clone(), ..sensor.at(&house) };
    let old = bundle(&sensor, 9, Timestamp(now.0 - 3 * day), vec![]);
    let early = bundle(&sensor, 9, Timestamp(now.0 + day), vec![]);
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("foreign", bundle(&stranger, 1, now, vec![device(9, "foreign")]), "did not issue"),
        ("other key", bundle(&mixed, 1, now, vec![device(9, "x")]), "its signature is not"),
        ("changed", text.replace("\"good\"", "\"evil\"").into_bytes(), "its signature is not"),
        ("cut", good[..good.len() / 2].to_vec(), "the file is no bundle, or was cut"),
        ("no bundle", b"hello".to_vec(), "line 1: the header of a bundle is expected"),
        ("newer form", text.replace("eyot.bundle/1", "eyot.bundle/2").into_bytes(), "update the portal"),
        ("before its certificate", old, "the sensor&#39;s certificate holds from"),
        ("from the future", early, "still to come"),
    ];
    for (name, bytes, words) in &cases {
        let answer = upload(&person, &[(name, bytes)]).await;
        assert_eq!(answer.status, 422, "{name}");
        let page = answer.text().replace("&#39;", "'");
        assert!(page.contains(&words.replace("&#39;", "'")), "{name}: {page}");
        let file = house.folder.path().join("bad.ndjson");
        std::fs::write(&file, bytes).unwrap();
        let done = import(&house, &[&file]);
        assert_eq!(done.status.code(), Some(1), "{name}");
    }
    assert_eq!(inventory(&person).await.as_array().unwrap().len(), 0);

    // one that is wrong stops none of the others, and a file's name is a name and no path
    let answer = upload(&person, &[("../../<etc>/passwd", b"x"), ("good", &good)]).await;
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("../../&lt;etc&gt;/passwd") || answer.text().contains("&lt;etc&gt;"));
    assert_eq!(inventory(&person).await[0]["hostname"], "good");
    let reader = house.program("security_reader").await;
    assert_eq!(upload(&reader, &[("good", &good)]).await.status, 403);
    assert_eq!(upload(&house.anybody(), &[("good", &good)]).await.status, 303);
    assert_eq!(upload(&person, &[]).await.status, 422);

    // a sensor that was deleted, or has another certificate since, is not believed any more
    let again = bundle(&sensor, 2, now, vec![device(2, "late")]);
    let path = format!("/api/v1/sensors/{}", sensor.id);
    assert_eq!(person.send(Method::DELETE, &path, "", "").await.status, 204);
    let answer = upload(&person, &[("again", &again)]).await;
    assert!(answer.status == 422 && answer.text().contains("its sensor was deleted"), "{}", answer.text());
}

#[tokio::test]
async fn a_file_too_large_is_refused_before_it_is_read() {
    let house = House::open().await;
    let file = house.folder.path().join("large.ndjson");
    std::fs::File::create(&file).unwrap().set_len(200 << 20).unwrap();
    let done = import(&house, &[&file]);
    assert_eq!(done.status.code(), Some(1));
    let words = String::from_utf8(done.stderr).unwrap();
    assert!(words.contains("a bundle has 67108864 at most"), "{words}");
    let done = import(&house, &[Path::new("/nowhere/x.ndjson")]);
    assert!(String::from_utf8(done.stderr).unwrap().contains("/nowhere/x.ndjson: cannot be read"));
}
