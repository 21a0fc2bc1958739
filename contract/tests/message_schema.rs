//! `message.schema.json` describes the messages that really leave: it is made here from the types and the house's lists,
//! samples are held against it, and no field may be missing from it.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use eyot_contract::{
    Content, DeviceClass, DeviceType, InterfaceStatus, Message, SensorStatus, Severity, Timestamp,
    UploadError, UploadState, FINDING_KINDS, MESSAGE_SCHEMA,
};
use serde_json::{json, Value};

fn schema() -> Value {
    let names = |all: Vec<&'static str>| -> Vec<Value> {
        all.into_iter().map(Value::from).chain([Value::Null]).collect()
    };
    let text = json!({ "type": ["string", "null"] });
    let time = json!({ "type": "string", "format": "date-time" });
    let or_none = json!({ "type": ["string", "null"], "format": "date-time" });
    let count = json!({ "type": "integer", "minimum": 0 });
    let share = json!({ "type": "number", "minimum": 0, "maximum": 1 });
    let mac = json!({ "type": "string", "pattern": "^([0-9a-f]{2}:){5}[0-9a-f]{2}$" });
    let attribute = json!({ "enum": ["hostname", "vendor", "model", "type", "os", "firmware", "serial"] });
    let peer = json!({
        "type": "object", "required": ["ip", "bytes", "last_seen"],
        "properties": {
            "ip": { "type": "string" },
            "mac": { "anyOf": [mac, { "type": "null" }] },
            "location": { "enum": ["local", "routed", null] },
            "protocol": text,
            "port": { "type": "integer", "minimum": 0, "maximum": 65535 },
            "serves": { "type": "boolean", "description": "the port is the device's own" },
            "bytes": count,
            "last_seen": time,
        },
    });
    let device = json!({
        "type": "object",
        "description": "One device as the sensor knows it; null means unknown.",
        "required": ["mac", "ips", "confidence", "first_seen", "last_seen", "evidence"],
        "properties": {
            "mac": mac,
            "ips": { "type": "array", "items": { "type": "string" }, "description": "newest first" },
            "vlans": { "type": "array", "items": { "type": "integer", "minimum": 0, "maximum": 4095 } },
            "hostname": text, "vendor": text, "model": text, "os": text, "firmware": text, "serial": text,
            "type": { "enum": names(DeviceType::ALL.iter().map(|t| t.name()).collect()) },
            "class": { "enum": names(DeviceClass::ALL.iter().map(|c| c.name()).collect()) },
            "confidence": share,
            "randomized_mac": { "type": "boolean" },
            "protocols": { "type": "array", "items": { "type": "string" } },
            "frames": count,
            "first_seen": time, "last_seen": time,
            "activity": { "type": "object", "properties": {
                "bytes": count, "flows": count,
                "intervals": { "type": "array", "items": {
                    "type": "object", "required": ["from", "to"], "properties": { "from": time, "to": time },
                } },
                "location": { "enum": ["local", "routed", null] },
                "peers": { "type": "array", "items": peer, "description": "whom it sends to, the most bytes first" },
            } },
            "managed": { "type": "object", "properties": {
                "authorized": { "type": ["boolean", "null"] },
                "set": { "type": "array", "items": attribute },
                "macs": { "type": "array", "items": mac },
            } },
            "evidence": { "type": "array", "description": "strongest first", "items": {
                "type": "object",
                "required": ["attribute", "value", "source", "seen", "rule", "nature", "confidence"],
                "properties": {
                    "attribute": attribute,
                    "value": { "type": "string" },
                    "source": { "type": "string", "description": "field on the wire, such as dhcp.hostname" },
                    "seen": { "type": "string" },
                    "rule": { "type": "string" },
                    "nature": { "enum": ["declared", "inferred", "operator"] },
                    "confidence": share,
                    "first_seen": or_none, "last_seen": or_none,
                },
            } },
        },
    });
    let kinds: Vec<_> = FINDING_KINDS.iter().map(|d| d.name).collect();
    let severities: Vec<_> = Severity::ALL.iter().map(|s| s.name()).collect();
    let optional = |kind: &str| json!({ "type": [kind, "null"] });
    let finding = json!({
        "type": "object",
        "description": "Something held to be wrong. The same finding again carries the same id and a higher count.",
        "required": ["id", "kind", "severity", "summary", "first_seen", "last_seen", "count"],
        "properties": {
            "id": { "type": "string", "description": "stable within one sensor" },
            "kind": { "enum": kinds },
            "severity": { "enum": severities },
            "mac": { "anyOf": [mac, { "type": "null" }] },
            "summary": { "type": "string" },
            "first_seen": time, "last_seen": time,
            "count": count,
            "evidence": { "type": "array", "description": "oldest first", "items": {
                "type": "object",
                "required": ["at", "protocol", "seen"],
                "properties": {
                    "at": time,
                    "source": optional("string"), "destination": optional("string"),
                    "port": optional("integer"), "vlan": optional("integer"),
                    "protocol": { "type": "string" },
                    "seen": { "type": "string" },
                },
            } },
        },
    });
    let health = json!({
        "type": "object",
        "description": "How the sensor is; counts are since its process started.",
        "required": ["version", "at", "frames", "dropped", "devices"],
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A message of an Eyot sensor",
        "description": "Within this version fields are only added; a reader ignores those it does not know.",
        "type": "object",
        "required": ["schema", "id", "sensor", "time", "kind"],
        "properties": {
            "schema": { "const": MESSAGE_SCHEMA },
            "id": { "type": "string", "description": "the same each time the same message is sent" },
            "sensor": { "type": "string" },
            "time": time,
            "kind": { "enum": ["device", "finding", "health"] },
            "device": device,
            "finding": finding,
            "health": health,
        },
        "oneOf": [
            { "properties": { "kind": { "const": "device" } }, "required": ["device"] },
            { "properties": { "kind": { "const": "finding" } }, "required": ["finding"] },
            { "properties": { "kind": { "const": "health" } }, "required": ["health"] },
        ],
    })
}

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

fn message(content: Content) -> Value {
    serde_json::to_value(Message {
        schema: MESSAGE_SCHEMA.to_owned(),
        id: "7f0c-12-0".to_owned(),
        sensor: "lab".to_owned(),
        time: Timestamp::from_seconds(1_700_000_000),
        content,
    })
    .unwrap()
}

/// Every field filled in, also those that a sensor leaves out.
fn device() -> Value {
    let device = json!({
        "mac": "b0:c5:54:01:02:03", "ips": ["192.0.2.7", "2001:db8::7"], "vlans": [4],
        "hostname": "cam", "vendor": "D-Link", "model": null, "type": "camera", "class": "enterprise",
        "os": null, "firmware": null, "serial": null, "confidence": 0.5, "randomized_mac": false,
        "protocols": ["dhcp"], "frames": 4,
        "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:00:01Z",
        "activity": {
            "bytes": 1, "flows": 2, "location": "local",
            "intervals": [{ "from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:01Z" }],
        },
        "managed": { "authorized": true, "set": ["model"], "macs": ["b0:c5:54:01:02:04"] },
        "evidence": [{
            "attribute": "vendor", "value": "D-Link", "source": "mac.oui", "seen": "b0:c5:54", "rule": "oui",
            "nature": "inferred", "confidence": 0.5,
        }],
    });
    message(Content::Device { device: Box::new(serde_json::from_value(device).unwrap()) })
}

fn finding() -> Value {
    let finding = json!({
        "id": "clear_telnet/b0:c5:54:01:02:03", "kind": "clear_telnet", "severity": "high",
        "mac": "b0:c5:54:01:02:03", "summary": "s", "count": 2,
        "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:00:01Z",
        "evidence": [{
            "at": "2026-01-01T00:00:00Z", "source": "192.0.2.7", "destination": null, "port": 23, "vlan": null,
            "protocol": "telnet", "seen": "login:",
        }],
    });
    message(Content::Finding { finding: Box::new(serde_json::from_value(finding).unwrap()) })
}

fn health() -> Value {
    let mut status = SensorStatus { interfaces: vec![InterfaceStatus::default()], ..SensorStatus::default() };
    status.upload.state = UploadState::Retrying;
    status.upload.last_error = Some(UploadError {
        at: Timestamp(0),
        message: "no answer".into(),
        condition: eyot_contract::ConditionCode::Disconnected,
    });
    message(Content::Health { health: Box::new(status) })
}

#[test]
fn the_schema_is_made_from_the_types() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("message.schema.json");
    let fresh = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("EYOT_BLESS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        kept, fresh,
        "contract/message.schema.json is stale; EYOT_BLESS=1 cargo test -p eyot-contract renews it"
    );
}

#[test]
fn messages_are_as_the_schema_says() {
    let schema = schema();
    let validator = validator(&schema);
    for message in [device(), finding(), health()] {
        let wrong: Vec<_> = validator.iter_errors(&message).map(|e| e.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:?} in {message}");
        assert_eq!(
            serde_json::to_value(serde_json::from_value::<Message>(message.clone()).unwrap()).unwrap(),
            message
        );
    }
}

#[test]
fn the_schema_names_every_field() {
    let schema = schema();
    for (kind, message) in [("device", device()), ("finding", finding())] {
        assert_eq!(undescribed(&message[kind], &schema["properties"][kind], kind), Vec::<String>::new());
    }
    assert_eq!(
        undescribed(&json!({ "a": [{ "b": 1 }] }), &json!({ "properties": { "a": {} } }), ""),
        [".a[].b"]
    );
}

/// Fields of `value` that `schema` has no word about.
fn undescribed(value: &Value, schema: &Value, place: &str) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, inner)| {
                let place = format!("{place}.{key}");
                match &schema["properties"][key] {
                    Value::Null => vec![place],
                    described => undescribed(inner, described, &place),
                }
            })
            .collect(),
        Value::Array(items) => {
            items.iter().flat_map(|i| undescribed(i, &schema["items"], &format!("{place}[]"))).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn the_schema_refuses_what_is_wrong() {
    let validator = validator(&schema());
    let broken = |change: fn(&mut Value)| {
        let mut message = device();
        change(&mut message);
        !validator.is_valid(&message)
    };
    assert!(broken(|m| m["schema"] = "eyot.message/0".into()));
    assert!(broken(|m| m["kind"] = "health".into()));
    assert!(broken(|m| m["device"]["mac"] = "B0-C5".into()));
    assert!(broken(|m| m["device"]["type"] = "teleporter".into()));
    assert!(broken(|m| m["device"]["confidence"] = 1.5.into()));
    assert!(broken(|m| m["time"] = "yesterday".into()));
}
