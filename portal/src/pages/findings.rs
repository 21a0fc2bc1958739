//! Alerts, recommendations, one finding, and the rules that hide some.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::Form;
use eyot_contract::{FindingCategory, FindingEvidence, MacAddr, Severity, Timestamp, FINDING_KINDS};
use maud::{html, Markup};
use uuid::Uuid;

use super::label::label;
use super::layout::{page, Place};
use super::{link, missing, refusal, Failed};
use crate::api::findings::{check, Asked, MAX_NOTE, PAGE};
use crate::api::{App, Changer, Viewer};
use crate::moments::{cell, moment, relative};
use crate::store::{Actor, FindingPage, FindingQuery, KeptFinding, Status, Suppression, User};

/// `GET /alerts`.
///
/// # Errors
/// The store fails.
pub async fn alerts(
    State(portal): App,
    Viewer(user): Viewer,
    Query(asked): Query<Asked>,
) -> Result<Response, Failed> {
    let query = match asked.query() {
        // the page is about alerts unless a recommendation's link asks for its findings
        Ok(query) => {
            let category = query.category.or(query.kind.is_none().then_some(FindingCategory::Alert));
            FindingQuery { category, ..query }
        }
        Err(reason) => {
            return Ok(refusal(Some(&user), StatusCode::UNPROCESSABLE_ENTITY, "Not understood", &reason))
        }
    };
    let found = portal.store.findings(&query).await?;
    let now = Timestamp::now();
    let here = address(&asked, asked.page);
    let body = html! {
        h1 #title { "Alerts" }
        (filters(&asked))
        div.bar {
            p role="status" { strong { (found.total) } @if found.total == 1 { " finding" } @else { " findings" } }
            p.links { a href="/alerts/suppressions" { "Suppression rules" } }
        }
        @if found.findings.is_empty() {
            p { "Nothing that matches. New findings appear here within a minute of a sensor's report." }
        } @else {
            form method="post" action="/alerts/work" {
                input type="hidden" name="back" value=(here);
                @if user.role.may_change() { (bulk()) }
                div.wide tabindex="0" role="region" aria-labelledby="title" {
                    table {
                        thead { tr {
                            @if user.role.may_change() { th scope="col" { span.unseen { "Chosen" } } }
                            @for heading in ["Severity", "Finding", "Device", "Status", "Sensor"] { th scope="col" { (heading) } }
                            th.number scope="col" { "Count" }
                            th scope="col" { "Last seen (UTC)" }
                        } }
                        tbody { @for finding in &found.findings { (row(finding, &user, now)) } }
                    }
                }
            }
            (pager(&asked, &query, &found))
        }
    };
    Ok(page(Some(&user), Place::Alerts, "Alerts", &body).into_response())
}

fn address(asked: &Asked, page: Option<i64>) -> String {
    let number = |n: Option<i64>| n.map(|n| n.to_string()).unwrap_or_default();
    link::with_query(
        "/alerts",
        [
            ("category", asked.category.clone()),
            ("status", asked.status.clone()),
            ("severity", asked.severity.clone()),
            ("kind", asked.kind.clone()),
            ("mac", asked.mac.clone()),
            ("suppressed", asked.suppressed.clone()),
            ("per_page", number(asked.per_page)),
            ("page", number(page)),
        ],
    )
}

fn filters(asked: &Asked) -> Markup {
    let statuses =
        [("", "New and active"), ("new", "New"), ("active", "Active"), ("closed", "Closed"), ("any", "All")];
    html! {
        form.filters method="get" action="/alerts" role="search" {
            div {
                label for="kind" { "Kind" }
                select #kind name="kind" {
                    option value="" { "All alerts" }
                    @for d in FINDING_KINDS { option value=(d.name) selected[d.name == asked.kind] { (d.title) } }
                }
            }
            div {
                label for="severity" { "Severity" }
                select #severity name="severity" {
                    option value="" { "All" }
                    @for s in Severity::ALL.iter().rev() {
                        option value=(s.name()) selected[s.name() == asked.severity] { (label(s.name())) }
                    }
                }
            }
            div {
                label for="status" { "Status" }
                select #status name="status" {
                    @for (value, text) in statuses { option value=(value) selected[value == asked.status] { (text) } }
                }
            }
            div {
                label for="suppressed" { "Suppressed" }
                select #suppressed name="suppressed" {
                    option value="" { "Hidden" }
                    option value="yes" selected[asked.suppressed == "yes"] { "Only these" }
                }
            }
            @if !asked.mac.is_empty() { input type="hidden" name="mac" value=(asked.mac); }
            div.buttons { button type="submit" { "Apply" } " " a href="/alerts" { "Reset" } }
        }
    }
}

fn bulk() -> Markup {
    html! {
        p.bulk {
            label.inline for="set" { "Set the chosen ones to" }
            select #set name="status" {
                @for status in Status::ALL { option value=(status.name()) { (label(status.name())) } }
            }
            button.quiet type="submit" { "Set" }
        }
    }
}

fn row(finding: &KeptFinding, user: &User, now: Timestamp) -> Markup {
    let title = finding.kind.definition().title;
    html! {
        tr {
            @if user.role.may_change() {
                td { input.plain type="checkbox" name="id" value=(finding.id) aria-label={ "Choose: " (finding.summary) }; }
            }
            td { (severity(finding.severity)) }
            th scope="row" { a href={ "/alerts/" (finding.id) } { (title) } br; small { (finding.summary) } }
            td { (device(finding)) }
            td { (label(finding.status.name())) }
            td { a href={ "/sensors/" (finding.sensor) } { (finding.sensor_name) } }
            td.number { (finding.count) }
            td.when { (cell(finding.last_seen)) br; small { (relative(finding.last_seen, now)) } }
        }
    }
}

/// A severity in its colour and in words.
pub(super) fn severity(severity: Severity) -> Markup {
    let class = match severity {
        Severity::High => "badge critical",
        Severity::Medium => "badge warning",
        Severity::Low | Severity::Info => "badge",
    };
    html! { span class=(class) { (label(severity.name())) } }
}

fn device(finding: &KeptFinding) -> Markup {
    match (&finding.device, finding.mac) {
        (Some((id, name)), _) => html! { a href={ "/devices/" (id) } { (name) } },
        (None, Some(mac)) => html! { span.code { (mac) } },
        (None, None) => html! { "–" },
    }
}

fn pager(asked: &Asked, query: &FindingQuery, found: &FindingPage) -> Markup {
    let (at, last) = (query.offset / query.limit + 1, (found.total + query.limit - 1) / query.limit.max(1));
    html! {
        @if last > 1 {
            nav.pager aria-label="Pages" {
                @if at > 1 { a rel="prev" href=(address(asked, Some(at - 1))) { "‹ Previous" } }
                span { "Page " (at) " of " (last) }
                @if at < last { a rel="next" href=(address(asked, Some(at + 1))) { "Next ›" } }
            }
        }
    }
}

/// `GET /alerts/{id}`.
///
/// # Errors
/// The store fails.
pub async fn one(State(portal): App, Viewer(user): Viewer, Path(id): Path<Uuid>) -> Result<Response, Failed> {
    let Some(finding) = portal.store.finding(id).await? else {
        return Ok(missing(&user, "There is no such finding."));
    };
    let definition = finding.kind.definition();
    let by = match finding.status_by.as_str() {
        "" => String::new(),
        name => format!(", by {name} on {}", moment(finding.status_at)),
    };
    let body = html! {
        p.path { a href="/alerts" { "Alerts" } }
        h1 { (definition.title) " " (severity(finding.severity)) }
        section.card aria-labelledby="what" {
            h2 #what { "What happened" }
            p { (finding.summary) }
            dl.facts {
                dt { "Device" } dd { (device(&finding)) }
                dt { "Sensor" } dd { a href={ "/sensors/" (finding.sensor) } { (finding.sensor_name) } }
                dt { "First seen" } dd { (moment(finding.first_seen)) }
                dt { "Last seen" } dd { (moment(finding.last_seen)) }
                dt { "Count" } dd { (finding.count) }
                dt { "MITRE ATT&CK" } dd { (definition.technique) " " (definition.technique_name) }
                dt { "Status" } dd { (label(finding.status.name())) (by) @if finding.suppressed { " (suppressed)" } }
                @if !finding.note.is_empty() { dt { "Note" } dd { (finding.note) } }
            }
        }
        section.card aria-labelledby="remedy" {
            h2 #remedy { "What to do" }
            p { (definition.remedy) }
            p.hint { "Raised when: " (definition.condition) }
        }
        (evidence(&finding.evidence))
        @if user.role.may_change() { (work_form(&finding)) (suppress_form(&finding)) }
    };
    Ok(page(Some(&user), Place::Alerts, definition.title, &body).into_response())
}

fn evidence(all: &[FindingEvidence]) -> Markup {
    let text = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
    html! {
        section.card aria-labelledby="evidence" {
            h2 #evidence { "Evidence" }
            @if all.is_empty() {
                p { "The sensor kept none." }
            } @else {
                div.wide tabindex="0" role="region" aria-labelledby="evidence" {
                    table {
                        thead { tr {
                            @for heading in ["Time (UTC)", "From", "To", "Port", "VLAN", "Protocol", "What was seen"] {
                                th scope="col" { (heading) }
                            }
                        } }
                        tbody {
                            @for one in all.iter().rev() {
                                tr {
                                    td.when { (cell(one.at)) }
                                    td.code { (text(one.source.map(|a| a.to_string()))) }
                                    td.code { (text(one.destination.map(|a| a.to_string()))) }
                                    td.number { (text(one.port.map(|p| p.to_string()))) }
                                    td.number { (text(one.vlan.map(|v| v.to_string()))) }
                                    td { (one.protocol) }
                                    td.code.long { (one.seen) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn work_form(finding: &KeptFinding) -> Markup {
    html! {
        section.card aria-labelledby="work" {
            h2 #work { "Work on it" }
            form method="post" action="/alerts/work" {
                input type="hidden" name="id" value=(finding.id);
                input type="hidden" name="back" value={ "/alerts/" (finding.id) };
                label for="status" { "Status" }
                select #status name="status" {
                    @for status in Status::ALL {
                        option value=(status.name()) selected[status == finding.status] { (label(status.name())) }
                    }
                }
                label for="note" { "Note" }
                textarea #note name="note" rows="3" maxlength=(MAX_NOTE) { (finding.note) }
                button type="submit" { "Save" }
            }
        }
    }
}

fn suppress_form(finding: &KeptFinding) -> Markup {
    html! {
        section.card aria-labelledby="suppress" {
            h2 #suppress { "Suppress" }
            p.hint { "Suppressed findings are kept and counted, and not shown unless asked for." }
            form method="post" action="/alerts/suppressions" {
                input type="hidden" name="kind" value=(finding.kind);
                label for="mac" { "About" }
                select #mac name="mac" {
                    @if let Some(mac) = finding.mac { option value=(mac) { "This device (" (mac) ")" } }
                    option value="" { "Every device" }
                }
                label for="reason" { "Reason" }
                input #reason name="reason" required maxlength=(MAX_NOTE) placeholder="The scanner of the security team";
                button.quiet type="submit" { "Suppress" }
            }
        }
    }
}

/// `POST /alerts/work`: status and, from a finding's own page, its note.
///
/// # Errors
/// The store fails.
pub async fn work(
    State(portal): App,
    Changer(user): Changer,
    Form(given): Form<Vec<(String, String)>>,
) -> Result<Response, Failed> {
    let value = |name: &str| given.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let ids: Vec<Uuid> =
        given.iter().filter(|(key, _)| key == "id").filter_map(|(_, id)| id.parse().ok()).collect();
    let status = value("status").and_then(Status::named);
    let note = value("note").map(|n| n.chars().take(MAX_NOTE).collect::<String>());
    if ids.is_empty() {
        let text = "Choose one or more findings first.";
        return Ok(refusal(Some(&user), StatusCode::UNPROCESSABLE_ENTITY, "Nothing chosen", text));
    }
    portal.store.work_on_findings(&ids, status, note.as_deref(), Actor::now(&user.name)).await?;
    let back = value("back").filter(|b| link::is_local(b)).unwrap_or("/alerts");
    Ok(Redirect::to(back).into_response())
}

/// `GET /alerts/suppressions`.
///
/// # Errors
/// The store fails.
pub async fn suppressions(State(portal): App, Viewer(user): Viewer) -> Result<Markup, Failed> {
    let rules = portal.store.suppressions().await?;
    let body = html! {
        p.path { a href="/alerts" { "Alerts" } }
        h1 #title { "Suppression rules" }
        @if rules.is_empty() {
            p { "No finding is suppressed. A finding's own page has a form for it." }
        } @else {
            div.wide tabindex="0" role="region" aria-labelledby="title" {
                table {
                    thead { tr {
                        @for heading in ["Finding", "Device", "Reason", "By", "Since (UTC)"] { th scope="col" { (heading) } }
                        @if user.role.may_change() { th scope="col" { span.unseen { "Remove" } } }
                    } }
                    tbody { @for rule in &rules { (rule_row(rule, &user)) } }
                }
            }
        }
    };
    Ok(page(Some(&user), Place::Alerts, "Suppression rules", &body))
}

fn rule_row(rule: &Suppression, user: &User) -> Markup {
    let title = FINDING_KINDS.iter().find(|d| d.name == rule.kind).map_or(rule.kind.as_str(), |d| d.title);
    html! {
        tr {
            th scope="row" { (title) }
            td.code { (rule.mac.as_deref().unwrap_or("Every device")) }
            td { (rule.reason) }
            td { (rule.created_by) }
            td.when { (cell(Timestamp(rule.created_at))) }
            @if user.role.may_change() {
                td {
                    form method="post" action="/alerts/suppressions/remove" {
                        input type="hidden" name="id" value=(rule.id);
                        button.quiet type="submit" aria-label={ "Remove the rule for " (title) } { "Remove" }
                    }
                }
            }
        }
    }
}

/// The form of a new rule.
#[derive(serde::Deserialize)]
pub struct NewRule {
    kind: String,
    mac: String,
    reason: String,
}

/// `POST /alerts/suppressions`.
///
/// # Errors
/// The store fails.
pub async fn suppress(
    State(portal): App,
    Changer(user): Changer,
    Form(rule): Form<NewRule>,
) -> Result<Response, Failed> {
    let wrong =
        |text: &str| Ok(refusal(Some(&user), StatusCode::UNPROCESSABLE_ENTITY, "Not understood", text));
    let (kind, reason) = match check(&rule.kind, &rule.reason) {
        Ok(good) => good,
        Err(text) => return wrong(&text),
    };
    let mac = match rule.mac.as_str() {
        "" => None,
        text => match text.parse::<MacAddr>() {
            Ok(mac) => Some(mac),
            Err(error) => return wrong(&error.to_string()),
        },
    };
    portal.store.suppress(kind, mac, reason, Actor::now(&user.name)).await?;
    Ok(Redirect::to("/alerts/suppressions").into_response())
}

/// The form that takes a rule back.
#[derive(serde::Deserialize)]
pub struct OldRule {
    id: Uuid,
}

/// `POST /alerts/suppressions/remove`.
///
/// # Errors
/// The store fails.
pub async fn unsuppress(
    State(portal): App,
    Changer(user): Changer,
    Form(rule): Form<OldRule>,
) -> Result<Redirect, Failed> {
    portal.store.unsuppress(rule.id, Actor::now(&user.name)).await?;
    Ok(Redirect::to("/alerts/suppressions"))
}

/// `GET /recommendations`.
///
/// # Errors
/// The store fails.
pub async fn recommendations(State(portal): App, Viewer(user): Viewer) -> Result<Markup, Failed> {
    let all = portal.store.recommendations().await?;
    let body = html! {
        h1 #title { "Recommendations" }
        @if all.is_empty() {
            p { "Nothing to recommend so far. Sensors report what they see set up badly within a minute." }
        } @else {
            div.wide tabindex="0" role="region" aria-labelledby="title" {
                table {
                    thead { tr {
                        th scope="col" { "Severity" }
                        th scope="col" { "Recommendation" }
                        th.number scope="col" { "Unhealthy devices" }
                        th.number scope="col" { "Healthy devices" }
                        th scope="col" { "Last seen (UTC)" }
                    } }
                    tbody {
                        @for one in &all {
                            @let definition = one.kind.definition();
                            tr {
                                td { (severity(definition.severity)) }
                                th scope="row" {
                                    a href={ "/alerts?kind=" (definition.name) } { (definition.title) }
                                    br; small { (definition.remedy) }
                                }
                                td.number { (one.unhealthy) }
                                td.number { (one.healthy) }
                                td.when { @match one.last_seen { Some(at) => (cell(at)), None => "–" } }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(page(Some(&user), Place::Recommendations, "Recommendations", &body))
}

/// What is open about one device, for its page.
pub(super) fn of_device(page: &FindingPage, mac: MacAddr) -> Markup {
    html! {
        section.card aria-labelledby="findings" {
            h2 #findings { "Alerts and recommendations" }
            @if page.findings.is_empty() {
                p { "None is open." }
            } @else {
                ul.plain {
                    @for finding in &page.findings {
                        li {
                            (severity(finding.severity)) " "
                            a href={ "/alerts/" (finding.id) } { (finding.kind.definition().title) }
                            " " small { (moment(finding.last_seen)) }
                        }
                    }
                }
                @if page.total > PAGE {
                    p { a href={ "/alerts?status=any&mac=" (mac) } { "All " (page.total) } }
                }
            }
        }
    }
}
