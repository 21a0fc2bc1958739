//! The documents under `cloud-init/` agree with the definition they are made from.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use eyot_contract::settings::{resolve, Definition, Kind, Layer, DEFINITIONS, SETTINGS_VERSION};
use serde_json::{json, Map, Value};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../cloud-init")
}

#[test]
fn every_example_is_accepted() {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let layer = Layer::from_toml(path.display().to_string(), &text).unwrap();
        resolve(&[layer]).unwrap();
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} examples");
}

#[test]
fn the_schema_is_made_from_the_definitions() {
    let path = folder().join("eyot.schema.json");
    let fresh = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("EYOT_BLESS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        kept, fresh,
        "cloud-init/eyot.schema.json is stale; EYOT_BLESS=1 cargo test -p eyot-contract renews it"
    );
}

fn schema() -> Value {
    let mut sections: Map<String, Value> = Map::new();
    for d in DEFINITIONS {
        let (section, name) = d.key.split_once('.').unwrap();
        let table = sections
            .entry(section)
            .or_insert_with(|| json!({ "type": "object", "additionalProperties": false, "properties": {} }));
        table["properties"][name] = value_schema(d);
    }
    sections.insert("version".to_owned(), json!({ "const": SETTINGS_VERSION }));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of an Eyot appliance",
        "type": "object",
        "required": ["version"],
        "additionalProperties": false,
        "properties": sections,
    })
}

fn value_schema(d: &Definition) -> Value {
    let text = json!({ "type": "string" });
    let list = json!({ "anyOf": [text, { "type": "array", "items": text }] });
    let mut schema = match d.kind {
        Kind::Text(max) | Kind::Secret(max) => json!({ "type": "string", "maxLength": max }),
        Kind::Choice(options) => json!({ "enum": options }),
        Kind::ProxyUrl => json!({ "type": "string", "pattern": "^(https?://[^@]+)?$" }),
        Kind::AddressWithPrefix | Kind::Address | Kind::Pem | Kind::PemKey => text,
        Kind::Addresses | Kind::Names | Kind::Interfaces => list,
    };
    schema["title"] = d.label.into();
    schema["description"] = d.description.into();
    if !d.default.is_empty() {
        schema["default"] = d.default.into();
    }
    if d.is_secret() {
        schema["writeOnly"] = true.into();
    }
    schema
}
