//! Bundles: files from sensors without a connection, brought here by somebody, and what became of them.

use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use eyot_contract::{Timestamp, MAX_BUNDLE_BYTES};
use maud::{html, Markup};

use super::layout::{page, Place};
use super::Failed;
use crate::api::{App, Changer, Viewer};
use crate::moments::cell;
use crate::portal::Portal;
use crate::rules::bundle::{import, BundleRefusal, Taken};
use crate::store::{Actor, Imported, KeptBundle, User};

/// Largest upload, in bytes: one bundle at its largest, or many smaller ones, and what a form puts around them.
pub const MAX_UPLOAD: usize = MAX_BUNDLE_BYTES + 1024 * 1024;
/// Most files of one upload.
const MAX_FILES: usize = 500;
/// Longest file name shown, in characters.
const MAX_NAME_CHARS: usize = 100;

/// What became of a file: its name, and the outcome or why there is none.
type Fate = (String, Result<Taken, String>);

/// `GET /bundles`.
///
/// # Errors
/// The store fails.
pub async fn show(State(portal): App, Viewer(user): Viewer) -> Result<Markup, Failed> {
    whole(&portal, &user, &[], None).await
}

/// `POST /bundles`: files, each a bundle. One that is refused stops none of the others.
///
/// # Errors
/// The store fails.
pub async fn upload(
    State(portal): App,
    Changer(user): Changer,
    mut form: Multipart,
) -> Result<Response, Failed> {
    let mut results = Vec::new();
    let broken = loop {
        let field = match form.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => break None,
            Err(error) => break Some(said(&error)),
        };
        if field.name() != Some("bundle") {
            continue;
        }
        if results.len() == MAX_FILES {
            break Some(format!("more than {MAX_FILES} files came at once; upload the others by themselves"));
        }
        match received(&portal, &user, field).await? {
            Ok(result) => results.push(result),
            Err(reason) => break Some(reason),
        }
    };
    let reason = broken.or_else(|| results.is_empty().then(|| "no file came with the form".to_owned()));
    let sound = reason.is_none() && results.iter().all(|(_, r)| r.is_ok());
    let body = whole(&portal, &user, &results, reason.as_deref()).await?;
    let status = if sound { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok((status, body).into_response())
}

/// Imports one file. The inner error is the form's own end.
async fn received(portal: &Portal, user: &User, field: Field<'_>) -> Result<Result<Fate, String>, Failed> {
    // the name is shown and nothing else: no file is made of it
    let name = field.file_name().unwrap_or("(without a name)");
    let name: String = name.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect();
    let bytes = match field.bytes().await {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Err(said(&error))),
    };
    match import(&portal.store, &portal.authority, &bytes, Actor::now(&user.name)).await {
        Ok(taken) => Ok(Ok((name, Ok(taken)))),
        Err(BundleRefusal::Store(error)) => Err(error.into()),
        Err(refusal) => Ok(Ok((name, Err(refusal.to_string())))),
    }
}

fn said(error: &MultipartError) -> String {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => format!(
            "one upload may have {} MiB; upload fewer files at once, or use `eyot-portal import`",
            MAX_UPLOAD >> 20
        ),
        _ => format!("the upload broke off ({})", error.body_text()),
    }
}

async fn whole(
    portal: &Portal,
    user: &User,
    results: &[Fate],
    reason: Option<&str>,
) -> Result<Markup, Failed> {
    let kept = portal.store.bundles().await?;
    let body = html! {
        h1 #title { "Bundles" }
        (super::layout::fault(reason))
        @if !results.is_empty() { (outcomes(results)) }
        p { "A sensor without a connection can write what it finds into signed files. Bring them here in any order: each counts once, and what is known newer stays." }
        @if user.role.may_change() { (form()) }
        section.card aria-labelledby="imported" {
            h2 #imported { "Imported last" }
            (listed(&kept))
        }
    };
    Ok(page(Some(user), Place::Sensors, "Bundles", &body))
}

fn outcomes(results: &[Fate]) -> Markup {
    html! {
        section.card role="status" aria-labelledby="outcome" {
            h2 #outcome { "This upload" }
            ul {
                @for (name, result) in results {
                    li {
                        strong { (name) } ": "
                        @match result {
                            Ok(Taken { outcome: Imported::Repeated, .. }) => { "imported before, nothing was changed" }
                            Ok(Taken { outcome: Imported::Stored { devices, findings, older }, .. }) => {
                                (devices) " devices and " (findings) " findings imported"
                                @if *older > 0 { ", " (older) " older than what was known" }
                            }
                            Err(reason) => { span.badge.critical { "Refused" } " " (reason) }
                        }
                    }
                }
            }
        }
    }
}

fn form() -> Markup {
    html! {
        section.card aria-labelledby="upload" {
            h2 #upload { "Import bundles" }
            p.hint { "Files that end in .ndjson, from the sensor's folder for bundles. One upload may have " (MAX_UPLOAD >> 20) " MiB." }
            form method="post" action="/bundles" enctype="multipart/form-data" {
                label for="bundle" { "Files" }
                input #bundle type="file" name="bundle" accept=".ndjson,application/x-ndjson" multiple required;
                button type="submit" { "Import" }
            }
        }
    }
}

fn listed(kept: &[KeptBundle]) -> Markup {
    html! {
        @if kept.is_empty() {
            p { "No bundle was imported yet." }
        } @else {
            div.wide tabindex="0" role="region" aria-labelledby="imported" {
                table {
                    thead { tr {
                        th scope="col" { "Sensor" }
                        @for heading in ["Number", "Devices", "Findings", "Older"] { th.number scope="col" { (heading) } }
                        @for heading in ["Put together (UTC)", "Imported (UTC)", "By"] { th scope="col" { (heading) } }
                    } }
                    tbody {
                        @for bundle in kept {
                            tr {
                                th scope="row" { a href={ "/sensors/" (bundle.sensor_id) } { (bundle.sensor) } }
                                @for number in [bundle.sequence, bundle.devices, bundle.findings, bundle.older] { td.number { (number) } }
                                td.when { (cell(Timestamp(bundle.created_at))) }
                                td.when { (cell(Timestamp(bundle.imported_at))) }
                                td { (bundle.imported_by) }
                            }
                        }
                    }
                }
            }
        }
    }
}
