//! Where a rule looks: a field on the wire, the address prefix, or a claim that another rule made.

use std::fmt;

use eyot_dissect::Field;

/// Something that a rule can look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A reading from the wire.
    Wire(Field),
    /// The brand that the address was assigned to, as [`crate::vendor_of`] spells it.
    OuiBrand,
    /// A model that some rule claimed.
    ClaimedModel,
    /// A vendor that some rule, or the address, claimed.
    ClaimedVendor,
}

impl Place {
    /// The name used in rules and evidence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wire(field) => field.name(),
            Self::OuiBrand => "oui.brand",
            Self::ClaimedModel => "claim.model",
            Self::ClaimedVendor => "claim.vendor",
        }
    }

    /// The place of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::OuiBrand, Self::ClaimedModel, Self::ClaimedVendor]
            .into_iter()
            .find(|place| place.name() == name)
            .or_else(|| Field::from_name(name).map(Self::Wire))
    }

    /// Whether the place is only known after a first pass over the rules.
    pub fn is_claim(self) -> bool {
        matches!(self, Self::ClaimedModel | Self::ClaimedVendor)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
