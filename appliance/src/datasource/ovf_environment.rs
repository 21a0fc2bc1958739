//! The OVF environment: what was filled in when the OVA was deployed (DSP0243, "OVF environment").
//!
//! It arrives as the variable `guestinfo.ovfEnv`, asked for with `vmware-rpctool` on VMware, or as `ovf-env.xml` on a
//! volume of the platform's. Where the variable is, the volume is the same document and is not looked at.
//!
//! Only the machine's own properties count: sections of its neighbours in a vApp (`Entity`) are passed over, keys that
//! are not ours are others'. A value that is empty, or the default that the OVA's descriptor gives, is nobody's choice and
//! is not offered; it would otherwise overrule what an earlier seed said. To go back to a default, use `local.toml`.
//! Line breaks in values stay as written, which XML would make blanks: certificates need them.
//!
//! The variable can be set by the guest and is, without secrets, once the token has done its work. The volume is the
//! host's and cannot be; vCenter fills both again at each start.
//!
//! Written after DSP0243 and documents as vCenter writes them; not tried on a real ESXi host.

use eyot_contract::settings::{Definition, Layer};
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::{NsReader, Writer};

use super::{guestinfo, property, volume, SourceError};
use crate::host::Host;

const NAMESPACE: &str = "http://schemas.dmtf.org/ovf/environment/1";
pub(super) const FILE: &str = "ovf-env.xml";
/// What platforms call the volume; DSP0243 leaves it to them. These are the labels that cloud-init knows too.
pub(super) const LABELS: [&str; 3] = ["OVF ENV", "OVFENV", "OVF-TRANSPORT"];
/// Largest document read, bytes; a machine with hundreds of properties stays below.
const MAX_BYTES: usize = 1 << 20;
/// VMware's variable.
pub(crate) const GUESTINFO: &str = "guestinfo.ovfEnv";

pub(super) fn look(host: &dyn Host) -> Result<Option<Layer>, SourceError> {
    if let Some(document) = variable(host)? {
        return parse(GUESTINFO, &document);
    }
    let Some(found) = volume::find(host, &LABELS, FILE)? else { return Ok(None) };
    let origin = format!("OVF environment {}", found.device);
    let text = String::from_utf8(found.content).map_err(|_| SourceError::Encoding(origin.clone()))?;
    parse(&origin, &text)
}

/// The variable. A platform that is not VMware, a missing tool and a variable that is not set are all the same: nothing.
pub(crate) fn variable(host: &dyn Host) -> Result<Option<String>, SourceError> {
    match guestinfo::is_vmware(host)? {
        true => Ok(guestinfo::get(host, GUESTINFO)),
        false => Ok(None),
    }
}

/// Sets the variable to a document without secrets: it is passed as an argument, which others can see.
pub(crate) fn set_variable(host: &dyn Host, document: &str) -> Result<(), String> {
    guestinfo::set(host, GUESTINFO, document)
}

/// Reads a document; `origin` is for people.
fn parse(origin: &str, text: &str) -> Result<Option<Layer>, SourceError> {
    let fail = |reason| SourceError::Document { origin: origin.to_owned(), reason };
    let mut layer = Layer::new(origin);
    for found in properties(text).map_err(fail)? {
        let value = found.value.trim();
        if found.own && !value.is_empty() && value != found.setting.default {
            layer.values.insert(found.setting.key, value.to_owned());
        }
    }
    Ok(Some(layer).filter(|l| !l.values.is_empty()))
}

/// A property whose key is one of ours.
struct Property {
    setting: &'static Definition,
    value: String,
    /// In a section of this machine's, not of a neighbour's.
    own: bool,
}

/// Every property whose key is ours. The error says what is wrong, without repeating any of the text.
fn properties(text: &str) -> Result<Vec<Property>, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("has {} bytes and at most {MAX_BYTES} are read", text.len()));
    }
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}'));
    let mut found = Vec::new();
    // local names of the open elements that are in the environment's namespace, "" for others
    let mut open: Vec<String> = Vec::new();
    let mut root_seen = false;
    loop {
        let event = reader.read_resolved_event();
        let Ok((namespace, event)) = event.map(|(n, e)| (n == ResolveResult::Bound(Namespace(NAMESPACE)), e))
        else {
            return Err(malformed(&reader));
        };
        match event {
            Event::Start(ref element) | Event::Empty(ref element) => {
                let name = if namespace { element.local_name().into_inner() } else { "" };
                if open.is_empty() && (root_seen || name != "Environment") {
                    return Err("is not an OVF environment; deploy the OVA again".to_owned());
                }
                root_seen = true;
                if name == "Property" {
                    let own = open == ["Environment", "PropertySection"];
                    if let Some((setting, value)) = read(&reader, element)? {
                        found.push(Property { setting, value, own });
                    }
                }
                if matches!(event, Event::Start(_)) {
                    open.push(name.to_owned());
                }
            }
            Event::End(_) => drop(open.pop()),
            Event::DocType(_) => return Err("has a document type, which no OVF environment has".to_owned()),
            Event::Eof if root_seen && open.is_empty() => return Ok(found),
            Event::Eof => return Err(malformed(&reader)),
            Event::Text(_)
            | Event::CData(_)
            | Event::GeneralRef(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_) => {}
        }
    }
}

fn malformed(reader: &NsReader<&[u8]>) -> String {
    format!(
        "not well-formed XML near byte {}; set the machine's properties again or give the settings by seed ISO",
        reader.buffer_position()
    )
}

/// Setting and value of a `Property` element; `None` if its key is not ours.
fn read(
    reader: &NsReader<&[u8]>,
    element: &BytesStart<'_>,
) -> Result<Option<(&'static Definition, String)>, String> {
    let (mut key, mut value) = (String::new(), String::new());
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|_| malformed(reader))?;
        let (namespace, name) = reader.resolver().resolve_attribute(attribute.key);
        if namespace != ResolveResult::Bound(Namespace(NAMESPACE)) {
            continue;
        }
        let place = match name.into_inner() {
            "key" => &mut key,
            "value" => &mut value,
            _ => continue,
        };
        *place = quick_xml::escape::unescape(&attribute.value).map_err(|_| malformed(reader))?.into_owned();
    }
    Ok(property(&key).map(|setting| (setting, value)))
}

/// Whether a document carries an activation token for this machine.
pub(crate) fn carries_token(text: &str) -> Result<bool, String> {
    let is_token = |p: &Property| p.own && p.setting.key == "activation.token" && !p.value.trim().is_empty();
    Ok(properties(text)?.iter().any(is_token))
}

/// The same document with the value of every secret of ours emptied, a neighbour's too.
pub(crate) fn without_secrets(text: &str) -> Result<String, String> {
    let mut reader = NsReader::from_str(text);
    let mut writer = Writer::new(Vec::new());
    loop {
        let Ok((_, event)) = reader.read_resolved_event() else { return Err(malformed(&reader)) };
        let event = match event {
            Event::Start(element) => Event::Start(emptied(&reader, element)?),
            Event::Empty(element) => Event::Empty(emptied(&reader, element)?),
            Event::Eof => break,
            other => other,
        };
        writer.write_event(event).map_err(|e| e.to_string())?;
    }
    String::from_utf8(writer.into_inner()).map_err(|e| e.utf8_error().to_string())
}

fn emptied<'a>(reader: &NsReader<&[u8]>, element: BytesStart<'a>) -> Result<BytesStart<'a>, String> {
    match read(reader, &element)? {
        Some((setting, _)) if setting.is_secret() => {}
        _ => return Ok(element),
    }
    let mut kept = element.to_owned();
    kept.clear_attributes();
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|_| malformed(reader))?;
        let value = match attribute.key.local_name().into_inner() {
            "value" => String::new(),
            _ => quick_xml::escape::unescape(&attribute.value).map_err(|_| malformed(reader))?.into_owned(),
        };
        kept.push_attribute((attribute.key.into_inner(), value.as_str()));
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::environment;
    use super::*;
    use crate::host::double::Double;
    use crate::paths;

    const NAME: &[(&str, &str)] = &[("host_name", "one")];

    fn values(text: &str) -> Vec<(&'static str, String)> {
        parse("test", text).unwrap().map(|l| l.values.into_iter().collect()).unwrap_or_default()
    }

    fn host(document: &str) -> Double {
        let host = Double::default();
        host.put(paths::DMI_VENDOR, "VMware, Inc.\n");
        host.set_guestinfo(document);
        host
    }

    #[test]
    fn entities_are_read_and_line_breaks_stay() {
        let text = environment(&[
            ("proxy_username", "a&amp;b&lt;c&quot;&#x20AC;&apos;"),
            ("portal_ca", "one\ntwo&#10;three"),
        ]);
        let expected = [("portal.ca", "one\ntwo\nthree"), ("proxy.username", "a&b<c\"\u{20ac}'")];
        assert_eq!(values(&text), expected.map(|(k, v)| (k, v.to_owned())));
    }

    #[test]
    fn empty_values_defaults_and_the_keys_of_others_offer_nothing() {
        let text = environment(&[
            ("activation_token", ""),
            ("host_name", "  "),
            ("management_mode", "dhcp"),
            ("management_ssh", "off"),
            ("guestinfo.vendor", "x"),
            ("activation.token", "x"),
        ]);
        assert_eq!(parse("test", &text).unwrap(), None);
    }

    #[test]
    fn neighbours_in_a_vapp_are_passed_over() {
        let entity =
            "<Entity oe:id=\"other\"><PropertySection><Property oe:key=\"host_name\" oe:value=\"two\"/>\
                      </PropertySection></Entity></Environment>";
        let text = environment(NAME).replace("</Environment>", entity);
        assert_eq!(values(&text), [("host.name", "one".to_owned())]);
    }

    #[test]
    fn prefixes_do_not_matter_and_namespaces_do() {
        let text = format!(
            "<e:Environment xmlns:e='{NAMESPACE}'><e:PropertySection><e:Property e:key='host_name' e:value='one'>\
             </e:Property><Property e:key='proxy_url' e:value='x'/></e:PropertySection></e:Environment>"
        );
        assert_eq!(values(&text), [("host.name", "one".to_owned())]);
    }

    #[test]
    fn damaged_documents_say_what_and_repeat_nothing() {
        let whole = environment(&[("activation_token", "s3cret")]);
        let cut = &whole[..whole.find("</PropertySection>").unwrap()];
        let unquoted = whole.replace("\"s3cret\"", "s3cret");
        let entity = whole.replace("s3cret", "&s3cret;");
        let crossed = whole.replace("</PropertySection>", "</s3cret>");
        for text in [cut, &unquoted, &entity, &crossed, "s3cret", ""] {
            let error = parse("here", text).unwrap_err().to_string();
            assert!(error.starts_with("here: not well-formed XML near byte"), "{text}\n{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        let other = parse("here", "<Envelope/>").unwrap_err().to_string();
        assert!(other.contains("is not an OVF environment"), "{other}");
        let dtd = whole.replace("<Environment", "<!DOCTYPE x [<!ENTITY a \"b\">]><Environment");
        assert!(parse("here", &dtd).unwrap_err().to_string().contains("document type"));
        let long = whole + &" ".repeat(MAX_BYTES);
        assert!(parse("here", &long).unwrap_err().to_string().contains("at most"));
    }

    #[test]
    fn every_cut_is_an_error_or_nothing_and_never_a_panic() {
        let whole = environment(&[("host_name", "f\u{fc}nf"), ("proxy_url", "http://p:1")]);
        let whole = whole.trim_end();
        for end in (0..whole.len()).filter(|e| whole.is_char_boundary(*e)) {
            assert!(parse("here", &whole[..end]).is_err(), "{}", &whole[..end]);
        }
    }

    #[test]
    fn the_variable_is_asked_for_on_vmware_only_and_before_the_volume() {
        let disc = eyot_iso::Volume::new("OVF ENV", 0).unwrap();
        let two = environment(&[("host_name", "two")]);
        let disc = disc.file(FILE, two.into_bytes()).unwrap().to_bytes();
        let vmware = host(&environment(NAME));
        vmware.insert_disc("/dev/sr0", disc.clone());
        let found = look(&vmware).unwrap().unwrap();
        assert_eq!((&*found.origin, &*found.values["host.name"]), (GUESTINFO, "one"));

        // the variable does not say anything, yet it is the document
        vmware.set_guestinfo(&environment(&[]));
        assert_eq!(look(&vmware).unwrap(), None);

        vmware.put(paths::DMI_VENDOR, "QEMU\n");
        let found = look(&vmware).unwrap().unwrap();
        assert_eq!((&*found.origin, &*found.values["host.name"]), ("OVF environment /dev/sr0", "two"));

        let unset = Double::default();
        unset.put(paths::DMI_VENDOR, "VMware, Inc.\n");
        assert_eq!(look(&unset).unwrap(), None, "a tool that fails offers nothing");
        unset.insert_disc("/dev/sr0", disc);
        assert_eq!(look(&unset).unwrap().unwrap().values["host.name"], "two");
    }

    #[test]
    fn a_damaged_variable_is_an_error() {
        assert!(look(&host("<Environment"))
            .unwrap_err()
            .to_string()
            .starts_with("guestinfo.ovfEnv: not well"));
    }

    #[test]
    fn secrets_are_emptied_and_the_rest_stays() {
        let said =
            [("activation_token", "s3cret"), ("proxy_password", "s3cret&amp;"), ("host_name", "&lt;one")];
        let text = environment(&said);
        assert!(carries_token(&text).unwrap());
        let clean = without_secrets(&text).unwrap();
        assert_eq!(clean, text.replace("s3cret&amp;", "").replace("s3cret", ""));
        assert!(!carries_token(&clean).unwrap());
        assert_eq!(values(&clean), [("host.name", "<one".to_owned())]);
    }
}
