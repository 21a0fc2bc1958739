//! Whom a device sends to, by what all sensors say about it, with the devices that those are.

use std::collections::BTreeMap;

use eyot_contract::Peer;
use uuid::Uuid;

use super::sensors::parse_id;
use super::{rows, Doing, Store, StoreError};

/// A peer, and the device that it is where that is known here.
#[derive(Clone, Debug)]
pub struct KnownPeer {
    /// As sensors say.
    pub peer: Peer,
    /// Id and name of the device.
    pub device: Option<(Uuid, String)>,
}

impl Store {
    /// Whom a device sends to, the most bytes first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn peers_of(&self, device: Uuid) -> Result<Vec<KnownPeer>, StoreError> {
        let doing = "reading whom a device sends to";
        let sightings = self.sightings(device).await?;
        let peers = Peer::together(sightings.into_iter().map(|sighting| sighting.record.activity.peers));
        let mut on = self.pool.acquire().await.doing(doing)?;
        // an address that was merged into a device is that device's
        let text = format!(
            "SELECT d.mac, d.id, COALESCE(d.hostname, d.mac) FROM devices d \
             WHERE d.zone_id = (SELECT zone_id FROM devices WHERE id = $2) AND d.mac IN {0} \
             UNION ALL SELECT a.mac, d.id, COALESCE(d.hostname, d.mac) FROM device_aliases a \
             JOIN devices d ON d.id = a.device_id \
             WHERE a.zone_id = (SELECT zone_id FROM devices WHERE id = $2) AND a.mac IN {0}",
            rows::list(&on, 1)
        );
        let known: Vec<(String, String, String)> = sqlx::query_as(sqlx::AssertSqlSafe(text))
            .bind(rows::bound(peers.iter().filter_map(|peer| peer.mac)))
            .bind(device.to_string())
            .fetch_all(&mut *on)
            .await
            .doing(doing)?;
        let read = |(mac, id, name): (String, String, String)| Ok((mac, (parse_id(&id)?, name)));
        let known = known.into_iter().map(read).collect::<Result<BTreeMap<_, _>, StoreError>>()?;
        let with = |peer: Peer| KnownPeer {
            device: peer.mac.and_then(|mac| known.get(&mac.to_string()).cloned()),
            peer,
        };
        Ok(peers.into_iter().map(with).collect())
    }
}
