//! Alerts and recommendations, for programs: list, look at, work on, suppress.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use eyot_contract::{FindingCategory, FindingEvidence, FindingKind, MacAddr, Severity, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::devices::{cursor, offset};
use super::{Address, App, Changer, FindingProof, Json, Moment, Problem, Viewer};
use crate::store::{Actor, FindingQuery, KeptFinding, Status, MAX_CHANGED};

/// Findings per page unless asked otherwise.
pub const PAGE: i64 = 50;
/// Most findings per page.
const MAX_PAGE: i64 = 500;
/// Longest note, in characters.
pub const MAX_NOTE: usize = 2_000;

/// What can be asked, by the page as by programs.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Asked {
    /// `alert` or `recommendation`.
    pub category: String,
    /// `new`, `active`, `closed`, `any`; empty for new and active.
    pub status: String,
    /// Severity.
    pub severity: String,
    /// Kind.
    pub kind: String,
    /// About this address.
    pub mac: String,
    /// `yes`: the suppressed ones instead.
    pub suppressed: String,
    /// All of them, a page at a time, each once whatever changes meanwhile: `start`, then `next` of the page before. They
    /// come in no useful order, and `page` is not looked at.
    pub cursor: String,
    /// Page, from 1.
    pub page: Option<i64>,
    /// Findings per page.
    pub per_page: Option<i64>,
}

impl Asked {
    /// As the store understands it.
    ///
    /// # Errors
    /// Which parameter cannot be used.
    pub fn query(&self) -> Result<FindingQuery, String> {
        let limit = self.per_page.unwrap_or(PAGE).clamp(1, MAX_PAGE);
        Ok(FindingQuery {
            category: one_of("category", &self.category, category)?,
            status: one_of("status", if self.status == "any" { "" } else { &self.status }, Status::named)?,
            any_status: self.status == "any",
            severity: one_of("severity", &self.severity, severity)?,
            kind: one_of("kind", &self.kind, |k| k.parse().ok())?,
            mac: one_of("mac", &self.mac, |m| m.parse().ok())?,
            suppressed: self.suppressed == "yes",
            after: cursor(&self.cursor)?,
            offset: offset(self.page, &self.cursor, limit),
            limit,
        })
    }
}

fn one_of<T>(name: &str, text: &str, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, String> {
    match text {
        "" => Ok(None),
        text => read(text).map(Some).ok_or_else(|| format!("{name}: \"{text}\" is not one")),
    }
}

fn category(name: &str) -> Option<FindingCategory> {
    [FindingCategory::Alert, FindingCategory::Recommendation].into_iter().find(|c| c.name() == name)
}

fn severity(name: &str) -> Option<Severity> {
    Severity::ALL.into_iter().find(|s| s.name() == name)
}

/// A finding in an answer, with what its kind says.
#[derive(Serialize, JsonSchema)]
pub struct FindingView {
    id: Uuid,
    kind: &'static str,
    category: &'static str,
    title: &'static str,
    severity: &'static str,
    technique: &'static str,
    technique_name: &'static str,
    remedy: &'static str,
    #[schemars(with = "Option<Address>")]
    mac: Option<MacAddr>,
    device: Option<Uuid>,
    sensor: Uuid,
    sensor_name: String,
    summary: String,
    count: i64,
    #[schemars(with = "Moment")]
    first_seen: Timestamp,
    #[schemars(with = "Moment")]
    last_seen: Timestamp,
    status: &'static str,
    #[schemars(with = "Moment")]
    status_at: Timestamp,
    status_by: String,
    note: String,
    suppressed: bool,
    #[schemars(with = "Vec<FindingProof>")]
    evidence: Vec<FindingEvidence>,
}

impl FindingView {
    fn of(finding: KeptFinding) -> Self {
        let definition = finding.kind.definition();
        Self {
            id: finding.id,
            kind: definition.name,
            category: definition.category.name(),
            title: definition.title,
            severity: finding.severity.name(),
            technique: definition.technique,
            technique_name: definition.technique_name,
            remedy: definition.remedy,
            mac: finding.mac,
            device: finding.device.map(|(id, _)| id),
            sensor: finding.sensor,
            sensor_name: finding.sensor_name,
            summary: finding.summary,
            count: finding.count,
            first_seen: finding.first_seen,
            last_seen: finding.last_seen,
            status: finding.status.name(),
            status_at: finding.status_at,
            status_by: finding.status_by,
            note: finding.note,
            suppressed: finding.suppressed,
            evidence: finding.evidence,
        }
    }
}

/// Answer to `GET /api/v1/findings`.
#[derive(Serialize, JsonSchema)]
pub struct Findings {
    total: i64,
    findings: Vec<FindingView>,
    /// With a cursor: where the next page begins; null on the last.
    next: Option<Uuid>,
}

/// `GET /api/v1/findings`.
///
/// # Errors
/// A parameter cannot be used, or the store fails.
pub async fn list(
    State(portal): App,
    _: Viewer,
    Query(asked): Query<Asked>,
) -> Result<Json<Findings>, Problem> {
    let query = asked.query().map_err(|e| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, e))?;
    let page = portal.store.findings(&query).await?;
    let full = query.after.is_some() && page.findings.len() as i64 == query.limit;
    let next = page.findings.last().filter(|_| full).map(|last| last.id);
    let findings = page.findings.into_iter().map(FindingView::of).collect();
    Ok(Json(Findings { total: page.total, findings, next }))
}

/// `GET /api/v1/findings/{id}`.
///
/// # Errors
/// There is none, or the store fails.
pub async fn one(State(portal): App, _: Viewer, Path(id): Path<Uuid>) -> Result<Json<FindingView>, Problem> {
    let found = portal.store.finding(id).await?;
    found.map(|f| Json(FindingView::of(f))).ok_or_else(not_there)
}

fn not_there() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such finding")
}

/// What becomes of findings.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// Which, at most [`MAX_CHANGED`].
    ids: Vec<Uuid>,
    /// Their status from now on.
    status: Option<String>,
    /// Their note from now on.
    note: Option<String>,
}

/// Answer to `PATCH /api/v1/findings`.
#[derive(Serialize, JsonSchema)]
pub struct Worked {
    changed: u64,
}

/// `PATCH /api/v1/findings`: status, note or both of one or many.
///
/// # Errors
/// A value cannot be used, none of them is there, or the store fails.
pub async fn work(
    State(portal): App,
    Changer(user): Changer,
    Json(work): Json<Work>,
) -> Result<Json<Worked>, Problem> {
    let wrong = |text: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text);
    let status = one_of("status", work.status.as_deref().unwrap_or(""), Status::named).map_err(wrong)?;
    if work.ids.is_empty() || work.ids.len() > MAX_CHANGED {
        return Err(wrong(format!("ids: between 1 and {MAX_CHANGED} are expected")));
    }
    if work.note.as_ref().is_some_and(|n| n.chars().count() > MAX_NOTE) {
        return Err(wrong(format!("note: {MAX_NOTE} characters are the most")));
    }
    if status.is_none() && work.note.is_none() {
        return Err(wrong("status or note is expected".to_owned()));
    }
    let by = Actor::now(&user.name);
    match portal.store.work_on_findings(&work.ids, status, work.note.as_deref(), by).await? {
        0 => Err(not_there()),
        changed => Ok(Json(Worked { changed })),
    }
}

/// A rule in a request.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSuppression {
    /// The kind.
    kind: String,
    /// About this address only.
    #[schemars(with = "Option<Address>")]
    mac: Option<MacAddr>,
    /// Why.
    reason: String,
}

/// A rule in an answer.
#[derive(Serialize, JsonSchema)]
pub struct SuppressionView {
    id: String,
    kind: String,
    mac: Option<String>,
    reason: String,
    created_by: String,
    #[schemars(with = "Moment")]
    created_at: Timestamp,
}

/// Answer to `POST /api/v1/suppressions`.
#[derive(Serialize, JsonSchema)]
pub struct Suppressed {
    id: Uuid,
}

/// `GET /api/v1/suppressions`.
///
/// # Errors
/// The store fails.
pub async fn suppressions(State(portal): App, _: Viewer) -> Result<Json<Vec<SuppressionView>>, Problem> {
    let rules = portal.store.suppressions().await?;
    let view = |r: crate::store::Suppression| SuppressionView {
        id: r.id,
        kind: r.kind,
        mac: r.mac,
        reason: r.reason,
        created_by: r.created_by,
        created_at: Timestamp(r.created_at),
    };
    Ok(Json(rules.into_iter().map(view).collect()))
}

/// `POST /api/v1/suppressions`.
///
/// # Errors
/// A value cannot be used, or the store fails.
pub async fn suppress(
    State(portal): App,
    Changer(user): Changer,
    Json(rule): Json<NewSuppression>,
) -> Result<(StatusCode, Json<Suppressed>), Problem> {
    let (kind, reason) = check(&rule.kind, &rule.reason)
        .map_err(|text| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text))?;
    let id = portal.store.suppress(kind, rule.mac, reason, Actor::now(&user.name)).await?;
    Ok((StatusCode::CREATED, Json(Suppressed { id })))
}

/// Whether a rule can be one: whoever reads it later must find a reason.
///
/// # Errors
/// What is wrong.
pub fn check<'a>(kind: &str, reason: &'a str) -> Result<(FindingKind, &'a str), String> {
    let kind = kind.parse()?;
    match reason.trim() {
        "" => Err("reason: say why nobody wants to hear of it".to_owned()),
        reason if reason.chars().count() > MAX_NOTE => {
            Err(format!("reason: {MAX_NOTE} characters are the most"))
        }
        reason => Ok((kind, reason)),
    }
}

/// `DELETE /api/v1/suppressions/{id}`.
///
/// # Errors
/// There is none, or the store fails.
pub async fn unsuppress(
    State(portal): App,
    Changer(user): Changer,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    match portal.store.unsuppress(id, Actor::now(&user.name)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::new(StatusCode::NOT_FOUND, "there is no such rule")),
    }
}

/// A recommendation in an answer.
#[derive(Serialize, JsonSchema)]
pub struct RecommendationView {
    kind: &'static str,
    title: &'static str,
    severity: &'static str,
    remedy: &'static str,
    unhealthy_devices: i64,
    healthy_devices: i64,
    #[schemars(with = "Option<Moment>")]
    last_seen: Option<Timestamp>,
}

/// `GET /api/v1/recommendations`.
///
/// # Errors
/// The store fails.
pub async fn recommendations(
    State(portal): App,
    _: Viewer,
) -> Result<Json<Vec<RecommendationView>>, Problem> {
    let view = |followed: crate::store::Followed| {
        let definition = followed.kind.definition();
        RecommendationView {
            kind: definition.name,
            title: definition.title,
            severity: definition.severity.name(),
            remedy: definition.remedy,
            unhealthy_devices: followed.unhealthy,
            healthy_devices: followed.healthy,
            last_seen: followed.last_seen,
        }
    };
    Ok(Json(portal.store.recommendations().await?.into_iter().map(view).collect()))
}
