//! The same settings by every carrier, and an OVF environment as vCenter writes it.

#![allow(clippy::unwrap_used)]

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use eyot_contract::settings::{definition, Settings};

use super::kvp::tests::record;
use super::smbios;
use super::smbios::tests::table;
use crate::host::double::Double;
use crate::paths;
use crate::settings::gather;

const SAID: [(&str, &str); 10] = [
    ("host.name", "sensor-7"),
    ("management.interface", "pci:0000:0b:00.0"),
    ("management.mode", "static"),
    ("management.address", "192.0.2.10/24"),
    ("management.gateway", "192.0.2.1"),
    ("management.dns", "192.0.2.53,192.0.2.54"),
    ("proxy.url", "http://proxy.example:3128"),
    ("proxy.username", "a&b"),
    ("proxy.password", "p<\"'>w"),
    ("time.servers", "ntp.example"),
];

/// A document as vCenter writes it; values are XML already.
pub(super) fn environment(properties: &[(&str, &str)]) -> String {
    let properties: String = properties
        .iter()
        .map(|(k, v)| format!("         <Property oe:key=\"{k}\" oe:value=\"{v}\"/>\n"))
        .collect();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<Environment
     xmlns="http://schemas.dmtf.org/ovf/environment/1"
     xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
     xmlns:oe="http://schemas.dmtf.org/ovf/environment/1"
     xmlns:ve="http://www.vmware.com/schema/ovfenv"
     oe:id=""
     ve:vCenterId="vm-4711">
   <PlatformSection>
      <Kind>VMware ESXi</Kind>
      <Version>8.0.3</Version>
      <Vendor>VMware, Inc.</Vendor>
      <Locale>en</Locale>
   </PlatformSection>
   <PropertySection>
{properties}   </PropertySection>
   <ve:EthernetAdapterSection>
      <ve:Adapter ve:mac="00:50:56:00:00:01" ve:network="VM Network" ve:unitNumber="7"/>
      <ve:Adapter ve:mac="00:50:56:00:00:02" ve:network="SPAN" ve:unitNumber="8"/>
   </ve:EthernetAdapterSection>
</Environment>
"#
    )
}

fn document() -> String {
    let said = SAID.map(|(k, v)| (definition(k).unwrap().property_key(), quick_xml::escape::escape(v)));
    environment(&said.iter().map(|(k, v)| (&**k, &**v)).collect::<Vec<_>>())
}

fn toml() -> String {
    let mut layer = eyot_contract::settings::Layer::new("seed");
    for (key, value) in SAID {
        layer.set(key, value).unwrap();
    }
    layer.to_toml()
}

fn disc(label: &str, file: &str, content: &str) -> Vec<u8> {
    eyot_iso::Volume::new(label, 0).unwrap().file(file, content.as_bytes().to_vec()).unwrap().to_bytes()
}

#[test]
fn p1_the_same_settings_by_every_carrier_are_the_same_settings() {
    type Carry = fn(&Double);
    let carriers: [(&str, Carry); 15] = [
        (paths::LOCAL_SETTINGS, |h| h.put(paths::LOCAL_SETTINGS, &toml())),
        (paths::PAGE_SETTINGS, |h| crate::page::fill_in(h, &SAID)),
        (paths::SEED_SETTINGS, |h| h.put(paths::SEED_SETTINGS, &toml())),
        ("cidata volume /dev/sr0", |h| h.insert_disc("/dev/sr0", disc("cidata", "eyot.toml", &toml()))),
        ("guestinfo.ovfEnv", |h| {
            h.put(paths::DMI_VENDOR, "VMware, Inc.\n");
            h.set_guestinfo(&document());
        }),
        ("OVF environment /dev/sr0", |h| {
            h.insert_disc("/dev/sr0", disc("OVF ENV", "ovf-env.xml", &document()));
        }),
        ("OVF environment /dev/sr1", |h| {
            h.insert_disc("/dev/sr0", disc("OVF ENV", "other.xml", "<x/>"));
            h.insert_disc("/dev/sr1", disc("ovf-transport", "ovf-env.xml", &document()));
        }),
        (paths::KVP_POOL, |h| {
            let pool =
                SAID.map(|(k, v)| record(&definition(k).unwrap().property_key(), v.as_bytes())).concat();
            h.put(paths::KVP_POOL, std::str::from_utf8(&pool).unwrap());
        }),
        ("guestinfo.eyot.*", |h| {
            h.put(paths::DMI_VENDOR, "VMware, Inc.\n");
            for (key, value) in SAID {
                h.set_variable(&format!("guestinfo.eyot.{}", definition(key).unwrap().property_key()), value);
            }
        }),
        ("guestinfo.eyot.*", |h| {
            h.put(paths::DMI_VENDOR, "VMware, Inc.\n");
            h.set_variable("guestinfo.eyot.settings", &STANDARD.encode(toml()));
        }),
        (paths::KVP_POOL, |h| {
            let parts: Vec<String> =
                toml().as_bytes().chunks(100).map(|p| String::from_utf8_lossy(p).into()).collect();
            let of = parts.len();
            let pool: Vec<u8> = (1..=of)
                .flat_map(|n| record(&format!("eyot_settings.{n}of{of}"), parts[n - 1].as_bytes()))
                .collect();
            h.put(paths::KVP_POOL, std::str::from_utf8(&pool).unwrap());
        }),
        (smbios::ORIGIN, |h| {
            let strings = SAID.map(|(k, v)| format!("eyot:{k}={v}"));
            h.put(paths::DMI_TABLE, std::str::from_utf8(&table(&strings)).unwrap());
        }),
        (smbios::ORIGIN, |h| {
            let strings =
                SAID.map(|(k, v)| format!("io.systemd.credential.binary:eyot.{k}={}", STANDARD.encode(v)));
            h.put(paths::DMI_TABLE, std::str::from_utf8(&table(&strings)).unwrap());
        }),
        (smbios::ORIGIN, |h| {
            let strings = [format!("io.systemd.credential:eyot.settings={}", STANDARD.encode(toml()))];
            h.put(paths::DMI_TABLE, std::str::from_utf8(&table(&strings)).unwrap());
        }),
        (paths::KEPT_SETTINGS, |h| h.put(paths::KEPT_SETTINGS, &toml())),
    ];
    let mut first: Option<Settings> = None;
    for (origin, carry) in carriers {
        let host = Double::default();
        carry(&host);
        let decided = gather(&host).resolve().unwrap();
        assert_eq!(decided.settings.hostname.as_deref(), Some("sensor-7"), "{origin}");
        assert_eq!(decided.origins.len(), SAID.len(), "{origin}");
        assert!(decided.origins.values().all(|o| o == origin), "{origin}: {:?}", decided.origins);
        assert_eq!(first.get_or_insert(decided.settings.clone()), &decided.settings, "{origin}");
    }
}

#[test]
fn the_token_goes_by_the_key_that_the_import_scripts_write() {
    for token_by in ["environment", "pairs"] {
        let host = Double::default();
        match token_by {
            "environment" => {
                host.put(paths::DMI_VENDOR, "VMware, Inc.\n");
                host.set_guestinfo(&environment(&[("activation_token", "eyot1_x")]));
            }
            _ => {
                let pool = record("activation_token", b"eyot1_x");
                host.put(paths::KVP_POOL, std::str::from_utf8(&pool).unwrap());
            }
        }
        assert_eq!(gather(&host).token_texts().collect::<Vec<_>>(), ["eyot1_x"], "{token_by}");
    }
}

#[test]
fn a_value_that_cannot_be_is_told_with_its_place() {
    let host = Double::default();
    host.put(paths::DMI_VENDOR, "VMware, Inc.\n");
    host.set_guestinfo(&environment(&[("management_mode", "bootp")]));
    let problem = gather(&host).resolve().unwrap_err().to_string();
    assert!(problem.starts_with("guestinfo.ovfEnv: management.mode: \"bootp\" is not one of"), "{problem}");
}
