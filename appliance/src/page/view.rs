//! The pages as HTML. No script, nothing from anywhere else; every text is escaped by maud.

use eyot_contract::settings::Kind;
use eyot_contract::{Condition, ConditionCode, HealthReport, InterfaceRole, Level};
use maud::{html, Markup, DOCTYPE};

use super::form::Field;
use crate::health::role_word;
use crate::health::validate::{Check, Outcome};
use crate::host::Adapter;

/// The one style sheet.
pub const STYLE: &str = include_str!("style.css");

fn frame(title: &str, again_s: Option<u32>, content: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if let Some(seconds) = again_s { meta http-equiv="refresh" content=(seconds); }
                title { (title) " - Eyot sensor" }
                link rel="stylesheet" href="/style.css";
            }
            body {
                header { h1 { (title) } p { "Eyot sensor " (crate::VERSION) } }
                main { (content) }
            }
        }
    }
    .into_string()
}

/// A page that says one thing.
pub fn plain(title: &str, text: &str) -> String {
    frame(title, None, &html! { p role="alert" { (text) } p { a href="/" { "Go on" } } })
}

/// Asks for the code on the console.
pub fn code(problem: Option<&str>) -> String {
    let content = html! {
        @if let Some(problem) = problem { p .failed role="alert" { (problem) } }
        form method="post" action="/code" autocomplete="off" {
            label for="code" { "Set-up code" }
            p .hint id="code-hint" {
                "It is on this sensor's console, together with the SHA-256 fingerprint of the certificate that your "
                "browser was shown. Compare the two before you go on."
            }
            input id="code" name="code" required autofocus autocapitalize="characters" spellcheck="false"
                maxlength="32" aria-describedby="code-hint";
            button { "Go on" }
        }
    };
    frame("Set up this sensor", None, &content)
}

/// What the form page shows.
pub struct FormPage<'a> {
    /// Fields by category.
    pub groups: &'a [(&'static str, Vec<Field>)],
    /// Adapters to choose from.
    pub adapters: &'a [Adapter],
    /// What every form of this session carries.
    pub csrf: &'a str,
    /// Why what was sent cannot be.
    pub problem: Option<&'a str>,
    /// What came of trying it.
    pub checks: &'a [Check],
}

/// The form.
pub fn form(page: &FormPage<'_>) -> String {
    let failed = page.checks.iter().any(|c| c.outcome == Outcome::Failed);
    let content = html! {
        @if let Some(problem) = page.problem { p .failed role="alert" { (problem) } }
        @if !page.checks.is_empty() { (outcome_of(page.checks)) }
        form method="post" action="/settings" autocomplete="off" {
            input type="hidden" name="csrf" value=(page.csrf);
            @for (category, fields) in page.groups {
                fieldset {
                    legend { (category) }
                    @for field in fields { (one(field, page.adapters)) }
                }
            }
            @if failed {
                p { label { input type="checkbox" name="anyway" value="on"; " Store them although not everything works" } }
            }
            button name="check" value="on" { "Only try" }
            button .first { "Store and activate" }
        }
    };
    frame("Set up this sensor", None, &content)
}

fn outcome_of(checks: &[Check]) -> Markup {
    html! {
        section aria-label="What came of trying" {
            h2 { "What came of trying" }
            ul .checks {
                @for check in checks {
                    @let (class, word) = match check.outcome {
                        Outcome::Passed => ("passed", "works"),
                        Outcome::NotTried => ("quiet", "not tried"),
                        Outcome::Warning => ("warning", "works, but"),
                        Outcome::Failed => ("failed", "does not work"),
                    };
                    li class=(class) {
                        strong { (check.name) ": " (check.title.unwrap_or(word)) }
                        " - " (check.detail)
                        @if !check.remedy.is_empty() { p .hint { (check.remedy) } }
                    }
                }
            }
        }
    }
}

fn one(field: &Field, adapters: &[Adapter]) -> Markup {
    let d = field.definition;
    let name = d.property_key();
    let hint = format!("{name}-hint");
    let fixed = field.decided_by.is_some();
    html! {
        div .field {
            label for=(name) { (d.label) }
            p .hint id=(hint) {
                (d.description)
                @if d.key == "activation.token" { " The whole activation command can be pasted as well." }
                @if let Some(who) = &field.decided_by { " Decided by " (who) ", which is stronger than this page." }
                @if field.given { " One is given; left empty, it stays." }
            }
            @match d.kind {
                Kind::Choice(options) => {
                    select id=(name) name=(name) disabled[fixed] aria-describedby=(hint) {
                        @for option in options {
                            option value=(option) selected[*option == field.value] { (option) }
                        }
                    }
                }
                Kind::Interfaces => {
                    @let chosen: Vec<&str> = field.value.split(',').map(str::trim).collect();
                    @let selector = |a: &Adapter| format!("mac:{}", a.mac);
                    @let rest: Vec<&str> = chosen.iter().copied()
                        .filter(|c| !adapters.iter().any(|a| selector(a) == *c)).collect();
                    @for adapter in adapters {
                        p { label {
                            input type="checkbox" name=(name) value=(selector(adapter)) disabled[fixed]
                                checked[chosen.contains(&selector(adapter).as_str())];
                            " " (adapter.name) " " (adapter.mac) " "
                            (adapter.driver.as_deref().unwrap_or("")) " "
                            @if adapter.link { "link" } @else { "no link" }
                            ", " (adapter.rx_frames) " frames received"
                        } }
                    }
                    input id=(name) name=(name) value=(rest.join(",")) disabled[fixed] spellcheck="false"
                        aria-describedby=(hint);
                }
                Kind::Pem | Kind::PemKey => {
                    textarea id=(name) name=(name) rows="4" disabled[fixed] spellcheck="false"
                        aria-describedby=(hint) { (field.value) }
                }
                Kind::Secret(_) => {
                    input type="password" id=(name) name=(name) disabled[fixed] autocomplete="new-password"
                        aria-describedby=(hint);
                }
                _ => {
                    input id=(name) name=(name) value=(field.value) disabled[fixed] spellcheck="false"
                        aria-describedby=(hint);
                }
            }
            @if field.given && !fixed {
                p { label { input type="checkbox" name={ "remove_" (name) } value="on"; " Take away what is given" } }
            }
        }
    }
}

/// How things stand: the words of `eyot-appliance status`.
pub struct StatusPage<'a> {
    /// The latest report, if there is one.
    pub report: Option<&'a HealthReport>,
    /// What holds, the worst first.
    pub conditions: &'a [Condition],
    /// Devices and frames are told once the sensor is at work.
    pub activated: bool,
}

/// The status page, which loads itself again.
pub fn status(page: &StatusPage<'_>) -> String {
    let content = html! {
        ul .checks {
            @for condition in page.conditions {
                @let class = match condition.code.level() {
                    Level::Healthy => "passed",
                    Level::Warning => "warning",
                    Level::Critical => "failed",
                };
                li class=(class) {
                    strong { (condition.code.level()) ": " (condition.code.title()) } " - " (condition.detail)
                    @if condition.code != ConditionCode::Connected { p .hint { (condition.code.remedy()) } }
                }
            }
        }
        @if let Some(report) = page.report {
            table {
                caption { "Interfaces" }
                thead { tr { @for head in ["Role", "Name", "Address", "Link", "Received", "Sent"] { th scope="col" { (head) } } } }
                tbody {
                    @for i in report.interfaces.iter().filter(|i| i.role != InterfaceRole::Unused) {
                        tr {
                            td { (role_word(i.role)) } td { (i.name) } td { (i.mac) }
                            td { @if i.link { "link" } @else { "no link" } }
                            td { (i.rx_frames) } td { (i.tx_frames) }
                        }
                    }
                }
            }
            @if page.activated {
                p { "devices " (report.devices) ", frames " (report.frames_captured) ", lost " (report.frames_dropped) }
            }
            p .hint { "As of " (report.at) " by this machine's clock." }
        }
        @if !page.activated { p { a href="/settings" { "Change the settings" } } }
    };
    let title = if page.activated { "Status" } else { "Activation" };
    frame(title, Some(if page.activated { 15 } else { 5 }), &content)
}
