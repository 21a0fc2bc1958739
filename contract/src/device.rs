//! The device record, and the one list of device classes and types that the whole house uses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{MacAddr, Timestamp};

/// One device as the sensor knows it. `None` means unknown: nothing was seen that says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceRecord {
    /// The address that names the device.
    pub mac: MacAddr,
    /// Addresses bound to it, newest first.
    pub ips: Vec<IpAddr>,
    /// VLANs it was seen in, ascending.
    #[serde(default)]
    pub vlans: Vec<u16>,
    /// What it calls itself.
    pub hostname: Option<String>,
    /// Who made it.
    pub vendor: Option<String>,
    /// Which product it is.
    pub model: Option<String>,
    /// What kind of thing it is.
    #[serde(rename = "type", deserialize_with = "crate::lenient::word", default)]
    pub device_type: Option<DeviceType>,
    /// Which part of the house it belongs to; follows from the type.
    #[serde(deserialize_with = "crate::lenient::word", default)]
    pub class: Option<DeviceClass>,
    /// Operating system family and version.
    pub os: Option<String>,
    /// Firmware version.
    pub firmware: Option<String>,
    /// Serial number.
    #[serde(default)]
    pub serial: Option<String>,
    /// How sure the identification is as a whole, 0 to 1.
    pub confidence: f32,
    /// Whether the address is a randomised (locally administered) one.
    #[serde(default)]
    pub randomized_mac: bool,
    /// Protocols it was heard speaking, by their registry names, ascending.
    #[serde(default)]
    pub protocols: Vec<String>,
    /// Frames sent.
    #[serde(default)]
    pub frames: u64,
    /// First frame.
    pub first_seen: Timestamp,
    /// Latest frame.
    pub last_seen: Timestamp,
    /// Why we say what we say, strongest first.
    #[serde(deserialize_with = "crate::lenient::list")]
    pub evidence: Vec<Evidence>,
    /// When and how much it was heard.
    #[serde(default)]
    pub activity: Activity,
    /// What people decided about it at the sensor.
    #[serde(default)]
    pub managed: Managed,
}

impl DeviceRecord {
    /// A device is new for so long after it was first seen: a week, in microseconds.
    pub const NEW_FOR: i64 = 7 * 86_400 * 1_000_000;
    /// A device that was heard for no longer than this, and not since, is transient: an hour, in microseconds.
    pub const TRANSIENT_FOR: i64 = 3_600 * 1_000_000;
    /// Silence after which what was heard briefly counts as gone: a day, in microseconds.
    pub const TRANSIENT_SILENCE: i64 = 86_400 * 1_000_000;

    /// Whether it was first seen within the week before `now` and nobody has judged it yet.
    pub fn is_new(&self, now: Timestamp) -> bool {
        self.managed.authorized.is_none() && now.0.saturating_sub(self.first_seen.0) < Self::NEW_FOR
    }

    /// Whether it was here for an hour at most, a day or longer ago.
    pub fn is_transient(&self, now: Timestamp) -> bool {
        self.last_seen.0.saturating_sub(self.first_seen.0) <= Self::TRANSIENT_FOR
            && now.0.saturating_sub(self.last_seen.0) >= Self::TRANSIENT_SILENCE
    }

    /// Whether it is not known what kind of thing it is.
    pub fn is_unclassified(&self) -> bool {
        self.device_type.is_none()
    }
}

/// When and how much a device was heard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Activity {
    /// Bytes of the frames it sent, as they were on the wire.
    pub bytes: u64,
    /// TCP connections it opened.
    pub flows: u64,
    /// Times it was there, oldest first; only the latest are kept. It counts as gone after a quarter of an hour.
    pub intervals: Vec<Interval>,
    /// Whether its address belongs to the configured local networks. `None`: none are configured, or no address.
    #[serde(deserialize_with = "crate::lenient::word")]
    pub location: Option<Location>,
    /// Whom it sends to, the most bytes first; of a device that sends to many, only the greatest ([`MAX_PEERS`]).
    #[serde(deserialize_with = "crate::lenient::list")]
    pub peers: Vec<Peer>,
}

/// Most peers reported of one device.
pub const MAX_PEERS: usize = 32;

/// Somebody a device sends to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The peer's address.
    pub ip: IpAddr,
    /// The device that has this address, where the sensor sees it.
    #[serde(default)]
    pub mac: Option<MacAddr>,
    /// Whether the address belongs to the local networks: those configured, or else the private ones.
    #[serde(deserialize_with = "crate::lenient::word", default)]
    pub location: Option<Location>,
    /// Protocol that was read between them, by its registry name.
    #[serde(default)]
    pub protocol: Option<String>,
    /// UDP or TCP port of the service; 0 where there is none.
    #[serde(default)]
    pub port: u16,
    /// Whether the service is the device's own, which answers the peer.
    #[serde(default)]
    pub serves: bool,
    /// Bytes sent to the peer, as they were on the wire.
    pub bytes: u64,
    /// When it last sent to it.
    pub last_seen: Timestamp,
}

impl Peer {
    /// The peers of several lists, each once, the most bytes first.
    pub fn together(lists: impl IntoIterator<Item = Vec<Self>>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for peer in lists.into_iter().flatten() {
            match all.iter_mut().find(|known| known.ip == peer.ip) {
                // two sensors may have counted the same frame: the larger count is the one that is surely true
                Some(known) if known.bytes < peer.bytes => *known = peer,
                Some(_) => {}
                None => all.push(peer),
            }
        }
        all.sort_by(|a, b| b.bytes.cmp(&a.bytes).then(a.ip.cmp(&b.ip)));
        all.truncate(MAX_PEERS);
        all
    }
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// First frame.
    pub from: Timestamp,
    /// Latest frame.
    pub to: Timestamp,
}

/// Where a device is, seen from the sensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// In one of the configured networks.
    Local,
    /// Behind a router.
    Routed,
}

impl Location {
    /// Name in JSON and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Routed => "routed",
        }
    }
}

/// What people decided about a device at the sensor. Their word goes before what was found out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Managed {
    /// Whether it may be here; `None` while nobody has said.
    pub authorized: Option<bool>,
    /// Attributes whose value was set by a person, and is not changed by what is found out later.
    #[serde(deserialize_with = "crate::lenient::list")]
    pub set: Vec<Attribute>,
    /// Other hardware addresses of the same device, merged by a person.
    pub macs: Vec<MacAddr>,
}

/// One reason for one claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What is claimed about.
    pub attribute: Attribute,
    /// The claim.
    pub value: String,
    /// Where on the wire it was read, by the field's registry name (`dhcp.hostname`, `ssdp.server`).
    pub source: String,
    /// What was read there.
    pub seen: String,
    /// The rule that turned the reading into the claim.
    pub rule: String,
    /// Whether the device said it or we concluded it.
    pub nature: Nature,
    /// How sure this claim alone is, 0 to 1.
    pub confidence: f32,
    /// When that was first read; unknown for what follows from the hardware address alone.
    #[serde(default)]
    pub first_seen: Option<Timestamp>,
    /// When it was read last.
    #[serde(default)]
    pub last_seen: Option<Timestamp>,
}

/// What a piece of evidence speaks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    /// [`DeviceRecord::hostname`]
    Hostname,
    /// [`DeviceRecord::vendor`]
    Vendor,
    /// [`DeviceRecord::model`]
    Model,
    /// [`DeviceRecord::device_type`]
    Type,
    /// [`DeviceRecord::os`]
    Os,
    /// [`DeviceRecord::firmware`]
    Firmware,
    /// [`DeviceRecord::serial`]
    Serial,
}

/// Whether a claim is the device's own or ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nature {
    /// The device declared it in so many words.
    Declared,
    /// We concluded it from how the device behaves or whom it talks to.
    Inferred,
    /// A person said so.
    Operator,
}

macro_rules! named {
    ($(#[$outer:meta])* $name:ident, $what:literal { $($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// Every value, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name used in JSON, tables and rules.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|v| v.name() == text)
                    .ok_or_else(|| format!(concat!("\"{}\" is not a device ", $what), text))
            }
        }
    };
}

named! {
    /// The broad classes of the inventory.
    DeviceClass, "class" {
        /// Workstations, servers, phones, tablets: what usually runs an agent.
        Endpoint = "endpoint",
        /// Switches, routers, access points, firewalls.
        Network = "network",
        /// Printers, phones, cameras, audio and video: things of an office.
        Enterprise = "enterprise",
        /// Smart home and consumer things.
        SmartHome = "smart_home",
        /// Building automation, access, lighting, safety.
        Building = "building",
        /// Machines that make things.
        Manufacturing = "manufacturing",
        /// Power, water, metering.
        Energy = "energy",
        /// Medical and laboratory devices.
        HealthCare = "health_care",
        /// Vehicles, charging, traffic.
        Transportation = "transportation",
        /// Tills, scanners, signage.
        Retail = "retail",
    }
}

named! {
    /// What kind of thing a device is.
    DeviceType, "type" {
        /// Desk phone, conference phone, ATA.
        VoipPhone = "voip_phone",
        /// Call server, PBX, session border controller, media gateway.
        CallServer = "call_server",
        /// Meeting-room and video-conferencing endpoint.
        VideoConference = "video_conference",
        /// Printer or multifunction device.
        Printer = "printer",
        /// Document scanner.
        Scanner = "scanner",
        /// 3D printer.
        Printer3d = "printer_3d",
        /// IP camera.
        Camera = "camera",
        /// Network or digital video recorder.
        VideoRecorder = "video_recorder",
        /// Video door station or door bell.
        Doorbell = "doorbell",
        /// Smart television.
        SmartTv = "smart_tv",
        /// Streaming stick or set-top box.
        MediaPlayer = "media_player",
        /// Network loudspeaker or voice assistant.
        Speaker = "speaker",
        /// Media server.
        MediaServer = "media_server",
        /// Games console.
        GamingConsole = "gaming_console",
        /// Projector or digital signage.
        Display = "display",
        /// Switchable socket or power strip.
        SmartPlug = "smart_plug",
        /// Lamp, bulb or light strip.
        SmartLight = "smart_light",
        /// Wall switch, dimmer or remote control.
        SmartSwitch = "smart_switch",
        /// Hub or bridge for another radio.
        SmartHub = "smart_hub",
        /// Door lock.
        SmartLock = "smart_lock",
        /// Thermostat or room controller.
        Thermostat = "thermostat",
        /// Measures something.
        Sensor = "sensor",
        /// Siren, smoke detector, intrusion panel.
        Alarm = "alarm",
        /// Household appliance: kettle, washer, vacuum.
        Appliance = "appliance",
        /// Scales, monitors and other personal health devices.
        HealthDevice = "health_device",
        /// Wearable.
        Wearable = "wearable",
        /// Modality, infusion pump, analyser, patient monitor.
        MedicalDevice = "medical_device",
        /// Picture archive or other clinical server.
        MedicalServer = "medical_server",
        /// Router.
        Router = "router",
        /// Switch.
        Switch = "switch",
        /// Wireless access point.
        AccessPoint = "access_point",
        /// Wireless controller.
        WirelessController = "wireless_controller",
        /// Firewall.
        Firewall = "firewall",
        /// Load balancer.
        LoadBalancer = "load_balancer",
        /// Network-attached storage.
        Nas = "nas",
        /// Server.
        Server = "server",
        /// Hypervisor host.
        Hypervisor = "hypervisor",
        /// Virtual machine with no better name.
        VirtualMachine = "virtual_machine",
        /// Desktop or workstation.
        Workstation = "workstation",
        /// Laptop.
        Laptop = "laptop",
        /// Mobile phone.
        MobilePhone = "mobile_phone",
        /// Tablet.
        Tablet = "tablet",
        /// Programmable logic controller.
        Plc = "plc",
        /// Remote terminal unit or protection relay.
        Rtu = "rtu",
        /// Operator panel.
        Hmi = "hmi",
        /// Supervisory or historian server, engineering station.
        Scada = "scada",
        /// Field input/output, gateway to a field bus.
        IndustrialIo = "industrial_io",
        /// Drive or inverter of a motor.
        Drive = "drive",
        /// Robot.
        Robot = "robot",
        /// Building controller.
        BuildingController = "building_controller",
        /// Access-control panel or card reader.
        AccessControl = "access_control",
        /// Lift controller.
        Elevator = "elevator",
        /// Electricity, gas or water meter.
        Meter = "meter",
        /// Solar inverter, battery, charging station.
        EnergyDevice = "energy_device",
        /// Uninterruptible power supply or rack PDU.
        Ups = "ups",
        /// Bar-code scanner.
        BarcodeScanner = "barcode_scanner",
        /// Till, payment terminal.
        PointOfSale = "point_of_sale",
        /// Lights-out management controller.
        ManagementController = "management_controller",
        /// Clock that serves time.
        TimeServer = "time_server",
        /// Something with a network module and no better name.
        Iot = "iot",
    }
}

impl DeviceType {
    /// The class a type belongs to.
    pub fn class(self) -> DeviceClass {
        use DeviceClass as C;
        use DeviceType as T;
        match self {
            T::VoipPhone
            | T::CallServer
            | T::VideoConference
            | T::Printer
            | T::Scanner
            | T::Printer3d
            | T::Camera
            | T::VideoRecorder
            | T::SmartTv
            | T::MediaPlayer
            | T::Speaker
            | T::MediaServer
            | T::Display
            | T::Ups
            | T::GamingConsole
            | T::Iot => C::Enterprise,
            T::Doorbell
            | T::SmartPlug
            | T::SmartLight
            | T::SmartSwitch
            | T::SmartHub
            | T::SmartLock
            | T::Appliance
            | T::Sensor
            | T::Alarm
            | T::Wearable
            | T::Thermostat => C::SmartHome,
            T::HealthDevice | T::MedicalDevice | T::MedicalServer => C::HealthCare,
            T::Router
            | T::Switch
            | T::AccessPoint
            | T::WirelessController
            | T::Firewall
            | T::LoadBalancer
            | T::TimeServer => C::Network,
            T::Nas
            | T::Server
            | T::Hypervisor
            | T::VirtualMachine
            | T::Workstation
            | T::Laptop
            | T::MobilePhone
            | T::Tablet
            | T::ManagementController => C::Endpoint,
            T::Plc | T::Rtu | T::Hmi | T::Scada | T::IndustrialIo | T::Drive | T::Robot => C::Manufacturing,
            T::BuildingController | T::AccessControl | T::Elevator => C::Building,
            T::Meter | T::EnergyDevice => C::Energy,
            T::BarcodeScanner | T::PointOfSale => C::Retail,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_snake_case_unique_and_the_same_in_json() {
        let mut seen = std::collections::BTreeSet::new();
        for kind in DeviceType::ALL {
            let name = kind.name();
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
            assert!(seen.insert(name), "{name} twice");
            assert_eq!(serde_json::to_string(kind).unwrap(), format!("\"{name}\""));
            assert_eq!(name.parse::<DeviceType>().unwrap(), *kind);
        }
    }

    #[test]
    fn a_record_says_null_where_it_does_not_know() {
        let record = DeviceRecord {
            mac: MacAddr([0, 1, 2, 3, 4, 5]),
            ips: Vec::new(),
            vlans: Vec::new(),
            hostname: None,
            vendor: None,
            model: None,
            device_type: Some(DeviceType::Camera),
            class: Some(DeviceType::Camera.class()),
            os: None,
            firmware: None,
            serial: None,
            confidence: 0.5,
            randomized_mac: false,
            protocols: Vec::new(),
            frames: 1,
            first_seen: Timestamp(0),
            last_seen: Timestamp(1),
            evidence: Vec::new(),
            activity: Activity::default(),
            managed: Managed::default(),
        };
        let json: serde_json::Value = serde_json::to_value(&record).unwrap();
        assert_eq!(json["type"], "camera");
        assert!(json["model"].is_null() && json.as_object().unwrap().contains_key("model"));
        assert_eq!(serde_json::from_value::<DeviceRecord>(json.clone()).unwrap(), record);

        // a newer sensor's words cost those words only
        let mut newer = json;
        newer["type"] = "teleporter".into();
        newer["evidence"] = serde_json::json!([{ "attribute": "aura", "value": "blue" }]);
        let read = serde_json::from_value::<DeviceRecord>(newer).unwrap();
        assert_eq!(read, DeviceRecord { device_type: None, ..record });
    }
}
