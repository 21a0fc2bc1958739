//! Vulnerabilities: what the fleet has, the worst first; one with the devices that have it; a section for a device's page.

use axum::extract::{Multipart, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use eyot_contract::Timestamp;
use maud::{html, Markup};

use super::label::label;
use super::layout::{fault, page, Place};
use super::link::with_query;
use super::table::{headings, table};
use super::{missing, refusal, Failed};
use crate::api::vulnerabilities::{take, Asked, MAX_UPLOAD};
use crate::api::{App, Changer, Viewer};
use crate::moments::{day, moment, relative};
use crate::portal::Portal;
use crate::rules::vulnerabilities::{severity, Confidence, SEVERITIES};
use crate::rules::vulnerability_import::ImportError;
use crate::store::{AffectedDevice, AffectedProduct, ExposurePage, ExposureQuery, KeptCve, ListSizes, User};

/// Devices named per kind of device.
const NAMED: usize = 20;
/// Kinds of devices whose devices are named; the inventory's filter has all.
const MAX_KINDS: usize = 25;

/// `GET /vulnerabilities`.
///
/// # Errors
/// The store fails.
pub async fn list(
    State(portal): App,
    Viewer(user): Viewer,
    Query(asked): Query<Asked>,
) -> Result<Response, Failed> {
    let query = match asked.query() {
        Ok(query) => query,
        Err(reason) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Ok(refusal(Some(&user), status, "Not understood", &reason));
        }
    };
    Ok(whole(&portal, &user, &asked, &query, None).await?.into_response())
}

/// `POST /vulnerabilities`: a file.
///
/// # Errors
/// The store fails.
pub async fn upload(State(portal): App, Changer(user): Changer, form: Multipart) -> Result<Response, Failed> {
    let refused = match received(form).await {
        Ok((name, file)) => match take(portal.clone(), name, user.name.clone(), file).await {
            Ok(_) => return Ok(Redirect::to("/vulnerabilities").into_response()),
            Err(ImportError::Store(error)) => return Err(error.into()),
            Err(error) => format!("{:#}", anyhow::Error::from(error)),
        },
        Err(reason) => reason,
    };
    let asked = Asked::default();
    let Ok(query) = asked.query() else { return Err(Failed) };
    let body = whole(&portal, &user, &asked, &query, Some(&refused)).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, body).into_response())
}

async fn received(mut form: Multipart) -> Result<(String, Bytes), String> {
    while let Some(field) = form.next_field().await.map_err(|e| e.body_text())? {
        if field.name() == Some("file") {
            let name = field.file_name().unwrap_or_default().to_owned();
            return Ok((name, field.bytes().await.map_err(|e| e.body_text())?));
        }
    }
    Err("no file came with the form".to_owned())
}

async fn whole(
    portal: &Portal,
    user: &User,
    asked: &Asked,
    query: &ExposureQuery,
    reason: Option<&str>,
) -> Result<Markup, Failed> {
    let sizes = portal.store.list_sizes().await?;
    let found = portal.store.exposure(query).await?;
    let now = Timestamp::now();
    let body = html! {
        h1 { "Vulnerabilities" }
        (fault(reason))
        (standing(&sizes, user, now))
        @if sizes.cves > 0 {
            (filters(asked))
            p role="status" { strong { (found.total) } @if found.total == 1 { " vulnerability" } @else { " vulnerabilities" } " that devices here may have" }
            @if found.cves.is_empty() {
                p { "None matches. Devices are held against the lists within a minute of their being seen." }
            } @else {
                (table("Vulnerabilities", &html! {
                    (headings(["Vulnerability", "Severity", "Known exploited"]))
                    th.number scope="col" { "Devices" }
                    (headings(["Match", "Published"]))
                }, &html! { @for cve in &found.cves { (row(cve, now)) } }))
                (pager(asked, query, &found))
            }
        }
        @if user.role.may_change() { (upload_form()) }
    };
    Ok(page(Some(user), Place::Vulnerabilities, "Vulnerabilities", &body))
}

/// What the devices are held against, and how fresh it is.
fn standing(sizes: &ListSizes, user: &User, now: Timestamp) -> Markup {
    html! {
        @if sizes.cves == 0 {
            p {
                "No list of vulnerabilities is here yet. "
                @if user.role.may_change() { "Upload NVD's files below; the portal itself fetches nothing." }
                @else { "A security admin can upload one." }
            }
        } @else {
            p {
                "Devices are held against " strong { (sizes.cves) " CVEs" }
                @if let Some(newest) = sizes.newest.map(Timestamp) { ", the newest entry of " (day(newest)) " (" (relative(newest, now)) ")" }
                ", and " strong { (sizes.exploited) } " that CISA knows to be exploited. A match says how sure it is: what is seen from the network is seldom all that a list asks about."
            }
        }
    }
}

fn filters(asked: &Asked) -> Markup {
    html! {
        form.filters method="get" action="/vulnerabilities" role="search" {
            div {
                label for="search" { "Search" }
                input #search type="search" name="search" value=(asked.search) placeholder="CVE-2026-…, a word";
            }
            div {
                label for="severity" { "Severity" }
                select #severity name="severity" {
                    option value="" { "All" }
                    @for (name, _) in SEVERITIES { option value=(name) selected[name == asked.severity] { (label(name)) } }
                }
            }
            div {
                label for="exploited" { "Known exploited" }
                select #exploited name="exploited" {
                    option value="" { "All" }
                    option value="yes" selected[asked.exploited == "yes"] { "Only these" }
                }
            }
            div {
                label for="confidence" { "At least as sure as" }
                select #confidence name="confidence" {
                    option value="" { "All" }
                    @for one in Confidence::ALL { option value=(one.name()) selected[one.name() == asked.confidence] { (one.title()) } }
                }
            }
            div {
                label for="sort" { "Sort by" }
                select #sort name="sort" {
                    @for (name, title) in [("urgency", "Exploited, then severity"), ("severity", "Severity"), ("devices", "Devices"), ("due", "Due date"), ("published", "Published")] {
                        option value=(name) selected[name == asked.sort] { (title) }
                    }
                }
            }
            div.buttons { button type="submit" { "Apply" } " " a href="/vulnerabilities" { "Reset" } }
        }
    }
}

fn row(cve: &KeptCve, now: Timestamp) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ "/vulnerabilities/" (cve.id) } { (cve.id) } br; small { (shortened(&cve.summary)) } }
            td { (rating(cve)) }
            td { (exploited(cve, now)) }
            td.number { a href={ "/devices?view=all&cve=" (cve.id) } aria-label={ (cve.devices) " devices with " (cve.id) } { (cve.devices) } }
            td { (sureness(cve.confidence())) }
            td.when { (day(Timestamp(cve.published))) }
        }
    }
}

/// A score in its colour and in words.
fn rating(cve: &KeptCve) -> Markup {
    let Some(score) = cve.score() else { return html! { "Not rated" } };
    let name = severity(score);
    let class = match name {
        "critical" | "high" => "badge critical",
        "medium" => "badge warning",
        _ => "badge",
    };
    html! { span class=(class) { (label(name)) } " " (format!("{score:.1}")) }
}

fn exploited(cve: &KeptCve, now: Timestamp) -> Markup {
    html! {
        @match (cve.exploited, cve.due()) {
            (None, _) => "–",
            (Some(_), None) => span.badge.critical { "Exploited" },
            (Some(_), Some(due)) => {
                span.badge.critical { "Exploited" }
                br; small { @if due < now { "was due " } @else { "due " } (day(due)) }
            }
        }
    }
}

fn sureness(confidence: Confidence) -> Markup {
    let class = match confidence {
        Confidence::ExactVersion => "badge critical",
        Confidence::ModelOnly => "badge warning",
        Confidence::VersionUnknown => "badge",
    };
    html! { span class=(class) { (confidence.title()) } }
}

/// Longest description in a table, in characters.
const SHORT: usize = 160;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHORT) {
        Some((at, _)) => format!("{}…", text[..at].trim_end()),
        None => text.to_owned(),
    }
}

fn pager(asked: &Asked, query: &ExposureQuery, found: &ExposurePage) -> Markup {
    let (at, last) = (query.offset / query.limit + 1, (found.total + query.limit - 1) / query.limit);
    let address = |at: i64| {
        let pairs = [
            ("search", asked.search.clone()),
            ("severity", asked.severity.clone()),
            ("exploited", asked.exploited.clone()),
            ("confidence", asked.confidence.clone()),
            ("sort", asked.sort.clone()),
            ("per_page", asked.per_page.map(|n| n.to_string()).unwrap_or_default()),
            ("page", at.to_string()),
        ];
        with_query("/vulnerabilities", pairs)
    };
    html! {
        @if last > 1 {
            nav.pager aria-label="Pages" {
                @if at > 1 { a rel="prev" href=(address(at - 1)) { "‹ Previous" } }
                span { "Page " (at) " of " (last) }
                @if at < last { a rel="next" href=(address(at + 1)) { "Next ›" } }
            }
        }
    }
}

fn upload_form() -> Markup {
    html! {
        section.card aria-labelledby="upload" {
            h2 #upload { "Bring the lists up to date" }
            p.hint {
                "NVD's CVE files (JSON 2.0, also .gz) and CISA's list of known exploited vulnerabilities (JSON or CSV), up to " (MAX_UPLOAD >> 20)
                " MiB each; larger ones go in with " code { "eyot-portal vulnerabilities import" } ". The newer entry wins, so files may come in any order and again."
            }
            form method="post" action="/vulnerabilities" enctype="multipart/form-data" {
                label for="file" { "File" }
                input #file type="file" name="file" accept=".json,.gz,.csv,application/json,application/gzip,text/csv" required;
                button type="submit" { "Upload" }
            }
        }
    }
}

/// `GET /vulnerabilities/{cve}`.
///
/// # Errors
/// The store fails.
pub async fn one(
    State(portal): App,
    Viewer(user): Viewer,
    Path(name): Path<String>,
) -> Result<Response, Failed> {
    let Some(cve) = portal.store.cve(&name).await? else {
        return Ok(missing(&user, "The lists hold no such vulnerability."));
    };
    let products = portal.store.affected_products(&cve.id).await?;
    let mut named = Vec::new();
    for product in products.iter().take(MAX_KINDS) {
        named.push(portal.store.devices_of(product).await?);
    }
    let now = Timestamp::now();
    let body = html! {
        p.path { a href="/vulnerabilities" { "Vulnerabilities" } }
        h1 { (cve.id) " " (rating(&cve)) }
        section.card aria-labelledby="what" {
            h2 #what { "What it is" }
            p { (cve.summary) }
            dl.facts {
                dt { "CVSS" }
                dd { @match cve.score() { Some(score) => { (format!("{score:.1}")) " (" (cve.scale) ") " code { (cve.vector) } }, None => "Not rated" } }
                dt { "Published" } dd { (moment(Timestamp(cve.published))) }
                dt { "Known exploited" }
                dd {
                    @match cve.exploited {
                        None => "Not by CISA's list",
                        Some(added) => {
                            (exploited(&cve, now)) " since " (day(Timestamp(added)))
                            @if cve.ransom == Some(1) { ", also for ransom" }
                        }
                    }
                }
                @if let Some(action) = cve.action.as_deref().filter(|a| !a.is_empty()) { dt { "What to do" } dd { (action) } }
                dt { "Devices" }
                dd { a href={ "/devices?view=all&cve=" (cve.id) } { (cve.devices) } }
            }
        }
        section.card aria-labelledby="affected" {
            h2 #affected { "What has it here" }
            @if products.is_empty() {
                p { "No device here is known to have it." }
            } @else {
                (table("What has it here", &html! {
                    (headings(["Kind of device", "Firmware or system", "Match", "Why"]))
                    th.number scope="col" { "Devices" }
                    (headings(["Among them"]))
                }, &html! {
                    @for (at, product) in products.iter().enumerate() { (product_row(product, named.get(at))) }
                }))
            }
        }
    };
    Ok(page(Some(&user), Place::Vulnerabilities, &cve.id, &body).into_response())
}

fn product_row(product: &AffectedProduct, named: Option<&Vec<AffectedDevice>>) -> Markup {
    let words = |parts: [&Option<String>; 2]| {
        let known: Vec<_> = parts.into_iter().flatten().cloned().collect();
        if known.is_empty() {
            "Unknown".to_owned()
        } else {
            known.join(" ")
        }
    };
    html! {
        tr {
            th scope="row" { (words([&product.vendor, &product.model])) }
            td { (words([&product.firmware, &product.os])) }
            td { (sureness(Confidence::ranked(product.confidence))) }
            td { (product.why) }
            td.number { (product.devices) }
            td {
                @for (at, device) in named.into_iter().flatten().take(NAMED).enumerate() {
                    @if at > 0 { ", " }
                    a href={ "/devices/" (device.id) } { (device.name) }
                }
                @if named.is_some_and(|all| all.len() > NAMED) { " …" }
            }
        }
    }
}

/// What one device may have, for its page.
pub(super) fn of_device(all: &[KeptCve], listed: bool, now: Timestamp) -> Markup {
    html! {
        section.card aria-labelledby="vulnerabilities" {
            h2 #vulnerabilities { "Vulnerabilities" @if !all.is_empty() { " (" (all.len()) ")" } }
            @if !listed {
                p { "No list of vulnerabilities is here yet; " a href="/vulnerabilities" { "upload one" } "." }
            } @else if all.is_empty() {
                p { "The lists hold none for this vendor, model and version. What the sensor has not recognised cannot be looked up." }
            } @else {
                (table("Vulnerabilities", &html! {
                    (headings(["Vulnerability", "Severity", "Known exploited", "Match", "Why"]))
                }, &html! {
                    @for cve in all {
                        tr {
                            th scope="row" { a href={ "/vulnerabilities/" (cve.id) } { (cve.id) } br; small { (shortened(&cve.summary)) } }
                            td { (rating(cve)) }
                            td { (exploited(cve, now)) }
                            td { (sureness(cve.confidence())) }
                            td { (cve.why) }
                        }
                    }
                }))
            }
        }
    }
}
