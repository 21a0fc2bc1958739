//! Sensors for programs: list, register, look at, re-issue a token for, delete.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine;
use eyot_contract::{Condition, HealthReport, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

use super::{App, Changer, Json, Moment, Problem, Report, Standing, Viewer};
use crate::portal::Portal;
use crate::rules::health;
use crate::rules::registration::{self, activation_command, Issued};
use crate::store::{self, Actor, SensorDeletion, SensorEdit};

/// A sensor in an answer.
#[derive(Serialize, JsonSchema)]
pub struct SensorView {
    id: Uuid,
    name: String,
    sensor_type: &'static str,
    site: &'static str,
    zone: String,
    subscription: String,
    hostname: Option<String>,
    version: Option<String>,
    /// Heard from lately.
    connected: bool,
    /// The worst condition.
    health: ConditionView,
    /// Every condition, worst first.
    conditions: Vec<ConditionView>,
    #[schemars(with = "Moment")]
    registered: Timestamp,
    #[schemars(with = "Option<Moment>")]
    enrolled: Option<Timestamp>,
    #[schemars(with = "Option<Moment>")]
    last_connected: Option<Timestamp>,
    devices: i64,
}

/// A condition with the words that go with it.
#[derive(Serialize, JsonSchema)]
struct ConditionView {
    code: &'static str,
    #[schemars(with = "Standing")]
    level: eyot_contract::Level,
    title: &'static str,
    detail: String,
    remedy: &'static str,
    #[schemars(with = "Moment")]
    since: Timestamp,
}

/// What every sensor of this product is called in the column "sensor type".
pub const SENSOR_TYPE: &str = "Enterprise IoT";

impl ConditionView {
    fn of(condition: &Condition) -> Self {
        let code = condition.code;
        Self {
            code: code.name(),
            level: code.level(),
            title: code.title(),
            detail: condition.detail.clone(),
            remedy: code.remedy(),
            since: condition.since,
        }
    }
}

impl SensorView {
    /// How a sensor stands now.
    pub fn of(sensor: &store::Sensor, now: Timestamp) -> Self {
        let conditions = health::conditions(sensor, now);
        Self {
            id: sensor.id,
            name: sensor.name.clone(),
            sensor_type: SENSOR_TYPE,
            site: store::SITE,
            zone: sensor.zone.clone(),
            subscription: sensor.subscription.clone(),
            hostname: sensor.hostname.clone(),
            version: sensor.version.clone(),
            connected: health::is_connected(sensor, now),
            health: ConditionView::of(&conditions[0]),
            conditions: conditions.iter().map(ConditionView::of).collect(),
            registered: sensor.registered_at,
            enrolled: sensor.enrolled_at,
            last_connected: sensor.last_contact,
            devices: sensor.devices,
        }
    }
}

/// Answer to `GET /api/v1/sensors`.
#[derive(Serialize, JsonSchema)]
pub struct Sensors {
    sensors: Vec<SensorView>,
}

/// Answer to `GET /api/v1/sensors/{id}`.
#[derive(Serialize, JsonSchema)]
pub struct OneSensor {
    #[serde(flatten)]
    sensor: SensorView,
    /// Its latest health report, as it came.
    #[schemars(with = "Option<Report>")]
    report: Option<HealthReport>,
}

/// `POST /api/v1/sensors`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    name: String,
    subscription: String,
    /// Settings for the seed volume, by their dotted keys.
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

/// `POST /api/v1/sensors/{id}/activation`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reissue {
    /// Settings for the seed volume, by their dotted keys.
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

/// A token just issued, with everything that carries it. Shown once.
#[derive(Serialize, JsonSchema)]
pub struct IssuedView {
    message: &'static str,
    sensor: Uuid,
    name: String,
    token: String,
    #[schemars(with = "Moment")]
    expires: Timestamp,
    command: String,
    /// The command that also installs, on a machine of somebody's own.
    install_command: Option<String>,
    /// The seed volume (an ISO 9660 image), base64.
    seed_iso: String,
}

impl IssuedView {
    fn of(
        portal: &Portal,
        issued: Issued,
        message: &'static str,
        settings: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let volume = registration::seed_volume(&issued.token, issued.sensor, pairs(settings), now)?;
        Ok(Self {
            message,
            sensor: issued.sensor,
            name: issued.name,
            command: activation_command(&issued.token),
            install_command: portal.install_command(&issued.token),
            token: issued.token,
            expires: issued.expires,
            seed_iso: base64::engine::general_purpose::STANDARD.encode(volume),
        })
    }
}

fn pairs(settings: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    settings.iter().map(|(k, v)| (k.as_str(), v.as_str()))
}

fn checked(settings: &BTreeMap<String, String>) -> Result<(), Problem> {
    registration::check_settings(pairs(settings)).map_err(|e| registration::RegistrationError::from(e).into())
}

/// Zones, by name.
#[derive(Serialize, JsonSchema)]
pub struct Zones {
    zones: Vec<String>,
}

/// `GET /api/v1/zones`.
///
/// # Errors
/// The store fails.
pub async fn zones(State(portal): App, _: Viewer) -> Result<Json<Zones>, Problem> {
    Ok(Json(Zones { zones: portal.store.zones().await? }))
}

/// `GET /api/v1/sensors`.
///
/// # Errors
/// The store fails.
pub async fn list(State(portal): App, _: Viewer) -> Result<Json<Sensors>, Problem> {
    let now = Timestamp::now();
    let sensors = portal.store.sensors().await?;
    Ok(Json(Sensors { sensors: sensors.iter().map(|s| SensorView::of(s, now)).collect() }))
}

/// `GET /api/v1/sensors/{id}`.
///
/// # Errors
/// There is none, or the store fails.
pub async fn one(State(portal): App, _: Viewer, Path(id): Path<Uuid>) -> Result<Json<OneSensor>, Problem> {
    let sensor = portal.store.sensor(id).await?.ok_or(registration::RegistrationError::NotThere)?;
    Ok(Json(OneSensor { sensor: SensorView::of(&sensor, Timestamp::now()), report: sensor.health }))
}

/// `POST /api/v1/sensors`.
///
/// # Errors
/// The name is taken or unusable, a setting is wrong, or the store fails.
pub async fn register(
    State(portal): App,
    Changer(user): Changer,
    Json(request): Json<Registration>,
) -> Result<(StatusCode, Json<IssuedView>), Problem> {
    checked(&request.settings)?;
    let by = Actor::now(&user.name);
    let issued =
        registration::register(&portal.store, &portal.identity, &request.name, &request.subscription, by)
            .await?;
    tracing::info!(sensor = %issued.sensor, name = issued.name, by = user.name, "sensor registered");
    let view = IssuedView::of(&portal, issued, "Sensor registration successful", &request.settings, by.at)?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// `POST /api/v1/sensors/{id}/activation`.
///
/// # Errors
/// There is no such sensor, a setting is wrong, or the store fails.
pub async fn reissue(
    State(portal): App,
    Changer(user): Changer,
    Path(id): Path<Uuid>,
    request: Option<Json<Reissue>>,
) -> Result<Json<IssuedView>, Problem> {
    let Json(request) = request.unwrap_or_default();
    checked(&request.settings)?;
    let by = Actor::now(&user.name);
    let issued = registration::reissue(&portal.store, &portal.identity, id, by).await?;
    tracing::info!(sensor = %id, by = user.name, "activation command created");
    Ok(Json(IssuedView::of(&portal, issued, "Activation command created", &request.settings, by.at)?))
}

/// `PATCH /api/v1/sensors/{id}`; what is left out stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    name: Option<String>,
    zone: Option<String>,
    subscription: Option<String>,
}

/// `PATCH /api/v1/sensors/{id}`.
///
/// # Errors
/// There is no such sensor, a name is taken or unusable, or the store fails.
pub async fn edit(
    State(portal): App,
    Changer(user): Changer,
    Path(id): Path<Uuid>,
    Json(request): Json<Edit>,
) -> Result<StatusCode, Problem> {
    let edit = SensorEdit {
        name: request.name.as_deref(),
        zone: request.zone.as_deref(),
        subscription: request.subscription.as_deref(),
    };
    registration::edit(&portal.store, id, edit, Actor::now(&user.name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/v1/sensors/{id}`.
///
/// # Errors
/// There is no such sensor, or the store fails.
pub async fn delete(
    State(portal): App,
    Changer(user): Changer,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    match portal.store.delete_sensor(id, Actor::now(&user.name)).await? {
        SensorDeletion::Deleted => {
            tracing::info!(sensor = %id, by = user.name, "sensor deleted");
            Ok(StatusCode::NO_CONTENT)
        }
        SensorDeletion::NotThere => Err(registration::RegistrationError::NotThere.into()),
    }
}
