//! Getting started: register a sensor, then carry its token to the appliance, by command or by seed volume.
//!
//! The token is on the page that answers the registration and nowhere else. The seed form on that page brings the token
//! back, so the portal makes the volume without ever having kept it.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{header, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::Form;
use eyot_contract::settings::{Definition, Kind, DEFINITIONS};
use eyot_contract::Timestamp;
use maud::{html, Markup};
use serde::Deserialize;

use super::layout::{fault, page, Place};
use super::{status_of, Failed};
use crate::api::{App, Changer, Viewer};
use crate::moments::moment;
use crate::portal::Portal;
use crate::rules::registration::{self, activation_command, Issued, RegistrationError};
use crate::store::{Actor, User, SITE};

/// The registration form: the two fields of the product this one stands in for.
#[derive(Deserialize)]
pub struct Registration {
    name: String,
    subscription: String,
}

/// `GET /getting-started`.
///
/// # Errors
/// The store fails.
pub async fn show(State(portal): App, Viewer(user): Viewer) -> Result<Markup, Failed> {
    let subscriptions = portal.store.subscriptions().await?;
    let empty = Registration { name: String::new(), subscription: String::new() };
    Ok(form(&user, &empty, &subscriptions, None))
}

/// `POST /getting-started`.
///
/// # Errors
/// The store fails.
pub async fn register(
    State(portal): App,
    Changer(user): Changer,
    Form(given): Form<Registration>,
) -> Result<Response, Failed> {
    let by = Actor::now(&user.name);
    let registered =
        registration::register(&portal.store, &portal.identity, &given.name, &given.subscription, by).await;
    match registered {
        Ok(issued) => {
            tracing::info!(sensor = %issued.sensor, name = issued.name, by = user.name, "sensor registered");
            let shown = Shown::of("Sensor registration successful", &issued);
            Ok(carry(&portal, &user, &shown, &BTreeMap::new(), None).into_response())
        }
        Err(error) => {
            let (status, text) = status_of(error)?;
            let subscriptions = portal.store.subscriptions().await?;
            Ok((status, form(&user, &given, &subscriptions, Some(&text))).into_response())
        }
    }
}

/// `POST /getting-started/seed`: the token and the settings come in, the volume goes out.
///
/// # Errors
/// The store fails.
pub async fn seed(
    State(portal): App,
    Changer(user): Changer,
    Form(mut given): Form<BTreeMap<String, String>>,
) -> Result<Response, Failed> {
    let now = Timestamp::now();
    let text = given.remove("token").unwrap_or_default();
    let token = match registration::usable_token(&portal.store, &text, now).await {
        Ok(token) => token,
        Err(error) => {
            let (status, text) = status_of(error)?;
            return Ok(super::refusal(Some(&user), status, "No seed volume", &text));
        }
    };
    let name = portal.store.sensor(token.sensor).await?.map(|s| s.name).unwrap_or_default();
    let settings = given.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    match registration::seed_volume(text.trim(), token.sensor, settings, now) {
        Ok(volume) => Ok(attachment(&name, volume)),
        Err(RegistrationError::Setting(error)) => {
            let shown = Shown {
                title: "Sensor registration successful",
                name: &name,
                token: text.trim(),
                expires: token.expires,
            };
            let page = carry(&portal, &user, &shown, &given, Some(&error.to_string()));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => {
            let (status, text) = status_of(error)?;
            Ok(super::refusal(Some(&user), status, "No seed volume", &text))
        }
    }
}

fn attachment(name: &str, volume: Vec<u8>) -> Response {
    let about = [
        (header::CONTENT_TYPE, "application/x-iso9660-image".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}-seed.iso\"", file_name(name))),
    ];
    (about, volume).into_response()
}

/// A sensor's name as part of a file name that every system takes.
fn file_name(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let plain = plain.trim_matches('-');
    if plain.is_empty() { "eyot" } else { plain }.to_ascii_lowercase()
}

fn form(user: &User, given: &Registration, subscriptions: &[String], reason: Option<&str>) -> Markup {
    let body = html! {
        h1 { "Getting started" }
        section.card aria-labelledby="register" {
            h2 #register { "Set up Enterprise IoT Security" }
            p { "Register a sensor here, start the appliance on ESXi or Hyper-V with the seed that you get, and the devices "
                "on its network appear in the device inventory. Every sensor belongs to the site " strong { (SITE) } "." }
            (fault(reason))
            form method="post" action="/getting-started" {
                label for="name" { "Sensor name" }
                input #name name="name" value=(given.name) maxlength=(registration::MAX_NAME_CHARS) required autocomplete="off";
                label for="subscription" { "Subscription" }
                input #subscription name="subscription" value=(given.subscription) list="subscriptions"
                    maxlength=(registration::MAX_NAME_CHARS) required autocomplete="off";
                datalist #subscriptions { @for name in subscriptions { option value=(name) {} } }
                p.hint { "Choose one that is in use, or write a new one." }
                @if user.role.may_change() {
                    button type="submit" { "Register" }
                } @else {
                    p.hint { "Your role may look and download; registering takes another." }
                }
            }
        }
    };
    page(Some(user), Place::GettingStarted, "Getting started", &body)
}

/// A token on its one page.
pub(super) struct Shown<'a> {
    pub title: &'a str,
    pub name: &'a str,
    pub token: &'a str,
    pub expires: Timestamp,
}

impl<'a> Shown<'a> {
    /// What was just issued.
    pub fn of(title: &'a str, issued: &'a Issued) -> Self {
        Self { title, name: &issued.name, token: &issued.token, expires: issued.expires }
    }
}

/// The page that hands over a token.
pub(super) fn carry(
    portal: &Portal,
    user: &User,
    shown: &Shown<'_>,
    given: &BTreeMap<String, String>,
    reason: Option<&str>,
) -> Markup {
    let body = html! {
        h1 { (shown.title) }
        p { "Sensor " strong { (shown.name) } ". The token below is shown once, works once and stops working on "
            (moment(shown.expires)) ". Take it to the appliance in one of these ways." }
        section.card aria-labelledby="volume" {
            h2 #volume { "A new appliance: seed ISO" }
            ol {
                li { "Download the seed ISO." }
                li { "Deploy the OVA (ESXi) or the VHDX (Hyper-V) and put the ISO into the machine's CD drive." }
                li { "Start the machine. It activates itself; " a href="/sensors" { "Sites and sensors" } " shows it as connected." }
            }
            (fault(reason))
            form method="post" action="/getting-started/seed" {
                input type="hidden" name="token" value=(shown.token);
                details open[reason.is_some()] {
                    summary { "Network, proxy and other settings for this appliance (none are needed with DHCP)" }
                    (settings(given))
                }
                button type="submit" { "Download seed ISO" }
            }
        }
        section.card aria-labelledby="command" {
            h2 #command { "A running appliance: activation command" }
            p { "Log in to the appliance and run:" }
            div.copy {
                pre #activation-command tabindex="0" { code { (activation_command(shown.token)) } }
                button.quiet type="button" hidden data-copy="activation-command" { "Copy command" }
            }
            p { "Or give it the token alone, wherever it asks for one (console, OVF property, key-value pair):" }
            div.copy {
                pre #activation-token tabindex="0" { code { (shown.token) } }
                button.quiet type="button" hidden data-copy="activation-token" { "Copy token" }
            }
            p.hint { "Keep it as you keep a password until it is used." }
        }
        @if let Some(command) = portal.install_command(shown.token) {
            section.card aria-labelledby="install" {
                h2 #install { "A Debian or Ubuntu machine of your own: installation command" }
                p { "Run this there; it installs the sensor from this portal, asks which interface is monitored, and activates it:" }
                div.copy {
                    pre #install-command tabindex="0" { code { (command) } }
                    button.quiet type="button" hidden data-copy="install-command" { "Copy command" }
                }
                p.hint { "Other users of that machine could read the token while it runs. Without --token and what follows, "
                    "it asks for the token on the terminal." }
            }
        }
    };
    page(Some(user), Place::GettingStarted, shown.title, &body)
}

fn settings(given: &BTreeMap<String, String>) -> Markup {
    let mut categories: Vec<&str> = Vec::new();
    for definition in offered() {
        if !categories.contains(&definition.category) {
            categories.push(definition.category);
        }
    }
    html! {
        @for category in categories {
            fieldset {
                legend { (category) }
                @for definition in offered().filter(|d| d.category == category) {
                    (field(definition, given.get(definition.key).map_or("", String::as_str)))
                }
            }
        }
    }
}

fn offered() -> impl Iterator<Item = &'static Definition> {
    DEFINITIONS.iter().filter(|d| d.key != "activation.token")
}

fn field(definition: &Definition, value: &str) -> Markup {
    let id = definition.property_key();
    let about = format!("{id}-about");
    html! { div.field {
        label for=(id) { (definition.label) }
        @match definition.kind {
            Kind::Choice(options) => {
                select id=(id) name=(definition.key) aria-describedby=(about) {
                    @for option in options {
                        @let chosen = if value.is_empty() { definition.default } else { value };
                        option value=(option) selected[*option == chosen] { (option) }
                    }
                }
            }
            Kind::Pem | Kind::PemKey => {
                textarea id=(id) name=(definition.key) rows="4" spellcheck="false" aria-describedby=(about) { (value) }
            }
            Kind::Secret(_) => {
                input id=(id) name=(definition.key) type="password" autocomplete="off" value=(value) aria-describedby=(about);
            }
            _ => {
                input id=(id) name=(definition.key) value=(value) placeholder=(definition.default) autocomplete="off"
                    spellcheck="false" aria-describedby=(about);
            }
        }
        p.hint id=(about) { (definition.description) }
    } }
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn file_names_are_plain() {
        assert_eq!(file_name("Lobby / 2nd \"floor\""), "lobby---2nd--floor");
        assert_eq!(file_name("östlich"), "stlich");
        assert_eq!(file_name("日本"), "eyot");
    }
}
