//! Facts to an identity.

use eyot_contract::{DeviceClass, DeviceType, Evidence, MacAddr, Timestamp};
use eyot_dissect::Field;

/// One distinct reading about a device, with when and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Where it was read.
    pub field: Field,
    /// What was read, as [`eyot_dissect::Observation::value`] gives it.
    pub value: String,
    /// First time.
    pub first_seen: Timestamp,
    /// Latest time.
    pub last_seen: Timestamp,
    /// How often.
    pub count: u64,
}

/// What a device is, as far as its facts tell. `None` means unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// What it calls itself.
    pub hostname: Option<String>,
    /// Who made it.
    pub vendor: Option<String>,
    /// Which product it is.
    pub model: Option<String>,
    /// Operating system family and version.
    pub os: Option<String>,
    /// Firmware version.
    pub firmware: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// What kind of thing it is.
    pub device_type: Option<DeviceType>,
    /// Which part of the house it belongs to; follows from the type.
    pub class: Option<DeviceClass>,
    /// How sure the identification is as a whole, 0 to 1.
    pub confidence: f32,
    /// Why, strongest first.
    pub evidence: Vec<Evidence>,
}

/// What the device with this address is, judging by everything it was heard saying.
pub fn identify(_mac: MacAddr, _facts: &[Fact]) -> Identity {
    Identity::default()
}
