//! Software for sensors: what is there, which zone is to have which version, how far each sensor is.

use axum::extract::{Multipart, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::Form;
use eyot_contract::{Timestamp, MAX_PACKAGE};
use maud::{html, Markup};
use serde::Deserialize;

use super::layout::{fault, page, Place};
use super::{missing, Failed};
use crate::api::software::{progress, take, told};
use crate::api::{App, Changer, Viewer};
use crate::moments::{cell, relative};
use crate::portal::Portal;
use crate::rules::software::Progress;
use crate::store::{Actor, KeptPackage, Rollout, RolloutChange, SensorSoftware, User};

/// `GET /software`.
///
/// # Errors
/// The store fails.
pub async fn show(State(portal): App, Viewer(user): Viewer) -> Result<Markup, Failed> {
    whole(&portal, &user, None).await
}

/// `POST /software`: a package and its signature.
///
/// # Errors
/// The store fails.
pub async fn upload(State(portal): App, Changer(user): Changer, form: Multipart) -> Result<Response, Failed> {
    match take(&portal, form, Actor::now(&user.name)).await? {
        Ok(_) => Ok(Redirect::to("/software").into_response()),
        Err((status, reason)) => Ok((status, whole(&portal, &user, Some(&reason)).await?).into_response()),
    }
}

/// What to do with a package or a zone.
#[derive(Deserialize)]
pub struct Change {
    what: String,
    #[serde(default)]
    file: String,
    #[serde(default)]
    zone: String,
    #[serde(default)]
    version: String,
}

/// `POST /software/change`.
///
/// # Errors
/// The store fails.
pub async fn change(
    State(portal): App,
    Changer(user): Changer,
    Form(asked): Form<Change>,
) -> Result<Response, Failed> {
    let by = Actor::now(&user.name);
    let change = match asked.what.as_str() {
        "remove" => {
            return match portal.store.remove_software(&asked.file, by).await? {
                true => Ok(Redirect::to("/software").into_response()),
                false => Ok(missing(&user, "There is no such package. It may have been removed.")),
            }
        }
        "roll-out" => RolloutChange::To(&asked.version),
        "back" => RolloutChange::Back,
        "end" => RolloutChange::End,
        _ => return Ok(missing(&user, "There is nothing of that kind to do with software.")),
    };
    match told(portal.store.roll_out(&asked.zone, change, by).await?) {
        None => Ok(Redirect::to("/software").into_response()),
        Some((StatusCode::NOT_FOUND, _)) => Ok(missing(&user, "There is no such zone.")),
        Some((status, reason)) => Ok((status, whole(&portal, &user, Some(reason)).await?).into_response()),
    }
}

async fn whole(portal: &Portal, user: &User, reason: Option<&str>) -> Result<Markup, Failed> {
    let now = Timestamp::now();
    let packages = portal.store.software().await?;
    let rollouts = portal.store.rollouts().await?;
    let zones = portal.store.zones().await?;
    let sensors = portal.store.sensor_software().await?;
    let body = html! {
        h1 #title { "Software" }
        (fault(reason))
        p { "Packages are uploaded once, with the publisher's signature, and rolled out zone by zone. The portal's own version is "
            (env!("CARGO_PKG_VERSION")) "." }
        @if packages.is_empty() {
            p { "There is no package yet." }
        } @else {
            (package_table(user, &packages))
        }
        @if user.role.may_change() { (upload_form(portal.software_key.is_some())) }
        section.card aria-labelledby="rollouts" {
            h2 #rollouts { "Roll-out" }
            (rollout_table(user, &rollouts))
            @if user.role.may_change() && !packages.is_empty() { (rollout_form(&zones, &packages)) }
        }
        section.card aria-labelledby="sensors" {
            h2 #sensors { "Sensors" }
            (sensor_table(&sensors, now))
        }
    };
    Ok(page(Some(user), Place::Software, "Software", &body))
}

fn package_table(user: &User, packages: &[KeptPackage]) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-labelledby="title" {
            table {
                thead { tr {
                    @for heading in ["Package", "Version", "For"] { th scope="col" { (heading) } }
                    th.number scope="col" { "Bytes" }
                    @for heading in ["SHA-256", "Signed with", "Uploaded (UTC)", "By"] { th scope="col" { (heading) } }
                    @if user.role.may_change() { th scope="col" { span.unseen { "Actions" } } }
                } }
                tbody {
                    @for package in packages {
                        tr {
                            th scope="row" { (package.file) }
                            td { (package.version) }
                            td { (package.architecture) }
                            td.number { (package.bytes) }
                            td.code { (package.sha256.get(..12).unwrap_or_default()) "…" }
                            td { (package.comment) }
                            td.when { (cell(Timestamp(package.added_at))) }
                            td { (package.added_by) }
                            @if user.role.may_change() {
                                td { form.bulk method="post" action="/software/change" {
                                    input type="hidden" name="file" value=(package.file);
                                    button.quiet type="submit" name="what" value="remove" aria-label={ "Remove: " (package.file) } { "Remove" }
                                } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn upload_form(has_key: bool) -> Markup {
    html! {
        section.card aria-labelledby="upload" {
            h2 #upload { "Upload a package" }
            @if has_key {
                p.hint { "eyot-sensor_VERSION_ARCHITECTURE.deb, up to " (MAX_PACKAGE >> 20) " MiB, and the publisher's minisign signature: of the package, or of the SHA256SUMS of its release." }
                form method="post" action="/software" enctype="multipart/form-data" {
                    label for="package" { "Package" }
                    input #package type="file" name="package" accept=".deb" required;
                    label for="signature" { "Signature (.minisig)" }
                    input #signature type="file" name="signature" accept=".minisig" required;
                    label for="sums" { "SHA256SUMS, if that is what is signed" }
                    input #sums type="file" name="sums";
                    button type="submit" { "Upload" }
                }
            } @else {
                p { "This portal has no key to check packages with, so it takes none. Put the publisher's minisign key into its configuration as "
                    code { "software_key" } "." }
            }
        }
    }
}

fn rollout_table(user: &User, rollouts: &[Rollout]) -> Markup {
    html! {
        @if rollouts.is_empty() {
            p { "No zone is to have a particular version." }
        } @else {
            div.wide tabindex="0" role="region" aria-labelledby="rollouts" {
                table {
                    thead { tr {
                        @for heading in ["Zone", "Version", "Before", "Decided (UTC)", "By"] { th scope="col" { (heading) } }
                        @if user.role.may_change() { th scope="col" { span.unseen { "Actions" } } }
                    } }
                    tbody {
                        @for rollout in rollouts {
                            tr {
                                th scope="row" { (rollout.zone) }
                                td { (rollout.version) }
                                td { (rollout.previous.as_deref().unwrap_or("–")) }
                                td.when { (cell(Timestamp(rollout.changed_at))) }
                                td { (rollout.changed_by) }
                                @if user.role.may_change() {
                                    td { form.bulk method="post" action="/software/change" {
                                        input type="hidden" name="zone" value=(rollout.zone);
                                        @if let Some(previous) = &rollout.previous {
                                            button.quiet type="submit" name="what" value="back" aria-label={ "Back to " (previous) ": " (rollout.zone) } { "Back to " (previous) }
                                        }
                                        button.quiet type="submit" name="what" value="end" aria-label={ "End: " (rollout.zone) } { "End" }
                                    } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn rollout_form(zones: &[String], packages: &[KeptPackage]) -> Markup {
    let mut versions: Vec<&str> = packages.iter().map(|package| package.version.as_str()).collect();
    versions.dedup();
    html! {
        form.edit method="post" action="/software/change" {
            div { label for="zone" { "Zone" }
                select #zone name="zone" { @for zone in zones { option value=(zone) { (zone) } } } }
            div { label for="version" { "Version" }
                select #version name="version" { @for version in versions { option value=(version) { (version) } } } }
            div.buttons { button type="submit" name="what" value="roll-out" { "Roll out" } }
        }
    }
}

fn sensor_table(sensors: &[SensorSoftware], now: Timestamp) -> Markup {
    html! {
        @if sensors.is_empty() {
            p { "No sensor is activated yet." }
        } @else {
            div.wide tabindex="0" role="region" aria-labelledby="sensors" {
                table {
                    thead { tr { @for heading in ["Sensor", "Zone", "Version", "Wanted", "Status", "Reason", "Told (UTC)"] { th scope="col" { (heading) } } } }
                    tbody { @for sensor in sensors { (sensor_row(sensor, now)) } }
                }
            }
        }
    }
}

fn sensor_row(sensor: &SensorSoftware, now: Timestamp) -> Markup {
    let progress = progress(sensor);
    let class = match progress {
        Progress::Installed | Progress::Free => "badge healthy",
        Progress::Waiting | Progress::Downloading => "badge warning",
        Progress::Failed | Progress::RolledBack => "badge critical",
    };
    let attempt = sensor.attempt.as_ref();
    let failed = matches!(progress, Progress::Failed | Progress::RolledBack);
    let reason = attempt.and_then(|(attempt, _)| attempt.reason.as_deref()).filter(|_| failed);
    html! {
        tr {
            th scope="row" { a href={ "/sensors/" (sensor.sensor) } { (sensor.name) } }
            td { (sensor.zone) }
            td { (sensor.version.as_deref().unwrap_or("–")) }
            td { (sensor.wanted.as_deref().unwrap_or("–")) }
            td { span class=(class) { (progress.title()) } }
            td { (reason.unwrap_or("–")) }
            td.when { @if let Some((_, at)) = attempt { (cell(*at)) br; small { (relative(*at, now)) } } @else { "–" } }
        }
    }
}
