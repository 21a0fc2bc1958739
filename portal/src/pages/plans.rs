//! Plans and pricing: what each subscription has committed to, what is counted and what is not, and why.

use axum::extract::{Multipart, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::Form;
use eyot_contract::Timestamp;
use maud::{html, Markup};
use serde::Deserialize;

use super::layout::{fault, page, Place};
use super::Failed;
use crate::api::{App, Pricer, Viewer};
use crate::moments::moment;
use crate::portal::Portal;
use crate::rules::committed::{Committed, Excluded, Managed, STEP};
use crate::rules::managed;
use crate::rules::plan::{Plan, PlanKind, Standing, TRIAL_DAYS, TRIAL_DEVICES};
use crate::rules::registration::checked;
use crate::store::{current_plan, Actor, User};

/// `GET /plans`.
///
/// # Errors
/// The store fails.
pub async fn show(State(portal): App, Viewer(user): Viewer) -> Result<Markup, Failed> {
    whole(&portal, &user, None).await
}

/// The form that adds a plan.
#[derive(Deserialize)]
pub struct NewPlan {
    subscription: String,
    kind: String,
    #[serde(default)]
    devices: String,
}

/// `POST /plans`.
///
/// # Errors
/// The store fails.
pub async fn add(
    State(portal): App,
    Pricer(user): Pricer,
    Form(given): Form<NewPlan>,
) -> Result<Response, Failed> {
    let by = Actor::now(&user.name);
    let (subscription, plan) = match wanted(&given, by.at) {
        Ok(wanted) => wanted,
        Err(reason) => return refuse(&portal, &user, &reason).await,
    };
    match portal.store.add_plan(subscription, &plan, by).await? {
        Ok(()) => Ok(Redirect::to("/plans").into_response()),
        Err(reason) => refuse(&portal, &user, reason).await,
    }
}

fn wanted(given: &NewPlan, now: Timestamp) -> Result<(&str, Plan), String> {
    let subscription = checked("subscription", &given.subscription).map_err(|e| e.to_string())?;
    let kind: PlanKind = given.kind.parse()?;
    let devices = match (kind, given.devices.trim()) {
        (PlanKind::Trial, _) | (_, "") => None,
        (_, text) => Some(text.parse().map_err(|_| format!("\"{text}\" is not a number of devices"))?),
    };
    Ok((subscription, Plan::new(kind, devices, now)?))
}

/// Which subscription's plan to cancel.
#[derive(Deserialize)]
pub struct Cancel {
    subscription: String,
}

/// `POST /plans/cancel`.
///
/// # Errors
/// The store fails.
pub async fn cancel(
    State(portal): App,
    Pricer(user): Pricer,
    Form(given): Form<Cancel>,
) -> Result<Response, Failed> {
    match portal.store.cancel_plan(&given.subscription, Actor::now(&user.name)).await? {
        true => Ok(Redirect::to("/plans").into_response()),
        false => refuse(&portal, &user, "this subscription has no plan to cancel").await,
    }
}

/// `POST /plans/managed`: a file with the list of managed endpoints.
///
/// # Errors
/// The store fails.
pub async fn import(
    State(portal): App,
    Pricer(user): Pricer,
    mut form: Multipart,
) -> Result<Response, Failed> {
    let list = match form.next_field().await {
        Ok(Some(field)) => field.text().await.map_err(|e| e.to_string()),
        Ok(None) => Err("no file came with the form".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    let managed = match list.and_then(|text| managed::read(&text).map_err(|e| e.to_string())) {
        Ok(managed) => managed,
        Err(reason) => return refuse(&portal, &user, &reason).await,
    };
    portal.store.replace_managed(&managed, Actor::now(&user.name)).await?;
    Ok(Redirect::to("/plans").into_response())
}

async fn refuse(portal: &Portal, user: &User, reason: &str) -> Result<Response, Failed> {
    Ok((StatusCode::UNPROCESSABLE_ENTITY, whole(portal, user, Some(reason)).await?).into_response())
}

async fn whole(portal: &Portal, user: &User, reason: Option<&str>) -> Result<Markup, Failed> {
    let now = Timestamp::now();
    let counts = portal.store.committed(now).await?;
    let managed = portal.store.managed().await?;
    let names: Vec<_> = counts.keys().cloned().collect();
    let mut sections = Vec::new();
    for (name, count) in &counts {
        let plans = portal.store.plans(name).await?;
        sections.push(subscription(user, name, count, &plans, now));
    }
    let body = html! {
        h1 { "Plans and pricing" }
        (fault(reason))
        @if sections.is_empty() { p { "There is no subscription yet. Registering a sensor makes one, and so does adding a plan." } }
        @for section in &sections { (section) }
        @if user.role.may_price() { (forms(&names)) }
        section.card aria-labelledby="managed" {
            h2 #managed { "Managed endpoints" }
            (managed_list(user, &managed))
        }
    };
    Ok(page(Some(user), Place::Plans, "Plans and pricing", &body))
}

fn subscription(user: &User, name: &str, count: &Committed, plans: &[Plan], now: Timestamp) -> Markup {
    let plan = current_plan(plans, now);
    html! {
        section.card {
            h2 { (name) }
            @match plan {
                None => p { "No plan." },
                Some(plan) => {
                    p {
                        strong { (plan.kind.title()) ", " (plan.committed) " devices" } " – " (plan.standing(now).title())
                        ", in effect from " (moment(plan.starts))
                        @if let Some(ends) = plan.ends { " to " (moment(ends)) }
                    }
                    @if count.counted() > plan.committed {
                        p.note role="status" {
                            "This subscription has " (count.counted()) " devices and has committed to " (plan.committed)
                            ". Nothing is blocked; cancel the plan and add one for " (count.rounded()) " devices."
                        }
                    }
                    @if user.role.may_price() && plan.standing(now) != Standing::Ending {
                        form method="post" action="/plans/cancel" {
                            input type="hidden" name="subscription" value=(name);
                            button.quiet type="submit" { "Cancel plan" }
                        }
                    }
                }
            }
            dl.facts {
                dt { "Network devices" } dd { (count.network) }
                dt { "IoT and other devices" } dd { (count.iot) }
                @for reason in Excluded::ALL {
                    dt { "Not counted: " (reason.title()) } dd { "− " (count.excluded[reason as usize]) }
                }
                dt { "Counted" } dd { (count.counted()) }
                dt { strong { "Committed devices" } } dd { strong { (count.rounded()) } " (rounded up to the next " (STEP) ")" }
            }
        }
    }
}

fn forms(names: &[String]) -> Markup {
    html! {
        section.card aria-labelledby="add" {
            h2 #add { "Add a plan" }
            p.hint { "It takes effect an hour after you confirm it. To change the number of devices, cancel the plan and add another. "
                "A trial is for " (TRIAL_DEVICES) " devices and ends by itself after " (TRIAL_DAYS) " days." }
            form.edit method="post" action="/plans" {
                div { label for="subscription" { "Subscription" }
                    input #subscription name="subscription" list="subscriptions" required autocomplete="off";
                    datalist #subscriptions { @for name in names { option value=(name) {} } } }
                div { label for="kind" { "Plan" }
                    select #kind name="kind" { @for kind in PlanKind::ALL { option value=(kind) { (kind.title()) } } } }
                div { label for="devices" { "Devices (not for a trial)" }
                    input #devices name="devices" inputmode="numeric" autocomplete="off"; }
                div.buttons { button type="submit" { "Confirm" } }
            }
        }
    }
}

fn managed_list(user: &User, managed: &Managed) -> Markup {
    html! {
        p { "Endpoints that other software manages are not counted. The list has " (managed.macs.len()) " MAC addresses, "
            (managed.ips.len()) " IP addresses and " (managed.names.len()) " names." }
        @if user.role.may_price() {
            form method="post" action="/plans/managed" enctype="multipart/form-data" {
                label for="list" { "New list (CSV with a heading, or JSON; columns mac, ip, name)" }
                input #list type="file" name="list" accept=".csv,.json,text/csv,application/json" required;
                button type="submit" { "Replace the list" }
            }
        }
    }
}
