//! The command line: what it prints, writes, refuses.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use eyot_contract::ActivationToken;

use crate::support::run;

fn init(folder: &std::path::Path) -> String {
    let data = folder.join("data").to_str().unwrap().to_owned();
    let made = run(&["init", "--data", &data, "--address", "https://portal.example:8443"]);
    assert!(made.status.success(), "{made:?}");
    data
}

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn init_makes_private_files_and_is_repeatable() {
    let folder = tempfile::tempdir().unwrap();
    let data = init(folder.path());
    let pin = |output: &std::process::Output| {
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        text.lines().find(|l| l.starts_with("CA pin")).unwrap().to_owned()
    };
    let first = run(&["init", "--data", &data, "--address", "https://portal.example:8443"]);
    let second = run(&["init", "--data", &data, "--address", "https://other.example"]);
    assert_eq!(pin(&first), pin(&second), "the CA stays whatever the address");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(data.as_ref()), 0o700);
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    let secret = std::fs::read_to_string(format!("{data}/setup-secret")).unwrap();
    assert!(
        !String::from_utf8_lossy(&second.stdout).contains(secret.trim()),
        "the secret is in its file only"
    );
}

#[test]
fn register_prints_the_token_and_writes_the_seed() {
    let folder = tempfile::tempdir().unwrap();
    let data = init(folder.path());
    let iso = folder.path().join("seed.iso");
    let registered = run(&[
        "register",
        "--data",
        &data,
        "--name",
        "lobby",
        "--subscription",
        "main",
        "--seed-iso",
        iso.to_str().unwrap(),
        "--setting",
        "host.name=eyot-1",
        "--setting",
        "proxy.url=http://p:3128",
    ]);
    assert!(registered.status.success(), "{registered:?}");
    let text = String::from_utf8(registered.stdout).unwrap();
    assert!(text.starts_with("Sensor registration successful\n"), "{text}");
    let token = text.split_whitespace().find(|w| w.starts_with("eyot1_")).unwrap();
    let parsed: ActivationToken = token.parse().unwrap();
    assert_eq!(parsed.portal, "https://portal.example:8443");
    assert!(text.contains(&format!("sudo eyot-appliance activate --token-file - <<< '{token}'")));
    assert_eq!(std::fs::metadata(&iso).unwrap().permissions().mode() & 0o777, 0o600);
    let mut volume = eyot_iso::read(std::fs::File::open(&iso).unwrap()).unwrap();
    let meta = String::from_utf8(volume.get("meta-data").unwrap()).unwrap();
    assert!(meta.contains(&parsed.sensor.to_string()) && meta.contains("local-hostname: eyot-1"), "{meta}");
    assert!(String::from_utf8(volume.get("user-data").unwrap()).unwrap().starts_with("#cloud-config\n"));

    let again = run(&["activation", "--data", &data, "--name", "lobby", "--format", "json"]);
    let again: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again["sensor"], parsed.sensor.to_string());
    assert_ne!(again["token"], token);

    // the token is in no file of the portal's
    use base64::Engine;
    let secret = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(parsed.secret);
    for entry in std::fs::read_dir(&data).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for trace in [token.as_bytes(), secret.as_bytes(), &parsed.secret] {
            assert!(!bytes.windows(trace.len()).any(|w| w == trace));
        }
    }
    let sensors = run(&["sensors", "--data", &data, "--format", "json"]);
    let sensors: serde_json::Value = serde_json::from_slice(&sensors.stdout).unwrap();
    assert_eq!(sensors[0]["name"], "lobby");
    assert_eq!(sensors[0]["health"]["title"], "Pending activation");
    let table = String::from_utf8(run(&["sensors", "--data", &data]).stdout).unwrap();
    assert!(table.starts_with("NAME") && table.contains("lobby"), "{table}");
    assert!(String::from_utf8(run(&["devices", "--data", &data]).stdout).unwrap().starts_with("NAME"));
}

#[test]
fn what_cannot_be_done_is_said_in_one_line_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let data = init(folder.path());
    let iso = folder.path().join("x.iso");
    let iso = iso.to_str().unwrap();
    let no_folder = folder.path().join("none/x.iso");
    let register = ["register", "--data", &data, "--name", "s", "--subscription", "m", "--seed-iso"];
    let cases: [(Vec<&str>, &str); 8] = [
        (
            vec!["register", "--data", "/nowhere", "--name", "s", "--subscription", "m"],
            "there is no portal in /nowhere",
        ),
        ([&register[..], &[iso, "--setting", "host.nom=x"]].concat(), "unknown setting \"host.nom\""),
        (
            [&register[..], &[iso, "--setting", "management.mode=static"]].concat(),
            "an address with prefix is needed",
        ),
        (
            [&register[..], &[iso, "--setting", "activation.token=x"]].concat(),
            "the portal puts the token in itself",
        ),
        ([&register[..], &[no_folder.to_str().unwrap()]].concat(), "to write the seed ISO into"),
        (vec!["activation", "--data", &data, "--name", "nobody"], "there is no sensor named \"nobody\""),
        (vec!["serve", "--data", "/nowhere", "--listen", "127.0.0.1:0"], "--address https://host"),
        (vec!["api-token", "delete", "--data", &data, "--name", "none"], "there is no token named"),
    ];
    for (arguments, expected) in cases {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!(said(&output).lines().count(), 1, "{}", said(&output));
        assert!(said(&output).contains(expected), "{arguments:?}: {}", said(&output));
    }
    assert!(!std::path::Path::new(iso).exists());
    let sensors = run(&["sensors", "--data", &data, "--format", "json"]);
    assert_eq!(String::from_utf8(sensors.stdout).unwrap().trim(), "[]");
    let bad = run(&["init", "--data", &data, "--address", "http://x"]);
    assert_eq!(bad.status.code(), Some(2));
    assert!(said(&bad).contains("is not a portal address"), "{}", said(&bad));
}

#[test]
fn accounts_take_their_password_from_a_file_or_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let data = init(folder.path());
    let add = |name: &str, password: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_eyot-portal"))
            .args(["user", "add", "--data", &data, "--name", name, "--password-file", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let short = add("anna", "short\n");
    assert!(said(&short).contains("at least 12") && !said(&short).contains("short\n"), "{}", said(&short));
    assert!(add("anna", "a long enough password\n").status.success());
    assert!(!std::path::Path::new(&format!("{data}/setup-secret")).exists());
    assert!(said(&add("anna", "a long enough password\n")).contains("already"));
    let remove = || run(&["user", "remove", "--data", &data, "--name", "anna"]);
    assert!(said(&remove()).contains("anna is the last owner"));
    assert!(add("bert", "a long enough password\n").status.success());
    assert!(remove().status.success());
    assert!(said(&remove()).contains("there is no account named \"anna\""));
    let users = run(&["user", "list", "--data", &data, "--format", "json"]);
    let users: serde_json::Value = serde_json::from_slice(&users.stdout).unwrap();
    assert_eq!(users, serde_json::json!([{"name": "bert", "role": "owner"}]));
    let log = run(&["audit", "--data", &data, "--format", "json"]);
    let log: serde_json::Value = serde_json::from_slice(&log.stdout).unwrap();
    assert_eq!((&log[0]["action"], &log[0]["by"]), (&"user.removed".into(), &"command line".into()));
    assert!(said(&add("an na", "a long enough password\n")).contains("letters, digits"));
}
