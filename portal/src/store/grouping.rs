//! What the inventory can be grouped by.

macro_rules! groupings {
    ($($(#[$doc:meta])* $grouping:ident = $name:literal, $title:literal, $key:literal;)+) => {
        /// Something that devices have in common.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Grouping { $($(#[$doc])* $grouping),+ }

        impl Grouping {
            /// Every one, in the order they are offered.
            pub const ALL: &'static [Self] = &[$(Self::$grouping),+];

            /// Name in addresses.
            pub fn name(self) -> &'static str {
                match self { $(Self::$grouping => $name),+ }
            }

            /// Name for people.
            pub fn title(self) -> &'static str {
                match self { $(Self::$grouping => $title),+ }
            }

            /// The text that devices of one group share, NULL where it is not known.
            pub(super) fn key(self) -> &'static str {
                match self { $(Self::$grouping => $key),+ }
            }
        }
    };
}

groupings! {
    /// Type.
    Type = "type", "Type", "d.type";
    /// Class.
    Class = "class", "Class", "d.class";
    /// Vendor.
    Vendor = "vendor", "Vendor", "d.vendor";
    /// Model.
    Model = "model", "Model", "d.model";
    /// Operating system.
    Os = "os", "OS", "d.os";
    /// Site.
    Site = "site", "Site", "(SELECT i.name FROM sites i WHERE i.id = z.site_id)";
    /// Zone.
    Zone = "zone", "Zone", "z.name";
    /// Sensor that reported it last.
    Sensor = "sensor", "Sensor", "s.name";
    /// The VLANs it was seen in, all together.
    Vlans = "vlans", "VLAN", "NULLIF(REPLACE(REPLACE(d.vlans, '[', ''), ']', ''), '')";
    /// Whether it may be here.
    Authorized = "authorized", "Authorised", "CASE d.authorized WHEN 1 THEN 'yes' WHEN 0 THEN 'no' END";
    /// How much it matters.
    Importance = "importance", "Importance", "d.importance";
    /// Where it stands.
    Location = "location", "Location", "NULLIF(d.location, '')";
}

impl Grouping {
    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|g| g.name() == name)
    }

    /// Whether its key is not in the device's own row.
    pub(super) fn joins(self) -> bool {
        matches!(self, Self::Site | Self::Zone | Self::Sensor)
    }
}
