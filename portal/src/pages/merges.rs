//! Merging devices: what is about to become one, with the choice of which stays; and what was merged, with the way back.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::Form;
use maud::{html, Markup};
use uuid::Uuid;

use super::layout::{page, Place};
use super::table::table;
use super::{missing, refusal, Failed};
use crate::api::merges::merge_checked;
use crate::api::{App, Changer};
use crate::moments::{cell, moment};
use crate::store::{Absorbed, Actor, Device, User, MAX_MERGED, MIN_MERGED};

/// `GET /devices/merge?id=…&id=…`: asks before it is done.
///
/// # Errors
/// The store fails.
pub async fn confirm(
    State(portal): App,
    Changer(user): Changer,
    Query(given): Query<Vec<(String, String)>>,
) -> Result<Response, Failed> {
    let mut ids = ids(&given);
    ids.sort_unstable();
    ids.dedup();
    if !(MIN_MERGED..=MAX_MERGED).contains(&ids.len()) {
        let text =
            format!("{} devices are chosen; {MIN_MERGED} to {MAX_MERGED} become one device.", ids.len());
        return Ok(not_merged(&user, &text));
    }
    let mut devices = Vec::new();
    for id in ids {
        devices.extend(portal.store.device(id).await?);
    }
    devices.sort_by_key(|d| std::cmp::Reverse(d.record.last_seen));
    if devices.windows(2).any(|two| two[0].zone != two[1].zone) {
        let text = "These devices are of different zones. A device is one device within a zone.";
        return Ok(not_merged(&user, text));
    }
    let body = html! {
        p.path { a href="/devices" { "Device inventory" } }
        h1 { "Merge " (devices.len()) " devices" }
        p { "They become one device. Reports about every one of their addresses belong to it from now on. The merge can be undone on its page." }
        form method="post" action="/devices/merge" {
            @for device in &devices { input type="hidden" name="id" value=(device.id); }
            (table("Devices to merge", &html! {
                @for heading in ["Stays", "Name", "MAC address", "IP address", "Vendor", "Last activity (UTC)"] {
                    th scope="col" { (heading) }
                }
            }, &html! { @for (at, device) in devices.iter().enumerate() { (candidate(device, at == 0)) } }))
            p.hint { "Name, type, tags and notes are those of the device that stays; the others get theirs back when the merge is undone." }
            button type="submit" { "Merge" }
            " "
            a href="/devices" { "Cancel" }
        }
    };
    Ok(page(Some(&user), Place::Devices, "Merge devices", &body).into_response())
}

fn candidate(device: &Device, first: bool) -> Markup {
    let record = &device.record;
    let name = name_of(device);
    html! { tr {
        td { input.plain type="radio" name="into" value=(device.id) checked[first] aria-label={ "Keep " (name) }; }
        th scope="row" { (name) }
        td.code { (record.mac) }
        td.code { (record.ips.first().map(ToString::to_string).unwrap_or_else(|| "–".to_owned())) }
        td { (record.vendor.as_deref().unwrap_or("–")) }
        td.when { (cell(record.last_seen)) }
    } }
}

fn name_of(device: &Device) -> String {
    device.record.hostname.clone().unwrap_or_else(|| device.record.mac.to_string())
}

fn ids(given: &[(String, String)]) -> Vec<Uuid> {
    given.iter().filter(|(key, _)| key == "id").filter_map(|(_, id)| id.parse().ok()).collect()
}

fn not_merged(user: &User, text: &str) -> Response {
    refusal(Some(user), StatusCode::UNPROCESSABLE_ENTITY, "Not merged", text)
}

/// `POST /devices/merge`: does it and shows the device.
///
/// # Errors
/// The store fails.
pub async fn merge(
    State(portal): App,
    Changer(user): Changer,
    Form(given): Form<Vec<(String, String)>>,
) -> Result<Response, Failed> {
    let into = given.iter().find(|(key, _)| key == "into").and_then(|(_, id)| id.parse().ok());
    let done = merge_checked(&portal, &ids(&given), into, Actor::now(&user.name)).await?;
    Ok(match done {
        Ok((device, _)) => Redirect::to(&format!("/devices/{device}")).into_response(),
        Err(reason) => not_merged(&user, &reason),
    })
}

/// `POST /devices/merges/{id}/undo`.
///
/// # Errors
/// The store fails.
pub async fn undo(
    State(portal): App,
    Changer(user): Changer,
    Path(id): Path<Uuid>,
    Form(given): Form<Vec<(String, String)>>,
) -> Result<Response, Failed> {
    if portal.store.undo_merge(id, Actor::now(&user.name)).await? == 0 {
        return Ok(missing(&user, "There is no such merge. It may have been undone already."));
    }
    let back = given.iter().find(|(key, _)| key == "device").and_then(|(_, id)| id.parse::<Uuid>().ok());
    let back = back.map_or("/devices".to_owned(), |device| format!("/devices/{device}"));
    Ok(Redirect::to(&back).into_response())
}

/// What was merged into a device, on its page.
pub(super) fn of_device(user: &User, device: Uuid, absorbed: &[Absorbed]) -> Markup {
    html! {
        @if !absorbed.is_empty() {
            section.card aria-labelledby="merged" {
                h2 #merged { "Merged devices" }
                ul.plain {
                    @for (at, one) in absorbed.iter().enumerate() {
                        li {
                            strong { (one.name) } " "
                            span.code { (one.mac) } " "
                            small { "merged by " (one.by) ", " (moment(one.at)) }
                            // one button for all that were merged in one go
                            @if user.role.may_change() && absorbed[..at].iter().all(|earlier| earlier.merge != one.merge) {
                                form.beside method="post" action={ "/devices/merges/" (one.merge) "/undo" } {
                                    input type="hidden" name="device" value=(device);
                                    button.quiet type="submit" { "Undo merge" }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
