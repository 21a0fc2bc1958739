//! Enrolment: a token and a public key go in, a client certificate comes out.
//!
//! The key pair is made on the appliance and the private half never leaves it. A token works once; asking again with
//! the same public key is answered with the same standing, so an appliance that lost power between the portal's answer
//! and its own disk can simply ask again.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// `POST` to [`path::ENROL`](crate::path::ENROL).
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentRequest {
    /// From the token.
    pub sensor: Uuid,
    /// From the token, base64url without padding. The portal compares hashes.
    pub secret: String,
    /// PKCS#10 certificate request, PEM. Only its public key is used; the portal decides the names.
    pub csr_pem: String,
    /// The appliance's host name, for people to recognise it by.
    pub hostname: String,
    /// Version of the agent.
    pub version: String,
}

/// The portal's answer to an enrolment it accepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolmentResponse {
    /// The name the sensor was registered under.
    pub sensor_name: String,
    /// Client certificate, PEM.
    pub certificate_pem: String,
    /// The portal's CA certificate, PEM; its SHA-256 is the token's pin.
    pub ca_pem: String,
}

/// `POST` to [`path::RENEW`](crate::path::RENEW), with the client certificate that is to be replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewalRequest {
    /// PKCS#10 certificate request, PEM, with a new key. Only its public key is used.
    pub csr_pem: String,
}

/// The portal's answer to a renewal. The certificate that asked stays good until it runs out or the sensor renews again,
/// so that an answer may get lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalResponse {
    /// Client certificate, PEM.
    pub certificate_pem: String,
}

/// The portal's answer to anything it will not do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why, for machines.
    pub code: RefusalCode,
    /// Why and what to do, for people.
    pub message: String,
}

/// Why the portal refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// No such sensor, or the secret is not the one that was issued: a forged token, or one for another portal.
    TokenUnknown,
    /// The token has activated another machine already.
    TokenUsed,
    /// The token's time is over.
    TokenExpired,
    /// A newer token was issued for this sensor.
    TokenReplaced,
    /// The sensor was deleted at the portal.
    SensorDeleted,
    /// The request does not parse, or its key is not acceptable.
    BadRequest,
    /// No valid client certificate came with the request.
    NotEnrolled,
    /// Anything on the portal's side.
    Internal,
}

impl RefusalCode {
    /// One line for the owner of the appliance: what is wrong and what to do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::TokenUnknown => "the portal does not know this activation token; copy it again, or issue a new one (Sites and sensors > Create activation command)",
            Self::TokenUsed => "this activation token has already activated another machine; issue a new one (Sites and sensors > Create activation command)",
            Self::TokenExpired => "this activation token has expired; issue a new one (Sites and sensors > Create activation command)",
            Self::TokenReplaced => "a newer activation token was issued for this sensor; use that one",
            Self::SensorDeleted => "this sensor was deleted at the portal; register it again to get a new token",
            Self::BadRequest => "the portal could not read the request; appliance and portal may be of different versions",
            Self::NotEnrolled => "the portal does not accept this appliance's certificate; activate it again with a new token",
            Self::Internal => "the portal failed while answering; its own log says why",
        }
    }
}
