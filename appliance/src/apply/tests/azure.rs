//! Reports to the owner's Azure: what the sensor is given, and what the firewall lets through for it and why.

use eyot_contract::DestinationCheck;

use super::{settings, two_adapters};
use crate::apply::firewall::destinations::{networks, reasons, remember_hub, remember_storage};
use crate::apply::{firewall, role, sensor};
use crate::host::double::Double;
use crate::paths;

/// Addresses as names, so that nothing is asked of a name server.
const AZURE: &str = "[azure]\nid_scope = \"0ne0\"\nregistration_id = \"lab-7\"\nkey = \"c2VjcmV0LWtleQ==\"\n\
                     provisioning_host = \"192.0.2.7\"\nenrolment = \"group\"\n\
                     event_hub = \"192.0.2.8/devices\"\nevent_hub_key = \"rule-secret\"\n\
                     [proxy]\nurl = \"http://192.0.2.3:3128\"\nusername = \"u\"\npassword = \"p-secret\"\n";

#[test]
fn the_sensor_gets_azure_without_a_portal_and_its_keys_in_files_of_their_own() {
    let (host, settings) = (Double::default(), settings(AZURE));
    let roles = role::decide(&host, &settings, &two_adapters()).unwrap();
    let plan = sensor::plan(&settings, &roles, None, "eyot-1").unwrap();
    assert!(sensor::does_without_portal(&settings) && sensor::write(&host, &plan).unwrap());
    let text = host.text(paths::SENSOR_CONFIG).unwrap();
    for line in [
        "interfaces = [\"ens192\"]",
        "id_scope = \"0ne0\"",
        "registration_id = \"lab-7\"",
        "key_file = \"/etc/eyot/azure-key\"",
        "enrolment = \"group\"",
        "event_hub_file = \"/etc/eyot/azure-event-hub\"",
        "sensor = \"lab-7\"",
        "snapshot_hours = 0",
        "twin = false",
        "[azure.proxy]",
        "password_file = \"/etc/eyot/proxy-password\"",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert!(!text.contains("secret") && !text.contains("c2VjcmV0") && !text.contains("[portal]"), "{text}");
    assert_eq!(host.text(paths::SENSOR_AZURE_KEY).unwrap(), "c2VjcmV0LWtleQ==\n");
    assert_eq!(
        host.text(paths::SENSOR_EVENT_HUB).unwrap(),
        "Endpoint=sb://192.0.2.8/;SharedAccessKeyName=send;SharedAccessKey=rule-secret;EntityPath=devices\n"
    );
    assert!(!sensor::write(&host, &plan).unwrap(), "a second run changes nothing");

    // without Azure nobody is left to report to, and what was written for it goes with the next configuration
    let only_portal =
        super::settings(&AZURE.replace("[proxy]", "[report]\ndestinations = \"portal\"\n[proxy]"));
    assert!(!sensor::does_without_portal(&only_portal));
    assert!(sensor::plan(&only_portal, &roles, None, "eyot-1").is_none());
}

#[test]
fn the_firewall_lets_azures_own_names_through_and_says_why() {
    let host = Double::default();
    let allowed = settings(&format!("[firewall]\ndestinations = [\"10.0.0.0/8\"]\n{AZURE}"));
    let through = || -> Vec<String> {
        networks(&host, &allowed, None).unwrap().unwrap().iter().map(ToString::to_string).collect()
    };
    assert_eq!(through(), ["10.0.0.0/8", "192.0.2.3", "192.0.2.7", "192.0.2.8"]);
    let check = |endpoint: &str| DestinationCheck {
        destination: "azure_iot_hub".to_owned(),
        endpoint: endpoint.to_owned(),
        condition: None,
        detail: String::new(),
    };
    let told = [check("192.0.2.7"), check("192.0.2.99")];
    assert!(remember_hub(&host, &allowed, &told).unwrap(), "the rules have to be made anew");
    assert!(!remember_hub(&host, &allowed, &told).unwrap());
    assert!(!remember_hub(&host, &allowed, &told[..1]).unwrap(), "no answer takes nothing back");
    let why = reasons(&host, &allowed, Some("https://192.0.2.80")).unwrap();
    assert_eq!(
        why,
        [
            "10.0.0.0/8 (firewall.destinations): 10.0.0.0/8",
            "192.0.2.3 (proxy.url): 192.0.2.3",
            "192.0.2.7 (azure.id_scope: the provisioning service): 192.0.2.7",
            "192.0.2.8 (azure.event_hub: the namespace): 192.0.2.8",
            "192.0.2.80 (the portal): 192.0.2.80",
            "192.0.2.99 (azure.id_scope: the IoT Hub assigned): 192.0.2.99",
        ]
    );
    let roles = role::decide(&host, &allowed, &two_adapters()).unwrap();
    let rules = firewall::wanted(&host, &allowed, &roles, None).unwrap();
    assert!(
        rules.text.contains("192.0.2.99") && rules.text.contains("tcp dport { 443, 3128 }"),
        "{}",
        rules.text
    );

    // the storage account that the hub names for files is followed, where files are stored and its name is Azure's
    let storage = |host: &Double, settings, names: &[&str]| {
        remember_storage(host, settings, &names.iter().map(|n| (*n).to_owned()).collect()).unwrap()
    };
    let foreign = [
        "192.0.2.66",
        "evil.example",
        "blob.core.windows.net",
        ".blob.core.windows.net",
        "a.b.c.blob.core.windows.net",
        "lab.blob.core.windows.net.evil.example",
        "x/y.blob.core.windows.net",
    ];
    assert!(!storage(&host, &allowed, &foreign));
    let name = "lab.blob.core.windows.net";
    assert!(
        storage(&host, &allowed, &[&foreign[..], &[name]].concat()) && !storage(&host, &allowed, &[name])
    );
    assert!(!storage(&host, &allowed, &[]) && !remember_hub(&host, &allowed, &told).unwrap());
    assert_eq!(reasons(&host, &allowed, Some("https://192.0.2.80")).unwrap(), why, "no files are stored");
    let files = settings(&format!(
        "[firewall]\ndestinations = [\"10.0.0.0/8\"]\n{}",
        AZURE.replace("enrolment", "snapshot_hours = \"24\"\nenrolment")
    ));
    let line = format!("{name} (the storage account that the IoT Hub names for files): no address is known");
    let with_files = reasons(&host, &files, Some("https://192.0.2.80")).unwrap();
    assert_eq!(with_files.len(), why.len() + 1);
    assert!(with_files.contains(&line), "{with_files:#?}");

    // without an allow-list there is nothing to add to
    let any = settings(AZURE);
    assert_eq!(networks(&host, &any, None).unwrap(), None);
    assert!(reasons(&host, &any, None).unwrap().is_empty());
}
