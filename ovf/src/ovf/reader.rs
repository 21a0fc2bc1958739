//! Anyone's OVF descriptor → the parts that are shown and verified.
//!
//! Names are compared without their prefix: descriptors in the wild bind them as they like. No entity but the five
//! predefined ones is expanded; size and depth are bounded.

use quick_xml::events::{BytesStart, Event};
use quick_xml::Reader;
use serde::Serialize;
use thiserror::Error;

/// Largest descriptor read, in bytes; those with icons and many languages reach a few hundred KiB.
pub const MAX_DESCRIPTOR_BYTES: u64 = 16 << 20;
const MAX_DEPTH: usize = 64;
const MAX_ELEMENTS: usize = 200_000;

/// Why a descriptor cannot be read.
#[derive(Debug, Error)]
pub enum DescriptorError {
    /// Not UTF-8.
    #[error("the OVF descriptor is not UTF-8 text")]
    Encoding,
    /// Not well-formed.
    #[error("the OVF descriptor is not well-formed XML at byte {offset}")]
    Xml {
        /// where
        offset: u64,
        /// the parser's reason
        #[source]
        source: quick_xml::Error,
    },
    /// Something else than an envelope, or out of bounds.
    #[error("the OVF descriptor {0}")]
    Shape(&'static str),
}

/// An element, without its prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
    pub(super) text: String,
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |c| c.name == name)
    }

    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|c| c.name == name)
    }

    /// All elements of this name below this one.
    pub(super) fn below<'a>(&'a self, name: &str, found: &mut Vec<&'a Element>) {
        for child in &self.children {
            if child.name == name {
                found.push(child);
            }
            child.below(name, found);
        }
    }

    fn owned(&self, name: &str) -> String {
        self.attribute(name).unwrap_or_default().to_owned()
    }
}

/// A file that the descriptor names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileEntry {
    /// its id
    pub id: String,
    /// its name
    pub href: String,
    /// its length in bytes, as far as stated
    pub size: Option<u64>,
    /// its compression, as far as stated
    pub compression: Option<String>,
}

/// A disk that the descriptor names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiskEntry {
    /// its id
    pub id: String,
    /// the id of its file
    pub file: Option<String>,
    /// its capacity in bytes, where it is a number in known units
    pub capacity_bytes: Option<u64>,
    /// bytes that hold something
    pub populated_bytes: Option<u64>,
    /// its format
    pub disk_format: String,
}

/// What `inspect` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OvfInfo {
    /// files
    pub files: Vec<FileEntry>,
    /// disks
    pub disks: Vec<DiskEntry>,
    /// networks
    pub networks: Vec<String>,
    /// deployment options
    pub deployment_options: Vec<String>,
    /// virtual hardware versions
    pub hardware: Vec<String>,
    /// ways in which properties reach the guest
    pub transport: Option<String>,
    /// property keys
    pub properties: Vec<String>,
    /// product and version
    pub product: Option<String>,
}

/// A descriptor as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    pub(super) root: Element,
    info: OvfInfo,
}

impl Descriptor {
    /// Reads the descriptor's bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        let text = std::str::from_utf8(bytes).map_err(|_| DescriptorError::Encoding)?;
        let root = tree(text.trim_start_matches('\u{feff}'))?;
        if root.name != "Envelope" {
            return Err(DescriptorError::Shape("has another root than Envelope"));
        }
        let info = info(&root);
        Ok(Descriptor { root, info })
    }

    /// What it says.
    pub fn info(&self) -> &OvfInfo {
        &self.info
    }
}

fn tree(text: &str) -> Result<Element, DescriptorError> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut count = 0;
    loop {
        let malformed =
            |reader: &Reader<&[u8]>, source| DescriptorError::Xml { offset: reader.error_position(), source };
        let event = reader.read_event().map_err(|e| malformed(&reader, e))?;
        let closed = match event {
            Event::Start(start) => {
                if open.len() >= MAX_DEPTH {
                    return Err(DescriptorError::Shape("is nested too deep"));
                }
                open.push(element(&start).map_err(|e| malformed(&reader, e))?);
                None
            }
            Event::Empty(start) => Some(element(&start).map_err(|e| malformed(&reader, e))?),
            Event::End(_) => open.pop(),
            Event::Text(t) => {
                if let Some(top) = open.last_mut() {
                    top.text.push_str(&t.xml10_content());
                }
                None
            }
            Event::CData(t) => {
                if let Some(top) = open.last_mut() {
                    top.text.push_str(&t.xml10_content());
                }
                None
            }
            Event::GeneralRef(r) => {
                let known = match r.resolve_char_ref() {
                    Ok(Some(c)) => Some(c.to_string()),
                    _ => quick_xml::escape::resolve_xml_entity(&r.xml10_content()).map(str::to_owned),
                };
                let known = known.ok_or(DescriptorError::Shape("uses an entity that is not predefined"))?;
                if let Some(top) = open.last_mut() {
                    top.text.push_str(&known);
                }
                None
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => None,
        };
        if let Some(done) = closed {
            count += 1;
            if count > MAX_ELEMENTS {
                return Err(DescriptorError::Shape("has too many elements"));
            }
            match open.last_mut() {
                Some(parent) => parent.children.push(done),
                None if root.is_none() => root = Some(done),
                None => return Err(DescriptorError::Shape("has more than one root")),
            }
        }
    }
    match root {
        Some(root) if open.is_empty() => Ok(root),
        _ => Err(DescriptorError::Shape("ends before its root element does")),
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, quick_xml::Error> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute?;
        let name = AsRef::<str>::as_ref(&attribute.key.local_name()).to_owned();
        let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0)?.into_owned();
        attributes.push((name, value));
    }
    let name = AsRef::<str>::as_ref(&start.local_name()).to_owned();
    Ok(Element { name, attributes, ..Element::default() })
}

fn info(root: &Element) -> OvfInfo {
    let below = |name: &str| {
        let mut found = Vec::new();
        root.below(name, &mut found);
        found
    };
    let file = |e: &&Element| FileEntry {
        id: e.owned("id"),
        href: e.owned("href"),
        size: e.attribute("size").and_then(|s| s.parse().ok()),
        compression: e.attribute("compression").filter(|c| *c != "identity").map(str::to_owned),
    };
    let disk = |e: &&Element| DiskEntry {
        id: e.owned("diskId"),
        file: e.attribute("fileRef").map(str::to_owned),
        capacity_bytes: capacity(e),
        populated_bytes: e.attribute("populatedSize").and_then(|s| s.parse().ok()),
        disk_format: e.owned("format"),
    };
    let products = below("ProductSection");
    let product = products.iter().find_map(|p| {
        let text = |name| p.child(name).map(|e| e.text.trim());
        Some(format!("{} {}", text("Product")?, text("Version").unwrap_or_default()).trim().to_owned())
    });
    OvfInfo {
        files: below("File").iter().map(file).collect(),
        disks: below("Disk").iter().map(disk).collect(),
        networks: below("Network").iter().map(|e| e.owned("name")).collect(),
        deployment_options: below("Configuration").iter().map(|e| e.owned("id")).collect(),
        hardware: below("VirtualSystemType").iter().map(|e| e.text.trim().to_owned()).collect(),
        transport: below("VirtualHardwareSection")
            .iter()
            .find_map(|e| e.attribute("transport").map(str::to_owned)),
        properties: below("Property").iter().map(|e| e.owned("key")).collect(),
        product,
    }
}

/// Capacity in bytes; units are "byte", "byte * 2^n", "byte * 10^n", and absent means bytes.
fn capacity(disk: &Element) -> Option<u64> {
    let number: u64 = disk.attribute("capacity")?.parse().ok()?;
    let units: String = disk
        .attribute("capacityAllocationUnits")
        .unwrap_or("byte")
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let factor = match units.strip_prefix("byte")?.strip_prefix('*') {
        None if units == "byte" => 1,
        None => return None,
        Some(power) => {
            let (base, exponent) = power.split_once('^')?;
            base.parse::<u64>().ok()?.checked_pow(exponent.parse().ok()?)?
        }
    };
    number.checked_mul(factor)
}
