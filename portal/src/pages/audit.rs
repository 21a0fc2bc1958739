//! The audit log: who changed what, newest first.

use axum::extract::State;
use eyot_contract::Timestamp;
use maud::{html, Markup};

use super::layout::{page, Place};
use super::Failed;
use crate::api::{App, Viewer};
use crate::moments::cell;

/// `GET /audit`.
///
/// # Errors
/// The store fails.
pub async fn list(State(portal): App, Viewer(user): Viewer) -> Result<Markup, Failed> {
    let entries = portal.store.audit().await?;
    let body = html! {
        h1 #title { "Audit log" }
        @if entries.is_empty() {
            p { "Nothing has been changed yet." }
        } @else {
            div.wide tabindex="0" role="region" aria-labelledby="title" {
                table {
                    thead { tr {
                        @for heading in ["Time (UTC)", "By", "What", "On", "Details"] { th scope="col" { (heading) } }
                    } }
                    tbody {
                        @for entry in &entries {
                            tr {
                                td.when { (cell(Timestamp(entry.at))) }
                                td { (entry.actor) }
                                td { (entry.title()) }
                                td { (entry.subject) }
                                td { (entry.detail) }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(page(Some(&user), Place::Audit, "Audit log", &body))
}
