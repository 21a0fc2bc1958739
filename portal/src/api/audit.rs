//! The audit log for programs: who changed what, newest first, a page at a time.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use eyot_contract::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{App, Json, Moment, Problem, Viewer};
use crate::store::AuditEntry;

/// Entries per page unless asked otherwise.
const PAGE: i64 = 100;
/// Most entries per page.
const MAX_PAGE: i64 = 1_000;

/// Which entries.
#[derive(Deserialize, JsonSchema)]
#[serde(default)]
#[derive(Default)]
pub struct Asked {
    /// `next` of the page before; empty for the newest.
    cursor: String,
    /// Entries per page, at most 1000.
    limit: Option<i64>,
}

/// An entry.
#[derive(Serialize, JsonSchema)]
struct EntryView {
    #[schemars(with = "Moment")]
    at: Timestamp,
    /// Account, token or `command line`.
    by: String,
    action: String,
    title: String,
    subject: String,
    detail: String,
}

/// A page of the log.
#[derive(Serialize, JsonSchema)]
pub struct Entries {
    entries: Vec<EntryView>,
    /// Where the next page begins; null on the last.
    next: Option<String>,
}

/// `GET /api/v1/audit`.
///
/// # Errors
/// The cursor is none, or the store fails.
pub async fn list(
    State(portal): App,
    _: Viewer,
    Query(asked): Query<Asked>,
) -> Result<Json<Entries>, Problem> {
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let before = match asked.cursor.as_str() {
        "" => None,
        text => Some(cursor(text).ok_or_else(|| {
            let text = "cursor: this is none that a page gave";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text)
        })?),
    };
    let entries = portal.store.audit_before(before, limit).await?;
    let full = entries.len() as i64 == limit;
    let next = entries.last().filter(|_| full).map(|last| format!("{}-{}", last.at, last.id));
    let view = |entry: AuditEntry| EntryView {
        at: Timestamp(entry.at),
        title: entry.title().to_owned(),
        by: entry.actor,
        action: entry.action,
        subject: entry.subject,
        detail: entry.detail,
    };
    Ok(Json(Entries { entries: entries.into_iter().map(view).collect(), next }))
}

fn cursor(text: &str) -> Option<(i64, &str)> {
    let (at, id) = text.split_once('-')?;
    Some((at.parse().ok()?, id))
}
