//! An entry of NVD's CVE lists, JSON 2.0 (the schema of the CVE API 2.0 and of the yearly files): what is taken of it.
//!
//! Scores: of several the first that NVD itself gave ("Primary"), among those the newest scale.

use std::collections::BTreeSet;

use eyot_contract::Timestamp;
use serde::Deserialize;
use time::macros::format_description;
use time::PrimitiveDateTime;

use super::configuration::{Configuration, Criterion};
use super::is_cve;

/// Longest description kept, in characters.
const MAX_SUMMARY: usize = 2_000;

/// A vulnerability as kept.
#[derive(Clone, Debug)]
pub struct Cve {
    /// `CVE-2026-1234`.
    pub id: String,
    /// When it was published.
    pub published: Timestamp,
    /// When the entry was changed last.
    pub modified: Timestamp,
    /// Whether it was taken back.
    pub rejected: bool,
    /// What it is, in English.
    pub summary: String,
    /// CVSS score.
    pub score: Option<f64>,
    /// The scale of the score, `3.1`.
    pub scale: String,
    /// The score's vector.
    pub vector: String,
    /// Where it applies.
    pub configurations: Vec<Configuration>,
    /// Vendor and product of everything vulnerable, as keys.
    pub products: BTreeSet<(String, String)>,
    /// Criteria whose name cannot be read; they match nothing.
    pub unreadable: usize,
}

/// Why an entry is not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EntryError {
    /// Its name.
    #[error("\"{0}\" is not the name of a CVE")]
    Id(String),
    /// A time.
    #[error("{id}: \"{text}\" is not a time")]
    Time {
        /// The entry.
        id: String,
        /// What stands there.
        text: String,
    },
}

/// An entry as written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written {
    id: String,
    published: String,
    last_modified: String,
    #[serde(default)]
    vuln_status: String,
    #[serde(default)]
    descriptions: Vec<Description>,
    #[serde(default)]
    metrics: Metrics,
    #[serde(default)]
    configurations: Vec<Configuration>,
}

#[derive(Deserialize)]
struct Description {
    lang: String,
    value: String,
}

/// Ratings by scale.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Metrics {
    #[serde(rename = "cvssMetricV40")]
    four: Vec<Metric>,
    #[serde(rename = "cvssMetricV31")]
    three_one: Vec<Metric>,
    #[serde(rename = "cvssMetricV30")]
    three: Vec<Metric>,
    #[serde(rename = "cvssMetricV2")]
    two: Vec<Metric>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metric {
    #[serde(default, rename = "type")]
    kind: String,
    cvss_data: Rating,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rating {
    #[serde(default)]
    version: String,
    #[serde(default)]
    vector_string: String,
    base_score: f64,
}

impl Metrics {
    fn chosen(self) -> Option<Rating> {
        let mut all: Vec<_> =
            [self.four, self.three_one, self.three, self.two].into_iter().flatten().collect();
        // stable: among equals the newest scale stays first
        all.sort_by_key(|metric| metric.kind != "Primary");
        all.into_iter().next().map(|metric| metric.cvss_data)
    }
}

impl Written {
    pub(super) fn read(self) -> Result<Cve, EntryError> {
        if !is_cve(&self.id) {
            return Err(EntryError::Id(self.id));
        }
        let time = |text: &str| {
            moment(text).ok_or_else(|| EntryError::Time { id: self.id.clone(), text: text.to_owned() })
        };
        let (published, modified) = (time(&self.published)?, time(&self.last_modified)?);
        let english = self.descriptions.into_iter().find(|d| d.lang == "en").map(|d| d.value);
        let rating = self.metrics.chosen();
        let (mut products, mut unreadable) = (BTreeSet::new(), 0);
        for criterion in self.configurations.iter().flat_map(|one| &one.nodes).flat_map(|node| &node.criteria)
        {
            match criterion.cpe() {
                Ok(cpe) if criterion.vulnerable => products.extend(Criterion::keys(&cpe)),
                Ok(_) => {}
                Err(_) => unreadable += 1,
            }
        }
        Ok(Cve {
            published,
            modified,
            rejected: self.vuln_status.eq_ignore_ascii_case("rejected"),
            summary: without_nul(english.unwrap_or_default().trim()).chars().take(MAX_SUMMARY).collect(),
            score: rating.as_ref().map(|r| r.base_score.clamp(0.0, 10.0)),
            scale: without_nul(rating.as_ref().map_or("", |r| &r.version)),
            vector: without_nul(rating.as_ref().map_or("", |r| &r.vector_string)),
            configurations: self.configurations,
            products,
            unreadable,
            id: self.id,
        })
    }
}

/// PostgreSQL has no place for the character NUL.
pub(super) fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}

/// `2026-11-24T10:15:09.143`, in UTC as all of NVD's times; also with a `Z` and without the fraction.
fn moment(text: &str) -> Option<Timestamp> {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    let whole = text.strip_suffix('Z').unwrap_or(text).split('.').next()?;
    let read = PrimitiveDateTime::parse(whole, form).ok()?.assume_utc();
    read.unix_timestamp().checked_mul(1_000_000).map(Timestamp)
}
