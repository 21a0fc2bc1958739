//! How the contract's values look in the API's document (JSON Schema 2020-12). The contract itself knows no schemas, so
//! that sensors carry none; a test holds every property here against what the contract really writes.

use std::borrow::Cow;

use eyot_contract::{DeviceClass, DeviceType};
use schemars::{json_schema, JsonSchema, Schema, SchemaGenerator};

macro_rules! schemas {
    ($($(#[doc = $doc:literal])+ $name:ident => $schema:expr;)+) => {$(
        $(#[doc = $doc])+
        pub struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )+};
}

fn names<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str) -> Vec<Option<&'static str>> {
    all.iter().map(|value| Some(name(*value))).chain([None]).collect()
}

schemas! {
    /// A moment, RFC 3339 in UTC.
    Moment => json_schema!({ "type": "string", "format": "date-time" });
    /// A hardware address, `00:50:56:01:02:03`.
    Address => json_schema!({ "type": "string", "pattern": "^[0-9a-f]{2}(:[0-9a-f]{2}){5}$" });
    /// A file of a form.
    File => json_schema!({ "type": "string", "contentMediaType": "application/octet-stream" });
    /// How well a sensor does.
    Standing => json_schema!({ "type": "string", "enum": ["healthy", "warning", "critical"] });
    /// A piece of a finding's evidence.
    FindingProof => json_schema!({
        "type": "object",
        "required": ["at", "source", "destination", "port", "vlan", "protocol", "seen"],
        "properties": {
            "at": { "type": "string", "format": "date-time" },
            "source": { "type": ["string", "null"], "description": "sender's IP address" },
            "destination": { "type": ["string", "null"], "description": "addressee's IP address" },
            "port": { "type": ["integer", "null"], "minimum": 0, "maximum": 65535 },
            "vlan": { "type": ["integer", "null"], "minimum": 0, "maximum": 4095 },
            "protocol": { "type": "string" },
            "seen": { "type": "string" }
        }
    });
    /// A device as a sensor reports it. In a list without `evidence`.
    Record => json_schema!({
        "type": "object",
        "required": ["mac", "ips", "vlans", "hostname", "vendor", "model", "type", "class", "os", "firmware", "serial",
            "confidence", "randomized_mac", "protocols", "frames", "first_seen", "last_seen", "activity", "managed"],
        "properties": {
            "mac": { "type": "string", "pattern": "^[0-9a-f]{2}(:[0-9a-f]{2}){5}$" },
            "ips": { "type": "array", "items": { "type": "string" } },
            "vlans": { "type": "array", "items": { "type": "integer", "minimum": 0, "maximum": 4095 } },
            "hostname": { "type": ["string", "null"] },
            "vendor": { "type": ["string", "null"] },
            "model": { "type": ["string", "null"] },
            "type": { "enum": names(DeviceType::ALL, DeviceType::name) },
            "class": { "enum": names(DeviceClass::ALL, DeviceClass::name) },
            "os": { "type": ["string", "null"] },
            "firmware": { "type": ["string", "null"] },
            "serial": { "type": ["string", "null"] },
            "confidence": { "type": "number", "minimum": 0, "maximum": 1 },
            "randomized_mac": { "type": "boolean" },
            "protocols": { "type": "array", "items": { "type": "string" } },
            "frames": { "type": "integer", "minimum": 0 },
            "first_seen": { "type": "string", "format": "date-time" },
            "last_seen": { "type": "string", "format": "date-time" },
            "activity": { "type": "object" },
            "managed": { "type": "object" },
            "evidence": { "type": "array", "items": { "type": "object",
                "required": ["attribute", "value", "source", "seen", "rule", "nature", "confidence"] } }
        }
    });
    /// A sensor's health report.
    Report => json_schema!({
        "type": "object",
        "required": ["at", "version", "hostname", "conditions", "interfaces", "frames_captured", "frames_dropped",
            "devices"],
        "properties": {
            "at": { "type": "string", "format": "date-time" },
            "version": { "type": "string" },
            "hostname": { "type": "string" },
            "conditions": { "type": "array", "items": { "type": "object", "required": ["code", "detail", "since"] } },
            "interfaces": { "type": "array", "items": { "type": "object",
                "required": ["name", "mac", "role", "link", "rx_frames", "tx_frames"] } },
            "frames_captured": { "type": "integer", "minimum": 0 },
            "frames_dropped": { "type": "integer", "minimum": 0 },
            "devices": { "type": "integer", "minimum": 0 }
        }
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use eyot_contract::{DeviceRecord, FindingEvidence, HealthReport, MacAddr, Timestamp};
    use serde::Serialize;

    use super::*;

    /// Every property written is one of the schema, and every one of the schema is written.
    fn agree<T: JsonSchema>(value: &impl Serialize) {
        let schema = T::json_schema(&mut SchemaGenerator::default());
        let keys = |value: &serde_json::Value| -> BTreeSet<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(keys(&serde_json::to_value(value).unwrap()), keys(schema.get("properties").unwrap()));
    }

    #[test]
    fn the_document_says_what_the_contract_writes() {
        let at = Timestamp(1_790_000_000_000_000);
        agree::<Record>(&DeviceRecord {
            mac: MacAddr([0; 6]),
            ips: Vec::new(),
            vlans: Vec::new(),
            hostname: None,
            vendor: None,
            model: None,
            device_type: None,
            class: None,
            os: None,
            firmware: None,
            serial: None,
            confidence: 0.0,
            randomized_mac: false,
            protocols: Vec::new(),
            frames: 0,
            first_seen: at,
            last_seen: at,
            evidence: Vec::new(),
            activity: Default::default(),
            managed: Default::default(),
        });
        agree::<Report>(&HealthReport {
            at,
            version: String::new(),
            hostname: String::new(),
            conditions: Vec::new(),
            interfaces: Vec::new(),
            frames_captured: 0,
            frames_dropped: 0,
            devices: 0,
        });
        agree::<FindingProof>(&FindingEvidence {
            at,
            source: None,
            destination: None,
            port: None,
            vlan: None,
            protocol: String::new(),
            seen: String::new(),
        });
    }
}
