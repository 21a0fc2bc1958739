//! Which network each adapter was connected to when the OVA was deployed, from the OVF environment.
//!
//! Not in DSP0243: VMware adds `EthernetAdapterSection` in a namespace of its own, one `Adapter` for each with `mac` and
//! `network`. The network's name is the one that was chosen on the host, not the one in the OVA's descriptor.

use std::collections::BTreeMap;

use eyot_contract::MacAddr;
use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::NsReader;

use super::{ovf_environment, volume};
use crate::host::{Host, HostError};

const NAMESPACE: &str = "http://www.vmware.com/schema/ovfenv";
/// Most adapters read; a virtual machine has ten.
const MAX_ADAPTERS: usize = 64;

/// By hardware address: the network's name. Empty where there is no such environment, or a damaged one: that is told by
/// whoever reads settings from it.
///
/// # Errors
/// The machine itself failing.
pub(crate) fn networks(host: &dyn Host) -> Result<BTreeMap<MacAddr, String>, HostError> {
    let document = match ovf_environment::variable(host) {
        Ok(Some(document)) => Some(document),
        Ok(None) | Err(_) => volume::find(host, &ovf_environment::LABELS, ovf_environment::FILE)
            .ok()
            .flatten()
            .and_then(|found| String::from_utf8(found.content).ok()),
    };
    Ok(document.map(|d| parse(&d)).unwrap_or_default())
}

fn parse(text: &str) -> BTreeMap<MacAddr, String> {
    let mut found = BTreeMap::new();
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}'));
    while let Ok((namespace, event)) = reader.read_resolved_event() {
        let ours = namespace == ResolveResult::Bound(Namespace(NAMESPACE));
        match event {
            Event::Start(element) | Event::Empty(element)
                if ours && element.local_name().into_inner() == "Adapter" =>
            {
                let (mut mac, mut network) = (None, None);
                for attribute in element.attributes().flatten() {
                    let value = quick_xml::escape::unescape(&attribute.value).unwrap_or_default();
                    match attribute.key.local_name().into_inner() {
                        "mac" => mac = value.parse::<MacAddr>().ok(),
                        "network" => network = Some(value.trim().to_owned()),
                        _ => {}
                    }
                }
                if let (Some(mac), Some(network)) = (mac, network) {
                    found.insert(mac, network);
                }
            }
            Event::Eof => break,
            _ if found.len() >= MAX_ADAPTERS => break,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::double::Double;

    const DOCUMENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1" xmlns:oe="http://schemas.dmtf.org/ovf/environment/1"
    xmlns:ve="http://www.vmware.com/schema/ovfenv" oe:id="" ve:vCenterId="vm-42">
  <PropertySection><Property oe:key="host_name" oe:value="one"/></PropertySection>
  <ve:EthernetAdapterSection>
    <ve:Adapter ve:mac="00:50:56:01:02:04" ve:network="VM Network" ve:unitNumber="7"/>
    <ve:Adapter ve:mac="00:50:56:01:02:03" ve:network="SPAN &amp; Mirror" ve:unitNumber="8"/>
  </ve:EthernetAdapterSection>
</Environment>"#;

    #[test]
    fn p9_each_adapter_is_known_by_its_network() {
        let host = Double::default();
        host.put(crate::paths::DMI_VENDOR, "VMware, Inc.\n");
        host.set_guestinfo(DOCUMENT);
        let found = networks(&host).unwrap();
        assert_eq!(found[&"00:50:56:01:02:03".parse().unwrap()], "SPAN & Mirror");
        assert_eq!(found[&"00:50:56:01:02:04".parse().unwrap()], "VM Network");
    }

    #[test]
    fn a_damaged_document_gives_what_was_before_the_damage() {
        for end in 0..DOCUMENT.len() {
            if let Some(text) = DOCUMENT.get(..end) {
                assert!(parse(text).len() <= 2);
            }
        }
        assert!(parse("").is_empty() && parse("<a><b></a>").is_empty());
    }
}
