//! Sites and sensors: the fleet, and each sensor's health, interfaces and figures.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::Form;
use eyot_contract::{Condition, HealthReport, InterfaceHealth, InterfaceRole, Level, Timestamp};
use maud::{html, Markup};
use serde::Deserialize;
use uuid::Uuid;

use super::getting_started::{carry, Shown};
use super::layout::{fault, page, Place};
use super::{missing, status_of, Failed};
use crate::api::sensors::SENSOR_TYPE;
use crate::api::{App, Changer, Viewer};
use crate::moments::{cell, moment, relative};
use crate::portal::Portal;
use crate::rules::{health, registration};
use crate::store::{Actor, Sensor, SensorEdit, User, SITE};

const GONE: &str = "There is no such sensor. It may have been deleted.";

/// `GET /sensors`.
///
/// # Errors
/// The store fails.
pub async fn list(State(portal): App, Viewer(user): Viewer) -> Result<Markup, Failed> {
    let now = Timestamp::now();
    let sensors = portal.store.sensors().await?;
    let worst: Vec<_> = sensors.iter().map(|s| health::conditions(s, now).swap_remove(0)).collect();
    let count = |level| worst.iter().filter(|c| c.code.level() == level).count();
    let body = html! {
        h1 { "Sites and sensors" }
        ul.tiles aria-label="Summary" {
            li { strong { (sensors.len()) } " sensor" @if sensors.len() != 1 { "s" } }
            li.critical { strong { (count(Level::Critical)) } " critical" }
            li.warning { strong { (count(Level::Warning)) } " warning" }
            li.healthy { strong { (count(Level::Healthy)) } " healthy" }
        }
        p { "Sensors without a connection: " a href="/bundles" { "import bundles" } }
        section aria-labelledby="site" {
            h2 #site { (SITE) }
            @if sensors.is_empty() {
                p { "No sensor is registered yet. " a href="/getting-started" { "Register the first one" } "." }
            } @else {
                div.wide tabindex="0" role="region" aria-labelledby="site" {
                    table {
                        thead { tr {
                            @for heading in ["Sensor name", "Sensor type", "Zone", "Subscription", "Version", "Sensor health", "Last connected (UTC)"] {
                                th scope="col" { (heading) }
                            }
                            th.number scope="col" { "Devices" }
                        } }
                        tbody {
                            @for (sensor, worst) in sensors.iter().zip(&worst) {
                                (row(sensor, worst, now))
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(page(Some(&user), Place::Sensors, "Sites and sensors", &body))
}

fn row(sensor: &Sensor, worst: &Condition, now: Timestamp) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ "/sensors/" (sensor.id) } { (sensor.name) } }
            td { (SENSOR_TYPE) }
            td { (sensor.zone) }
            td { (sensor.subscription) }
            td { (sensor.version.as_deref().unwrap_or("–")) }
            td { (badge(worst)) }
            td.when {
                @match sensor.last_contact {
                    Some(at) => { (cell(at)) br; small { (relative(at, now)) } }
                    None => "never"
                }
            }
            td.number { a href={ "/devices?sensor=" (sensor.id) } { (sensor.devices) } }
        }
    }
}

fn badge(condition: &Condition) -> Markup {
    let level = condition.code.level();
    html! { span class={ "badge " (level) } { (condition.code.title()) } }
}

/// `GET /sensors/{id}`.
///
/// # Errors
/// The store fails.
pub async fn one(State(portal): App, Viewer(user): Viewer, Path(id): Path<Uuid>) -> Result<Response, Failed> {
    show(&portal, &user, id, None).await
}

async fn show(portal: &Portal, user: &User, id: Uuid, reason: Option<&str>) -> Result<Response, Failed> {
    let Some(sensor) = portal.store.sensor(id).await? else { return Ok(missing(user, GONE)) };
    let (zones, subscriptions) = (portal.store.zones().await?, portal.store.subscriptions().await?);
    let edit = edit_form(&sensor, &zones, &subscriptions, reason);
    Ok(details(user, &sensor, &edit, Timestamp::now()).into_response())
}

/// What can be changed about a sensor.
#[derive(Deserialize)]
pub struct Edit {
    name: String,
    zone: String,
    subscription: String,
}

/// `POST /sensors/{id}/edit`.
///
/// # Errors
/// The store fails.
pub async fn edit(
    State(portal): App,
    Changer(user): Changer,
    Path(id): Path<Uuid>,
    Form(given): Form<Edit>,
) -> Result<Response, Failed> {
    let edit = SensorEdit {
        name: Some(&given.name),
        zone: Some(&given.zone),
        subscription: Some(&given.subscription),
    };
    match registration::edit(&portal.store, id, edit, Actor::now(&user.name)).await {
        Ok(()) => Ok(Redirect::to(&format!("/sensors/{id}")).into_response()),
        Err(error) => {
            let (status, text) = status_of(error)?;
            let page = show(&portal, &user, id, Some(&text)).await?;
            Ok((status, page).into_response())
        }
    }
}

fn edit_form(sensor: &Sensor, zones: &[String], subscriptions: &[String], reason: Option<&str>) -> Markup {
    html! {
        (fault(reason))
        form.edit method="post" action={ "/sensors/" (sensor.id) "/edit" } {
            div { label for="name" { "Sensor name" }
                input #name name="name" value=(sensor.name) required autocomplete="off"; }
            div { label for="zone" { "Zone" }
                input #zone name="zone" value=(sensor.zone) list="zones" required autocomplete="off";
                datalist #zones { @for name in zones { option value=(name) {} } } }
            div { label for="subscription" { "Subscription" }
                input #subscription name="subscription" value=(sensor.subscription) list="subscriptions" required autocomplete="off";
                datalist #subscriptions { @for name in subscriptions { option value=(name) {} } } }
            div.buttons { button type="submit" { "Save" } }
        }
        p.hint { "A new zone or subscription is made by writing its name. Devices with the same address are one device within "
            "a zone and two in two zones; a sensor that changes zone takes its devices along." }
    }
}

fn details(user: &User, sensor: &Sensor, edit: &Markup, now: Timestamp) -> Markup {
    let conditions = health::conditions(sensor, now);
    let body = html! {
        p.path { a href="/sensors" { "Sites and sensors" } " › " (SITE) }
        h1 { (sensor.name) " " (badge(&conditions[0])) }
        section.card aria-labelledby="health" {
            h2 #health { "Health" }
            dl.conditions {
                @for condition in &conditions {
                    dt { (badge(condition)) " " small { "since " (moment(condition.since)) } }
                    dd {
                        @if !condition.detail.is_empty() { p { (condition.detail) } }
                        p { strong { "Recommendation: " } (condition.code.remedy()) }
                    }
                }
            }
        }
        section.card aria-labelledby="overview" {
            h2 #overview { "Overview" }
            dl.facts {
                (fact("Sensor type", SENSOR_TYPE))
                (fact("Site", SITE))
                (fact("Zone", &sensor.zone))
                (fact("Subscription", &sensor.subscription))
                (fact("Host name", sensor.hostname.as_deref().unwrap_or("–")))
                (fact("Version", sensor.version.as_deref().unwrap_or("–")))
                (fact("Registered", &moment(sensor.registered_at)))
                (fact("Activated", &sensor.enrolled_at.map_or("–".to_owned(), moment)))
                (fact("Last connected", &sensor.last_contact.map_or("never".to_owned(), |at| {
                    format!("{} ({})", moment(at), relative(at, now))
                })))
                dt { "Devices" } dd { a href={ "/devices?sensor=" (sensor.id) } { (sensor.devices) } }
                (fact("Sensor id", &sensor.id.to_string()))
            }
        }
        @if let Some(report) = &sensor.health {
            (capture(report))
            (interfaces(&report.interfaces))
        }
        @if user.role.may_change() {
            section.card aria-labelledby="actions" {
                h2 #actions { "Edit" }
                (edit)
                form method="post" action={ "/sensors/" (sensor.id) "/activation" } {
                    p.hint { "A new activation command moves this sensor to another machine, or activates it if the first command was lost. "
                        "The older command stops working at once; the machine that is active now stays so until the new command is used." }
                    button type="submit" { "Create activation command" }
                }
                p { a.danger href={ "/sensors/" (sensor.id) "/delete" } { "Delete sensor" } }
            }
        }
    };
    page(Some(user), Place::Sensors, &sensor.name, &body)
}

fn fact(name: &str, value: &str) -> Markup {
    html! { dt { (name) } dd { (value) } }
}

fn capture(report: &HealthReport) -> Markup {
    let all = report.frames_captured.saturating_add(report.frames_dropped);
    // a share of nothing is nothing
    let share = if all == 0 { 0.0 } else { report.frames_dropped as f64 * 100.0 / all as f64 };
    html! {
        section.card aria-labelledby="capture" {
            h2 #capture { "Capture" }
            dl.facts {
                (fact("Frames read since the sensor started", &report.frames_captured.to_string()))
                (fact("Frames lost", &format!("{} ({share:.2} %)", report.frames_dropped)))
                (fact("Devices in the sensor's own inventory", &report.devices.to_string()))
                (fact("Reported", &moment(report.at)))
            }
        }
    }
}

fn interfaces(all: &[InterfaceHealth]) -> Markup {
    html! {
        section.card aria-labelledby="interfaces" {
            h2 #interfaces { "Interfaces" }
            div.wide tabindex="0" role="region" aria-labelledby="interfaces" {
                table {
                    thead { tr {
                        @for heading in ["Name", "Role", "MAC address", "Link"] { th scope="col" { (heading) } }
                        th.number scope="col" { "Frames received" }
                        th.number scope="col" { "Frames sent" }
                    } }
                    tbody {
                        @for one in all {
                            tr {
                                th scope="row" { (one.name) }
                                td { (match one.role {
                                    InterfaceRole::Management => "Management",
                                    InterfaceRole::Capture => "Monitoring",
                                    InterfaceRole::Unused => "Unused",
                                }) }
                                td.code { (one.mac) }
                                td { (if one.link { "up" } else { "down" }) }
                                td.number { (one.rx_frames) }
                                td.number { (one.tx_frames) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `POST /sensors/{id}/activation`.
///
/// # Errors
/// The store fails.
pub async fn reissue(
    State(portal): App,
    Changer(user): Changer,
    Path(id): Path<Uuid>,
) -> Result<Response, Failed> {
    match registration::reissue(&portal.store, &portal.identity, id, Actor::now(&user.name)).await {
        Ok(issued) => {
            tracing::info!(sensor = %id, by = user.name, "activation command created");
            let shown = Shown::of("Activation command created", &issued);
            Ok(carry(&portal, &user, &shown, &BTreeMap::new(), None).into_response())
        }
        Err(error) => {
            let (status, text) = status_of(error)?;
            Ok(super::refusal(Some(&user), status, "No activation command", &text))
        }
    }
}

/// `GET /sensors/{id}/delete`.
///
/// # Errors
/// The store fails.
pub async fn confirm_deletion(
    State(portal): App,
    Changer(user): Changer,
    Path(id): Path<Uuid>,
) -> Result<Response, Failed> {
    let Some(sensor) = portal.store.sensor(id).await? else { return Ok(missing(&user, GONE)) };
    let title = format!("Delete {}?", sensor.name);
    let body = html! {
        section.card.narrow {
            h1 { (title) }
            p { "The sensor's certificate and activation command stop working at once. The appliance itself goes on "
                "capturing until somebody stops it. The devices it found stay in the inventory." }
            form method="post" action={ "/sensors/" (id) "/delete" } {
                button.danger type="submit" { "Delete sensor" }
                " " a href={ "/sensors/" (id) } { "Keep it" }
            }
        }
    };
    Ok(page(Some(&user), Place::Sensors, &title, &body).into_response())
}

/// `POST /sensors/{id}/delete`.
///
/// # Errors
/// The store fails.
pub async fn delete(
    State(portal): App,
    Changer(user): Changer,
    Path(id): Path<Uuid>,
) -> Result<Response, Failed> {
    let outcome = portal.store.delete_sensor(id, Actor::now(&user.name)).await?;
    tracing::info!(sensor = %id, by = user.name, ?outcome, "sensor deletion");
    Ok(Redirect::to("/sensors").into_response())
}
