//! The package's questions and the contract's settings: every setting can be answered beforehand (preseed), by the contract's own
//! words, and nothing that is a secret stays in debconf's database. `EYOT_BLESS=1` writes the templates anew.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};

use eyot_contract::settings::{Definition, Kind, DEFINITIONS};

/// What the wizard asks in words of its own; the rest is answered beforehand or not at all.
const ASKED: [(&str, &str); 5] = [
    ("capture.interfaces", "monitored-interfaces"),
    ("management.ssh", "ssh"),
    ("proxy.url", "proxy-host"),
    ("proxy.username", "proxy-username"),
    ("proxy.password", "proxy-password"),
];
/// The first template that is made from a definition.
const FIRST: &str = "Template: eyot-sensor/activation_token\n";
const WIDTH: usize = 88;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("package/debian").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

fn never_asked() -> impl Iterator<Item = &'static Definition> {
    DEFINITIONS.iter().filter(|d| !ASKED.iter().any(|(key, _)| *key == d.key))
}

fn template(d: &Definition) -> String {
    let kind = if d.is_secret() { "password" } else { "string" };
    let mut page =
        format!("Template: eyot-sensor/{}\nType: {kind}\nDescription: {}\n", d.property_key(), d.label);
    let words = format!("{} Never asked; for answers given beforehand (preseed).", d.description);
    let mut line = String::new();
    for word in words.split(' ') {
        if line.len() + 1 + word.len() > WIDTH {
            page.push_str(&format!("{line}\n"));
            line.clear();
        }
        line.push(' ');
        line.push_str(word);
    }
    format!("{page}{line}\n")
}

/// The words of a shell variable's value.
fn words(script: &str, variable: &str) -> Vec<String> {
    let rest = script.split(&format!("\n{variable}='")).nth(1).unwrap();
    let mut words: Vec<String> =
        rest.split('\'').next().unwrap().split_whitespace().map(str::to_owned).collect();
    words.sort();
    words
}

fn keys(of: impl Fn(&Definition) -> bool) -> Vec<String> {
    let mut keys: Vec<String> = never_asked().filter(|d| of(d)).map(Definition::property_key).collect();
    keys.sort();
    keys
}

#[test]
fn templates_are_the_contracts_settings_in_its_own_words() {
    let now = text("templates");
    let (asked, _) = now.split_once(FIRST).unwrap();
    let made: Vec<String> = never_asked().map(template).collect();
    assert!(made[0].starts_with(FIRST));
    let fresh = format!("{asked}{}", made.join("\n"));
    if std::env::var_os("EYOT_BLESS").is_some() {
        std::fs::write(file("templates"), &fresh).unwrap();
    }
    assert_eq!(
        text("templates"),
        fresh,
        "EYOT_BLESS=1 cargo test -p eyot-appliance --test debconf renews it"
    );
    for (key, question) in ASKED {
        assert!(DEFINITIONS.iter().any(|d| d.key == key), "{key}");
        assert!(asked.contains(&format!("Template: eyot-sensor/{question}\n")), "{question}");
    }
}

#[test]
fn answers_given_beforehand_are_written_for_every_setting_and_secrets_do_not_stay() {
    let script = text("postinst");
    assert_eq!(words(&script, "preseeded_keys"), keys(|_| true));
    assert_eq!(words(&script, "pem_keys"), keys(|d| matches!(d.kind, Kind::Pem | Kind::PemKey)));
    let mut secrets = keys(Definition::is_secret);
    secrets.push("proxy-password".to_owned());
    secrets.sort();
    assert_eq!(words(&script, "secrets"), secrets);
}
