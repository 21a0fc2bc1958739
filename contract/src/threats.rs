//! The portal's threat list, which sensors fetch in parts.
//!
//! The list is text, a STIX 2.1 bundle or a plain list, as `docs/findings.md` describes. The sensor asks from time to time
//! with the version it has; while that is the portal's too, the answer has no part. A portal that keeps no list answers
//! 404, or with an empty list.

use serde::{Deserialize, Serialize};

/// Most bytes in one part; an answer stays below what clients read.
pub const MAX_THREAT_PART: usize = 512 * 1024;

/// `POST` to [`path::THREATS`](crate::path::THREATS).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ThreatListRequest {
    /// Version of the list that the sensor has.
    pub known: Option<String>,
    /// Bytes of the present version that it has received.
    pub offset: u64,
}

/// A part of the list, from the offset that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ThreatListPart {
    /// Changes with the list's content.
    pub version: String,
    /// Bytes of the whole list.
    pub total: u64,
    /// At most [`MAX_THREAT_PART`] bytes, ending at a character's end. Empty when the version is known, or at the end.
    pub part: String,
}
