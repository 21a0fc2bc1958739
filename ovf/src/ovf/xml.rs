//! The model → XML. Elements stand in the order of the schemas: DSP8023 for the envelope, alphabetical for the CIM
//! items (their schema is a sequence), VMware's extensions after the standard's own.

use std::io;

use quick_xml::events::{BytesDecl, BytesText, Event};
use quick_xml::Writer;

use super::format::{NS_OVF, NS_RASD, NS_VMW, NS_VSSD, TRANSPORT, VMDK_FORMAT};
use super::model::{Envelope, Item, Property};

type Xml = Writer<Vec<u8>>;

impl Envelope {
    /// The descriptor's text, ending in a line break.
    pub fn to_xml(&self) -> String {
        let mut x = Writer::new_with_indent(Vec::new(), b' ', 2);
        // Writing to memory does not fail.
        #[allow(clippy::expect_used)]
        self.write(&mut x).expect("a Vec takes all that is written to it");
        let mut text = String::from_utf8_lossy(&x.into_inner()).into_owned();
        text.push('\n');
        text
    }

    fn write(&self, x: &mut Xml) -> io::Result<()> {
        x.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        x.create_element("Envelope")
            .with_attribute(("xmlns", NS_OVF))
            .with_attribute(("xmlns:ovf", NS_OVF))
            .with_attribute(("xmlns:rasd", NS_RASD))
            .with_attribute(("xmlns:vssd", NS_VSSD))
            .with_attribute(("xmlns:vmw", NS_VMW))
            .with_attribute(("xml:lang", "en-US"))
            .write_inner_content(|x| {
                self.references(x)?;
                self.disk_section(x)?;
                self.network_section(x)?;
                self.deployment_options(x)?;
                self.virtual_system(x)
            })?;
        Ok(())
    }

    fn references(&self, x: &mut Xml) -> io::Result<()> {
        x.create_element("References").write_inner_content(|x| {
            for file in &self.files {
                x.create_element("File")
                    .with_attribute(("ovf:id", &*file.id))
                    .with_attribute(("ovf:href", &*file.href))
                    .with_attribute(("ovf:size", &*file.size.to_string()))
                    .write_empty()?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn disk_section(&self, x: &mut Xml) -> io::Result<()> {
        x.create_element("DiskSection").write_inner_content(|x| {
            text(x, "Info", "Virtual disks: the system, and one blank data disk for each size")?;
            for disk in &self.disks {
                let mut element = x.create_element("Disk").with_attribute(("ovf:diskId", &*disk.id));
                if let Some(file) = &disk.file {
                    element = element.with_attribute(("ovf:fileRef", &**file));
                }
                element = element
                    .with_attribute(("ovf:capacity", &*disk.capacity.to_string()))
                    .with_attribute(("ovf:capacityAllocationUnits", disk.units));
                if let Some(populated) = disk.populated {
                    element = element.with_attribute(("ovf:populatedSize", &*populated.to_string()));
                }
                element.with_attribute(("ovf:format", VMDK_FORMAT)).write_empty()?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn network_section(&self, x: &mut Xml) -> io::Result<()> {
        x.create_element("NetworkSection").write_inner_content(|x| {
            text(x, "Info", "Networks to choose at deployment")?;
            for network in &self.networks {
                x.create_element("Network")
                    .with_attribute(("ovf:name", &*network.name))
                    .write_inner_content(|x| text(x, "Description", &network.description))?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn deployment_options(&self, x: &mut Xml) -> io::Result<()> {
        x.create_element("DeploymentOptionSection").write_inner_content(|x| {
            text(x, "Info", "Sizes to choose from")?;
            for (n, tier) in self.tiers.iter().enumerate() {
                let mut element = x.create_element("Configuration").with_attribute(("ovf:id", tier.id));
                if n == 0 {
                    element = element.with_attribute(("ovf:default", "true"));
                }
                element.write_inner_content(|x| {
                    text(x, "Label", tier.label)?;
                    let about = format!(
                        "{} virtual CPUs, {} GiB of memory, {} GiB of data: up to {} Gbit/s of mirrored traffic",
                        tier.cpus,
                        tier.memory_mib / 1024,
                        tier.data_gib,
                        tier.mbits / 1000
                    );
                    text(x, "Description", &about)
                })?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn virtual_system(&self, x: &mut Xml) -> io::Result<()> {
        x.create_element("VirtualSystem").with_attribute(("ovf:id", &*self.name)).write_inner_content(
            |x| {
                text(x, "Info", "A network sensor")?;
                text(x, "Name", &self.name)?;
                x.create_element("EulaSection").write_inner_content(|x| {
                    text(x, "Info", "Licence")?;
                    text(x, "License", &self.eula)
                })?;
                x.create_element("AnnotationSection").write_inner_content(|x| {
                    text(x, "Info", "Notes")?;
                    text(x, "Annotation", &self.annotation)
                })?;
                x.create_element("OperatingSystemSection")
                    .with_attribute(("ovf:id", &*self.os_id.to_string()))
                    .with_attribute(("vmw:osType", self.os_type))
                    .write_inner_content(|x| {
                        text(x, "Info", "Operating system")?;
                        text(x, "Description", self.os_text)
                    })?;
                self.hardware_section(x)?;
                self.product_section(x)
            },
        )?;
        Ok(())
    }

    fn hardware_section(&self, x: &mut Xml) -> io::Result<()> {
        x.create_element("VirtualHardwareSection")
            .with_attribute(("ovf:transport", TRANSPORT))
            .write_inner_content(|x| {
                text(x, "Info", "Virtual hardware")?;
                x.create_element("System").write_inner_content(|x| {
                    text(x, "vssd:ElementName", "Virtual Hardware Family")?;
                    text(x, "vssd:InstanceID", "0")?;
                    text(x, "vssd:VirtualSystemIdentifier", &self.name)?;
                    text(x, "vssd:VirtualSystemType", &self.hardware)
                })?;
                for item in &self.items {
                    write_item(x, item)?;
                }
                for (key, value) in &self.config {
                    config(x, key, value)?;
                }
                Ok(())
            })?;
        Ok(())
    }

    fn product_section(&self, x: &mut Xml) -> io::Result<()> {
        // Without a class: cloud-init's OVF datasource reads no other, and keys stay as the settings name them.
        x.create_element("ProductSection").with_attribute(("ovf:required", "false")).write_inner_content(
            |x| {
                text(x, "Info", "Settings of the appliance; all can also come on a seed CD")?;
                text(x, "Product", &self.product)?;
                text(x, "Vendor", &self.vendor)?;
                text(x, "Version", &self.version)?;
                text(x, "FullVersion", &self.version)?;
                text(x, "ProductUrl", &self.url)?;
                text(x, "VendorUrl", &self.url)?;
                let pixels = self.icon.pixels.to_string();
                x.create_element("Icon")
                    .with_attribute(("ovf:height", &*pixels))
                    .with_attribute(("ovf:width", &*pixels))
                    .with_attribute(("ovf:mimeType", self.icon.mime))
                    .with_attribute(("ovf:fileRef", &*self.icon.file))
                    .write_empty()?;
                let mut categories: Vec<&str> = Vec::new();
                for p in &self.properties {
                    if !categories.contains(&&*p.category) {
                        categories.push(&p.category);
                    }
                }
                for category in categories {
                    text(x, "Category", category)?;
                    for p in self.properties.iter().filter(|p| p.category == category) {
                        property(x, p)?;
                    }
                }
                Ok(())
            },
        )?;
        Ok(())
    }
}

fn property(x: &mut Xml, p: &Property) -> io::Result<()> {
    let mut element = x
        .create_element("Property")
        .with_attribute(("ovf:key", &*p.key))
        .with_attribute(("ovf:type", "string"));
    if let Some(qualifiers) = &p.qualifiers {
        element = element.with_attribute(("ovf:qualifiers", &**qualifiers));
    }
    element =
        element.with_attribute(("ovf:userConfigurable", "true")).with_attribute(("ovf:value", &*p.value));
    if p.password {
        element = element.with_attribute(("ovf:password", "true"));
    }
    element.write_inner_content(|x| {
        text(x, "Label", &p.label)?;
        text(x, "Description", &p.description)
    })?;
    Ok(())
}

fn write_item(x: &mut Xml, item: &Item) -> io::Result<()> {
    let mut element = x.create_element("Item");
    if let Some(configuration) = item.configuration {
        element = element.with_attribute(("ovf:configuration", configuration));
    }
    if item.optional {
        element = element.with_attribute(("ovf:required", "false"));
    }
    let number = |n: Option<u64>| n.map(|n| n.to_string());
    let fields: [(&str, Option<String>); 13] = [
        ("rasd:Address", number(item.address.map(u64::from))),
        ("rasd:AddressOnParent", number(item.address_on_parent.map(u64::from))),
        ("rasd:AllocationUnits", item.units.map(str::to_owned)),
        ("rasd:AutomaticAllocation", item.automatic.map(|a| a.to_string())),
        ("rasd:Connection", item.connection.clone()),
        ("rasd:Description", item.description.clone()),
        ("rasd:ElementName", Some(item.name.clone())),
        ("rasd:HostResource", item.disk.clone()),
        ("rasd:InstanceID", number(Some(item.instance.into()))),
        ("rasd:Parent", number(item.parent.map(u64::from))),
        ("rasd:ResourceSubType", item.subtype.map(str::to_owned)),
        ("rasd:ResourceType", number(Some(item.kind.into()))),
        ("rasd:VirtualQuantity", number(item.quantity)),
    ];
    element.write_inner_content(|x| {
        for (name, value) in &fields {
            if let Some(value) = value {
                text(x, name, value)?;
            }
        }
        if let Some(slot) = item.slot {
            config(x, "slotInfo.pciSlotNumber", &slot.to_string())?;
        }
        Ok(())
    })?;
    Ok(())
}

fn config(x: &mut Xml, key: &str, value: &str) -> io::Result<()> {
    x.create_element("vmw:Config")
        .with_attribute(("ovf:required", "false"))
        .with_attribute(("vmw:key", key))
        .with_attribute(("vmw:value", value))
        .write_empty()?;
    Ok(())
}

fn text(x: &mut Xml, name: &str, value: &str) -> io::Result<()> {
    x.create_element(name).write_text_content(BytesText::new(value))?;
    Ok(())
}
