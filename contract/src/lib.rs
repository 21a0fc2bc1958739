//! What sensor, appliance and portal say to each other.
//!
//! The wings never import one another; everything that crosses from one to the next is a type in this crate: the
//! activation token, the settings and the seed that carries them, enrolment, the device report, health. Nothing here
//! opens a file or a socket (the client that does lives in `contract/client`).

mod bundle;
mod device;
mod enrolment;
mod finding;
mod health;
mod lenient;
mod mac;
mod message;
mod pin;
mod remote;
mod report;
mod seed;
pub mod settings;
mod software;
mod status;
mod threats;
mod timestamp;
mod token;

pub use bundle::{
    read_bundle, write_bundle, BundleError, BundleHeader, UnverifiedBundle, BUNDLE_ALGORITHM, BUNDLE_SCHEMA,
    MAX_BUNDLE_BYTES,
};
pub use device::{
    Activity, Attribute, DeviceClass, DeviceRecord, DeviceType, Evidence, Interval, Location, Managed,
    Nature, Peer, MAX_PEERS,
};
pub use enrolment::{
    EnrolmentRequest, EnrolmentResponse, Refusal, RefusalCode, RenewalRequest, RenewalResponse,
};
pub use finding::{
    Finding, FindingCategory, FindingDefinition, FindingEvidence, FindingKind, Severity, FINDING_KINDS,
    MAX_FINDING_EVIDENCE,
};
pub use health::{Condition, ConditionCode, HealthReport, InterfaceHealth, InterfaceRole, Level};
pub use mac::{MacAddr, MacError};
pub use message::{Content, Message, MESSAGE_SCHEMA};
pub use pin::{CaPin, PinError};
pub use remote::{
    RemoteSetting, SettingsAnswer, SettingsRequest, MAX_BANDWIDTH_KBPS, MAX_FILTER, MAX_REASON,
    MIN_BANDWIDTH_KBPS,
};
pub use report::{BatchAcknowledged, DeviceBatch, MAX_BATCH_DEVICES, MAX_BATCH_FINDINGS};
pub use seed::{Seed, SEED_FILE, SEED_PATH, VOLUME_LABEL};
pub use software::{SoftwareAnswer, SoftwareAttempt, SoftwareOffer, SoftwareRequest, MAX_PACKAGE};
pub use status::{
    DestinationCheck, DestinationStatus, InterfaceStatus, Refused, SensorStatus, SpoolStatus, UploadError,
    UploadState, UploadStatus,
};
pub use threats::{ThreatListPart, ThreatListRequest, MAX_THREAT_PART};
pub use timestamp::Timestamp;
pub use token::{ActivationToken, TokenError, MAX_TOKEN_CHARS};

/// Paths of the portal's machine interface. Enrolment is open to whoever holds a token; the rest asks for the client
/// certificate that enrolment gave.
pub mod path {
    /// `POST` [`EnrolmentRequest`](crate::EnrolmentRequest) → [`EnrolmentResponse`](crate::EnrolmentResponse), or
    /// [`Refusal`](crate::Refusal) with status 403, 409 or 410.
    pub const ENROL: &str = "/api/v1/enrol";
    /// `POST` [`RenewalRequest`](crate::RenewalRequest) → [`RenewalResponse`](crate::RenewalResponse). Asking again with
    /// the same key gets the same answer.
    pub const RENEW: &str = "/api/v1/sensor/certificate";
    /// `POST` [`DeviceBatch`](crate::DeviceBatch) → [`BatchAcknowledged`](crate::BatchAcknowledged).
    pub const DEVICES: &str = "/api/v1/sensor/devices";
    /// `POST` [`ThreatListRequest`](crate::ThreatListRequest) → [`ThreatListPart`](crate::ThreatListPart), or 404.
    pub const THREATS: &str = "/api/v1/sensor/threats";
    /// `POST` [`SettingsRequest`](crate::SettingsRequest) → [`SettingsAnswer`](crate::SettingsAnswer), or 404.
    pub const SETTINGS: &str = "/api/v1/sensor/settings";
    /// `POST` [`SoftwareRequest`](crate::SoftwareRequest) → [`SoftwareAnswer`](crate::SoftwareAnswer), or 404; `GET` with a
    /// package's name after a slash → the package.
    pub const SOFTWARE: &str = "/api/v1/sensor/software";
    /// `POST` [`HealthReport`](crate::HealthReport) → 204.
    pub const HEALTH: &str = "/api/v1/sensor/health";
    /// `GET` → 200 with a `Date` header; needs nothing. Used to measure clock drift and reachability.
    pub const ALIVE: &str = "/healthz";
}
