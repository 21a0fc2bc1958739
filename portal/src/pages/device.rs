//! One device: what is known, which sensor says so, and because of what.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use eyot_contract::{Attribute, DeviceRecord, Evidence, Nature, Timestamp};
use maud::{html, Markup};
use uuid::Uuid;

use super::inventory::percent;
use super::label::{label, label_or_unknown};
use super::layout::{page, Place};
use super::table::table;
use super::{decisions, findings, merges, missing, vulnerabilities, Failed};
use crate::api::findings::PAGE;
use crate::api::vulnerabilities::product_of;
use crate::api::{App, Viewer};
use crate::moments::{moment, relative};
use crate::store::{Device, FindingQuery, Sighting, User};

/// `GET /devices/{id}`.
///
/// # Errors
/// The store fails.
pub async fn one(State(portal): App, Viewer(user): Viewer, Path(id): Path<Uuid>) -> Result<Response, Failed> {
    let Some(device) = portal.store.device(id).await? else {
        return Ok(match portal.store.merged_into(id).await? {
            Some(into) => Redirect::to(&format!("/devices/{into}")).into_response(),
            None => no_device(&user),
        });
    };
    let absorbed = portal.store.absorbed(id).await?;
    let sightings = portal.store.sightings(id).await?;
    let record = &device.record;
    let asked = FindingQuery { mac: Some(record.mac), limit: PAGE, ..FindingQuery::default() };
    let mut open = portal.store.findings(&asked).await?;
    for mac in absorbed.iter().filter_map(|a| a.mac.parse().ok()) {
        let more = portal.store.findings(&FindingQuery { mac: Some(mac), ..asked.clone() }).await?;
        open.total += more.total;
        open.findings.extend(more.findings);
    }
    let flaws = portal.store.vulnerabilities_of(&product_of(&device)).await?;
    let listed = portal.store.lists().await?.is_some();
    let title = called(record);
    let body = html! {
        (head(id, &title, Tab::Attributes))
        (attributes(&device, Timestamp::now()))
        (merges::of_device(&user, id, &absorbed))
        @if user.role.may_change() { (decisions::form(&device)) }
        (findings::of_device(&open, record.mac))
        (vulnerabilities::of_device(&flaws, listed, Timestamp::now()))
        @for sighting in &sightings { (evidence(sighting)) }
    };
    Ok(page(Some(&user), Place::Devices, &title, &body).into_response())
}

/// What a device is called: by its own name, by its address otherwise.
pub(super) fn called(record: &DeviceRecord) -> String {
    record.hostname.clone().unwrap_or_else(|| record.mac.to_string())
}

/// The answer of each of a device's pages where there is none.
pub(super) fn no_device(user: &User) -> Response {
    missing(user, "There is no such device. It may have been deleted.")
}

/// What each of a device's pages begins with: the way back, its name, the way to the others.
pub(super) fn head(id: Uuid, title: &str, here: Tab) -> Markup {
    html! {
        p.path { a href="/devices" { "Device inventory" } }
        h1 { (title) }
        (tabs(id, here))
    }
}

/// A page of one device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    /// What it is.
    Attributes,
    /// What happened to it.
    Timeline,
    /// Whom it sends to.
    Map,
}

/// From one page of a device to the other.
fn tabs(device: Uuid, here: Tab) -> Markup {
    let all = [
        (Tab::Attributes, "Attributes", ""),
        (Tab::Timeline, "Timeline", "/timeline"),
        (Tab::Map, "Map", "/map"),
    ];
    html! {
        nav.tabs aria-label="Device" {
            @for (tab, name, path) in all {
                a href={ "/devices/" (device) (path) } aria-current=[(tab == here).then_some("page")] { (name) }
            }
        }
    }
}

fn attributes(device: &Device, now: Timestamp) -> Markup {
    let record = &device.record;
    let or_unknown = |value: &Option<String>| value.clone().unwrap_or_else(|| "Unknown".to_owned());
    let list = |all: Vec<String>| if all.is_empty() { "–".to_owned() } else { all.join(", ") };
    let mac = match record.randomized_mac {
        true => format!("{} (randomised)", record.mac),
        false => record.mac.to_string(),
    };
    let facts = [
        ("Type", label_or_unknown(record.device_type.map(|t| t.name()))),
        ("Class", label_or_unknown(record.class.map(|c| c.name()))),
        ("Vendor", or_unknown(&record.vendor)),
        ("Model", or_unknown(&record.model)),
        ("Operating system", or_unknown(&record.os)),
        ("Firmware", or_unknown(&record.firmware)),
        ("Serial number", or_unknown(&record.serial)),
        ("Confidence", percent(record.confidence)),
        ("IP addresses", list(record.ips.iter().map(ToString::to_string).collect())),
        ("MAC address", mac),
        ("VLANs", list(record.vlans.iter().map(ToString::to_string).collect())),
        ("Protocols", list(record.protocols.clone())),
        ("Frames sent", record.frames.to_string()),
        ("First seen", moment(record.first_seen)),
        ("Last activity", format!("{} ({})", moment(record.last_seen), relative(record.last_seen, now))),
        ("Zone", device.zone.clone()),
        ("Authorised", yes_or_no(device.decisions.authorized).to_owned()),
        ("Importance", label(&device.decisions.importance)),
        ("Tags", list(device.decisions.tags.clone())),
        (
            "Location",
            list(vec![device.decisions.location.clone()].into_iter().filter(|l| !l.is_empty()).collect()),
        ),
        ("Notes", list(vec![device.decisions.notes.clone()].into_iter().filter(|n| !n.is_empty()).collect())),
    ];
    html! {
        section.card aria-labelledby="attributes" {
            h2 #attributes { "Attributes" }
            dl.facts { @for (name, value) in facts { dt { (name) } dd { (value) } } }
            @if !device.decisions.decided.is_empty() {
                p.hint {
                    "Set by hand: "
                    @for (at, (field, decided)) in device.decisions.decided.iter().enumerate() {
                        @if at > 0 { "; " }
                        (label(field)) " by " (decided.by) ", " (moment(decided.at))
                        @if device.decisions.locked.contains(field) { " (locked)" }
                    }
                    "."
                }
            }
        }
    }
}

/// A decision in words.
pub(super) fn yes_or_no(said: Option<bool>) -> &'static str {
    match said {
        None => "Not decided",
        Some(true) => "Yes",
        Some(false) => "No",
    }
}

fn evidence(sighting: &Sighting) -> Markup {
    let id = format!("evidence-{}", sighting.sensor);
    html! {
        section.card aria-labelledby=(id) {
            h2 id=(id) { "Evidence from " a href={ "/sensors/" (sighting.sensor) } { (sighting.sensor_name) } }
            p.hint { "Received " (moment(sighting.received_at)) }
            @if sighting.record.evidence.is_empty() {
                p { "This sensor has seen nothing that says what the device is." }
            } @else {
                (table(&format!("Evidence from {}", sighting.sensor_name), &html! {
                    @for heading in ["About", "Claim", "Read from", "What was read", "Rule", "Nature"] {
                        th scope="col" { (heading) }
                    }
                    th.number scope="col" { "Confidence" }
                }, &html! { @for one in &sighting.record.evidence { (row(one)) } }))
            }
        }
    }
}

fn row(evidence: &Evidence) -> Markup {
    let about = match evidence.attribute {
        Attribute::Hostname => "Name",
        Attribute::Vendor => "Vendor",
        Attribute::Model => "Model",
        Attribute::Type => "Type",
        Attribute::Os => "OS",
        Attribute::Firmware => "Firmware",
        Attribute::Serial => "Serial number",
    };
    html! {
        tr {
            th scope="row" { (about) }
            td { (evidence.value) }
            td.code { (evidence.source) }
            td.code.long { (evidence.seen) }
            td { (evidence.rule) }
            td { (match evidence.nature { Nature::Declared => "Declared", Nature::Inferred => "Inferred", Nature::Operator => "Set by hand" }) }
            td.number { (percent(evidence.confidence)) }
        }
    }
}
