//! Sensors: registered, enrolled, heard from, deleted.

use eyot_contract::{HealthReport, Timestamp};
use sqlx::{AnyConnection, FromRow};
use uuid::Uuid;

use super::audit::{note, Action, Actor};
use super::{Doing, Store, StoreError};

/// The site every sensor belongs to.
pub const SITE: &str = "Enterprise network";
/// The zone a sensor starts in.
const FIRST_ZONE: &str = "default";

/// A sensor to register.
pub struct NewSensor<'a> {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique among those that are not deleted.
    pub name: &'a str,
    /// The subscription it counts for; made if it is new.
    pub subscription: &'a str,
}

/// A sensor as stored.
#[derive(Clone, Debug)]
pub struct Sensor {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its zone's name.
    pub zone: String,
    /// Its subscription's name.
    pub subscription: String,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// When a machine last enrolled as it.
    pub enrolled_at: Option<Timestamp>,
    /// Host name of that machine.
    pub hostname: Option<String>,
    /// Version of its software.
    pub version: Option<String>,
    /// When it last asked or reported anything with its certificate.
    pub last_contact: Option<Timestamp>,
    /// Its latest health report.
    pub health: Option<HealthReport>,
    /// Devices it has reported.
    pub devices: i64,
}

/// Most sensors that a list offers to choose from.
const MAX_OFFERED: usize = 500;

/// What became of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SensorDeletion {
    /// It is deleted, its certificates and tokens are void.
    Deleted,
    /// There is no such sensor (any more).
    NotThere,
}

/// A client certificate's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// It is this sensor's.
    Valid(Uuid),
    /// Its sensor was deleted.
    Deleted,
    /// It was revoked.
    Void,
    /// The portal never issued it.
    Unknown,
}

#[derive(FromRow)]
struct SensorRow {
    id: String,
    name: String,
    zone: String,
    subscription: String,
    registered_at: i64,
    enrolled_at: Option<i64>,
    hostname: Option<String>,
    version: Option<String>,
    last_contact: Option<i64>,
    health: Option<String>,
    devices: i64,
}

const SELECT: &str =
    "SELECT s.id, s.name, z.name AS zone, u.name AS subscription, s.registered_at, s.enrolled_at, \
     s.hostname, s.version, s.last_contact, s.health, \
     (SELECT COUNT(*) FROM sightings g WHERE g.sensor_id = s.id) AS devices \
     FROM sensors s JOIN zones z ON z.id = s.zone_id JOIN subscriptions u ON u.id = s.subscription_id \
     WHERE s.deleted_at IS NULL";

impl SensorRow {
    fn read(self) -> Result<Sensor, StoreError> {
        // a report that a later version wrote and this one cannot read must not hide the sensor
        let read = |text: String| serde_json::from_str(&text);
        let health = self.health.map(read).transpose();
        let health =
            health.inspect_err(|error| tracing::warn!(%error, "a stored health report cannot be read"));
        Ok(Sensor {
            id: parse_id(&self.id)?,
            name: self.name,
            zone: self.zone,
            subscription: self.subscription,
            registered_at: Timestamp(self.registered_at),
            enrolled_at: self.enrolled_at.map(Timestamp),
            hostname: self.hostname,
            version: self.version,
            last_contact: self.last_contact.map(Timestamp),
            health: health.unwrap_or_default(),
            devices: self.devices,
        })
    }
}

pub(super) fn parse_id(text: &str) -> Result<Uuid, StoreError> {
    text.parse().map_err(|e| sqlx::Error::Decode(Box::new(e))).doing("reading an id")
}

impl Store {
    /// Every sensor that is not deleted, by name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn sensors(&self) -> Result<Vec<Sensor>, StoreError> {
        let doing = "listing sensors";
        let rows: Vec<SensorRow> =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} ORDER BY lower(s.name), s.id")))
                .fetch_all(&self.pool)
                .await
                .doing(doing)?;
        rows.into_iter().map(SensorRow::read).collect()
    }

    /// Ids and names of sensors to choose from, by name: at most [`MAX_OFFERED`], and this one in any case.
    ///
    /// # Errors
    /// The database fails.
    pub async fn sensor_names(&self, also: Option<Uuid>) -> Result<Vec<(Uuid, String)>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT id, name FROM (SELECT id, name FROM sensors WHERE deleted_at IS NULL ORDER BY lower(name), id \
             LIMIT {MAX_OFFERED}) offered UNION SELECT id, name FROM sensors WHERE id = $1 AND deleted_at IS NULL"
        )))
        .bind(also.map(|id| id.to_string()))
        .fetch_all(&self.pool)
        .await
        .doing("listing sensors")?;
        let named = |(id, name): (String, String)| Ok((parse_id(&id)?, name));
        let mut names: Vec<(Uuid, String)> =
            rows.into_iter().map(named).collect::<Result<_, StoreError>>()?;
        names.sort_by_cached_key(|(id, name)| (name.to_lowercase(), *id));
        Ok(names)
    }

    /// One sensor that is not deleted.
    ///
    /// # Errors
    /// The database fails.
    pub async fn sensor(&self, id: Uuid) -> Result<Option<Sensor>, StoreError> {
        let row: Option<SensorRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} AND s.id = $1")))
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await
            .doing("reading a sensor")?;
        row.map(SensorRow::read).transpose()
    }

    /// Names of the subscriptions in use.
    ///
    /// # Errors
    /// The database fails.
    pub async fn subscriptions(&self) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar("SELECT name FROM subscriptions ORDER BY lower(name)")
            .fetch_all(&self.pool)
            .await
            .doing("listing subscriptions")
    }

    /// Registers a sensor with its first activation. `false`: the name is taken.
    ///
    /// # Errors
    /// The database fails.
    pub async fn register(
        &self,
        new: &NewSensor<'_>,
        secret_hash: &str,
        expires: Timestamp,
        by: Actor<'_>,
    ) -> Result<bool, StoreError> {
        let doing = "registering a sensor";
        let mut write = self.write(doing).await?;
        let taken: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM sensors WHERE name = $1 AND deleted_at IS NULL")
                .bind(new.name)
                .fetch_one(write.on())
                .await
                .doing(doing)?;
        if taken > 0 {
            return Ok(false);
        }
        make_subscription(write.on(), new.subscription, by.at).await?;
        sqlx::query(
            "INSERT INTO sensors (id, name, zone_id, subscription_id, registered_at) \
             SELECT $1, $2, z.id, u.id, $3 FROM zones z, sites i, subscriptions u \
             WHERE z.site_id = i.id AND i.name = $4 AND z.name = $5 AND u.name = $6",
        )
        .bind(new.id.to_string())
        .bind(new.name)
        .bind(by.at.0)
        .bind(SITE)
        .bind(FIRST_ZONE)
        .bind(new.subscription)
        .execute(write.on())
        .await
        .doing(doing)?;
        super::activations::insert(write.on(), new.id, secret_hash, by.at, expires).await?;
        let detail = format!("subscription: {}", new.subscription);
        note(write.on(), by, Action::SensorRegistered, new.name, &detail).await?;
        write.commit(doing).await?;
        Ok(true)
    }

    /// Deletes a sensor: it is listed no more, and its token and certificates are refused. Its devices stay.
    ///
    /// # Errors
    /// The database fails.
    pub async fn delete_sensor(&self, id: Uuid, by: Actor<'_>) -> Result<SensorDeletion, StoreError> {
        let doing = "deleting a sensor";
        let mut write = self.write(doing).await?;
        let deleted: Option<String> = sqlx::query_scalar(
            "UPDATE sensors SET deleted_at = $1 WHERE id = $2 AND deleted_at IS NULL RETURNING name",
        )
        .bind(by.at.0)
        .bind(id.to_string())
        .fetch_optional(write.on())
        .await
        .doing(doing)?;
        let Some(name) = deleted else { return Ok(SensorDeletion::NotThere) };
        revoke_all(write.on(), id, by.at).await?;
        note(write.on(), by, Action::SensorDeleted, &name, "").await?;
        write.commit(doing).await?;
        Ok(SensorDeletion::Deleted)
    }

    /// The standing of the client certificate with this serial number.
    ///
    /// # Errors
    /// The database fails.
    pub async fn certificate(&self, serial: &str) -> Result<Certificate, StoreError> {
        let doing = "looking up a certificate";
        let row: Option<(String, Option<i64>, Option<i64>)> = sqlx::query_as(
            "SELECT c.sensor_id, c.revoked_at, s.deleted_at FROM certificates c \
             JOIN sensors s ON s.id = c.sensor_id WHERE c.serial = $1",
        )
        .bind(serial)
        .fetch_optional(&self.pool)
        .await
        .doing(doing)?;
        Ok(match row {
            Some((id, None, None)) => Certificate::Valid(parse_id(&id)?),
            Some((_, _, Some(_))) => Certificate::Deleted,
            Some(_) => Certificate::Void,
            None => Certificate::Unknown,
        })
    }

    /// Keeps a sensor's health report and the fact that it was heard from.
    ///
    /// # Errors
    /// The database fails.
    pub async fn keep_health(
        &self,
        id: Uuid,
        report: &HealthReport,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let doing = "keeping a health report";
        let text = serde_json::to_string(report)
            .map_err(|source| StoreError::Content { what: "health report", source })?;
        let mut write = self.write(doing).await?;
        sqlx::query(
            "UPDATE sensors SET health = $1, health_at = $2, last_contact = $2, hostname = $3, version = $4 \
             WHERE id = $5 AND deleted_at IS NULL",
        )
        .bind(text)
        .bind(at.0)
        .bind(report.hostname.replace('\0', ""))
        .bind(report.version.replace('\0', ""))
        .bind(id.to_string())
        .execute(write.on())
        .await
        .doing(doing)?;
        write.commit(doing).await
    }
}

/// Revokes whatever certificates a sensor has.
pub(super) async fn revoke_all(on: &mut AnyConnection, id: Uuid, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE certificates SET revoked_at = $1 WHERE sensor_id = $2 AND revoked_at IS NULL")
        .bind(at.0)
        .bind(id.to_string())
        .execute(on)
        .await
        .doing("revoking certificates")?;
    Ok(())
}

/// Makes a subscription unless there is one of this name.
pub(super) async fn make_subscription(
    on: &mut AnyConnection,
    name: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO subscriptions (id, name, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
    )
    .bind(Uuid::new_v4().to_string())
    .bind(name)
    .bind(at.0)
    .execute(on)
    .await
    .doing("making a subscription")?;
    Ok(())
}
