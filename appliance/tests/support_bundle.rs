//! A support bundle of an appliance that has a secret in every place that knows one: none of them is in it, however spelt.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use base64::Engine;
use eyot_appliance::paths;
use eyot_contract::settings::Layer;
use eyot_contract::{ActivationToken, CaPin, Timestamp};

const PASSWORD: &str = "h\u{fc}sh p@ss/\"word\"";

fn token() -> ActivationToken {
    ActivationToken {
        sensor: uuid::Uuid::from_u128(7),
        secret: [0x5a; 32],
        ca_pin: CaPin([1; 32]),
        expires: Timestamp::from_seconds(4_000_000_000),
        // nobody listens there
        portal: "https://127.0.0.1:1".to_owned(),
    }
}

#[test]
fn no_secret_of_the_appliance_is_in_it() {
    let root = tempfile::tempdir_in("/dev/shm").unwrap();
    let put = |path: &str, text: &str| {
        let path = root.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let key = |n: u8| rcgen::KeyPair::generate().map(|k| (n, k.serialize_pem())).unwrap().1;
    let (own, proxys) = (key(1), key(2));
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let mut layer = Layer::new("test");
    for (name, value) in [
        ("activation.token", token().encode().as_str()),
        ("proxy.url", "https://127.0.0.1:1"),
        ("proxy.username", "sensor"),
        ("proxy.password", PASSWORD),
        ("proxy.certificate", certificate),
        ("proxy.key", &proxys),
    ] {
        layer.set(name, value).unwrap();
    }
    put(paths::LOCAL_SETTINGS, &layer.to_toml());
    put(paths::SENSOR_PROXY_PASSWORD, &format!("{PASSWORD}\n"));
    put("/var/lib/eyot/identity/key.pem", &own);
    // what somebody else's program quoted where it should not have
    put(paths::HEALTH, &format!("{{\"said\": {}}}", serde_json::to_string(PASSWORD).unwrap()));
    let percent: String = PASSWORD
        .bytes()
        .map(|b| match b.is_ascii_alphanumeric() {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        })
        .collect();
    put(paths::APT_PROXY, &format!("Acquire::http::Proxy \"http://sensor:{percent}@127.0.0.1:1\";\n"));
    put(
        paths::NETPLAN,
        &format!("# Proxy-Authorization: Basic {}\n", STANDARD.encode(format!("sensor:{PASSWORD}"))),
    );
    put("/etc/resolv.conf", &format!("# {} {}\n", token().encode(), own.replace('\n', "\\n")));

    let output = root.path().join("bundle.tar.gz");
    let ran = Command::new(env!("CARGO_BIN_EXE_eyot-appliance"))
        .arg("--root")
        .arg(root.path())
        .args(["support-bundle", "--output"])
        .arg(&output)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(std::fs::metadata(&output).unwrap().permissions().mode() & 0o777, 0o600);

    let mut entries = BTreeMap::new();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(&output).unwrap()));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        entries.insert(entry.path().unwrap().display().to_string(), text);
    }
    for wanted in [
        "settings.txt",
        "validate.json",
        "sanity.json",
        "network/firewall.txt",
        "logs/eyot.txt",
        "files/etc/resolv.conf",
    ] {
        let name = format!("eyot-support/{wanted}");
        assert!(entries.contains_key(&name), "{wanted} is not among {:?}", entries.keys());
    }
    let mut secrets = vec![
        token().encode(),
        token().secret_text(),
        PASSWORD.to_owned(),
        serde_json::to_string(PASSWORD).unwrap().trim_matches('"').to_owned(),
        percent,
        STANDARD.encode(PASSWORD),
        STANDARD.encode(format!("sensor:{PASSWORD}")),
        URL_SAFE_NO_PAD.encode(PASSWORD),
        "BEGIN PRIVATE KEY".to_owned(),
    ];
    for pem in [&own, &proxys] {
        secrets.extend(pem.lines().filter(|l| !l.starts_with("-----")).map(str::to_owned));
    }
    for (name, text) in &entries {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} is in {name}");
        }
    }
    assert!(entries["eyot-support/settings.txt"].contains("proxy.password = (masked)"));
    assert!(entries["eyot-support/files/run/eyot/health.json"].contains("(masked)"));
}

#[test]
fn a_place_that_cannot_be_written_is_named_and_nothing_half_made_stays() {
    let root = tempfile::tempdir_in("/dev/shm").unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_eyot-appliance"))
        .arg("--root")
        .arg(root.path())
        .args(["support-bundle", "--output", "/proc/bundle.tar.gz"])
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(1));
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(
        said.contains("/proc/bundle.tar.gz cannot be written") && said.trim().lines().count() == 1,
        "{said}"
    );
}
