//! Threat lists: what sensors compare addresses and names with, and which version each of them has.

use axum::extract::{Multipart, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::Form;
use eyot_contract::Timestamp;
use maud::{html, Markup};
use serde::Deserialize;

use super::layout::{fault, page, Place};
use super::{missing, Failed};
use crate::api::threats::{keep, standing};
use crate::api::{App, Changer, Viewer};
use crate::moments::{cell, relative};
use crate::portal::Portal;
use crate::rules::threats::{MAX_ENTRIES, MAX_NAME};
use crate::store::{Actor, KeptList, ListChange, SensorThreats, User};

/// `GET /threats`.
///
/// # Errors
/// The store fails.
pub async fn show(State(portal): App, Viewer(user): Viewer) -> Result<Markup, Failed> {
    whole(&portal, &user, None).await
}

/// `POST /threats`: a file, and the name it is to have.
///
/// # Errors
/// The store fails.
pub async fn upload(State(portal): App, Changer(user): Changer, form: Multipart) -> Result<Response, Failed> {
    let kept = match received(form).await {
        Ok((name, text)) => keep(&portal.store, &name, &text, Actor::now(&user.name)).await?,
        Err(reason) => Err(reason),
    };
    match kept {
        Ok(_) => Ok(Redirect::to("/threats").into_response()),
        Err(reason) => {
            let body = whole(&portal, &user, Some(&reason)).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, body).into_response())
        }
    }
}

/// The name that was given, or else the file's; and what is in the file.
async fn received(mut form: Multipart) -> Result<(String, String), String> {
    let (mut name, mut file_name, mut text) = (String::new(), String::new(), None);
    while let Some(field) = form.next_field().await.map_err(|e| e.to_string())? {
        match field.name() {
            Some("name") => name = field.text().await.map_err(|e| e.to_string())?,
            Some("list") => {
                file_name = field.file_name().unwrap_or_default().to_owned();
                text = Some(field.text().await.map_err(|e| e.to_string())?);
            }
            _ => {}
        }
    }
    let name = if name.trim().is_empty() { file_name } else { name };
    Ok((name, text.ok_or("no file came with the form")?))
}

/// What to do with which list.
#[derive(Deserialize)]
pub struct Change {
    name: String,
    what: String,
}

/// `POST /threats/change`.
///
/// # Errors
/// The store fails.
pub async fn change(
    State(portal): App,
    Changer(user): Changer,
    Form(asked): Form<Change>,
) -> Result<Response, Failed> {
    let change = match asked.what.as_str() {
        "activate" => ListChange::Activate,
        "deactivate" => ListChange::Deactivate,
        "remove" => ListChange::Remove,
        _ => return Ok(missing(&user, "There is nothing of that kind to do with a list.")),
    };
    match portal.store.change_threat_list(&asked.name, change, Actor::now(&user.name)).await? {
        true => Ok(Redirect::to("/threats").into_response()),
        false => Ok(missing(&user, "There is no such list. It may have been removed.")),
    }
}

async fn whole(portal: &Portal, user: &User, reason: Option<&str>) -> Result<Markup, Failed> {
    let now = Timestamp::now();
    let lists = portal.store.threat_lists().await?;
    let together = portal.threats.together(&portal.store, now).await?;
    let sensors = portal.store.sensor_threats().await?;
    let body = html! {
        h1 #title { "Threat lists" }
        (fault(reason))
        p { "Sensors compare the addresses and host names of the traffic they see with these lists. They ask for changes once an hour. "
            "All active lists together: " strong { (together.count) " entries" } ", version " code { (together.version) } "." }
        @if lists.is_empty() {
            p { "There is no list yet." }
        } @else {
            div.wide tabindex="0" role="region" aria-labelledby="title" {
                table {
                    thead { tr {
                        @for heading in ["Name", "Version", "Form"] { th scope="col" { (heading) } }
                        th.number scope="col" { "Entries" }
                        th.number scope="col" { "Left out" }
                        @for heading in ["Status", "Uploaded (UTC)", "By"] { th scope="col" { (heading) } }
                        @if user.role.may_change() { th scope="col" { span.unseen { "Actions" } } }
                    } }
                    tbody { @for list in &lists { (row(user, list)) } }
                }
            }
        }
        @if user.role.may_change() { (upload_form()) }
        section.card aria-labelledby="sensors" {
            h2 #sensors { "Sensors" }
            (sensor_table(&sensors, &together.version, now))
        }
    };
    Ok(page(Some(user), Place::Threats, "Threat lists", &body))
}

fn row(user: &User, list: &KeptList) -> Markup {
    let active = list.active != 0;
    let (what, text) = if active { ("deactivate", "Turn off") } else { ("activate", "Turn on") };
    html! {
        tr {
            th scope="row" { (list.name) }
            td.code { (list.version) }
            td { @if list.format == "stix" { "STIX 2.1" } @else { "Plain" } }
            td.number { (list.count) }
            td.number { (list.left_out) }
            td { @if active { span.badge.healthy { "Active" } } @else { span.badge.warning { "Off" } } }
            td.when { (cell(Timestamp(list.added_at))) }
            td { (list.added_by) }
            @if user.role.may_change() {
                td {
                    form.bulk method="post" action="/threats/change" {
                        input type="hidden" name="name" value=(list.name);
                        button.quiet type="submit" name="what" value=(what) aria-label={ (text) ": " (list.name) } { (text) }
                        button.quiet type="submit" name="what" value="remove" aria-label={ "Remove: " (list.name) } { "Remove" }
                    }
                }
            }
        }
    }
}

fn upload_form() -> Markup {
    html! {
        section.card aria-labelledby="upload" {
            h2 #upload { "Upload a list" }
            p.hint { "A line for each address, network or host name, or a STIX 2.1 bundle (JSON) with indicators. A list of the same name is replaced. "
                "All lists together may have " (MAX_ENTRIES) " entries." }
            form method="post" action="/threats" enctype="multipart/form-data" {
                label for="name" { "Name (without one, the file's name)" }
                input #name name="name" maxlength=(MAX_NAME) autocomplete="off";
                label for="list" { "File" }
                input #list type="file" name="list" accept=".txt,.csv,.json,text/plain,application/json" required;
                button type="submit" { "Upload" }
            }
        }
    }
}

fn sensor_table(sensors: &[SensorThreats], version: &str, now: Timestamp) -> Markup {
    html! {
        @if sensors.is_empty() {
            p { "No sensor is activated yet." }
        } @else {
            div.wide tabindex="0" role="region" aria-labelledby="sensors" {
                table {
                    thead { tr { @for heading in ["Sensor", "Version", "Status", "Last asked (UTC)"] { th scope="col" { (heading) } } } }
                    tbody {
                        @for sensor in sensors {
                            tr {
                                th scope="row" { a href={ "/sensors/" (sensor.sensor) } { (sensor.name) } }
                                td.code { (sensor.version.as_deref().unwrap_or("–")) }
                                td {
                                    @match standing(sensor, version) {
                                        "ok" => span.badge.healthy { "Up to date" },
                                        "update_available" => span.badge.warning { "Update available" },
                                        _ => "Not asked yet",
                                    }
                                }
                                td.when { @if let Some(at) = sensor.asked_at { (cell(at)) br; small { (relative(at, now)) } } @else { "–" } }
                            }
                        }
                    }
                }
            }
        }
    }
}
