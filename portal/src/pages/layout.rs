//! What every page has around it.

use maud::{html, Markup, DOCTYPE};

use crate::store::User;

/// Where in the portal a page is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Registering sensors.
    GettingStarted,
    /// The fleet.
    Sensors,
    /// The inventory.
    Devices,
    /// What happened.
    Alerts,
    /// What should be changed.
    Recommendations,
    /// What is known to be wrong with what there is.
    Vulnerabilities,
    /// What sensors compare with.
    Threats,
    /// What sensors are told to do.
    Settings,
    /// What sensors are to run.
    Software,
    /// What is committed to.
    Plans,
    /// Who changed what.
    Audit,
    /// Signing in, errors.
    Elsewhere,
}

const PLACES: [(Place, &str, &str); 11] = [
    (Place::GettingStarted, "/getting-started", "Getting started"),
    (Place::Sensors, "/sensors", "Sites and sensors"),
    (Place::Devices, "/devices", "Device inventory"),
    (Place::Alerts, "/alerts", "Alerts"),
    (Place::Recommendations, "/recommendations", "Recommendations"),
    (Place::Vulnerabilities, "/vulnerabilities", "Vulnerabilities"),
    (Place::Threats, "/threats", "Threat lists"),
    (Place::Settings, "/settings", "Sensor settings"),
    (Place::Software, "/software", "Software"),
    (Place::Plans, "/plans", "Plans and pricing"),
    (Place::Audit, "/audit", "Audit log"),
];

/// A whole page. Without a user there is nothing to navigate to.
pub fn page(user: Option<&User>, place: Place, title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Eyot" }
                link rel="icon" type="image/svg+xml" href="/assets/eyot.svg";
                link rel="stylesheet" href="/assets/eyot.css";
                script src="/assets/eyot.js" defer {}
            }
            body {
                a.skip href="#content" { "Skip to content" }
                header.top {
                    a.brand href="/" {
                        img src="/assets/eyot.svg" alt="" width="28" height="28";
                        span { "Eyot" }
                    }
                    @if let Some(user) = user {
                        nav aria-label="Main" {
                            ul {
                                @for (one, address, name) in PLACES {
                                    li { a href=(address) aria-current=[(one == place).then_some("page")] { (name) } }
                                }
                            }
                        }
                        div.who {
                            span { (user.name) " " small { (user.role.title()) } }
                            form method="post" action="/logout" { button.quiet type="submit" { "Sign out" } }
                        }
                    }
                }
                main #content { (content) }
            }
        }
    }
}

/// A message above a form: what went wrong.
pub fn fault(text: Option<&str>) -> Markup {
    html! {
        @if let Some(text) = text {
            p.fault role="alert" { (text) }
        }
    }
}
