//! Settings for sensors: given to them when they ask, set by programs.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use eyot_contract::{RemoteSetting, SettingsAnswer, SettingsRequest, Timestamp, MAX_REASON};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{App, Changer, Json, Moment, Problem, Refused, Sensor, Told, Viewer};
use crate::rules::remote::{Scope, Standing};
use crate::store::{Actor, SensorSettings, SettingPlace, Store, StoreError};

/// Longest version or name that a sensor is believed, in characters.
const MAX_WORD: usize = 64;
/// Most refusals that are kept of a sensor.
const MAX_REFUSED: usize = 32;

/// `POST /api/v1/sensor/settings`.
///
/// # Errors
/// The refusal.
pub async fn ask(
    State(portal): App,
    sensor: Sensor,
    Told(said): Told<SettingsRequest>,
) -> Result<Json<SettingsAnswer>, Refused> {
    let plain =
        |text: &str, most: usize| -> String { text.chars().filter(|c| !c.is_control()).take(most).collect() };
    let in_force = said.in_force.map(|version| plain(&version, MAX_WORD));
    let refused: BTreeMap<_, _> = said.refused.iter().take(MAX_REFUSED).collect();
    let refused =
        refused.into_iter().map(|(name, why)| (plain(name, MAX_WORD), plain(why, MAX_REASON))).collect();
    portal.store.note_settings(sensor.id, in_force.as_deref(), &refused, Timestamp::now()).await?;
    let effective = portal.store.effective_settings(sensor.id).await?;
    let version = effective.version();
    let settings = (in_force.as_ref() != Some(&version)).then(|| effective.settings());
    Ok(Json(SettingsAnswer { version, settings }))
}

/// Settings, each of which may be left out.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Wanted {
    /// How much the sensor may send to the portal, in kbit/s.
    bandwidth_kbps: Option<u32>,
    /// Networks that are local; all others are behind a router.
    subnets: Option<Vec<String>>,
    /// What VLANs are called, by their number.
    vlan_names: Option<BTreeMap<String, String>>,
    /// Which frames are captured, in libpcap's language. The sensor says whether it can use it.
    filter: Option<String>,
}

impl Wanted {
    /// What is wanted, checked.
    fn read(self) -> Result<Vec<RemoteSetting>, String> {
        let all: [(&str, Option<Value>); 4] = [
            ("bandwidth_kbps", self.bandwidth_kbps.map(Value::from)),
            ("subnets", self.subnets.map(Value::from)),
            ("vlan_names", self.vlan_names.map(Value::from_iter)),
            ("filter", self.filter.map(Value::from)),
        ];
        let given = all.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
        given
            .map(|(name, value)| RemoteSetting::read(name, &value).map_err(|why| format!("{name}: {why}")))
            .collect()
    }
}

/// What is set at one place.
#[derive(Serialize, JsonSchema)]
struct PlaceView {
    scope: &'static str,
    target: String,
    name: String,
    settings: BTreeMap<String, Value>,
    #[schemars(with = "Option<Moment>")]
    changed: Option<Timestamp>,
    changed_by: Option<String>,
}

/// What a sensor is to have and has.
#[derive(Serialize, JsonSchema)]
struct SensorView {
    sensor: String,
    sensor_id: Uuid,
    /// `not_asked_yet`, `pending`, `refused` or `applied`.
    status: &'static str,
    version: String,
    settings: Map<String, Value>,
    /// Where each of them comes from.
    from: BTreeMap<String, &'static str>,
    in_force: Option<String>,
    /// What the sensor refuses of the version in force, and why.
    refused: BTreeMap<String, String>,
    #[schemars(with = "Option<Moment>")]
    told: Option<Timestamp>,
}

impl SensorView {
    fn of(sensor: SensorSettings) -> Self {
        let from = sensor.effective.each().map(|(name, scope, _)| (name.to_owned(), scope.name())).collect();
        Self {
            status: standing(&sensor).name(),
            version: sensor.effective.version(),
            settings: sensor.effective.settings(),
            from,
            sensor: sensor.name,
            sensor_id: sensor.sensor,
            in_force: sensor.in_force,
            refused: sensor.refused,
            told: sensor.told_at,
        }
    }
}

/// Where a sensor stands.
pub fn standing(sensor: &SensorSettings) -> Standing {
    let version = sensor.effective.version();
    Standing::of(&version, sensor.in_force.as_deref(), sensor.told_at.is_some(), sensor.refused.len())
}

/// Answer to `GET /api/v1/settings`.
#[derive(Serialize, JsonSchema)]
pub struct Settings {
    /// Places where something is set.
    places: Vec<PlaceView>,
    sensors: Vec<SensorView>,
}

/// `GET /api/v1/settings`.
///
/// # Errors
/// The store fails.
pub async fn list(State(portal): App, _: Viewer) -> Result<Json<Settings>, Problem> {
    let view = |place: SettingPlace| {
        let (changed, changed_by) = place.changed.unzip();
        let scope = place.scope.name();
        PlaceView {
            scope,
            target: place.target,
            name: place.name,
            settings: place.settings,
            changed,
            changed_by,
        }
    };
    let places = portal.store.setting_places().await?.into_iter().filter(|place| !place.settings.is_empty());
    Ok(Json(Settings {
        places: places.map(view).collect(),
        sensors: portal.store.sensor_settings().await?.into_iter().map(SensorView::of).collect(),
    }))
}

/// `PUT /api/v1/settings/{scope}/{target}`: in the place of all that is set there.
///
/// # Errors
/// There is no such place, a setting cannot be so, or the store fails.
pub async fn put(
    State(portal): App,
    Changer(user): Changer,
    Path((scope, target)): Path<(String, String)>,
    Json(wanted): Json<Wanted>,
) -> Result<StatusCode, Problem> {
    match set(&portal.store, &scope, &target, wanted.read(), Actor::now(&user.name)).await? {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(Unset::NoPlace) => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "there is no such place; a place is site/NAME, zone/NAME or sensor/ID",
        )),
        Err(Unset::Value(why)) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why)),
    }
}

/// Why nothing was set.
pub enum Unset {
    /// There is no such place.
    NoPlace,
    /// A setting cannot be so.
    Value(String),
}

/// Sets what was read for a place.
///
/// # Errors
/// The store fails.
pub async fn set(
    store: &Store,
    scope: &str,
    target: &str,
    wanted: Result<Vec<RemoteSetting>, String>,
    by: Actor<'_>,
) -> Result<Result<(), Unset>, StoreError> {
    let Some(scope) = Scope::parse(scope) else { return Ok(Err(Unset::NoPlace)) };
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(why) => return Ok(Err(Unset::Value(why))),
    };
    let found = store.set_settings(scope, target, &wanted, by).await?;
    Ok(found.then_some(()).ok_or(Unset::NoPlace))
}
