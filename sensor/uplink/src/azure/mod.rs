//! Azure's own front doors, on 443 with shared access signatures: the provisioning service, IoT Hub, Event Hubs, and Blob
//! storage by way of the hub, and the hub's device twin.
//!
//! X.509 is not offered: on 443 the hub asks for the client certificate by renegotiation, which TLS 1.3 does not have and
//! rustls does not do (azure-iot-sdk-c issue 694). None of this was tried against the real services.

pub mod dps;
pub mod event_hub;
pub mod hub;
pub mod pack;
pub mod reporter;
pub mod sas;
pub mod twin;
pub mod upload;
