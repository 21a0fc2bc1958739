//! How many there are of everything: what monitoring asks for every few seconds.

use eyot_contract::Severity;
use sqlx::FromRow;

use super::findings::severity_of;
use super::{Doing, Store, StoreError};

/// How things stand.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Devices in the inventory.
    pub devices: i64,
    /// Findings that no rule hides.
    pub findings: Vec<FindingCount>,
    /// Destinations for events.
    pub outlets: Vec<OutletCount>,
}

/// Findings that are alike.
#[derive(Clone, Debug)]
pub struct FindingCount {
    /// `alert` or `recommendation`.
    pub category: String,
    /// How bad.
    pub severity: Severity,
    /// Where the work stands.
    pub status: String,
    /// How many.
    pub findings: i64,
}

/// How a destination stands.
#[derive(Clone, Debug, FromRow)]
pub struct OutletCount {
    /// Its name.
    pub name: String,
    /// Events it has not acknowledged.
    pub behind: i64,
    /// Attempts that failed since the last that did not.
    pub failures: i64,
}

impl Store {
    /// Counts.
    ///
    /// # Errors
    /// The database fails.
    pub async fn tally(&self) -> Result<Tally, StoreError> {
        let doing = "counting for the metrics";
        let devices = sqlx::query_scalar("SELECT COUNT(*) FROM devices").fetch_one(&self.pool).await;
        let findings: Vec<(String, i64, String, i64)> = sqlx::query_as(
            "SELECT category, severity, status, COUNT(*) FROM findings WHERE suppressed = 0 \
             GROUP BY category, severity, status ORDER BY category, severity, status",
        )
        .fetch_all(&self.pool)
        .await
        .doing(doing)?;
        let outlets = sqlx::query_as(
            "SELECT o.name, c.value - o.seq AS behind, o.failures FROM outlets o, counters c \
             WHERE c.name = 'events' ORDER BY o.name",
        )
        .fetch_all(&self.pool)
        .await;
        let count = |(category, severity, status, findings)| FindingCount {
            category,
            severity: severity_of(severity),
            status,
            findings,
        };
        Ok(Tally {
            devices: devices.doing(doing)?,
            findings: findings.into_iter().map(count).collect(),
            outlets: outlets.doing(doing)?,
        })
    }
}
