//! Activation tokens (their hashes) and what they were used for.

use eyot_contract::Timestamp;
use sqlx::{AnyConnection, FromRow};
use uuid::Uuid;

use super::audit::{note, Action, Actor};
use super::{sensors, Doing, Store, StoreError};
use crate::ca::ClientCertificate;

/// An activation as stored.
#[derive(Clone, Debug, FromRow)]
pub struct Activation {
    /// Hash of the one-time secret.
    pub secret_hash: String,
    /// End of its life.
    pub expires_at: i64,
    /// When a newer one took its place.
    pub replaced_at: Option<i64>,
    /// When it was used.
    pub used_at: Option<i64>,
    /// Hash of the public key that used it.
    pub used_key: Option<String>,
    /// Name of its sensor.
    pub sensor_name: String,
    /// When its sensor was deleted.
    pub deleted_at: Option<i64>,
}

pub(super) async fn insert(
    on: &mut AnyConnection,
    sensor: Uuid,
    secret_hash: &str,
    issued: Timestamp,
    expires: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO activations (secret_hash, sensor_id, issued_at, expires_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(secret_hash)
    .bind(sensor.to_string())
    .bind(issued.0)
    .bind(expires.0)
    .execute(on)
    .await
    .doing("keeping an activation")?;
    Ok(())
}

impl Store {
    /// Every activation ever issued for a sensor, newest first; also for a deleted one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn activations(&self, sensor: Uuid) -> Result<Vec<Activation>, StoreError> {
        sqlx::query_as(
            "SELECT a.secret_hash, a.expires_at, a.replaced_at, a.used_at, a.used_key, s.name AS sensor_name, \
             s.deleted_at FROM activations a JOIN sensors s ON s.id = a.sensor_id \
             WHERE a.sensor_id = $1 ORDER BY a.issued_at DESC",
        )
        .bind(sensor.to_string())
        .fetch_all(&self.pool)
        .await
        .doing("reading activations")
    }

    /// Issues a new activation and voids the older ones. Whoever has enrolled stays enrolled until the new one is used.
    /// `false`: there is no such sensor.
    ///
    /// # Errors
    /// The database fails.
    pub async fn reissue(
        &self,
        sensor: Uuid,
        secret_hash: &str,
        expires: Timestamp,
        by: Actor<'_>,
    ) -> Result<bool, StoreError> {
        let doing = "issuing an activation";
        let mut write = self.write(doing).await?;
        let name: Option<String> =
            sqlx::query_scalar("SELECT name FROM sensors WHERE id = $1 AND deleted_at IS NULL")
                .bind(sensor.to_string())
                .fetch_optional(write.on())
                .await
                .doing(doing)?;
        let Some(name) = name else { return Ok(false) };
        sqlx::query("UPDATE activations SET replaced_at = $1 WHERE sensor_id = $2 AND replaced_at IS NULL")
            .bind(by.at.0)
            .bind(sensor.to_string())
            .execute(write.on())
            .await
            .doing(doing)?;
        insert(write.on(), sensor, secret_hash, by.at, expires).await?;
        note(write.on(), by, Action::ActivationCreated, &name, "").await?;
        write.commit(doing).await?;
        Ok(true)
    }

    /// Uses an activation: keeps the new certificate and voids the sensor's older ones. `false`: somebody else used or
    /// replaced it in the meantime, and nothing was changed.
    ///
    /// # Errors
    /// The database fails.
    pub async fn enrol(
        &self,
        sensor: Uuid,
        secret_hash: &str,
        certificate: &ClientCertificate,
        machine: (&str, &str),
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let doing = "enrolling a sensor";
        let (hostname, version) = machine;
        let mut write = self.write(doing).await?;
        let used = sqlx::query(
            "UPDATE activations SET used_at = $1, used_key = $2 \
             WHERE secret_hash = $3 AND used_at IS NULL AND replaced_at IS NULL",
        )
        .bind(at.0)
        .bind(&certificate.key_hash)
        .bind(secret_hash)
        .execute(write.on())
        .await
        .doing(doing)?;
        let alive = sqlx::query(
            "UPDATE sensors SET enrolled_at = $1, hostname = $2, version = $3, health = NULL, health_at = NULL, \
             last_contact = NULL WHERE id = $4 AND deleted_at IS NULL",
        )
        .bind(at.0)
        .bind(hostname.replace('\0', ""))
        .bind(version.replace('\0', ""))
        .bind(sensor.to_string())
        .execute(write.on())
        .await
        .doing(doing)?;
        if used.rows_affected() == 0 || alive.rows_affected() == 0 {
            return Ok(false);
        }
        sensors::revoke_all(write.on(), sensor, at).await?;
        keep_certificate(write.on(), sensor, certificate, at).await?;
        let name: String = sqlx::query_scalar("SELECT name FROM sensors WHERE id = $1")
            .bind(sensor.to_string())
            .fetch_one(write.on())
            .await
            .doing(doing)?;
        let machine = format!("machine {hostname}");
        let detail = format!("certificate {}", certificate.serial);
        note(write.on(), Actor { name: &machine, at }, Action::SensorEnrolled, &name, &detail).await?;
        write.commit(doing).await?;
        Ok(true)
    }

    /// Keeps a renewed certificate. Of the sensor's others only the one it asked with stays good. `false`: that one was
    /// revoked in the meantime, and nothing was changed.
    ///
    /// # Errors
    /// The database fails.
    pub async fn renew(
        &self,
        sensor: Uuid,
        asked_with: &str,
        certificate: &ClientCertificate,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let doing = "renewing a certificate";
        let mut write = self.write(doing).await?;
        let name: Option<String> = sqlx::query_scalar(
            "SELECT s.name FROM certificates c JOIN sensors s ON s.id = c.sensor_id \
             WHERE c.serial = $1 AND c.sensor_id = $2 AND c.revoked_at IS NULL AND s.deleted_at IS NULL",
        )
        .bind(asked_with)
        .bind(sensor.to_string())
        .fetch_optional(write.on())
        .await
        .doing(doing)?;
        let Some(name) = name else { return Ok(false) };
        sqlx::query(
            "UPDATE certificates SET revoked_at = $1 WHERE sensor_id = $2 AND serial <> $3 AND revoked_at IS NULL",
        )
        .bind(at.0)
        .bind(sensor.to_string())
        .bind(asked_with)
        .execute(write.on())
        .await
        .doing(doing)?;
        keep_certificate(write.on(), sensor, certificate, at).await?;
        let detail = format!("certificate {} after {asked_with}", certificate.serial);
        note(write.on(), Actor { name: "sensor", at }, Action::CertificateRenewed, &name, &detail).await?;
        write.commit(doing).await?;
        Ok(true)
    }

    /// The certificate a sensor holds for this key, if it is neither revoked nor over.
    ///
    /// # Errors
    /// The database fails.
    pub async fn standing_certificate(
        &self,
        sensor: Uuid,
        key_hash: &str,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar(
            "SELECT pem FROM certificates WHERE sensor_id = $1 AND key_hash = $2 AND revoked_at IS NULL \
             AND not_after > $3 ORDER BY issued_at DESC LIMIT 1",
        )
        .bind(sensor.to_string())
        .bind(key_hash)
        .bind(now.0)
        .fetch_optional(&self.pool)
        .await
        .doing("reading a certificate")
    }
}

async fn keep_certificate(
    on: &mut AnyConnection,
    sensor: Uuid,
    certificate: &ClientCertificate,
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO certificates (serial, sensor_id, key_hash, pem, issued_at, not_after) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&certificate.serial)
    .bind(sensor.to_string())
    .bind(&certificate.key_hash)
    .bind(&certificate.pem)
    .bind(at.0)
    .bind(certificate.not_after.0)
    .execute(on)
    .await
    .doing("keeping a certificate")?;
    Ok(())
}
