//! Plans, the list of managed endpoints, and what the count reads of the inventory.

use std::collections::BTreeMap;
use std::net::IpAddr;

use eyot_contract::{DeviceClass, MacAddr, Timestamp};
use sqlx::FromRow;
use uuid::Uuid;

use super::audit::{note, Action, Actor};
use super::{sensors, Doing, Store, StoreError};
use crate::rules::committed::{Committed, Counted, Managed};
use crate::rules::plan::{may_add, Plan, PlanKind, Standing, NOTICE};

/// Devices read at one time while counting: the count of a million must not hold a million.
const CHUNK: i64 = 5000;
/// Endpoints written per statement: two parameters each, well below what either engine takes.
const ENDPOINTS_PER_STATEMENT: usize = 500;

#[derive(FromRow)]
struct PlanRow {
    kind: String,
    committed: i64,
    confirmed_at: i64,
    starts_at: i64,
    ends_at: Option<i64>,
    cancelled_at: Option<i64>,
}

#[derive(FromRow)]
struct CountedRow {
    id: String,
    mac: String,
    ips: String,
    hostname: Option<String>,
    class: Option<String>,
    last_seen: i64,
}

const SELECT: &str =
    "SELECT p.kind, p.committed, p.confirmed_at, p.starts_at, p.ends_at, p.cancelled_at FROM plans p \
     JOIN subscriptions u ON u.id = p.subscription_id WHERE u.name = $1 ORDER BY p.confirmed_at DESC, p.id";

impl PlanRow {
    fn read(self) -> Result<Plan, StoreError> {
        let kind: Result<PlanKind, _> = self.kind.parse();
        Ok(Plan {
            kind: kind.map_err(|e: String| sqlx::Error::Decode(e.into())).doing("reading a plan")?,
            committed: self.committed,
            confirmed: Timestamp(self.confirmed_at),
            starts: Timestamp(self.starts_at),
            ends: self.ends_at.map(Timestamp),
            cancelled: self.cancelled_at.map(Timestamp),
        })
    }
}

impl Store {
    /// Plans a subscription has had, newest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn plans(&self, subscription: &str) -> Result<Vec<Plan>, StoreError> {
        let rows: Vec<PlanRow> =
            sqlx::query_as(SELECT).bind(subscription).fetch_all(&self.pool).await.doing("listing plans")?;
        rows.into_iter().map(PlanRow::read).collect()
    }

    /// Adds a plan; a subscription of that name is made if there is none. The text, if any, says why it may not be
    /// added.
    ///
    /// # Errors
    /// The database fails.
    pub async fn add_plan(
        &self,
        subscription: &str,
        plan: &Plan,
        by: Actor<'_>,
    ) -> Result<Result<(), &'static str>, StoreError> {
        let doing = "adding a plan";
        let mut write = self.write(doing).await?;
        sensors::make_subscription(write.on(), subscription, by.at).await?;
        let rows: Vec<PlanRow> =
            sqlx::query_as(SELECT).bind(subscription).fetch_all(write.on()).await.doing(doing)?;
        let had = rows.into_iter().map(PlanRow::read).collect::<Result<Vec<_>, _>>()?;
        if let Err(reason) = may_add(&had, plan.kind, by.at) {
            return Ok(Err(reason));
        }
        sqlx::query(
            "INSERT INTO plans (id, subscription_id, kind, committed, confirmed_at, starts_at, ends_at) \
             SELECT $1, id, $2, $3, $4, $5, $6 FROM subscriptions WHERE name = $7",
        )
        .bind(Uuid::new_v4().to_string())
        .bind(plan.kind.name())
        .bind(plan.committed)
        .bind(plan.confirmed.0)
        .bind(plan.starts.0)
        .bind(plan.ends.map(|t| t.0))
        .bind(subscription)
        .execute(write.on())
        .await
        .doing(doing)?;
        let detail = format!("{}, {} devices", plan.kind.title(), plan.committed);
        note(write.on(), by, Action::PlanAdded, subscription, &detail).await?;
        write.commit(doing).await?;
        Ok(Ok(()))
    }

    /// Cancels a subscription's plan; it stays in effect for an hour. `false`: there is none to cancel.
    ///
    /// # Errors
    /// The database fails.
    pub async fn cancel_plan(&self, subscription: &str, by: Actor<'_>) -> Result<bool, StoreError> {
        let doing = "cancelling a plan";
        let mut write = self.write(doing).await?;
        // one that ends by itself within the hour is not made to last longer
        let cancelled = sqlx::query(
            "UPDATE plans SET cancelled_at = $1, ends_at = CASE WHEN ends_at IS NOT NULL AND ends_at < $2 THEN ends_at \
             ELSE $2 END WHERE subscription_id IN (SELECT id FROM subscriptions WHERE name = $3) \
             AND cancelled_at IS NULL AND (ends_at IS NULL OR ends_at > $1)",
        )
        .bind(by.at.0)
        .bind(by.at.0 + NOTICE)
        .bind(subscription)
        .execute(write.on())
        .await
        .doing(doing)?;
        if cancelled.rows_affected() == 0 {
            return Ok(false);
        }
        note(write.on(), by, Action::PlanCancelled, subscription, "").await?;
        write.commit(doing).await?;
        Ok(true)
    }

    /// Replaces the list of managed endpoints.
    ///
    /// # Errors
    /// The database fails; the older list stays then.
    pub async fn replace_managed(&self, managed: &Managed, by: Actor<'_>) -> Result<(), StoreError> {
        let doing = "keeping the managed endpoints";
        let macs = managed.macs.iter().map(|m| ("mac", m.to_string()));
        let ips = managed.ips.iter().map(|i| ("ip", i.to_string()));
        let names = managed.names.iter().map(|n| ("name", n.clone()));
        let all: Vec<_> = macs.chain(ips).chain(names).collect();
        let mut write = self.write(doing).await?;
        sqlx::query("DELETE FROM managed_endpoints").execute(write.on()).await.doing(doing)?;
        for some in all.chunks(ENDPOINTS_PER_STATEMENT) {
            let places: Vec<_> =
                (0..some.len()).map(|n| format!("(${}, ${})", 2 * n + 1, 2 * n + 2)).collect();
            let text = format!("INSERT INTO managed_endpoints (kind, value) VALUES {}", places.join(", "));
            let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
            for (kind, value) in some {
                query = query.bind(*kind).bind(value.clone());
            }
            query.execute(write.on()).await.doing(doing)?;
        }
        let detail = format!("{} entries", all.len());
        note(write.on(), by, Action::ManagedImported, "managed endpoints", &detail).await?;
        write.commit(doing).await
    }

    /// The list of managed endpoints.
    ///
    /// # Errors
    /// The database fails.
    pub async fn managed(&self) -> Result<Managed, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as("SELECT kind, value FROM managed_endpoints")
            .fetch_all(&self.pool)
            .await
            .doing("reading the managed endpoints")?;
        let mut managed = Managed::default();
        for (kind, value) in rows {
            // values were checked when the list was taken
            match kind.as_str() {
                "mac" => managed.macs.extend(value.parse::<MacAddr>()),
                "ip" => managed.ips.extend(value.parse::<IpAddr>()),
                _ => managed.names.extend([value]),
            }
        }
        Ok(managed)
    }

    /// Counts the devices of every subscription: those its sensors have seen.
    ///
    /// # Errors
    /// The database fails.
    pub async fn committed(&self, now: Timestamp) -> Result<BTreeMap<String, Committed>, StoreError> {
        let managed = self.managed().await?;
        let mut counts = BTreeMap::new();
        for subscription in self.subscriptions().await? {
            let count = self.committed_of(&subscription, &managed, now).await?;
            counts.insert(subscription, count);
        }
        Ok(counts)
    }

    async fn committed_of(
        &self,
        subscription: &str,
        managed: &Managed,
        now: Timestamp,
    ) -> Result<Committed, StoreError> {
        let doing = "counting devices";
        let mut count = Committed::default();
        let mut after = String::new();
        loop {
            let rows: Vec<CountedRow> = sqlx::query_as(
                "SELECT d.id, d.mac, d.ips, d.hostname, d.class, d.last_seen FROM devices d WHERE d.id > $1 \
                 AND EXISTS (SELECT 1 FROM sightings g JOIN sensors s ON s.id = g.sensor_id \
                 JOIN subscriptions u ON u.id = s.subscription_id WHERE g.device_id = d.id AND u.name = $2) \
                 ORDER BY d.id LIMIT $3",
            )
            .bind(&after)
            .bind(subscription)
            .bind(CHUNK)
            .fetch_all(&self.pool)
            .await
            .doing(doing)?;
            let Some(last) = rows.last() else { return Ok(count) };
            after.clone_from(&last.id);
            for row in rows {
                let mac = row.mac.parse().map_err(|e| sqlx::Error::Decode(Box::new(e))).doing(doing)?;
                let ips = serde_json::from_str(&row.ips)
                    .map_err(|source| StoreError::Content { what: "device", source })?;
                let device = Counted {
                    mac,
                    ips,
                    hostname: row.hostname,
                    class: row.class.and_then(|c| c.parse::<DeviceClass>().ok()),
                    last_seen: Timestamp(row.last_seen),
                };
                count.add(&device, managed, now);
            }
        }
    }
}

/// The plan that counts now: the newest that is not over.
pub fn current(plans: &[Plan], now: Timestamp) -> Option<&Plan> {
    plans.iter().find(|p| p.standing(now) != Standing::Ended)
}
