//! Software for sensors: uploaded once, rolled out zone by zone, fetched by sensors with their certificate.

use axum::body::Body;
use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{Path, State};
use axum::http::{header, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use eyot_contract::{
    RefusalCode, SoftwareAnswer, SoftwareAttempt, SoftwareOffer, SoftwareRequest, Timestamp, MAX_PACKAGE,
    MAX_REASON,
};
use futures_util::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{App, Changer, File, Json, Moment, Problem, Refused, Sensor, Told, Viewer};
use crate::portal::Portal;
use crate::rules::software::{believe, Believed, Progress};
use crate::store::{Actor, RolledOut, RolloutChange, SensorSoftware, Store, StoreError};

/// Largest upload, in bytes: a package, its signature and what a form puts around them.
pub const MAX_UPLOAD: usize = MAX_PACKAGE + 256 * 1024;
/// Longest version that a sensor is believed, in characters.
const MAX_WORD: usize = 64;
/// Steps that a sensor can be at.
const STEPS: [&str; 4] = ["downloading", "installed", "failed", "rolled_back"];

/// `POST /api/v1/sensor/software`.
///
/// # Errors
/// The refusal.
pub async fn ask(
    State(portal): App,
    sensor: Sensor,
    Told(said): Told<SoftwareRequest>,
) -> Result<Json<SoftwareAnswer>, Refused> {
    let plain =
        |text: &str, most: usize| -> String { text.chars().filter(|c| !c.is_control()).take(most).collect() };
    let attempt = said.attempt.filter(|attempt| STEPS.contains(&attempt.step.as_str()));
    let attempt = attempt.map(|attempt| SoftwareAttempt {
        version: plain(&attempt.version, MAX_WORD),
        step: attempt.step,
        reason: attempt.reason.map(|reason| plain(&reason, MAX_REASON)),
    });
    let (version, architecture) = (plain(&said.version, MAX_WORD), plain(&said.architecture, MAX_WORD));
    let store = &portal.store;
    store.note_software(sensor.id, &version, &architecture, attempt.as_ref(), Timestamp::now()).await?;
    let wanted = store.wanted_software(sensor.id).await?.filter(|wanted| *wanted != version);
    let mut answer =
        SoftwareAnswer { portal: env!("CARGO_PKG_VERSION").to_owned(), wanted: None, note: None };
    if let Some(wanted) = wanted {
        let packages = store.software().await?.into_iter();
        match packages.into_iter().find(|p| p.version == wanted && p.architecture == architecture) {
            Some(package) => {
                answer.wanted = Some(SoftwareOffer {
                    version: package.version,
                    file: package.file,
                    bytes: package.bytes.unsigned_abs(),
                    sha256: package.sha256,
                    sums: package.sums,
                    signature: package.signature,
                });
            }
            None => {
                answer.note = Some(format!(
                    "version {wanted} is wanted, and there is no package of it for {architecture}"
                ));
            }
        }
    }
    Ok(Json(answer))
}

/// `GET /api/v1/sensor/software/{file}`: the package, read part by part as it goes.
///
/// # Errors
/// There is none, or the store fails.
pub async fn fetch(
    State(portal): App,
    sensor: Sensor,
    Path(file): Path<String>,
) -> Result<Response, Refused> {
    let known = portal.store.software().await?.into_iter().find(|package| package.file == file);
    let Some(package) = known else {
        return Err(Refused::plain(StatusCode::NOT_FOUND, RefusalCode::BadRequest));
    };
    tracing::info!(sensor = %sensor.id, file, "a sensor fetches software");
    let store = portal.store.clone();
    let parts = stream::try_unfold((store, file, 0_i64), |(store, file, part)| async move {
        match store.software_part(&file, part).await {
            Ok(Some(bytes)) => Ok(Some((Bytes::from(bytes), (store, file, part + 1)))),
            Ok(None) => Ok(None),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a package could not be read on");
                // the connection is cut: fewer bytes than were announced are no package
                Err(std::io::Error::other(error))
            }
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "application/vnd.debian.binary-package".to_owned()),
        (header::CONTENT_LENGTH, package.bytes.to_string()),
    ];
    Ok((headers, Body::from_stream(parts)).into_response())
}

/// Software in an answer.
#[derive(Serialize, JsonSchema)]
pub struct Software {
    /// The portal's own version.
    portal: &'static str,
    packages: Vec<PackageView>,
    rollouts: Vec<RolloutView>,
    sensors: Vec<SensorView>,
}

#[derive(Serialize, JsonSchema)]
struct PackageView {
    file: String,
    version: String,
    architecture: String,
    bytes: i64,
    sha256: String,
    /// What the signature says besides.
    comment: String,
    #[schemars(with = "Moment")]
    added: Timestamp,
    added_by: String,
}

#[derive(Serialize, JsonSchema)]
struct RolloutView {
    zone: String,
    version: String,
    previous: Option<String>,
    #[schemars(with = "Moment")]
    changed: Timestamp,
    changed_by: String,
}

#[derive(Serialize, JsonSchema)]
struct SensorView {
    sensor: String,
    sensor_id: Uuid,
    zone: String,
    version: Option<String>,
    architecture: Option<String>,
    wanted: Option<String>,
    /// `free`, `waiting`, `downloading`, `installed`, `failed` or `rolled_back`.
    status: &'static str,
    reason: Option<String>,
    #[schemars(with = "Option<Moment>")]
    told: Option<Timestamp>,
}

/// How far a sensor is.
pub fn progress(sensor: &SensorSoftware) -> Progress {
    let attempt =
        sensor.attempt.as_ref().map(|(attempt, _)| (attempt.version.as_str(), attempt.step.as_str()));
    Progress::of(sensor.wanted.as_deref(), sensor.version.as_deref(), attempt)
}

/// `GET /api/v1/software`.
///
/// # Errors
/// The store fails.
pub async fn list(State(portal): App, _: Viewer) -> Result<Json<Software>, Problem> {
    let store = &portal.store;
    let packages = store.software().await?.into_iter().map(|p| PackageView {
        file: p.file,
        version: p.version,
        architecture: p.architecture,
        bytes: p.bytes,
        sha256: p.sha256,
        comment: p.comment,
        added: Timestamp(p.added_at),
        added_by: p.added_by,
    });
    let rollouts = store.rollouts().await?.into_iter().map(|r| RolloutView {
        zone: r.zone,
        version: r.version,
        previous: r.previous,
        changed: Timestamp(r.changed_at),
        changed_by: r.changed_by,
    });
    let sensors = store.sensor_software().await?.into_iter().map(|s| SensorView {
        status: progress(&s).name(),
        sensor: s.name,
        sensor_id: s.sensor,
        zone: s.zone,
        version: s.version,
        architecture: s.architecture,
        wanted: s.wanted,
        told: s.attempt.as_ref().map(|(_, at)| *at),
        reason: s.attempt.and_then(|(attempt, _)| attempt.reason),
    });
    Ok(Json(Software {
        portal: env!("CARGO_PKG_VERSION"),
        packages: packages.collect(),
        rollouts: rollouts.collect(),
        sensors: sensors.collect(),
    }))
}

/// A package that was kept.
#[derive(Serialize, JsonSchema)]
pub struct Kept {
    file: String,
    version: String,
    sha256: String,
}

/// What an upload is made of.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "it is the document's: the form is read field by field")]
pub struct Upload {
    /// The package, as a file with its name.
    #[schemars(with = "File")]
    package: Vec<u8>,
    /// Its signature, `….minisig`.
    signature: String,
    /// `SHA256SUMS`, where that is what is signed.
    sums: Option<String>,
}

/// `POST /api/v1/software`: a form with `package`, `signature` and perhaps `sums`.
///
/// # Errors
/// It is not believed, or the store fails.
pub async fn upload(
    State(portal): App,
    Changer(user): Changer,
    form: Multipart,
) -> Result<(StatusCode, Json<Kept>), Problem> {
    match take(&portal, form, Actor::now(&user.name)).await? {
        Ok((file, believed)) => {
            Ok((StatusCode::CREATED, Json(Kept { file, version: believed.version, sha256: believed.sha256 })))
        }
        Err((status, why)) => Err(Problem::new(status, why)),
    }
}

/// Reads an upload, believes it or not, keeps it. `Err` says why not.
///
/// # Errors
/// The store fails.
pub async fn take(
    portal: &Portal,
    form: Multipart,
    by: Actor<'_>,
) -> Result<Result<(String, Believed), (StatusCode, String)>, StoreError> {
    let received = match received(form).await {
        Ok(received) => received,
        Err(error) => return Ok(Err((error.status(), error.body_text()))),
    };
    let (Some((file, package)), Some(signature)) = (received.package, received.signature) else {
        let text = "the form has the fields package (a file), signature and, if that is what is signed, sums";
        return Ok(Err((StatusCode::UNPROCESSABLE_ENTITY, text.to_owned())));
    };
    let key = portal.software_key.clone();
    let sums = received.sums.filter(|sums| !sums.trim().is_empty());
    let (name, told, given) = (file.clone(), signature.clone(), sums.clone());
    let (believed, package) = match tokio::task::spawn_blocking(move || {
        (believe(key.as_deref(), &name, &package, given.as_deref(), &told), package)
    })
    .await
    {
        Ok(done) => done,
        Err(error) => return Ok(Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))),
    };
    let believed = match believed {
        Ok(believed) => believed,
        Err(error) => return Ok(Err((StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))),
    };
    let kept =
        portal.store.keep_software(&file, &package, sums.as_deref(), &signature, &believed, by).await?;
    Ok(kept.map(|()| (file, believed)).map_err(|why| (StatusCode::CONFLICT, why)))
}

#[derive(Default)]
struct Received {
    package: Option<(String, Bytes)>,
    signature: Option<String>,
    sums: Option<String>,
}

async fn received(mut form: Multipart) -> Result<Received, MultipartError> {
    let mut received = Received::default();
    while let Some(field) = form.next_field().await? {
        match field.name() {
            Some("package") => {
                let name = field.file_name().unwrap_or_default().to_owned();
                received.package = Some((name, field.bytes().await?));
            }
            Some("signature") => received.signature = Some(field.text().await?),
            Some("sums") => received.sums = Some(field.text().await?),
            _ => {}
        }
    }
    Ok(received)
}

/// `DELETE /api/v1/software/{file}`.
///
/// # Errors
/// There is none, or the store fails.
pub async fn remove(
    State(portal): App,
    Changer(user): Changer,
    Path(file): Path<String>,
) -> Result<StatusCode, Problem> {
    match portal.store.remove_software(&file, Actor::now(&user.name)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::new(StatusCode::NOT_FOUND, "there is no such package")),
    }
}

/// The version that a zone is to have.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    version: String,
}

/// `PUT /api/v1/rollouts/{zone}`.
///
/// # Errors
/// There is no such zone or version, or the store fails.
pub async fn roll_out(
    State(portal): App,
    Changer(user): Changer,
    Path(zone): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Result<StatusCode, Problem> {
    change(&portal.store, &zone, RolloutChange::To(&wanted.version), Actor::now(&user.name)).await
}

/// `POST /api/v1/rollouts/{zone}/back`.
///
/// # Errors
/// There is nothing to go back to, or the store fails.
pub async fn roll_back(
    State(portal): App,
    Changer(user): Changer,
    Path(zone): Path<String>,
) -> Result<StatusCode, Problem> {
    change(&portal.store, &zone, RolloutChange::Back, Actor::now(&user.name)).await
}

/// `DELETE /api/v1/rollouts/{zone}`.
///
/// # Errors
/// There is none, or the store fails.
pub async fn end(
    State(portal): App,
    Changer(user): Changer,
    Path(zone): Path<String>,
) -> Result<StatusCode, Problem> {
    change(&portal.store, &zone, RolloutChange::End, Actor::now(&user.name)).await
}

async fn change(
    store: &Store,
    zone: &str,
    change: RolloutChange<'_>,
    by: Actor<'_>,
) -> Result<StatusCode, Problem> {
    match told(store.roll_out(zone, change, by).await?) {
        None => Ok(StatusCode::NO_CONTENT),
        Some((status, why)) => Err(Problem::new(status, why)),
    }
}

/// Why nothing was decided, if so.
pub fn told(outcome: RolledOut) -> Option<(StatusCode, &'static str)> {
    match outcome {
        RolledOut::Done => None,
        RolledOut::NoZone => Some((StatusCode::NOT_FOUND, "there is no such zone")),
        RolledOut::NoPackage => {
            Some((StatusCode::UNPROCESSABLE_ENTITY, "there is no package of this version"))
        }
        RolledOut::Nothing => Some((StatusCode::CONFLICT, "the zone has no version to go back to or to end")),
    }
}
