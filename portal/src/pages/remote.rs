//! Settings for sensors: what is set where, and which sensor has it.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::Form;
use eyot_contract::{RemoteSetting, Timestamp, MAX_FILTER, MIN_BANDWIDTH_KBPS};
use maud::{html, Markup};
use serde::Deserialize;
use serde_json::Value;

use super::layout::{fault, page, Place};
use super::{link, missing, Failed};
use crate::api::remote::{set, standing, Unset};
use crate::api::{App, Changer, Viewer};
use crate::moments::{cell, relative};
use crate::portal::Portal;
use crate::rules::remote::{Scope, Standing};
use crate::store::{Actor, SensorSettings, SettingPlace, User, SITE};

/// Which place the form is for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Shown {
    at: String,
}

/// The form. What is left empty is not set at this place.
#[derive(Deserialize)]
pub struct Given {
    at: String,
    bandwidth: String,
    subnets: String,
    vlans: String,
    filter: String,
}

/// `GET /settings`.
///
/// # Errors
/// The store fails.
pub async fn show(
    State(portal): App,
    Viewer(user): Viewer,
    Query(shown): Query<Shown>,
) -> Result<Markup, Failed> {
    whole(&portal, &user, &shown.at, None).await
}

/// `POST /settings`.
///
/// # Errors
/// The store fails.
pub async fn change(
    State(portal): App,
    Changer(user): Changer,
    Form(given): Form<Given>,
) -> Result<Response, Failed> {
    let (scope, target) = given.at.split_once(':').unwrap_or_default();
    let wanted = read(&given);
    match set(&portal.store, scope, target, wanted, Actor::now(&user.name)).await? {
        Ok(()) => Ok(Redirect::to(&format!("/settings?at={}", link::encode(&given.at))).into_response()),
        Err(Unset::NoPlace) => {
            Ok(missing(&user, "There is no such site, zone or sensor. It may have been deleted."))
        }
        Err(Unset::Value(reason)) => {
            let body = whole(&portal, &user, &given.at, Some((&reason, &given))).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, body).into_response())
        }
    }
}

/// What the form says.
fn read(given: &Given) -> Result<Vec<RemoteSetting>, String> {
    let mut wanted: Vec<(&str, Value)> = Vec::new();
    if !given.bandwidth.trim().is_empty() {
        wanted
            .push(("bandwidth_kbps", given.bandwidth.trim().parse::<u64>().map_or(Value::Null, Value::from)));
    }
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    };
    let subnets = lines(&given.subnets);
    if !subnets.is_empty() {
        wanted.push(("subnets", subnets.into()));
    }
    let mut names = BTreeMap::new();
    for line in lines(&given.vlans) {
        let (id, name) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
        if names.insert(id.to_owned(), name.trim().to_owned()).is_some() {
            return Err(format!("vlan_names: VLAN {id} has two names"));
        }
    }
    if !names.is_empty() {
        wanted.push(("vlan_names", Value::from_iter(names)));
    }
    if !given.filter.trim().is_empty() {
        wanted.push(("filter", given.filter.trim().into()));
    }
    let each = wanted.into_iter();
    each.map(|(name, value)| RemoteSetting::read(name, &value).map_err(|why| format!("{name}: {why}")))
        .collect()
}

async fn whole(
    portal: &Portal,
    user: &User,
    at: &str,
    refused: Option<(&str, &Given)>,
) -> Result<Markup, Failed> {
    let now = Timestamp::now();
    let places = portal.store.setting_places().await?;
    let sensors = portal.store.sensor_settings().await?;
    let set: Vec<_> = places.iter().filter(|place| !place.settings.is_empty()).collect();
    let chosen = places.iter().find(|place| address(place) == at).or(places.first());
    let body = html! {
        h1 #title { "Sensor settings" }
        (fault(refused.map(|(reason, _)| reason)))
        p { "A sensor's own setting goes before its zone's, and the zone's before the site's. What is set here goes before what is "
            "configured on the machine. Sensors ask for changes every minute." }
        @if set.is_empty() {
            p { "Nothing is set: every sensor follows its own configuration." }
        } @else {
            div.wide tabindex="0" role="region" aria-labelledby="title" {
                table {
                    thead { tr {
                        @for heading in ["Place", "Bandwidth", "Subnets", "VLAN names", "Capture filter", "Changed (UTC)", "By"] {
                            th scope="col" { (heading) }
                        }
                    } }
                    tbody { @for place in &set { (place_row(place)) } }
                }
            }
        }
        @if user.role.may_change() {
            @if let Some(place) = chosen { (forms(&places, place, refused.map(|(_, given)| given))) }
        }
        section.card aria-labelledby="sensors" {
            h2 #sensors { "Sensors" }
            (sensor_table(&sensors, now))
        }
    };
    Ok(page(Some(user), Place::Settings, "Sensor settings", &body))
}

/// How forms and addresses name a place.
fn address(place: &SettingPlace) -> String {
    format!("{}:{}", place.scope.name(), place.target)
}

fn title(place: &SettingPlace) -> String {
    match place.scope {
        Scope::Site => format!("Site {}", place.name),
        Scope::Zone => format!("Zone {}", place.name),
        Scope::Sensor => format!("Sensor {}", place.name),
    }
}

/// A setting in the words of the form.
fn words(place: &SettingPlace, name: &str) -> String {
    match place.settings.get(name).map(|value| RemoteSetting::read(name, value)) {
        Some(Ok(RemoteSetting::Bandwidth(kbps))) => kbps.to_string(),
        Some(Ok(RemoteSetting::Filter(text))) => text,
        Some(Ok(RemoteSetting::Subnets(list))) => list.join("\n"),
        Some(Ok(RemoteSetting::VlanNames(names))) => {
            names.iter().map(|(id, name)| format!("{id} {name}")).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

fn place_row(place: &SettingPlace) -> Markup {
    let shown = |name: &str| match place.settings.contains_key(name) {
        true => words(place, name).replace('\n', ", "),
        false => "–".to_owned(),
    };
    html! {
        tr {
            th scope="row" { a href={ "/settings?at=" (link::encode(&address(place))) "#form" } { (title(place)) } }
            td { (shown("bandwidth_kbps")) @if place.settings.contains_key("bandwidth_kbps") { " kbit/s" } }
            td { (shown("subnets")) }
            td { (shown("vlan_names")) }
            td.code { (shown("filter")) }
            @match &place.changed {
                Some((at, by)) => { td.when { (cell(*at)) } td { (by) } }
                None => { td {} td {} }
            }
        }
    }
}

fn forms(places: &[SettingPlace], chosen: &SettingPlace, given: Option<&Given>) -> Markup {
    let value = |name: &str, of: fn(&Given) -> &String| {
        given.map_or_else(|| words(chosen, name), |given| of(given).clone())
    };
    html! {
        section.card aria-labelledby="form" {
            h2 #form { "Set for " (title(chosen)) }
            form.edit method="get" action="/settings" {
                div { label for="place" { "Another site, zone or sensor" }
                    select #place name="at" {
                        @for place in places {
                            option value=(address(place)) selected[place.scope == chosen.scope && place.target == chosen.target] { (title(place)) }
                        }
                    } }
                div.buttons { button.quiet type="submit" { "Show" } }
            }
            form method="post" action="/settings" {
                input type="hidden" name="at" value=(address(chosen));
                p.hint { "What is left empty is not set here." }
                label for="bandwidth" { "Bandwidth to the portal, in kbit/s (" (MIN_BANDWIDTH_KBPS) " or more)" }
                input #bandwidth name="bandwidth" inputmode="numeric" autocomplete="off" value=(value("bandwidth_kbps", |g| &g.bandwidth));
                label for="subnets" { "Local subnets, one a line, such as 10.1.0.0/16; devices elsewhere are shown as routed" }
                textarea #subnets name="subnets" rows="4" { (value("subnets", |g| &g.subnets)) }
                label for="vlans" { "VLAN names, one a line: the number, then the name" }
                textarea #vlans name="vlans" rows="4" { (value("vlan_names", |g| &g.vlans)) }
                label for="filter" { "Capture filter in libpcap's language; with mirrored VLAN tags: EXPRESSION or (vlan and EXPRESSION)" }
                input #filter name="filter" autocomplete="off" maxlength=(MAX_FILTER) value=(value("filter", |g| &g.filter));
                button type="submit" { "Save" }
            }
        }
    }
}

fn sensor_table(sensors: &[SensorSettings], now: Timestamp) -> Markup {
    html! {
        @if sensors.is_empty() {
            p { "No sensor is activated yet." }
        } @else {
            div.wide tabindex="0" role="region" aria-labelledby="sensors" {
                table {
                    thead { tr { @for heading in ["Sensor", "Zone", "Set by", "Status", "Refused", "Since (UTC)"] { th scope="col" { (heading) } } } }
                    tbody { @for sensor in sensors { (sensor_row(sensor, now)) } }
                }
            }
        }
    }
}

fn sensor_row(sensor: &SensorSettings, now: Timestamp) -> Markup {
    let standing = standing(sensor);
    let class = match standing {
        Standing::Applied => "badge healthy",
        Standing::Pending | Standing::NotAsked => "badge warning",
        Standing::Refused => "badge critical",
    };
    let from = |scope: Scope| match scope {
        Scope::Site => SITE,
        Scope::Zone => sensor.zone.as_str(),
        Scope::Sensor => "itself",
    };
    html! {
        tr {
            th scope="row" { a href={ "/sensors/" (sensor.sensor) } { (sensor.name) } }
            td { (sensor.zone) }
            td {
                @for (name, scope, _) in sensor.effective.each() { div { code { (name) } ": " (from(scope)) } }
            }
            td { span class=(class) { (standing.title()) } }
            td {
                @if standing == Standing::Refused {
                    @for (name, why) in &sensor.refused { div { code { (name) } ": " (why) } }
                }
            }
            td.when { @if let Some(at) = sensor.told_at { (cell(at)) br; small { (relative(at, now)) } } @else { "–" } }
        }
    }
}
