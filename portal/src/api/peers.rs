//! Whom a device sends to, for programs.

use std::net::IpAddr;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use eyot_contract::{Location, MacAddr, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::{Address, App, Json, Moment, Problem, Viewer};
use crate::store::KnownPeer;

/// A peer in an answer.
#[derive(Serialize, JsonSchema)]
pub struct PeerView {
    ip: IpAddr,
    /// The device that has this address, where a sensor sees it.
    #[schemars(with = "Option<Address>")]
    mac: Option<MacAddr>,
    device: Option<Uuid>,
    name: Option<String>,
    /// `local` or `routed`.
    location: Option<&'static str>,
    /// Protocol that was read between them.
    protocol: Option<String>,
    /// UDP or TCP port of the service; 0 where there is none.
    port: u16,
    /// Whether the service is the device's own.
    serves: bool,
    /// Bytes that the device sent.
    bytes: u64,
    #[schemars(with = "Moment")]
    last_seen: Timestamp,
}

impl PeerView {
    fn of(KnownPeer { peer, device }: KnownPeer) -> Self {
        let (device, name) = device.unzip();
        Self {
            ip: peer.ip,
            mac: peer.mac,
            device,
            name,
            location: peer.location.map(Location::name),
            protocol: peer.protocol,
            port: peer.port,
            serves: peer.serves,
            bytes: peer.bytes,
            last_seen: peer.last_seen,
        }
    }
}

/// `GET /api/v1/devices/{id}/peers`.
///
/// # Errors
/// There is no such device, or the store fails.
pub async fn list(
    State(portal): App,
    _: Viewer,
    Path(id): Path<Uuid>,
) -> Result<Json<Vec<PeerView>>, Problem> {
    if portal.store.device(id).await?.is_none() {
        return Err(Problem::new(StatusCode::NOT_FOUND, "there is no such device"));
    }
    Ok(Json(portal.store.peers_of(id).await?.into_iter().map(PeerView::of).collect()))
}
