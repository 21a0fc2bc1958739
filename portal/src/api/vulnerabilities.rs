//! Vulnerabilities, for programs: which the fleet has, what has one, what one device has, and the files they come from.

use std::io::Cursor;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use bytes::Bytes;
use eyot_contract::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::devices::offset;
use super::{App, Changer, Json, Moment, Problem, Viewer};
use crate::portal::Portal;
use crate::rules::vulnerabilities::file::Kind;
use crate::rules::vulnerabilities::product::Product;
use crate::rules::vulnerabilities::{severity, Confidence, SEVERITIES};
use crate::rules::vulnerability_import::{import, ImportError, Taken};
use crate::store::{
    Actor, AffectedProduct, Device, ExposureOrder, ExposureQuery, KeptCve, ListSizes, Store, StoreError,
};

/// Vulnerabilities per page unless asked otherwise.
pub const PAGE: i64 = 50;
/// Most vulnerabilities per page.
const MAX_PAGE: i64 = 500;
/// Largest file that is uploaded, in bytes; a year of NVD compressed has a quarter. The command line takes larger ones.
pub const MAX_UPLOAD: usize = 64 * 1024 * 1024;
/// Most devices named with one vulnerability.
const MAX_NAMED: usize = 500;

/// What can be asked, by the page as by programs.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Asked {
    /// A part of the name or of the description.
    pub search: String,
    /// `critical`, `high`, `medium`, `low` or `none`.
    pub severity: String,
    /// `yes`: only those that are known to be exploited.
    pub exploited: String,
    /// At least this sure: `exact_version`, `model_only` or `version_unknown`.
    pub confidence: String,
    /// `urgency`, `severity`, `devices`, `due` or `published`.
    pub sort: String,
    /// Page, from 1.
    pub page: Option<i64>,
    /// Vulnerabilities per page, at most 500.
    pub per_page: Option<i64>,
}

impl Asked {
    /// As the store understands it.
    ///
    /// # Errors
    /// Which parameter cannot be used.
    pub fn query(&self) -> Result<ExposureQuery, String> {
        let severities = SEVERITIES.map(|(name, _)| name);
        let confidences: Vec<_> = Confidence::ALL.iter().map(|c| c.name()).collect();
        let orders: Vec<_> = ExposureOrder::ALL.iter().map(|o| o.name()).collect();
        for (name, value, known) in [
            ("severity", &self.severity, severities.as_slice()),
            ("exploited", &self.exploited, &["yes"]),
            ("confidence", &self.confidence, &confidences),
            ("sort", &self.sort, &orders),
        ] {
            if !value.is_empty() && !known.contains(&value.as_str()) {
                return Err(format!("{name}: \"{value}\" is not one of {}", known.join(", ")));
            }
        }
        let limit = self.per_page.unwrap_or(PAGE).clamp(1, MAX_PAGE);
        Ok(ExposureQuery {
            search: self.search.clone(),
            severity: self.severity.clone(),
            exploited: self.exploited == "yes",
            confidence: Confidence::named(&self.confidence),
            order: ExposureOrder::named(&self.sort).unwrap_or(ExposureOrder::Urgency),
            offset: offset(self.page, "", limit),
            limit,
        })
    }
}

/// A vulnerability in an answer.
#[derive(Serialize, JsonSchema)]
struct CveView {
    /// `CVE-2026-1234`.
    cve: String,
    summary: String,
    severity: Option<&'static str>,
    /// CVSS.
    score: Option<f64>,
    /// The score's scale, `3.1`.
    scale: String,
    vector: String,
    #[schemars(with = "Moment")]
    published: Timestamp,
    /// Whether CISA lists it as exploited, and what it says.
    exploited: Option<ExploitedView>,
    /// How many devices have it.
    devices: i64,
    /// `exact_version`, `model_only` or `version_unknown`: the surest match.
    confidence: Option<&'static str>,
}

#[derive(Serialize, JsonSchema)]
struct ExploitedView {
    #[schemars(with = "Moment")]
    added: Timestamp,
    #[schemars(with = "Option<Moment>")]
    due: Option<Timestamp>,
    action: String,
    ransomware: bool,
}

impl CveView {
    fn of(cve: KeptCve) -> Self {
        let exploited = cve.exploited.map(|added| ExploitedView {
            added: Timestamp(added),
            due: cve.due(),
            action: cve.action.clone().unwrap_or_default(),
            ransomware: cve.ransom == Some(1),
        });
        Self {
            severity: cve.score().map(severity),
            score: cve.score(),
            published: Timestamp(cve.published),
            confidence: (cve.devices > 0).then(|| cve.confidence().name()),
            devices: cve.devices,
            cve: cve.id,
            summary: cve.summary,
            scale: cve.scale,
            vector: cve.vector,
            exploited,
        }
    }
}

/// Answer to `GET /api/v1/vulnerabilities`.
#[derive(Serialize, JsonSchema)]
pub struct Vulnerabilities {
    /// How many match.
    total: i64,
    vulnerabilities: Vec<CveView>,
    lists: ListsView,
}

/// What the fleet is held against.
#[derive(Serialize, JsonSchema)]
struct ListsView {
    /// CVEs known.
    cves: i64,
    /// The latest change among them.
    #[schemars(with = "Option<Moment>")]
    newest: Option<Timestamp>,
    /// Those known to be exploited.
    exploited: i64,
}

impl ListsView {
    fn of(sizes: ListSizes) -> Self {
        Self { cves: sizes.cves, newest: sizes.newest.map(Timestamp), exploited: sizes.exploited }
    }
}

impl Vulnerabilities {
    /// Headings of [`Self::rows`].
    pub const HEADINGS: [&str; 6] = ["CVE", "SEVERITY", "SCORE", "EXPLOITED", "DEVICES", "MATCH"];

    /// What matches, and what it was looked for in.
    ///
    /// # Errors
    /// The store fails.
    pub async fn of(store: &Store, query: &ExposureQuery) -> Result<Self, StoreError> {
        let page = store.exposure(query).await?;
        Ok(Self {
            total: page.total,
            vulnerabilities: page.cves.into_iter().map(CveView::of).collect(),
            lists: ListsView::of(store.list_sizes().await?),
        })
    }

    /// A row each, for a terminal.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let row = |cve: &CveView| {
            vec![
                cve.cve.clone(),
                cve.severity.unwrap_or("–").to_owned(),
                cve.score.map_or_else(|| "–".to_owned(), |score| format!("{score:.1}")),
                cve.exploited.as_ref().map_or("", |_| "yes").to_owned(),
                cve.devices.to_string(),
                cve.confidence.unwrap_or_default().to_owned(),
            ]
        };
        self.vulnerabilities.iter().map(row).collect()
    }
}

/// `GET /api/v1/vulnerabilities`.
///
/// # Errors
/// A parameter cannot be used, or the store fails.
pub async fn list(
    State(portal): App,
    _: Viewer,
    Query(asked): Query<Asked>,
) -> Result<Json<Vulnerabilities>, Problem> {
    let query = asked.query().map_err(|e| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, e))?;
    Ok(Json(Vulnerabilities::of(&portal.store, &query).await?))
}

/// Answer to `GET /api/v1/vulnerabilities/{cve}`.
#[derive(Serialize, JsonSchema)]
pub struct OneVulnerability {
    #[serde(flatten)]
    cve: CveView,
    /// What has it.
    products: Vec<ProductView>,
}

#[derive(Serialize, JsonSchema)]
struct ProductView {
    vendor: Option<String>,
    model: Option<String>,
    firmware: Option<String>,
    os: Option<String>,
    confidence: &'static str,
    /// Why it matches.
    why: String,
    devices: i64,
    /// Some of them, those seen latest first; in all products together at most 500. `GET /api/v1/devices?cve=` has all.
    named: Vec<NamedView>,
}

#[derive(Serialize, JsonSchema)]
struct NamedView {
    id: Uuid,
    name: String,
    mac: String,
}

/// `GET /api/v1/vulnerabilities/{cve}`.
///
/// # Errors
/// There is none of this name, or the store fails.
pub async fn one(
    State(portal): App,
    _: Viewer,
    Path(cve): Path<String>,
) -> Result<Json<OneVulnerability>, Problem> {
    let Some(found) = portal.store.cve(&cve).await? else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "the lists hold no such vulnerability"));
    };
    let (mut products, mut named) = (Vec::new(), 0);
    for product in portal.store.affected_products(&cve).await? {
        let mut devices = match named < MAX_NAMED {
            true => portal.store.devices_of(&product).await?,
            false => Vec::new(),
        };
        devices.truncate(MAX_NAMED - named);
        named += devices.len();
        let AffectedProduct { vendor, model, firmware, os, devices: count, confidence, why } = product;
        products.push(ProductView {
            vendor,
            model,
            firmware,
            os,
            confidence: Confidence::ranked(confidence).name(),
            why,
            devices: count,
            named: devices.into_iter().map(|d| NamedView { id: d.id, name: d.name, mac: d.mac }).collect(),
        });
    }
    Ok(Json(OneVulnerability { cve: CveView::of(found), products }))
}

/// What a device is, as the lists are held against it.
pub fn product_of(device: &Device) -> Product {
    let record = &device.record;
    Product {
        vendor: record.vendor.clone(),
        model: record.model.clone(),
        firmware: record.firmware.clone(),
        os: record.os.clone(),
    }
}

/// A vulnerability of one device.
#[derive(Serialize, JsonSchema)]
pub struct DeviceCve {
    #[serde(flatten)]
    cve: CveView,
    /// Why it matches.
    why: String,
}

/// `GET /api/v1/devices/{id}/vulnerabilities`.
///
/// # Errors
/// There is no such device, or the store fails.
pub async fn of_device(
    State(portal): App,
    _: Viewer,
    Path(id): Path<Uuid>,
) -> Result<Json<Vec<DeviceCve>>, Problem> {
    let Some(device) = portal.store.device(id).await? else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "there is no such device"));
    };
    let all = portal.store.vulnerabilities_of(&product_of(&device)).await?;
    Ok(Json(all.into_iter().map(|cve| DeviceCve { why: cve.why.clone(), cve: CveView::of(cve) }).collect()))
}

/// What became of a file.
#[derive(Serialize, JsonSchema)]
pub struct Imported {
    /// `nvd` or `kev`.
    kind: &'static str,
    /// Entries that are new or newer.
    kept: usize,
    /// Entries that were known as new or newer already.
    known: usize,
    /// Entries that were taken back.
    removed: usize,
    /// Names of products in them that cannot be read.
    unreadable: usize,
    /// Kinds of devices that were held against the lists.
    matched: usize,
}

impl Imported {
    /// Headings of [`Self::row`].
    pub const HEADINGS: [&str; 7] = ["FILE", "KIND", "KEPT", "KNOWN", "REMOVED", "UNREADABLE", "MATCHED"];

    /// For a terminal.
    pub fn row(&self, file: &str) -> Vec<String> {
        let counts = [self.kept, self.known, self.removed, self.unreadable, self.matched];
        let words = [file.to_owned(), self.kind.to_owned()];
        words.into_iter().chain(counts.map(|count| count.to_string())).collect()
    }

    /// Of what was taken.
    pub fn of(taken: &Taken) -> Self {
        Self {
            kind: match taken.kind {
                Kind::Nvd => "nvd",
                Kind::Kev => "kev",
            },
            kept: taken.entries.kept,
            known: taken.entries.known,
            removed: taken.entries.removed,
            unreadable: taken.unreadable,
            matched: taken.matched.matched,
        }
    }
}

/// Takes an uploaded file in, to its end even if whoever sent it goes away.
///
/// # Errors
/// The file, or the store.
pub async fn take(portal: Arc<Portal>, name: String, by: String, file: Bytes) -> Result<Taken, ImportError> {
    tokio::spawn(async move { import(&portal.store, &name, Cursor::new(file), Actor::now(&by)).await })
        .await?
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Store(error) => error.into(),
            ImportError::Thread(error) => {
                tracing::error!(%error, "an import ended without an answer");
                let text = "the portal failed while importing; its log says why";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, text)
            }
            error => Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{:#}", anyhow::Error::from(error))),
        }
    }
}

/// `POST /api/v1/vulnerabilities`: a file as it is.
///
/// # Errors
/// The file cannot be used, or the store fails.
pub async fn upload(
    State(portal): App,
    Changer(user): Changer,
    file: Bytes,
) -> Result<Json<Imported>, Problem> {
    Ok(Json(Imported::of(&take(portal, "uploaded file".to_owned(), user.name, file).await?)))
}
