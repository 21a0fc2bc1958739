//! Saved views of the inventory: filters, sort, grouping and columns under a name. One can be everybody's, and one can be what
//! an account sees first.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::Form;
use maud::{html, Markup};
use uuid::Uuid;

use super::inventory::{address, columns_in};
use super::{link, missing, refusal, Failed};
use crate::api::devices::Asked;
use crate::api::views::{check, read, too_many, MAX_NAME};
use crate::api::{App, Viewer};
use crate::portal::Portal;
use crate::store::{Actor, Column, NewView, User, View, ViewKept};

/// Name of the preference: the view an account sees first.
const FIRST: &str = "devices.view";
/// In place of a view's id: none, not even the first one.
pub(super) const ALL: &str = "all";

/// What is asked once views are looked up.
pub(super) enum Resolved {
    /// This, with the view whose columns are shown.
    Here(Box<Asked>, Option<View>),
    /// It has an address of its own.
    Elsewhere(String),
}

/// Looks up the view that is asked for. Whatever the address says besides goes before what the view says.
pub(super) async fn resolve(portal: &Portal, user: &User, asked: Asked) -> Result<Resolved, Failed> {
    if asked == Asked::default() {
        let first = portal.store.preference(&user.name, FIRST).await?.unwrap_or_default();
        let there = match first.parse() {
            Ok(id) => portal.store.view(id, &user.name).await?.is_some(),
            Err(_) => false,
        };
        return Ok(match there {
            true => Resolved::Elsewhere(format!("/devices?view={first}")),
            false => Resolved::Here(Box::new(asked), None),
        });
    }
    let view = match asked.view.parse() {
        Ok(id) => portal.store.view(id, &user.name).await?,
        Err(_) => None,
    };
    let Some(view) = view else { return Ok(Resolved::Here(Box::new(asked), None)) };
    let alone = asked == Asked { view: asked.view.clone(), ..Asked::default() };
    let asked = match alone {
        true => Asked { view: asked.view, ..read(&view.query).unwrap_or_default() },
        false => asked,
    };
    Ok(Resolved::Here(Box::new(asked), Some(view)))
}

/// The question alone.
pub(super) async fn asked(portal: &Portal, user: &User, asked: Asked) -> Result<Asked, Failed> {
    let kept = asked.clone();
    Ok(match resolve(portal, user, asked).await? {
        Resolved::Here(asked, _) => *asked,
        Resolved::Elsewhere(_) => kept,
    })
}

/// The views there are, and how to save the present one.
pub(super) async fn bar(
    portal: &Portal,
    user: &User,
    asked: &Asked,
    here: Option<&View>,
    shown: &[Column],
) -> Result<Markup, Failed> {
    let views = portal.store.views(&user.name).await?;
    let first = portal.store.preference(&user.name, FIRST).await?.unwrap_or_default();
    let own = |view: &View| view.owner == user.name;
    let plain = Asked { view: String::new(), ..asked.clone() };
    let query = address("", &plain, None);
    let columns: Vec<_> = shown.iter().map(|c| c.name()).collect();
    Ok(html! {
        nav.chips aria-label="Saved views" {
            a href={ "/devices?view=" (ALL) } aria-current=[here.is_none().then_some("true")] { "All devices" }
            @for view in &views {
                a href={ "/devices?view=" (view.id) } aria-current=[here.is_some_and(|h| h.id == view.id).then_some("true")] {
                    (view.name) @if !own(view) { " " small { "(" (view.owner) ")" } }
                }
            }
        }
        details.columns {
            summary { "Views" }
            form.edit method="post" action="/devices/views" {
                input type="hidden" name="query" value=(query.trim_start_matches('?'));
                input type="hidden" name="columns" value=(columns.join(","));
                div {
                    label for="view-name" { "Save what is shown now as" }
                    input #view-name name="name" required maxlength=(MAX_NAME) autocomplete="off" value=[here.filter(|h| own(h)).map(|h| &h.name)];
                }
                div.choices {
                    @if user.role.may_change() {
                        label.check { input type="checkbox" name="shared" value="yes" checked[here.is_some_and(|h| h.shared && own(h))]; " For everybody" }
                    }
                    label.check { input type="checkbox" name="first" value="yes"; " Show it first" }
                }
                button type="submit" { "Save view" }
            }
            ul.plain {
                @for view in &views {
                    li {
                        (view.name) @if view.shared { " " small { "shared by " (view.owner) } }
                        form.beside method="post" action="/devices/views/change" {
                            input type="hidden" name="id" value=(view.id);
                            @if first == view.id.to_string() {
                                button.quiet type="submit" name="do" value="not-first" aria-label={ "Do not show first: " (view.name) } { "Do not show first" }
                            } @else {
                                button.quiet type="submit" name="do" value="first" aria-label={ "Show first: " (view.name) } { "Show first" }
                            }
                            @if own(view) || user.role.may_change() {
                                " " button.quiet type="submit" name="do" value="remove" aria-label={ "Remove " (view.name) } { "Remove" }
                            }
                        }
                    }
                }
            }
        }
    })
}

/// `POST /devices/views`: saves a view; one of the same name is replaced.
///
/// # Errors
/// The store fails.
pub async fn keep(
    State(portal): App,
    Viewer(user): Viewer,
    Form(given): Form<Vec<(String, String)>>,
) -> Result<Response, Failed> {
    let value = |name: &str| given.iter().find(|(key, _)| key == name).map_or("", |(_, v)| v.trim());
    let no = |text: &str| refusal(Some(&user), StatusCode::UNPROCESSABLE_ENTITY, "Not saved", text);
    let (name, query) = (value("name"), value("query"));
    if let Err(reason) = check(name, query) {
        return Ok(no(&reason));
    }
    let columns: Vec<_> = columns_in(value("columns")).iter().map(|c| c.name()).collect();
    let shared = value("shared") == "yes" && user.role.may_change();
    let view = NewView { name, shared, query, columns: &columns.join(",") };
    let id = match portal.store.keep_view(view, Actor::now(&user.name)).await? {
        ViewKept::Kept(id) => id,
        ViewKept::TooMany => return Ok(no(&too_many())),
    };
    if value("first") == "yes" {
        portal.store.keep_preference(&user.name, FIRST, &id.to_string()).await?;
    }
    Ok(Redirect::to(&format!("/devices?view={id}")).into_response())
}

/// `POST /devices/views/change`: which is shown first, and removal.
///
/// # Errors
/// The store fails.
pub async fn change(
    State(portal): App,
    Viewer(user): Viewer,
    Form(given): Form<Vec<(String, String)>>,
) -> Result<Response, Failed> {
    let value = |name: &str| given.iter().find(|(key, _)| key == name).map_or("", |(_, v)| v.trim());
    let Ok(id) = value("id").parse::<Uuid>() else {
        return Ok(missing(&user, "There is no such view."));
    };
    if portal.store.view(id, &user.name).await?.is_none() {
        return Ok(missing(&user, "There is no such view."));
    }
    match value("do") {
        "first" => portal.store.keep_preference(&user.name, FIRST, &id.to_string()).await?,
        "not-first" => portal.store.keep_preference(&user.name, FIRST, "").await?,
        "remove" => {
            let any = user.role.may_change();
            if !portal.store.remove_view(id, any, Actor::now(&user.name)).await? {
                let text = "This view is somebody else's.";
                return Ok(refusal(Some(&user), StatusCode::FORBIDDEN, "Not removed", text));
            }
        }
        _ => {
            let text = "Nothing was said about what to do with the view.";
            return Ok(refusal(Some(&user), StatusCode::UNPROCESSABLE_ENTITY, "Nothing was changed", text));
        }
    }
    Ok(Redirect::to(&link::with_query("/devices", [("view", ALL.to_owned())])).into_response())
}
