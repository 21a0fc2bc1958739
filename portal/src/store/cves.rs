//! The vulnerability lists: kept in portions, so that sensors' batches come in between, and looked up by product.
//!
//! Each entry stands for itself and the newer one wins, so files may come in any order, twice, or break off. What moves
//! on with every change is a fact (`lists`), by which matching sees that it has to begin anew.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{json, Value};
use sqlx::{AnyConnection, FromRow};
use uuid::Uuid;

use super::audit::{note, Action, Actor};
use super::rows::{self, Columns, Holds};
use super::{Doing, Store, StoreError};
use crate::rules::vulnerabilities::configuration::Configuration;
use crate::rules::vulnerabilities::kev::Exploited;
use crate::rules::vulnerabilities::nvd::Cve;
use crate::rules::vulnerabilities::product::Names;

/// Fact: changes with the lists.
const CHANGED: &str = "vulnerability_lists";

/// What became of a portion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Portion {
    /// Entries that are new or newer.
    pub kept: usize,
    /// Entries that were known as new or newer already.
    pub known: usize,
    /// Entries that were taken back.
    pub removed: usize,
}

impl Portion {
    /// With what became of another.
    pub fn add(&mut self, other: Self) {
        self.kept += other.kept;
        self.known += other.known;
        self.removed += other.removed;
    }
}

/// How large the lists are.
#[derive(Clone, Copy, Debug, Default, FromRow)]
pub struct ListSizes {
    /// CVEs.
    pub cves: i64,
    /// The latest change among them, in µs.
    pub newest: Option<i64>,
    /// Those known to be exploited.
    pub exploited: i64,
}

impl Store {
    /// Keeps a portion of NVD's list.
    ///
    /// # Errors
    /// The database fails; of the portion nothing is kept.
    pub async fn keep_cves(&self, all: &[Cve]) -> Result<Portion, StoreError> {
        let doing = "keeping vulnerabilities";
        // of an entry that comes twice, the newer
        let mut newest: BTreeMap<&str, &Cve> = BTreeMap::new();
        for cve in all {
            let place = newest.entry(&cve.id).or_insert(cve);
            if cve.modified > place.modified {
                *place = cve;
            }
        }
        let ids: Vec<_> = newest.keys().copied().collect();
        let mut write = self.write_beside_others(doing).await?;
        let known = known(write.on(), &ids).await?;
        let later = |id: &&str| known.get(*id).is_none_or(|kept| newest[id].modified.0 > *kept);
        let (news, old): (Vec<&str>, Vec<&str>) = ids.into_iter().partition(later);
        forget(write.on(), &news).await?;
        let (gone, good): (Vec<&Cve>, Vec<&Cve>) = news.iter().map(|id| newest[id]).partition(|c| c.rejected);
        insert(write.on(), &good).await?;
        let portion = Portion { kept: good.len(), known: old.len(), removed: gone.len() };
        write.commit(doing).await?;
        Ok(portion)
    }

    /// Keeps CISA's catalogue in the place of the one before.
    ///
    /// # Errors
    /// The database fails; the one before stays.
    pub async fn keep_exploited(&self, all: &[Exploited]) -> Result<(), StoreError> {
        let doing = "keeping the list of exploited vulnerabilities";
        let mut seen = BTreeSet::new();
        let once = all.iter().filter(|one| seen.insert(&one.cve));
        let row = |one: &Exploited| {
            let (added, due) = (one.added.0, one.due.map(|due| due.0));
            json!([one.cve, one.name, added, due, one.action, i64::from(one.ransom)])
        };
        let rows = once.map(row).collect();
        let mut write = self.write(doing).await?;
        sqlx::query("DELETE FROM known_exploited").execute(write.on()).await.doing(doing)?;
        insert_rows(write.on(), "known_exploited", EXPLOITED, rows, doing).await?;
        write.commit(doing).await
    }

    /// Says that the lists are others now, and who brought them.
    ///
    /// # Errors
    /// The database fails.
    pub async fn lists_changed(&self, file: &str, what: &str, by: Actor<'_>) -> Result<(), StoreError> {
        let doing = "noting that the vulnerability lists changed";
        let mut write = self.write(doing).await?;
        sqlx::query(
            "INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(CHANGED)
        .bind(Uuid::new_v4().to_string())
        .execute(write.on())
        .await
        .doing(doing)?;
        note(write.on(), by, Action::VulnerabilitiesImported, file, what).await?;
        write.commit(doing).await
    }

    /// The state of the lists; `None` while there are none.
    ///
    /// # Errors
    /// The database fails.
    pub async fn lists(&self) -> Result<Option<String>, StoreError> {
        self.fact(CHANGED).await
    }

    /// How large the lists are.
    ///
    /// # Errors
    /// The database fails.
    pub async fn list_sizes(&self) -> Result<ListSizes, StoreError> {
        sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM cves) AS cves, (SELECT MAX(modified) FROM cves) AS newest, \
             (SELECT COUNT(*) FROM known_exploited) AS exploited",
        )
        .fetch_one(&self.pool)
        .await
        .doing("counting vulnerabilities")
    }

    /// Everything listed under these names, with where it applies.
    ///
    /// # Errors
    /// The database fails.
    pub(super) async fn listed_under(
        &self,
        names: &Names,
    ) -> Result<Vec<(String, Vec<Configuration>)>, StoreError> {
        let doing = "looking up vulnerabilities";
        let (vendors, products): (Vec<_>, Vec<_>) = (names.vendors().collect(), names.products().collect());
        if vendors.is_empty() || products.is_empty() {
            return Ok(Vec::new());
        }
        let mut on = self.pool.acquire().await.doing(doing)?;
        let text = format!(
            "SELECT c.id, c.configurations FROM cves c WHERE c.id IN (SELECT p.cve_id FROM cve_products p \
             WHERE p.vendor IN {} AND p.product IN {})",
            rows::list(&on, 1),
            rows::list(&on, 2)
        );
        let query = sqlx::query_as::<_, (String, String)>(sqlx::AssertSqlSafe(text));
        let query = query.bind(rows::bound(vendors)).bind(rows::bound(products));
        let rows = query.fetch_all(&mut *on).await.doing(doing)?;
        let read = |(id, text): (String, String)| match serde_json::from_str(&text) {
            Ok(configurations) => Ok((id, configurations)),
            Err(source) => Err(StoreError::Content { what: "vulnerability", source }),
        };
        rows.into_iter().map(read).collect()
    }
}

/// Which of these are kept, and how new.
async fn known(on: &mut AnyConnection, ids: &[&str]) -> Result<BTreeMap<String, i64>, StoreError> {
    let text = format!("SELECT id, modified FROM cves WHERE id IN {}", rows::list(on, 1));
    let query = sqlx::query_as::<_, (String, i64)>(sqlx::AssertSqlSafe(text)).bind(rows::bound(ids));
    Ok(query.fetch_all(on).await.doing("reading kept vulnerabilities")?.into_iter().collect())
}

async fn forget(on: &mut AnyConnection, ids: &[&str]) -> Result<(), StoreError> {
    for (table, column) in [("cve_products", "cve_id"), ("cves", "id")] {
        let text = format!("DELETE FROM {table} WHERE {column} IN {}", rows::list(on, 1));
        let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(rows::bound(ids));
        query.execute(&mut *on).await.doing("removing older entries of vulnerabilities")?;
    }
    Ok(())
}

const CVE: Columns = &[
    ("id", Holds::Text),
    ("published", Holds::Whole),
    ("modified", Holds::Whole),
    ("summary", Holds::Text),
    ("score", Holds::Whole),
    ("scale", Holds::Text),
    ("vector", Holds::Text),
    ("configurations", Holds::Text),
];
const CVE_PRODUCT: Columns = &[("vendor", Holds::Text), ("product", Holds::Text), ("cve_id", Holds::Text)];
const EXPLOITED: Columns = &[
    ("cve_id", Holds::Text),
    ("name", Holds::Text),
    ("added", Holds::Whole),
    ("due", Holds::Whole),
    ("action", Holds::Text),
    ("ransom", Holds::Whole),
];

async fn insert(on: &mut AnyConnection, all: &[&Cve]) -> Result<(), StoreError> {
    let doing = "keeping vulnerabilities";
    let row = |cve: &&Cve| -> Result<Value, StoreError> {
        let configurations = serde_json::to_string(&cve.configurations)
            .map_err(|source| StoreError::Content { what: "vulnerability", source })?;
        let score = cve.score.map(|score| (score * 10.0).round() as i64);
        let (published, modified) = (cve.published.0, cve.modified.0);
        Ok(json!([cve.id, published, modified, cve.summary, score, cve.scale, cve.vector, configurations]))
    };
    let cves = all.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    insert_rows(on, "cves", CVE, cves, doing).await?;
    let products = all.iter().flat_map(|cve| cve.products.iter().map(|(v, p)| json!([v, p, cve.id])));
    insert_rows(on, "cve_products", CVE_PRODUCT, products.collect(), doing).await
}

/// Adds rows to a table.
pub(super) async fn insert_rows(
    on: &mut AnyConnection,
    table: &'static str,
    columns: Columns,
    rows: Vec<Value>,
    doing: &'static str,
) -> Result<(), StoreError> {
    let (names, from) = (rows::names(columns), rows::from(on, columns));
    let text = format!("INSERT INTO {table} ({names}) SELECT {names} FROM {from}");
    let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(Value::Array(rows).to_string());
    query.execute(on).await.doing(doing)?;
    Ok(())
}
