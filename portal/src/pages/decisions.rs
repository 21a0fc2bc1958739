//! What people decide about devices, as forms: one device on its page, several by their check boxes.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::Form;
use eyot_contract::DeviceType;
use maud::{html, Markup};
use uuid::Uuid;

use super::label::label;
use super::{link, refusal, Failed};
use crate::api::decisions::check;
use crate::api::{App, Changer};
use crate::rules::decisions::{Edit, IMPORTANCES, MAX_NOTES, MAX_TEXT};
use crate::store::{Actor, Device};

/// `POST /devices/change`: the form of one device (`all=yes`: every field is meant as it stands there) or of several.
///
/// # Errors
/// The store fails.
pub async fn change(
    State(portal): App,
    Changer(user): Changer,
    Form(given): Form<Vec<(String, String)>>,
) -> Result<Response, Failed> {
    let value = |name: &str| given.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim());
    let back = value("back").filter(|b| link::is_local(b)).unwrap_or("/devices").to_owned();
    let ids: Vec<Uuid> =
        given.iter().filter(|(key, _)| key == "id").filter_map(|(_, id)| id.parse().ok()).collect();
    if value("do") == Some("merge") {
        // asked again there, with the choice of which one stays
        let pairs = ids.iter().map(|id| ("id", id.to_string()));
        return Ok(Redirect::to(&link::with_query("/devices/merge", pairs)).into_response());
    }
    let by = Actor::now(&user.name);
    let done = match value("do") {
        Some("delete") => match check(&ids, &Edit::default()) {
            Ok(()) => Ok(portal.store.delete_devices(&ids, by).await?),
            Err(reason) => Err(reason),
        },
        _ => match wanted(&value).and_then(|edit| check(&ids, &edit).map(|()| edit)) {
            Ok(edit) => Ok(portal.store.edit_devices(&ids, &edit, by).await?),
            Err(reason) => Err(reason),
        },
    };
    match done {
        Ok(_) => Ok(Redirect::to(&back).into_response()),
        Err(reason) => {
            Ok(refusal(Some(&user), StatusCode::UNPROCESSABLE_ENTITY, "Nothing was changed", &reason))
        }
    }
}

fn wanted<'a>(value: &impl Fn(&str) -> Option<&'a str>) -> Result<Edit, String> {
    let text = |name: &str| value(name).map(str::to_owned);
    // the field as it was shown: what was left alone is not a decision
    let changed = |name: &str| text(name).filter(|now| value(&format!("was-{name}")) != Some(now.as_str()));
    let tags = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let authorized = match changed("authorized").as_deref() {
        Some("yes") => Some(Some(true)),
        Some("no") => Some(Some(false)),
        Some("unknown") => Some(None),
        _ => None,
    };
    Edit {
        name: changed("name"),
        device_type: changed("type"),
        vendor: changed("vendor"),
        model: changed("model"),
        location: changed("location"),
        importance: changed("importance").filter(|i| !i.is_empty()),
        tags: changed("tags").map(|t| tags(&t)),
        add_tags: value("add_tags").map(tags).unwrap_or_default(),
        notes: changed("notes"),
        authorized,
    }
    .checked()
}

/// The form on a device's page.
pub(super) fn form(device: &Device) -> Markup {
    let (record, decisions) = (&device.record, &device.decisions);
    let locked = |field: &str| decisions.locked.iter().any(|l| l == field);
    let texts = [
        ("name", "hostname", "Name", record.hostname.clone().unwrap_or_default()),
        ("vendor", "vendor", "Vendor", record.vendor.clone().unwrap_or_default()),
        ("model", "model", "Model", record.model.clone().unwrap_or_default()),
        ("location", "location", "Location", decisions.location.clone()),
        ("tags", "tags", "Tags, with commas between", decisions.tags.join(", ")),
    ];
    let kind = record.device_type.map(|t| t.name()).unwrap_or_default();
    let said = match decisions.authorized {
        None => "unknown",
        Some(true) => "yes",
        Some(false) => "no",
    };
    html! {
        section.card aria-labelledby="edit" {
            h2 #edit { "Edit" }
            p.hint { "Name, type, vendor and model that you set stay as they are, whatever sensors report. Emptied, they are the sensors' again." }
            form method="post" action="/devices/change" {
                input type="hidden" name="id" value=(device.id);
                input type="hidden" name="back" value={ "/devices/" (device.id) };
                div.edit {
                    @for (name, field, title, value) in &texts {
                        div {
                            label for={ "edit-" (name) } { (title) @if locked(field) { " 🔒" span.unseen { " (set by hand)" } } }
                            input id={ "edit-" (name) } name=(name) value=(value) maxlength=(MAX_TEXT) autocomplete="off";
                            input type="hidden" name={ "was-" (name) } value=(value);
                        }
                    }
                    div {
                        label for="edit-type" { "Type" @if locked("type") { " 🔒" span.unseen { " (set by hand)" } } }
                        select #edit-type name="type" {
                            option value="" { "As reported" }
                            @for t in DeviceType::ALL { option value=(t.name()) selected[t.name() == kind] { (label(t.name())) } }
                        }
                        input type="hidden" name="was-type" value=(kind);
                    }
                    div {
                        label for="edit-importance" { "Importance" }
                        select #edit-importance name="importance" {
                            @for i in IMPORTANCES { option value=(i) selected[i == decisions.importance] { (label(i)) } }
                        }
                        input type="hidden" name="was-importance" value=(decisions.importance);
                    }
                    div {
                        label for="edit-authorized" { "Authorised" }
                        select #edit-authorized name="authorized" {
                            @for (value, text) in [("unknown", "Not decided"), ("yes", "Yes"), ("no", "No")] {
                                option value=(value) selected[value == said] { (text) }
                            }
                        }
                        input type="hidden" name="was-authorized" value=(said);
                    }
                }
                label for="edit-notes" { "Notes" }
                textarea #edit-notes name="notes" rows="3" maxlength=(MAX_NOTES) { (decisions.notes) }
                button type="submit" { "Save" }
            }
            form method="post" action="/devices/change" {
                input type="hidden" name="id" value=(device.id);
                button.quiet type="submit" name="do" value="delete" { "Delete device" }
                small { " It comes back if a sensor sees it again." }
            }
        }
    }
}

/// What can be done with the chosen rows.
pub(super) fn bulk() -> Markup {
    html! {
        p.bulk {
            label.inline for="bulk-authorized" { "The chosen ones: authorised" }
            select #bulk-authorized name="authorized" {
                @for (value, text) in [("", "unchanged"), ("yes", "yes"), ("no", "no"), ("unknown", "not decided")] { option value=(value) { (text) } }
            }
            label.inline for="bulk-importance" { "importance" }
            select #bulk-importance name="importance" {
                option value="" { "unchanged" }
                @for i in IMPORTANCES { option value=(i) { (i) } }
            }
            label.inline for="bulk-tags" { "add tags" }
            input.plain #bulk-tags name="add_tags" autocomplete="off";
            button.quiet type="submit" { "Set" }
            button.quiet type="submit" name="do" value="merge" { "Merge…" }
            button.quiet type="submit" name="do" value="delete" { "Delete" }
        }
    }
}
