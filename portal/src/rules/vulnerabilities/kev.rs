//! CISA's catalogue of vulnerabilities that are known to be exploited, as JSON and as CSV: which, since when, and until
//! when to act.

use eyot_contract::Timestamp;
use serde::Deserialize;
use time::macros::format_description;
use time::Date;

use super::is_cve;
use super::nvd::without_nul;
use crate::rules::csv;

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exploited {
    /// The CVE.
    pub cve: String,
    /// What it is called there.
    pub name: String,
    /// Since when it is in the catalogue (midnight UTC).
    pub added: Timestamp,
    /// Until when to act (midnight UTC), where a day is named.
    pub due: Option<Timestamp>,
    /// What to do.
    pub action: String,
    /// Whether it is known to be used for ransom.
    pub ransom: bool,
}

/// Why an entry is not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EntryError {
    /// Its name.
    #[error("\"{0}\" is not the name of a CVE")]
    Id(String),
    /// A day.
    #[error("{cve}: \"{text}\" is not a day (2026-11-24)")]
    Day {
        /// The entry.
        cve: String,
        /// What stands there.
        text: String,
    },
    /// A CSV file without a column that must be there.
    #[error("the first line names no column {0}")]
    Column(&'static str),
}

/// An entry as written in JSON; the CSV file's columns have the same names.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Written {
    #[serde(rename = "cveID")]
    pub cve: String,
    vulnerability_name: String,
    date_added: String,
    required_action: String,
    due_date: String,
    known_ransomware_campaign_use: String,
}

impl Written {
    pub(super) fn read(self) -> Result<Exploited, EntryError> {
        let cve = self.cve.trim().to_owned();
        if !is_cve(&cve) {
            return Err(EntryError::Id(cve));
        }
        let day = |text: &str| {
            day(text.trim()).ok_or_else(|| EntryError::Day { cve: cve.clone(), text: text.to_owned() })
        };
        let due = match self.due_date.trim() {
            "" => None,
            text => Some(day(text)?),
        };
        Ok(Exploited {
            name: without_nul(self.vulnerability_name.trim()),
            added: day(&self.date_added)?,
            due,
            action: without_nul(self.required_action.trim()),
            ransom: self.known_ransomware_campaign_use.trim().eq_ignore_ascii_case("known"),
            cve,
        })
    }
}

/// Reads the CSV file.
///
/// # Errors
/// [`EntryError`], with nothing taken.
pub(super) fn read_csv(text: &str) -> Result<Vec<Exploited>, EntryError> {
    let mut records = csv::records(text, ',').into_iter();
    let heading = records.next().unwrap_or_default();
    let place = |name: &'static str| {
        heading.iter().position(|h| h.eq_ignore_ascii_case(name)).ok_or(EntryError::Column(name))
    };
    let cve = place("cveID")?;
    let added = place("dateAdded")?;
    let perhaps = |name| place(name).ok();
    let (name, action) = (perhaps("vulnerabilityName"), perhaps("requiredAction"));
    let (due, ransom) = (perhaps("dueDate"), perhaps("knownRansomwareCampaignUse"));
    records
        .map(|record| {
            let cell = |at: Option<usize>| at.and_then(|at| record.get(at)).cloned().unwrap_or_default();
            Written {
                cve: cell(Some(cve)),
                vulnerability_name: cell(name),
                date_added: cell(Some(added)),
                required_action: cell(action),
                due_date: cell(due),
                known_ransomware_campaign_use: cell(ransom),
            }
            .read()
        })
        .collect()
}

fn day(text: &str) -> Option<Timestamp> {
    let date = Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
    date.midnight().assume_utc().unix_timestamp().checked_mul(1_000_000).map(Timestamp)
}
