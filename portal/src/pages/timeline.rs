//! What happened to one device, newest first.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use eyot_contract::Timestamp;
use maud::html;
use uuid::Uuid;

use super::device::{called, head, no_device, Tab};
use super::layout::{page, Place};
use super::table::{headings, table};
use super::Failed;
use crate::api::merges::history;
use crate::api::{App, Viewer};
use crate::moments::{cell, relative};
use crate::store::MAX_EVENTS_SHOWN;

/// `GET /devices/{id}/timeline`.
///
/// # Errors
/// The store fails.
pub async fn show(
    State(portal): App,
    Viewer(user): Viewer,
    Path(id): Path<Uuid>,
) -> Result<Response, Failed> {
    let Some(device) = portal.store.device(id).await? else {
        return Ok(no_device(&user));
    };
    let events = history(&portal, &device).await?;
    let days = portal.store.retention_days().await?;
    let now = Timestamp::now();
    let title = called(&device.record);
    let body = html! {
        (head(id, &title, Tab::Timeline))
        p.hint {
            "What sensors saw change and what people did, kept for " (days) " days. A return is told after an hour of silence or more."
            @if events.len() >= MAX_EVENTS_SHOWN { " The latest " (MAX_EVENTS_SHOWN) " are shown." }
        }
        (table("Timeline", &headings(["Time (UTC)", "What", "Details", "By", "MAC address"]), &html! {
            @for event in &events {
                tr {
                    td.when { (cell(event.at)) br; small { (relative(event.at, now)) } }
                    th scope="row" { (event.title()) }
                    td.long { (event.detail) }
                    td { (event.actor) }
                    td.code { (event.mac) }
                }
            }
        }))
    };
    Ok(page(Some(&user), Place::Devices, &title, &body).into_response())
}
