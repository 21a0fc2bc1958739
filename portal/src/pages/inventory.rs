//! Device inventory: search, filter, group, sort, page, choose columns.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::Form;
use eyot_contract::Timestamp;
use maud::{html, Markup};
use uuid::Uuid;

use super::device::{called, yes_or_no};
use super::label::{label, label_or_unknown};
use super::layout::{page, Place};
use super::table::table;
use super::views::{self, Resolved};
use super::{decisions, groups};
use super::{link, refusal, Failed};
use crate::api::devices::{Asked, MAX_PAGE, PAGE};
use crate::api::{App, Viewer};
use crate::moments::{cell, relative};
use crate::portal::Portal;
use crate::store::{Choices, Column, Device, DevicePage, DeviceQuery, Grouping, Order, User};

/// Devices per page that are offered.
const PAGE_SIZES: [i64; 4] = [PAGE, 100, 200, MAX_PAGE];

/// `GET /devices`.
///
/// # Errors
/// The store fails.
pub async fn list(
    State(portal): App,
    Viewer(user): Viewer,
    Query(asked): Query<Asked>,
) -> Result<Response, Failed> {
    let (asked, view) = match views::resolve(&portal, &user, asked).await? {
        Resolved::Here(asked, view) => (*asked, view),
        Resolved::Elsewhere(address) => return Ok(Redirect::to(&address).into_response()),
    };
    let query = match asked.query() {
        Ok(query) => query,
        Err(reason) => return Ok(not_understood(&user, &reason)),
    };
    let shown = match &view {
        Some(view) => columns_in(&view.columns),
        None => columns_of(&portal, &user).await?,
    };
    let found = portal.store.devices(&query).await?;
    let groups = portal.store.groups(&query).await?;
    let choices = portal.store.choices().await?;
    let sensors = portal.store.sensor_names(query.sensor).await?;
    let now = Timestamp::now();
    let may_change = user.role.may_change();
    let body = html! {
        h1 { "Device inventory" }
        (views::bar(&portal, &user, &asked, view.as_ref(), &shown).await?)
        (filters(&asked, &choices, &sensors))
        (column_choice(&shown, &address("/devices", &without_view(&asked), None)))
        (groups::chips(&asked, query.group, &groups))
        div.bar {
            p role="status" { strong { (found.total) } " device" @if found.total != 1 { "s" } }
            p.links {
                "Export: "
                a href=(address("/devices.csv", &asked, None)) { "CSV" } " · "
                a href=(address("/devices.json", &asked, None)) { "JSON" }
            }
        }
        @if found.devices.is_empty() {
            p { "No device matches. The inventory fills some minutes after a sensor has connected." }
        } @else {
            form method="post" action="/devices/change" {
                input type="hidden" name="back" value=(address("/devices", &asked, asked.page));
                @if may_change { (decisions::bulk()) }
                (table("Devices", &html! {
                    @if may_change { th scope="col" { span.unseen { "Chosen" } } }
                    @for column in &shown { (heading(*column, &asked, &query)) }
                }, &html! {
                    @for (at, device) in found.devices.iter().enumerate() {
                        @if let Some(group) = query.group {
                            @let earlier = at.checked_sub(1).map(|at| &found.devices[at]);
                            (groups::heading(group, device, earlier, &groups, shown.len() + usize::from(may_change)))
                        }
                        (row(&user, device, &shown, now))
                    }
                }))
            }
            (pager(&asked, &query, &found))
        }
    };
    Ok(page(Some(&user), Place::Devices, "Device inventory", &body).into_response())
}

/// The same question outside of any view: there the account's own columns are shown.
fn without_view(asked: &Asked) -> Asked {
    Asked { view: views::ALL.to_owned(), ..asked.clone() }
}

/// The same question at another address or page.
pub(super) fn address(path: &str, asked: &Asked, page: Option<i64>) -> String {
    sorted(path, asked, page, &asked.sort, &asked.order)
}

fn sorted(path: &str, asked: &Asked, page: Option<i64>, sort: &str, order: &str) -> String {
    let text = |number: Option<i64>| number.map(|n| n.to_string()).unwrap_or_default();
    link::with_query(
        path,
        [
            ("search", asked.search.clone()),
            ("class", asked.class.clone()),
            ("type", asked.device_type.clone()),
            ("vendor", asked.vendor.clone()),
            ("sensor", asked.sensor.clone()),
            ("authorized", asked.authorized.clone()),
            ("importance", asked.importance.clone()),
            ("tag", asked.tag.clone()),
            ("state", asked.state.clone()),
            ("cve", asked.cve.clone()),
            ("group", asked.group.clone()),
            ("in", asked.within.clone()),
            ("view", asked.view.clone()),
            ("sort", sort.to_owned()),
            ("order", order.to_owned()),
            ("per_page", text(asked.per_page)),
            ("page", text(page)),
        ],
    )
}

fn heading(column: Column, asked: &Asked, query: &DeviceQuery) -> Markup {
    let (state, next, arrow) = match (column == query.by, query.order) {
        (true, Order::Ascending) => (Some("ascending"), "desc", " ▲"),
        (true, Order::Descending) => (Some("descending"), "asc", " ▼"),
        (false, _) => (None, "asc", ""),
    };
    html! {
        th scope="col" class=[(column == Column::Confidence).then_some("number")] aria-sort=[state] {
            a href=(sorted("/devices", asked, None, column.name(), next)) { (column.title()) span aria-hidden="true" { (arrow) } }
        }
    }
}

fn row(user: &User, device: &Device, shown: &[Column], now: Timestamp) -> Markup {
    let name = called(&device.record);
    html! { tr {
    @if user.role.may_change() { td { input.plain type="checkbox" name="id" value=(device.id) aria-label={ "Choose " (name) }; } }
    @for column in shown { (table_cell(device, *column, now)) } } }
}

fn table_cell(device: &Device, column: Column, now: Timestamp) -> Markup {
    let record = &device.record;
    let plain = |value: &Option<String>| html! { td { (value.as_deref().unwrap_or("–")) } };
    match column {
        Column::Name => {
            html! { th scope="row" { a href={ "/devices/" (device.id) } { (called(record)) } } }
        }
        Column::Ip => html! {
            td.code {
                @match record.ips.first() {
                    Some(ip) => { (ip) @if record.ips.len() > 1 { small title=(join(&record.ips)) { " +" (record.ips.len() - 1) } } }
                    None => "–"
                }
            }
        },
        Column::Mac => html! {
            td.code { (record.mac) @if record.randomized_mac { small { " randomised" } } }
        },
        Column::Vendor => plain(&record.vendor),
        Column::Model => plain(&record.model),
        Column::Type => html! { td { (label_or_unknown(record.device_type.map(|t| t.name()))) } },
        Column::Class => html! { td { (label_or_unknown(record.class.map(|c| c.name()))) } },
        Column::Os => plain(&record.os),
        Column::Firmware => plain(&record.firmware),
        Column::Serial => plain(&record.serial),
        Column::Vlans => html! { td.number { (join(&record.vlans)) } },
        Column::Protocols => html! { td { (join(&record.protocols)) } },
        Column::Zone => html! { td { (device.zone) } },
        Column::Sensor => html! { td { a href={ "/sensors/" (device.sensor) } { (device.sensor_name) } } },
        Column::FirstSeen => html! { td.when { (cell(record.first_seen)) } },
        Column::LastSeen => html! {
            td.when { (cell(record.last_seen)) br; small { (relative(record.last_seen, now)) } }
        },
        Column::Confidence => html! { td.number { (percent(record.confidence)) } },
        Column::Authorized => html! { td { (yes_or_no(device.decisions.authorized)) } },
        Column::Importance => html! { td { (label(&device.decisions.importance)) } },
        Column::Tags => html! { td { (join(&device.decisions.tags)) } },
        Column::Location => html! { td { (device.decisions.location) } },
    }
}

/// Columns shown until somebody chooses others.
const FIRST_COLUMNS: [Column; 13] = [
    Column::Name,
    Column::Ip,
    Column::Mac,
    Column::Vendor,
    Column::Model,
    Column::Type,
    Column::Class,
    Column::Os,
    Column::Firmware,
    Column::Sensor,
    Column::FirstSeen,
    Column::LastSeen,
    Column::Confidence,
];

/// Name of the preference.
const CHOSEN: &str = "devices.columns";

async fn columns_of(portal: &Portal, user: &User) -> Result<Vec<Column>, Failed> {
    let kept = portal.store.preference(&user.name, CHOSEN).await?.unwrap_or_default();
    Ok(columns_in(&kept))
}

/// The columns named in a kept text; the first ones where it names none.
pub(super) fn columns_in(text: &str) -> Vec<Column> {
    let chosen: Vec<_> = text.split(',').filter_map(Column::named).collect();
    if chosen.is_empty() {
        FIRST_COLUMNS.to_vec()
    } else {
        chosen
    }
}

/// `POST /devices/columns`: keeps the choice with the account, for every browser of theirs.
///
/// # Errors
/// The store fails.
pub async fn choose_columns(
    State(portal): App,
    Viewer(user): Viewer,
    Form(given): Form<Vec<(String, String)>>,
) -> Result<Redirect, Failed> {
    let asked = |name: &str| given.iter().any(|(key, value)| key == "column" && value == name);
    // the name leads to the device's page, so it always stays
    let mut chosen: Vec<_> = Column::ALL.iter().filter(|c| **c == Column::Name || asked(c.name())).collect();
    let position = |column: &Column| {
        let field = format!("position-{}", column.name());
        given
            .iter()
            .find(|(key, _)| *key == field)
            .and_then(|(_, n)| n.parse::<u16>().ok())
            .unwrap_or(u16::MAX)
    };
    chosen.sort_by_key(|c| if **c == Column::Name { 0 } else { position(c) });
    let chosen: Vec<_> = match given.iter().any(|(key, _)| key == "reset") {
        true => Vec::new(),
        false => chosen.iter().map(|c| c.name()).collect(),
    };
    portal.store.keep_preference(&user.name, CHOSEN, &chosen.join(",")).await?;
    let back = given.iter().find(|(key, value)| key == "back" && link::is_local(value));
    Ok(Redirect::to(back.map_or("/devices", |(_, value)| value)))
}

fn column_choice(shown: &[Column], back: &str) -> Markup {
    html! {
        details.columns {
            summary { "Edit columns" }
            form method="post" action="/devices/columns" {
                input type="hidden" name="back" value=(back);
                p.hint { "The name comes first, then the others by their number." }
                fieldset {
                    legend { "Columns shown" }
                    @for column in offered(shown) {
                        @let place = shown.iter().position(|c| *c == column);
                        div.check {
                            label.inline {
                                input type="checkbox" name="column" value=(column.name()) checked[place.is_some()];
                                " " (column.title())
                            }
                            input.place type="number" name={ "position-" (column.name()) } min="1" max="99" value=[place] aria-label={ "Place of " (column.title()) };
                        }
                    }
                }
                button type="submit" { "Save" }
                " "
                button.quiet type="submit" name="reset" value="yes" { "Reset" }
            }
        }
    }
}

/// All columns but the name: those shown in their order, then the others.
fn offered(shown: &[Column]) -> Vec<Column> {
    let others = Column::ALL.iter().filter(|c| !shown.contains(c));
    shown.iter().chain(others).copied().filter(|c| *c != Column::Name).collect()
}

/// 0.875 as `88 %`.
pub(super) fn percent(confidence: f32) -> String {
    format!("{:.0} %", confidence * 100.0)
}

pub(super) fn join<T: ToString>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn filters(asked: &Asked, choices: &Choices, sensors: &[(Uuid, String)]) -> Markup {
    let plain = |value: &str| value.to_owned();
    html! {
        form.filters method="get" action="/devices" role="search" {
            div {
                label for="search" { "Search" }
                input #search type="search" name="search" value=(asked.search) placeholder="Name, address, vendor, model…";
            }
            (choice("class", "Class", &asked.class, &choices.classes, label))
            (choice("type", "Type", &asked.device_type, &choices.types, label))
            (choice("vendor", "Vendor", &asked.vendor, &choices.vendors, plain))
            div {
                label for="sensor" { "Sensor" }
                select #sensor name="sensor" {
                    option value="" { "All" }
                    @for (id, name) in sensors {
                        @let id = id.to_string();
                        option value=(id) selected[id == asked.sensor] { (name) }
                    }
                }
            }
            (fixed("authorized", "Authorised", &asked.authorized, [("yes", "Yes"), ("no", "No"), ("unknown", "Not decided")]))
            (fixed("importance", "Importance", &asked.importance, [("high", "High"), ("normal", "Normal"), ("low", "Low")]))
            (fixed("state", "State", &asked.state, [("new", "New"), ("transient", "Transient"), ("unclassified", "Unclassified")]))
            div {
                label for="group" { "Group by" }
                select #group name="group" {
                    option value="" { "No grouping" }
                    @for group in Grouping::ALL {
                        option value=(group.name()) selected[group.name() == asked.group] { (group.title()) }
                    }
                }
            }
            div { label for="tag" { "Tag" } input #tag name="tag" value=(asked.tag) autocomplete="off"; }
            div {
                label for="per_page" { "Per page" }
                select #per_page name="per_page" {
                    @for size in PAGE_SIZES {
                        option value=(size) selected[asked.per_page.unwrap_or(PAGE) == size] { (size) }
                    }
                }
            }
            @if !asked.cve.is_empty() {
                div { label for="cve" { "Vulnerability" } input #cve name="cve" value=(asked.cve) autocomplete="off"; }
            }
            @if !asked.sort.is_empty() { input type="hidden" name="sort" value=(asked.sort); }
            @if !asked.order.is_empty() { input type="hidden" name="order" value=(asked.order); }
            @if !asked.view.is_empty() { input type="hidden" name="view" value=(asked.view); }
            div.buttons { button type="submit" { "Apply" } " " a href="/devices?view=all" { "Reset" } }
        }
    }
}

fn fixed(name: &str, title: &str, chosen: &str, values: [(&str, &str); 3]) -> Markup {
    html! {
        div {
            label for=(name) { (title) }
            select id=(name) name=(name) {
                option value="" { "All" }
                @for (value, text) in values { option value=(value) selected[value == chosen] { (text) } }
            }
        }
    }
}

fn choice(
    name: &str,
    title: &str,
    chosen: &str,
    values: &[(Option<String>, i64)],
    shown: impl Fn(&str) -> String,
) -> Markup {
    html! {
        div {
            label for=(name) { (title) }
            select id=(name) name=(name) {
                option value="" { "All" }
                @for (value, count) in values {
                    @let key = value.as_deref().unwrap_or("unknown");
                    option value=(key) selected[key == chosen] {
                        (value.as_deref().map_or("Unknown".to_owned(), &shown)) " (" (count) ")"
                    }
                }
            }
        }
    }
}

fn pager(asked: &Asked, query: &DeviceQuery, found: &DevicePage) -> Markup {
    let size = query.limit.unwrap_or(PAGE);
    let (page, last) = (query.offset / size + 1, (found.total + size - 1) / size);
    html! {
        @if last > 1 {
            nav.pager aria-label="Pages" {
                @if page > 1 { a rel="prev" href=(address("/devices", asked, Some(page - 1))) { "‹ Previous" } }
                span { "Page " (page) " of " (last) }
                @if page < last { a rel="next" href=(address("/devices", asked, Some(page + 1))) { "Next ›" } }
            }
        }
    }
}

/// A question that makes no sense.
pub(super) fn not_understood(user: &User, reason: &str) -> Response {
    refusal(Some(user), StatusCode::UNPROCESSABLE_ENTITY, "Not understood", reason)
}
