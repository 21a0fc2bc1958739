//! Situations: what is written, what is meant by it, and how mistakes are named.

#![allow(clippy::unwrap_used)]
use super::*;

fn config(text: &str) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sensor.toml");
    fs::write(&path, text.replace("DIR", &dir.path().display().to_string())).unwrap();
    fs::write(dir.path().join("password"), "s3cret\n").unwrap();
    Config::read(&path).map_err(|e| e.to_string().replace(&dir.path().display().to_string(), "DIR"))
}

#[test]
fn the_shortest_configuration_has_every_default() {
    let meant = config("version = 1\ninterfaces = [\"eth1\"]\n").unwrap();
    assert_eq!(
        meant,
        Config {
            interfaces: vec!["eth1".into()],
            filter: None,
            ring_bytes: 64 << 20,
            rings: default_rings(1),
            processors: Vec::new(),
            database: DEFAULT_DATABASE.into(),
            status: DEFAULT_STATUS.into(),
            watched: Watched { policy: Policy::default(), threat_lists: default_threat_lists() },
            portal: None,
            azure: None,
            bundles: None,
        }
    );
}

#[test]
fn the_longest_keeps_its_secret_to_itself() {
    let meant = config(
        "version = 1\ninterfaces = [\"eth1\", \"eth2\"]\nfilter = \"not port 443\"\nring_mib = 128\n\
         rings = 2\nprocessors = [2, 3]\n\
         [portal]\nurl = \"https://p:8443\"\nca_file = \"/c\"\ncertificate_file = \"/d\"\nkey_file = \"/e\"\n\
         upload_interval_seconds = 5\n[portal.proxy]\nurl = \"http://x:3128\"\nusername = \"u\"\n\
         password_file = \"DIR/password\"\nexceptions = [\"p\"]\n",
    )
    .unwrap();
    let proxy = meant.portal.as_ref().unwrap().proxy.as_ref().unwrap();
    assert_eq!(proxy.credentials, Some(("u".into(), "s3cret".into())));
    assert!(!format!("{meant:?}").contains("s3cret"));
    assert_eq!((meant.rings, meant.processors), (2, vec![2, 3]));
}

#[test]
fn the_owners_own_file_says_what_is_expected() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sensor.toml");
    let read = |main: &str, beside: &str| {
        fs::write(&path, main).unwrap();
        fs::write(dir.path().join(FINDINGS_FILE), beside).unwrap();
        Config::read(&path).map_err(|e| e.to_string())
    };
    let plain = "version = 1\ninterfaces = [\"e\"]\n";
    let beside = "version = 1\nlocal_networks = [\"10.0.0.0/8\"]\n[findings]\nmuted = [\"new_device\"]\n";
    let watched = read(plain, beside).unwrap().watched;
    assert!(watched.policy.local.are_configured());
    assert_eq!(watched.policy.muted, [FindingKind::NewDevice]);
    for (main, beside, expected) in [
        (format!("{plain}[findings]\nmuted = [\"port_scan\"]\n"), beside, "findings.toml says it too"),
        (plain.to_owned(), "version = 2\n", "findings.toml: version: 1 is expected, not 2"),
        (plain.to_owned(), "version = 1\ninterfaces = []\n", "findings.toml:2: unknown field `interfaces`"),
        (plain.to_owned(), "version = 1\nlocal_networks = [\"x\"]\n", "findings.toml: local_networks: \"x\""),
    ] {
        let message = read(&main, beside).unwrap_err();
        assert!(message.contains(expected), "{beside:?} gave {message:?}");
    }
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (text, expected) in [
        (
            "version = 1\ninterfaces = [\"e\"]\n\ninterface = \"x\"\n",
            "DIR/sensor.toml:4: unknown field `interface`",
        ),
        ("version = 1\ninterfaces = \"e\"\n", "DIR/sensor.toml:2: invalid type: string"),
        ("version = 1\n", "DIR/sensor.toml:1: missing field `interfaces`"),
        ("version = \n", "DIR/sensor.toml:1: "),
        ("version = 2\ninterfaces = [\"e\"]\n", "version: 1 is expected, not 2"),
        ("version = 1\ninterfaces = []\n", "interfaces: at least one kernel name"),
        ("version = 1\ninterfaces = [\"../x\"]\n", "is no kernel name"),
        ("version = 1\ninterfaces = [\"e\", \"e\"]\n", "\"e\" is listed twice"),
        ("version = 1\ninterfaces = [\"e\"]\nfilter = \"port (\"\n", "filter: not a capture filter"),
        ("version = 1\ninterfaces = [\"e\"]\nring_mib = 0\n", "ring_mib: 1 to 2047 MiB"),
        ("version = 1\ninterfaces = [\"e\"]\nrings = 17\n", "rings: 1 to 16"),
        (
            "version = 1\ninterfaces = [\"e\"]\nprocessors = [0, 5000]\n",
            "processors: there is no processor 5000",
        ),
        (
            "version = 1\ninterfaces = [\"e\"]\nlocal_networks = [\"10.0.0.0/33\"]\n",
            "local_networks: \"10.0.0.0/33\" is not a network",
        ),
        (
            "version = 1\ninterfaces = [\"e\"]\n[findings]\ndns_servers = [\"dns.example\"]\n",
            "findings.dns_servers: \"dns.example\" is not an IP address",
        ),
        (
            "version = 1\ninterfaces = [\"e\"]\n[findings]\nmuted = [\"all\"]\n",
            "findings.muted: \"all\" is not a kind of finding; `eyot-sensor findings --kinds` lists them",
        ),
        ("version = 1\ninterfaces = [\"e\"]\n[findings]\nlearning_hours = 999\n", "0 to 744 hours"),
        (
            "version = 1\ninterfaces = [\"e\"]\n[portal]\nurl = \"http://p\"\nca_file = \"\"\n\
             certificate_file = \"\"\nkey_file = \"\"\n",
            "portal.url: \"http://p\" does not begin with https://",
        ),
        (
            "version = 1\ninterfaces = [\"e\"]\n[portal]\nurl = \"https://p\"\nca_file = \"\"\n\
             certificate_file = \"\"\nkey_file = \"\"\nproxy = { url = \"http://x:1\", username = \"u\" }\n",
            "portal.proxy: username and password_file go together",
        ),
        (
            "version = 1\ninterfaces = [\"e\"]\n[azure]\nid_scope = \"0ne\"\n",
            "azure: id_scope, registration_id and key_file go together",
        ),
        ("version = 1\ninterfaces = [\"e\"]\n[azure]\n", "nor event_hub_file is given"),
        (
            "version = 1\ninterfaces = [\"e\"]\n[azure]\nevent_hub_file = \"/e\"\n",
            "azure.sensor: a name for this sensor",
        ),
        ("version = 1\ninterfaces = [\"e\"]\n[bundles]\nfolder = \"/b\"\n", "bundles: they are signed"),
    ] {
        let message = config(text).unwrap_err();
        assert!(message.contains(expected), "{text:?} gave {message:?}");
    }
}
