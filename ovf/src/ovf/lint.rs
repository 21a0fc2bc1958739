//! What importers will not like about a descriptor: order against the schema, references into nowhere, and the
//! spellings that ESXi and vCenter are known to refuse.

use super::format::VMDK_FORMAT;
use super::reader::{Descriptor, Element};
use crate::findings::Findings;

/// Order of an envelope's parts (DSP8023); sections may repeat.
const ENVELOPE_ORDER: [&str; 4] = ["References", "Section", "VirtualSystem", "Strings"];
/// Order of a product's parts; categories and properties alternate after them.
const PRODUCT_ORDER: [&str; 9] =
    ["Info", "Product", "Vendor", "Version", "FullVersion", "ProductUrl", "VendorUrl", "AppUrl", "Icon"];
/// Order of a property's parts.
const PROPERTY_ORDER: [&str; 3] = ["Label", "Description", "Value"];

/// All that is wrong with `descriptor` by itself; files are the archive's matter.
pub fn lint(descriptor: &Descriptor) -> Findings {
    let mut f = Findings::default();
    let root = &descriptor.root;
    let class = |name: &str| match name {
        "References" | "Strings" => name.to_owned(),
        "VirtualSystem" | "VirtualSystemCollection" => "VirtualSystem".to_owned(),
        _ => "Section".to_owned(),
    };
    ordered(root, &ENVELOPE_ORDER, class, &mut f);
    let mut items = Vec::new();
    root.below("Item", &mut items);
    for item in items {
        item_order(item, &mut f);
    }
    let mut properties = Vec::new();
    root.below("Property", &mut properties);
    for property in properties {
        ordered(property, &PROPERTY_ORDER, str::to_owned, &mut f);
        let key = property.attribute("key").unwrap_or_default();
        f.expect(!key.is_empty() && !key.contains(['.', ':']), "property", || {
            format!("key {key:?} has a dot or colon, or is empty (DSP0243 9.5.1)")
        });
        if property.attribute("userConfigurable") != Some("true") {
            f.remark("property", format!("{key:?} is not userConfigurable: the wizard does not ask for it"));
        }
    }
    references(descriptor, &mut f);
    icons(descriptor, &mut f);
    options(root, &mut f);
    choices(root, &mut f);
    hardware(root, &mut f);
    f
}

/// Pictures must be there; what is there must be of use to something.
fn icons(descriptor: &Descriptor, f: &mut Findings) {
    let info = descriptor.info();
    let mut products = Vec::new();
    descriptor.root.below("ProductSection", &mut products);
    let mut icons = Vec::new();
    for product in products {
        ordered(product, &PRODUCT_ORDER, str::to_owned, f);
        icons.extend(product.all("Icon").map(|icon| icon.attribute("fileRef").unwrap_or_default()));
    }
    for icon in &icons {
        f.expect(info.files.iter().any(|x| x.id == *icon), "icon", || {
            format!("refers to file {icon:?}, which is not in References")
        });
    }
    let mut resources = Vec::new();
    descriptor.root.below("HostResource", &mut resources);
    for file in &info.files {
        let used = info.disks.iter().any(|d| d.file.as_ref() == Some(&file.id))
            || icons.contains(&file.id.as_str())
            || resources.iter().any(|r| r.text.trim().rsplit('/').next() == Some(&file.id));
        if !used {
            f.remark("file", format!("{:?} is used by no disk, drive or icon", file.href));
        }
    }
}

/// Deployment options: one default, and items of options that exist, each with a number of its own.
fn options(root: &Element, f: &mut Findings) {
    let mut configurations = Vec::new();
    root.below("Configuration", &mut configurations);
    let known: Vec<&str> = configurations.iter().filter_map(|c| c.attribute("id")).collect();
    let defaults = configurations.iter().filter(|c| c.attribute("default") == Some("true")).count();
    f.expect(defaults <= 1, "options", || format!("{defaults} deployment options are the default"));
    if !known.is_empty() && defaults == 0 {
        f.remark("options", "no deployment option is the default; importers take the first".to_owned());
    }
    for configuration in &configurations {
        for part in ["Label", "Description"] {
            let text = configuration.child(part).map_or("", |e| e.text.trim());
            f.expect(!text.is_empty(), "options", || {
                format!("{:?} has no {part}", configuration.attribute("id").unwrap_or_default())
            });
        }
    }
    let mut items = Vec::new();
    root.below("Item", &mut items);
    let place = |item: &Element| {
        let number = item.child("InstanceID").map_or(String::new(), |e| e.text.trim().to_owned());
        (number, item.attribute("configuration").unwrap_or_default().to_owned())
    };
    for (n, item) in items.iter().enumerate() {
        let (number, option) = place(item);
        f.expect(option.is_empty() || option.contains(' ') || known.contains(&&*option), "Item", || {
            format!("instance {number} is of deployment option {option:?}, which does not exist")
        });
        let again = items[..n].iter().any(|other| place(other) == (number.clone(), option.clone()));
        f.expect(!again, "Item", || format!("instance {number} is there twice in option {option:?}"));
    }
}

/// A question with a list of answers must have one of them as its default.
fn choices(root: &Element, f: &mut Findings) {
    let mut properties = Vec::new();
    root.below("Property", &mut properties);
    for property in properties {
        let key = property.attribute("key").unwrap_or_default();
        let qualifiers = property.attribute("qualifiers").unwrap_or_default();
        let list = qualifiers.split_once("ValueMap{").and_then(|(_, rest)| rest.split_once('}'));
        if let (Some((list, _)), Some(value)) = (list, property.attribute("value")) {
            let offered = list.split(',').any(|v| v.trim().trim_matches('"') == value);
            f.expect(offered, "property", || {
                format!("{key:?} has default {value:?}, which is not in {list}")
            });
        }
        let secret = property.attribute("password") == Some("true");
        f.expect(!secret || property.attribute("value").unwrap_or_default().is_empty(), "property", || {
            format!("{key:?} is a password with a default, which everyone can read")
        });
        let told = property.child("Label").is_some() && property.child("Description").is_some();
        if !told {
            f.remark("property", format!("{key:?} has no label or no description"));
        }
    }
}

/// Children must come in the order of `order`; names outside it are extensions and are passed over.
fn ordered(parent: &Element, order: &[&str], class: impl Fn(&str) -> String, f: &mut Findings) {
    let mut last = 0;
    for child in &parent.children {
        let Some(place) = order.iter().position(|o| *o == class(&child.name)) else { continue };
        f.expect(place >= last, &parent.name, || format!("{} stands after {}", child.name, order[last]));
        last = last.max(place);
    }
}

/// The CIM schema of items is a sequence in alphabetical order; VMware's Config and ExtraConfig follow.
fn item_order(item: &Element, f: &mut Findings) {
    let standard: Vec<&str> = item
        .children
        .iter()
        .map(|c| c.name.as_str())
        .filter(|n| *n != "Config" && *n != "ExtraConfig")
        .collect();
    let id = item.child("InstanceID").map_or("?", |e| e.text.trim());
    f.expect(standard.is_sorted(), "Item", || {
        format!("instance {id}: elements are not in the schema's order")
    });
}

fn references(descriptor: &Descriptor, f: &mut Findings) {
    let info = descriptor.info();
    for disk in &info.disks {
        if let Some(file) = &disk.file {
            let known = info.files.iter().any(|x| &x.id == file);
            f.expect(known, "disk", || {
                format!("{:?} refers to file {file:?}, which is not in References", disk.id)
            });
        }
        f.expect(disk.disk_format == VMDK_FORMAT, "disk", || {
            format!("{:?} has format {:?}; importers take only {VMDK_FORMAT}", disk.id, disk.disk_format)
        });
        if disk.capacity_bytes.is_none() {
            f.remark("disk", format!("{:?} has a capacity that is no number of known units", disk.id));
        }
    }
    for file in &info.files {
        f.expect(file.compression.is_none(), "file", || {
            format!("{:?} is compressed; importers refuse that for disks", file.href)
        });
        if file.size.is_none() {
            f.remark("file", format!("{:?} has no size", file.href));
        }
    }
    let mut resources = Vec::new();
    descriptor.root.below("HostResource", &mut resources);
    for resource in resources {
        let id = resource.text.trim().rsplit('/').next().unwrap_or_default();
        let known = info.disks.iter().any(|d| d.id == id) || info.files.iter().any(|x| x.id == id);
        f.expect(known, "Item", || format!("refers to {:?}, which does not exist", resource.text.trim()));
    }
    let mut connections = Vec::new();
    descriptor.root.below("Connection", &mut connections);
    for connection in connections {
        let name = connection.text.trim();
        f.expect(info.networks.iter().any(|n| n == name), "Item", || {
            format!("is connected to network {name:?}, which does not exist")
        });
    }
}

fn hardware(root: &Element, f: &mut Findings) {
    let mut systems = Vec::new();
    root.below("VirtualHardwareSection", &mut systems);
    for system in systems {
        let family =
            system.child("System").and_then(|s| s.child("VirtualSystemType")).map_or("", |e| e.text.trim());
        f.expect(family.starts_with("vmx-"), "hardware", || {
            format!("family is {family:?}; ESXi says \"unsupported hardware family\"")
        });
        if family.contains(' ') {
            f.remark(
                "hardware",
                format!("family {family:?} lists several versions, which some importers misread"),
            );
        }
        for item in system.all("Item") {
            let configuration = item.attribute("configuration").unwrap_or_default();
            f.expect(!configuration.contains(' '), "Item", || {
                format!("names several deployment options ({configuration}); importers compare it as one")
            });
        }
    }
}
