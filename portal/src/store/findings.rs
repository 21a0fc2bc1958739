//! Findings: taken with device batches, worked on by people.
//!
//! A sensor sends a finding whole each time it changes. What people decided (status, note) is the portal's own and stays,
//! except that a closed finding which happens again is new again. Suppressed findings are kept and counted, and not
//! shown unless asked for.

use eyot_contract::{Finding, FindingCategory, FindingEvidence, FindingKind, MacAddr, Severity, Timestamp};
use serde_json::json;
use sqlx::{AnyConnection, FromRow};
use uuid::Uuid;

use super::audit::{note, Action, Actor};
use super::events::Outgoing;
use super::sensors::parse_id;
use super::{Doing, Store, StoreError};

/// Most findings changed in one go.
pub const MAX_CHANGED: usize = 1_000;

/// Where somebody's work on a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nobody has looked.
    New,
    /// Somebody is on it.
    Active,
    /// Dealt with.
    Closed,
}

impl Status {
    /// Every status, in the order of the work.
    pub const ALL: [Self; 3] = [Self::New, Self::Active, Self::Closed];

    /// Name in the API and the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Active => "active",
            Self::Closed => "closed",
        }
    }

    /// The status of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// A finding as the portal keeps it.
#[derive(Clone, Debug)]
pub struct KeptFinding {
    /// The portal's id.
    pub id: Uuid,
    /// Who reported it.
    pub sensor: Uuid,
    /// That sensor's name.
    pub sensor_name: String,
    /// The kind.
    pub kind: FindingKind,
    /// How bad.
    pub severity: Severity,
    /// About whom.
    pub mac: Option<MacAddr>,
    /// The device in the inventory, and its name there.
    pub device: Option<(Uuid, String)>,
    /// One sentence.
    pub summary: String,
    /// The latest pieces of evidence, oldest first.
    pub evidence: Vec<FindingEvidence>,
    /// How often.
    pub count: i64,
    /// First time.
    pub first_seen: Timestamp,
    /// Latest time.
    pub last_seen: Timestamp,
    /// Where the work stands.
    pub status: Status,
    /// Since when.
    pub status_at: Timestamp,
    /// By whom; empty for a sensor's report.
    pub status_by: String,
    /// What people wrote.
    pub note: String,
    /// Whether a rule hides it.
    pub suppressed: bool,
}

/// Which findings.
#[derive(Clone, Debug, Default)]
pub struct FindingQuery {
    /// Category.
    pub category: Option<FindingCategory>,
    /// Status; `None` for new and active ones.
    pub status: Option<Status>,
    /// All statuses, whatever `status` says.
    pub any_status: bool,
    /// Severity.
    pub severity: Option<Severity>,
    /// Kind.
    pub kind: Option<FindingKind>,
    /// About this address.
    pub mac: Option<MacAddr>,
    /// Suppressed ones instead of the others.
    pub suppressed: bool,
    /// In the order of the ids, those after this one: whatever changes meanwhile, each comes once.
    pub after: Option<Uuid>,
    /// How many to skip.
    pub offset: i64,
    /// How many to return.
    pub limit: i64,
}

/// Some findings out of all that match.
#[derive(Clone, Debug)]
pub struct FindingPage {
    /// How many match.
    pub total: i64,
    /// Those asked for, worst and latest first.
    pub findings: Vec<KeptFinding>,
}

/// A rule that hides findings.
#[derive(Clone, Debug, FromRow)]
pub struct Suppression {
    /// Its id.
    pub id: String,
    /// The kind, by name.
    pub kind: String,
    /// About this address only.
    pub mac: Option<String>,
    /// Why.
    pub reason: String,
    /// Who made it.
    pub created_by: String,
    /// When, in µs.
    pub created_at: i64,
}

/// How a recommendation is followed.
#[derive(Clone, Debug)]
pub struct Followed {
    /// The kind.
    pub kind: FindingKind,
    /// Devices it is open for.
    pub unhealthy: i64,
    /// Other devices of the inventory.
    pub healthy: i64,
    /// Latest time.
    pub last_seen: Option<Timestamp>,
}

#[derive(FromRow)]
struct Row {
    id: String,
    sensor_id: String,
    sensor: String,
    kind: String,
    severity: i64,
    mac: Option<String>,
    device_id: Option<String>,
    hostname: Option<String>,
    summary: String,
    evidence: String,
    count: i64,
    first_seen: i64,
    last_seen: i64,
    status: String,
    status_at: i64,
    status_by: String,
    note: String,
    suppressed: i64,
}

const COLUMNS: &str = "f.id, f.sensor_id, s.name AS sensor, f.kind, f.severity, f.mac, d.id AS device_id, d.hostname, \
     f.summary, f.evidence, f.count, f.first_seen, f.last_seen, f.status, f.status_at, f.status_by, f.note, f.suppressed";
const FROM: &str = "FROM findings f JOIN sensors s ON s.id = f.sensor_id \
     LEFT JOIN device_aliases a ON a.zone_id = s.zone_id AND a.mac = f.mac \
     LEFT JOIN devices d ON d.id = a.device_id OR (a.device_id IS NULL AND d.mac = f.mac AND d.zone_id = s.zone_id)";

impl Row {
    /// `None` for a kind that a later version knew.
    fn read(self) -> Result<Option<KeptFinding>, StoreError> {
        let (Ok(kind), Some(status)) = (self.kind.parse(), Status::named(&self.status)) else {
            return Ok(None);
        };
        let mac: Option<MacAddr> = self.mac.as_deref().and_then(|m| m.parse().ok());
        let device = match self.device_id {
            Some(id) => {
                let name = self.hostname.or_else(|| mac.map(|m| m.to_string())).unwrap_or_default();
                Some((parse_id(&id)?, name))
            }
            None => None,
        };
        Ok(Some(KeptFinding {
            id: parse_id(&self.id)?,
            sensor: parse_id(&self.sensor_id)?,
            sensor_name: self.sensor,
            kind,
            severity: severity_of(self.severity),
            mac,
            device,
            summary: self.summary,
            evidence: serde_json::from_str(&self.evidence)
                .map_err(|source| StoreError::Content { what: "finding's evidence", source })?,
            count: self.count,
            first_seen: Timestamp(self.first_seen),
            last_seen: Timestamp(self.last_seen),
            status,
            status_at: Timestamp(self.status_at),
            status_by: self.status_by,
            note: self.note,
            suppressed: self.suppressed != 0,
        }))
    }
}

fn rank(severity: Severity) -> i64 {
    Severity::ALL.iter().position(|s| *s == severity).unwrap_or(0) as i64
}

pub(super) fn severity_of(rank: i64) -> Severity {
    usize::try_from(rank).ok().and_then(|at| Severity::ALL.get(at).copied()).unwrap_or(Severity::Info)
}

/// How a finding is kept.
pub(super) struct Kept {
    /// The portal's id.
    pub id: String,
    /// It was not there, or it was closed and happened again.
    pub new: bool,
    /// A rule hides it.
    pub hidden: bool,
}

/// Keeps a finding of a sensor, within the transaction of its batch.
pub(super) async fn keep(
    on: &mut AnyConnection,
    sensor: &str,
    finding: &Finding,
    at: Timestamp,
) -> Result<Kept, StoreError> {
    let doing = "storing a finding";
    let clean = |text: &str| text.replace('\0', "");
    let evidence = serde_json::to_string(&finding.evidence)
        .map_err(|source| StoreError::Content { what: "finding's evidence", source })?;
    let mac = finding.mac.map(|m| m.to_string());
    let hidden: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM suppressions WHERE kind = $1 AND (mac IS NULL OR mac = $2)")
            .bind(finding.kind.name())
            .bind(&mac)
            .fetch_one(&mut *on)
            .await
            .doing(doing)?;
    let (id, status, status_at): (String, String, i64) = sqlx::query_as(
        "INSERT INTO findings (id, sensor_id, name, kind, category, severity, mac, summary, evidence, count, first_seen, \
         last_seen, status, status_at, status_by, note, suppressed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
         $12, 'new', $13, '', '', $14) ON CONFLICT (sensor_id, name) DO UPDATE SET severity = excluded.severity, \
         summary = excluded.summary, evidence = excluded.evidence, count = excluded.count, \
         last_seen = excluded.last_seen, suppressed = excluded.suppressed, \
         status_at = CASE WHEN findings.status = 'closed' AND excluded.last_seen > findings.status_at \
         THEN excluded.status_at ELSE findings.status_at END, \
         status_by = CASE WHEN findings.status = 'closed' AND excluded.last_seen > findings.status_at \
         THEN '' ELSE findings.status_by END, \
         status = CASE WHEN findings.status = 'closed' AND excluded.last_seen > findings.status_at \
         THEN 'new' ELSE findings.status END RETURNING id, status, status_at",
    )
    .bind(Uuid::new_v4().to_string())
    .bind(sensor)
    .bind(clean(&finding.id))
    .bind(finding.kind.name())
    .bind(finding.kind.definition().category.name())
    .bind(rank(finding.severity))
    .bind(mac)
    .bind(clean(&finding.summary))
    .bind(clean(&evidence))
    .bind(i64::try_from(finding.count).unwrap_or(i64::MAX))
    .bind(finding.first_seen.0)
    .bind(finding.last_seen.0)
    .bind(at.0)
    .bind(i64::from(hidden > 0))
    .fetch_one(on)
    .await
    .doing(doing)?;
    // new by this report: it was put there, or opened again, at this moment
    let new = status == Status::New.name() && status_at == at.0;
    Ok(Kept { id, new, hidden: hidden > 0 })
}

/// A condition with what is bound to it. Everything that comes from outside is bound.
fn condition(query: &FindingQuery) -> (String, Vec<String>) {
    let mut bound = Vec::new();
    let mut text = format!(" WHERE f.suppressed = {}", i64::from(query.suppressed));
    let mut and = |column: &str, value: String| {
        bound.push(value);
        text.push_str(&format!(" AND {column} = ${}", bound.len()));
    };
    if let Some(category) = query.category {
        and("f.category", category.name().to_owned());
    }
    if let Some(kind) = query.kind {
        and("f.kind", kind.name().to_owned());
    }
    if let Some(mac) = query.mac {
        and("f.mac", mac.to_string());
    }
    match query.status {
        _ if query.any_status => {}
        Some(status) => and("f.status", status.name().to_owned()),
        None => text.push_str(" AND f.status <> 'closed'"),
    }
    if let Some(severity) = query.severity {
        text.push_str(&format!(" AND f.severity = {}", rank(severity)));
    }
    (text, bound)
}

impl Store {
    /// Findings that match.
    ///
    /// # Errors
    /// The database fails.
    pub async fn findings(&self, query: &FindingQuery) -> Result<FindingPage, StoreError> {
        let doing = "reading findings";
        let (text, bound) = condition(query);
        let count = format!("SELECT COUNT(*) FROM findings f{text}");
        let mut counting = sqlx::query_scalar(sqlx::AssertSqlSafe(count));
        for value in &bound {
            counting = counting.bind(value.clone());
        }
        let total: i64 = counting.fetch_one(&self.pool).await.doing(doing)?;
        let (after, order) = match query.after {
            // a UUID has nothing in it that would end the text
            Some(after) => (format!(" AND f.id > '{after}'"), "f.id"),
            None => (String::new(), "f.severity DESC, f.last_seen DESC, f.id"),
        };
        let select = format!(
            "SELECT {COLUMNS} {FROM}{text}{after} ORDER BY {order} LIMIT {} OFFSET {}",
            query.limit, query.offset
        );
        let mut selecting = sqlx::query_as::<_, Row>(sqlx::AssertSqlSafe(select));
        for value in &bound {
            selecting = selecting.bind(value.clone());
        }
        let mut findings = Vec::new();
        for row in selecting.fetch_all(&self.pool).await.doing(doing)? {
            findings.extend(row.read()?);
        }
        Ok(FindingPage { total, findings })
    }

    /// One finding.
    ///
    /// # Errors
    /// The database fails.
    pub async fn finding(&self, id: Uuid) -> Result<Option<KeptFinding>, StoreError> {
        let row: Option<Row> =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} {FROM} WHERE f.id = $1")))
                .bind(id.to_string())
                .fetch_optional(&self.pool)
                .await
                .doing("reading a finding")?;
        row.map_or(Ok(None), Row::read)
    }

    /// Sets status, note or both of findings. How many were there.
    ///
    /// # Errors
    /// The database fails; nothing is changed then.
    pub async fn work_on_findings(
        &self,
        ids: &[Uuid],
        status: Option<Status>,
        text: Option<&str>,
        by: Actor<'_>,
    ) -> Result<u64, StoreError> {
        let doing = "changing findings";
        let mut write = self.write(doing).await?;
        let mut outgoing = Outgoing::begin(write.on()).await?;
        let mut changed = 0;
        for id in ids.iter().take(MAX_CHANGED) {
            let worked: Option<(String, String, String, String, String)> = sqlx::query_as(
                "UPDATE findings SET note = COALESCE($1, note), status_at = CASE WHEN $2 IS NULL THEN status_at ELSE $3 \
                 END, status_by = CASE WHEN $2 IS NULL THEN status_by ELSE $4 END, status = COALESCE($2, status) \
                 WHERE id = $5 RETURNING summary, sensor_id, kind, status, note",
            )
            .bind(text)
            .bind(status.map(Status::name))
            .bind(by.at.0)
            .bind(by.name)
            .bind(id.to_string())
            .fetch_optional(write.on())
            .await
            .doing(doing)?;
            let Some((summary, sensor, kind, now, noted)) = worked else { continue };
            changed += 1;
            let body = json!({
                "id": id, "sensor": sensor, "finding": { "kind": kind, "summary": summary }, "status": now, "note": noted
            });
            outgoing.told_by_people("finding.worked_on", body, by);
            let detail = match (status, text) {
                (Some(status), None) => format!("status {}", status.name()),
                (Some(status), Some(_)) => format!("status {}, note", status.name()),
                (None, _) => "note".to_owned(),
            };
            note(write.on(), by, Action::FindingChanged, &summary, &detail).await?;
        }
        outgoing.keep(write.on(), by.at).await?;
        write.commit(doing).await?;
        Ok(changed)
    }

    /// Hides findings of a kind, everywhere or about one address: those that are here and those to come.
    ///
    /// # Errors
    /// The database fails.
    pub async fn suppress(
        &self,
        kind: FindingKind,
        mac: Option<MacAddr>,
        reason: &str,
        by: Actor<'_>,
    ) -> Result<Uuid, StoreError> {
        let doing = "adding a suppression rule";
        let id = Uuid::new_v4();
        let mac = mac.map(|m| m.to_string());
        let mut write = self.write(doing).await?;
        sqlx::query(
            "INSERT INTO suppressions (id, kind, mac, reason, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id.to_string())
        .bind(kind.name())
        .bind(&mac)
        .bind(reason)
        .bind(by.name)
        .bind(by.at.0)
        .execute(write.on())
        .await
        .doing(doing)?;
        judge_again(write.on(), kind.name()).await?;
        let about = mac.as_deref().unwrap_or("every device");
        note(
            write.on(),
            by,
            Action::SuppressionAdded,
            kind.definition().title,
            &format!("{about}: {reason}"),
        )
        .await?;
        let mut outgoing = Outgoing::begin(write.on()).await?;
        let body = json!({ "id": id, "finding": { "kind": kind.name() }, "mac": mac, "reason": reason });
        outgoing.told_by_people("suppression.added", body, by);
        outgoing.keep(write.on(), by.at).await?;
        write.commit(doing).await?;
        Ok(id)
    }

    /// Takes a rule back. False if there is none.
    ///
    /// # Errors
    /// The database fails.
    pub async fn unsuppress(&self, id: Uuid, by: Actor<'_>) -> Result<bool, StoreError> {
        let doing = "removing a suppression rule";
        let mut write = self.write(doing).await?;
        let kind: Option<String> =
            sqlx::query_scalar("DELETE FROM suppressions WHERE id = $1 RETURNING kind")
                .bind(id.to_string())
                .fetch_optional(write.on())
                .await
                .doing(doing)?;
        let Some(kind) = kind else { return Ok(false) };
        judge_again(write.on(), &kind).await?;
        let title = kind.parse::<FindingKind>().map_or(kind.as_str(), |k| k.definition().title);
        note(write.on(), by, Action::SuppressionRemoved, title, "").await?;
        let mut outgoing = Outgoing::begin(write.on()).await?;
        let body = json!({ "id": id, "finding": { "kind": kind } });
        outgoing.told_by_people("suppression.removed", body, by);
        outgoing.keep(write.on(), by.at).await?;
        write.commit(doing).await?;
        Ok(true)
    }

    /// The rules, newest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn suppressions(&self) -> Result<Vec<Suppression>, StoreError> {
        sqlx::query_as(
            "SELECT id, kind, mac, reason, created_by, created_at FROM suppressions ORDER BY created_at DESC, id",
        )
        .fetch_all(&self.pool)
        .await
        .doing("reading the suppression rules")
    }

    /// How each recommendation that was ever given is followed, those with the most devices first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn recommendations(&self) -> Result<Vec<Followed>, StoreError> {
        let doing = "reading the recommendations";
        let devices: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM devices").fetch_one(&self.pool).await.doing(doing)?;
        let rows: Vec<(String, i64, Option<i64>)> = sqlx::query_as(
            "SELECT kind, COUNT(DISTINCT CASE WHEN status <> 'closed' THEN mac END) AS open, \
             MAX(CASE WHEN status <> 'closed' THEN last_seen END) AS latest FROM findings \
             WHERE category = 'recommendation' AND suppressed = 0 GROUP BY kind ORDER BY open DESC, kind",
        )
        .fetch_all(&self.pool)
        .await
        .doing(doing)?;
        let followed = |(kind, unhealthy, latest): (String, i64, Option<i64>)| {
            let kind = kind.parse().ok()?;
            let healthy = (devices - unhealthy).max(0);
            Some(Followed { kind, unhealthy, healthy, last_seen: latest.map(Timestamp) })
        };
        Ok(rows.into_iter().filter_map(followed).collect())
    }
}

/// Marks the findings of a kind by the rules as they are now.
async fn judge_again(on: &mut AnyConnection, kind: &str) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE findings SET suppressed = CASE WHEN EXISTS (SELECT 1 FROM suppressions r WHERE r.kind = findings.kind \
         AND (r.mac IS NULL OR r.mac = findings.mac)) THEN 1 ELSE 0 END WHERE kind = $1",
    )
    .bind(kind)
    .execute(on)
    .await
    .doing("applying the suppression rules")?;
    Ok(())
}
