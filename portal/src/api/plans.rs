//! Plans for programs: what is committed to, what is counted, and the list of managed endpoints.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use eyot_contract::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{App, Json, Moment, Pricer, Problem, Viewer};
use crate::rules::committed::{Committed, Excluded};
use crate::rules::managed;
use crate::rules::plan::{Plan, PlanKind};
use crate::rules::registration::checked;
use crate::store::{current_plan, Actor};

/// A subscription in an answer.
#[derive(Serialize, JsonSchema)]
pub struct SubscriptionView {
    subscription: String,
    plan: Option<PlanView>,
    network_devices: i64,
    iot_devices: i64,
    excluded: BTreeMap<&'static str, i64>,
    counted: i64,
    /// Rounded up to the next hundred.
    committed_devices: i64,
    /// More devices than the plan is for.
    over_committed: bool,
}

#[derive(Serialize, JsonSchema)]
struct PlanView {
    kind: &'static str,
    standing: &'static str,
    devices: i64,
    #[schemars(with = "Moment")]
    starts: Timestamp,
    #[schemars(with = "Option<Moment>")]
    ends: Option<Timestamp>,
}

impl SubscriptionView {
    fn of(name: String, count: &Committed, plans: &[Plan], now: Timestamp) -> Self {
        let plan = current_plan(plans, now);
        Self {
            subscription: name,
            plan: plan.map(|p| PlanView {
                kind: p.kind.name(),
                standing: p.standing(now).title(),
                devices: p.committed,
                starts: p.starts,
                ends: p.ends,
            }),
            network_devices: count.network,
            iot_devices: count.iot,
            excluded: Excluded::ALL.iter().map(|e| (e.name(), count.excluded[*e as usize])).collect(),
            counted: count.counted(),
            committed_devices: count.rounded(),
            over_committed: plan.is_some_and(|p| count.counted() > p.committed),
        }
    }
}

/// Every subscription.
#[derive(Serialize, JsonSchema)]
pub struct Subscriptions {
    subscriptions: Vec<SubscriptionView>,
}

/// How many endpoints the list names.
#[derive(Serialize, JsonSchema)]
pub struct Managed {
    macs: usize,
    ips: usize,
    names: usize,
}

/// `GET /api/v1/plans`.
///
/// # Errors
/// The store fails.
pub async fn list(State(portal): App, _: Viewer) -> Result<Json<Subscriptions>, Problem> {
    let now = Timestamp::now();
    let mut views = Vec::new();
    for (name, count) in portal.store.committed(now).await? {
        let plans = portal.store.plans(&name).await?;
        views.push(SubscriptionView::of(name, &count, &plans, now));
    }
    Ok(Json(Subscriptions { subscriptions: views }))
}

/// `POST /api/v1/plans`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlan {
    subscription: String,
    kind: String,
    devices: Option<i64>,
}

/// `POST /api/v1/plans`.
///
/// # Errors
/// The plan makes no sense, may not be added, or the store fails.
pub async fn add(
    State(portal): App,
    Pricer(user): Pricer,
    Json(request): Json<NewPlan>,
) -> Result<StatusCode, Problem> {
    let by = Actor::now(&user.name);
    let unusable = |reason| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, reason);
    let subscription = checked("subscription", &request.subscription)?;
    let kind: PlanKind = request.kind.parse().map_err(unusable)?;
    let plan = Plan::new(kind, request.devices, by.at).map_err(unusable)?;
    match portal.store.add_plan(subscription, &plan, by).await? {
        Ok(()) => Ok(StatusCode::CREATED),
        Err(reason) => Err(Problem::new(StatusCode::CONFLICT, reason)),
    }
}

/// `DELETE /api/v1/plans/{subscription}`.
///
/// # Errors
/// There is no plan to cancel, or the store fails.
pub async fn cancel(
    State(portal): App,
    Pricer(user): Pricer,
    Path(subscription): Path<String>,
) -> Result<StatusCode, Problem> {
    match portal.store.cancel_plan(&subscription, Actor::now(&user.name)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::new(StatusCode::NOT_FOUND, "this subscription has no plan to cancel")),
    }
}

/// `PUT /api/v1/managed-endpoints`: the list as CSV or JSON.
///
/// # Errors
/// The list cannot be read, or the store fails.
pub async fn replace_managed(
    State(portal): App,
    Pricer(user): Pricer,
    list: String,
) -> Result<Json<Managed>, Problem> {
    let managed =
        managed::read(&list).map_err(|e| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, e.to_string()))?;
    portal.store.replace_managed(&managed, Actor::now(&user.name)).await?;
    let (macs, ips, names) = (managed.macs.len(), managed.ips.len(), managed.names.len());
    Ok(Json(Managed { macs, ips, names }))
}
