//! Roles: who may look, who may change. The names and the split are those of the product this one stands in for.

use std::fmt;
use std::str::FromStr;

/// What an account or a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything, accounts included.
    Owner,
    /// Everything but accounts.
    Contributor,
    /// Sensors and devices, not plans.
    SecurityAdmin,
    /// Looks and downloads.
    SecurityReader,
}

impl Role {
    /// Every role, strongest first.
    pub const ALL: &'static [Self] =
        &[Self::Owner, Self::Contributor, Self::SecurityAdmin, Self::SecurityReader];

    /// Name in files, commands and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Contributor => "contributor",
            Self::SecurityAdmin => "security_admin",
            Self::SecurityReader => "security_reader",
        }
    }

    /// Name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Owner => "Owner",
            Self::Contributor => "Contributor",
            Self::SecurityAdmin => "Security admin",
            Self::SecurityReader => "Security reader",
        }
    }

    /// May manage accounts and other people's API tokens.
    pub fn may_admit(self) -> bool {
        self == Self::Owner
    }

    /// Whether it allows nothing that the other does not allow too: each role of the list holds all that follow it.
    pub fn is_within(self, other: Self) -> bool {
        let rank = |role| Self::ALL.iter().position(|r| *r == role);
        rank(self) >= rank(other)
    }

    /// The one of two that allows less.
    pub fn weaker(self, other: Self) -> Self {
        if self.is_within(other) {
            self
        } else {
            other
        }
    }

    /// May add and cancel plans.
    pub fn may_price(self) -> bool {
        matches!(self, Self::Owner | Self::Contributor)
    }

    /// May register, change and delete sensors and devices.
    pub fn may_change(self) -> bool {
        self != Self::SecurityReader
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|r| r.name() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|r| r.name()).collect();
            format!("\"{text}\" is not a role; the roles are {}", names.join(", "))
        })
    }
}
