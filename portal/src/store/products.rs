//! What there is in the inventory, each product once, and which vulnerabilities it has.
//!
//! A product is what devices have in common: vendor, model, firmware, system. A fleet of a million devices has some
//! thousands of them, so matching goes over products alone. Counting reads every device once, beside the ingest, which has
//! no index more to keep for it; a device's page asks for its own product and does not wait for that.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sqlx::{AnyConnection, FromRow};
use uuid::Uuid;

use super::cves::insert_rows;
use super::rows::{self, Columns, Holds};
use super::{Doing, Store, StoreError};
use crate::rules::vulnerabilities::product::{Names, Product};
use crate::rules::vulnerabilities::{can_be_listed, fit, Fit};

/// Most products that are held against the lists; a fleet with more of them has been made up by somebody.
const MAX_PRODUCTS: i64 = 100_000;
/// Products written in one go: sensors' batches come in between.
const PORTION: usize = 200;

/// A device's product key in a statement, as [`key_of`] makes it.
pub(super) const KEY: &str = "(COALESCE(d.vendor, '') || '\u{1f}' || COALESCE(d.model, '') || '\u{1f}' || \
     COALESCE(d.firmware, '') || '\u{1f}' || COALESCE(d.os, ''))";

/// A product's key.
pub(super) fn key_of(product: &Product) -> String {
    let parts = [&product.vendor, &product.model, &product.firmware, &product.os];
    parts.map(|part| part.as_deref().unwrap_or_default()).join("\u{1f}")
}

/// What a pass over the products did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Matched {
    /// Products held against the lists.
    pub matched: usize,
    /// Products of which there are more or fewer devices.
    pub counted: usize,
    /// Products of which there is no device any more.
    pub gone: usize,
}

#[derive(FromRow)]
struct Counted {
    vendor: Option<String>,
    model: Option<String>,
    firmware: Option<String>,
    os: Option<String>,
    devices: i64,
}

#[derive(FromRow)]
struct Kept {
    id: String,
    key: String,
    devices: i64,
    lists: String,
}

const PRODUCT: Columns = &[
    ("id", Holds::Text),
    ("key", Holds::Text),
    ("vendor", Holds::Text),
    ("model", Holds::Text),
    ("firmware", Holds::Text),
    ("os", Holds::Text),
    ("devices", Holds::Whole),
    ("cves", Holds::Whole),
    ("exploited", Holds::Whole),
    ("worst", Holds::Whole),
    ("lists", Holds::Text),
];
const PRODUCT_CVE: Columns = &[
    ("product_id", Holds::Text),
    ("cve_id", Holds::Text),
    ("confidence", Holds::Whole),
    ("why", Holds::Text),
];

/// A product with its matches, on its way to the database.
struct Found {
    product: Product,
    devices: i64,
    fits: Vec<(String, Fit)>,
}

impl Store {
    /// Counts the products and holds those against the lists that are new or were held against older lists.
    ///
    /// # Errors
    /// The database fails; what was done before stays.
    pub async fn match_products(&self) -> Result<Matched, StoreError> {
        let Some(lists) = self.lists().await? else { return Ok(Matched::default()) };
        let counted = self.counted().await?;
        let mut kept: BTreeMap<String, Kept> =
            self.kept().await?.into_iter().map(|k| (k.key.clone(), k)).collect();
        let (mut done, mut others, mut portion) = (Matched::default(), Vec::new(), Vec::new());
        for (product, devices) in counted {
            match kept.remove(&key_of(&product)) {
                Some(known) if known.lists == lists && known.devices == devices => {}
                Some(known) if known.lists == lists => others.push((known.id, devices)),
                _ => {
                    let fits = self.fits(&product).await?;
                    portion.push(Found { product, devices, fits });
                    done.matched += 1;
                }
            }
            if portion.len() == PORTION {
                self.keep_matches(&lists, &portion).await?;
                portion.clear();
            }
        }
        if !portion.is_empty() {
            self.keep_matches(&lists, &portion).await?;
        }
        done.counted = others.len();
        done.gone = kept.len();
        if done.counted + done.gone > 0 {
            self.recount(&others, kept.into_values().map(|k| k.id).collect()).await?;
        }
        Ok(done)
    }

    /// The vulnerabilities of a product, by the lists as they are now.
    pub(super) async fn fits(&self, product: &Product) -> Result<Vec<(String, Fit)>, StoreError> {
        let names = Names::of(product);
        let listed = self.listed_under(&names).await?;
        Ok(listed.into_iter().filter_map(|(id, where_)| Some((id, fit(&where_, &names)?))).collect())
    }

    async fn counted(&self) -> Result<Vec<(Product, i64)>, StoreError> {
        let text = format!(
            "SELECT vendor, model, firmware, os, COUNT(*) AS devices FROM devices \
             WHERE vendor IS NOT NULL OR os IS NOT NULL GROUP BY vendor, model, firmware, os LIMIT {MAX_PRODUCTS}"
        );
        let rows: Vec<Counted> = sqlx::query_as(sqlx::AssertSqlSafe(text))
            .fetch_all(&self.pool)
            .await
            .doing("counting devices by what they are")?;
        let mut all: BTreeMap<String, (Product, i64)> = BTreeMap::new();
        for row in rows {
            let product =
                Product { vendor: row.vendor, model: row.model, firmware: row.firmware, os: row.os };
            // an empty text and none are one
            if can_be_listed(&product) {
                all.entry(key_of(&product)).or_insert((product, 0)).1 += row.devices;
            }
        }
        Ok(all.into_values().collect())
    }

    async fn kept(&self) -> Result<Vec<Kept>, StoreError> {
        sqlx::query_as("SELECT id, key, devices, lists FROM products")
            .fetch_all(&self.pool)
            .await
            .doing("reading what there is in the inventory")
    }

    async fn keep_matches(&self, lists: &str, all: &[Found]) -> Result<(), StoreError> {
        let doing = "keeping which products have which vulnerabilities";
        let cves: BTreeSet<&str> =
            all.iter().flat_map(|f| f.fits.iter().map(|(id, _)| id.as_str())).collect();
        let mut write = self.write(doing).await?;
        let rated = rated(write.on(), &cves).await?;
        // another portal may have kept the same ones meanwhile
        let text = format!("DELETE FROM products WHERE key IN {}", rows::list(write.on(), 1));
        sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(rows::bound(all.iter().map(|found| key_of(&found.product))))
            .execute(write.on())
            .await
            .doing(doing)?;
        let (mut products, mut fits) = (Vec::new(), Vec::new());
        for Found { product, devices, fits: own } in all {
            let id = Uuid::new_v4().to_string();
            // an entry that was taken back since is none
            let own: Vec<_> = own.iter().filter_map(|(cve, fit)| Some((cve, fit, rated.get(cve)?))).collect();
            let exploited = own.iter().filter(|(_, _, rating)| rating.exploited).count();
            let worst = own.iter().map(|(_, _, rating)| rating.score).max().unwrap_or(0);
            let Product { vendor, model, firmware, os } = product;
            products.push(json!([
                id,
                key_of(product),
                vendor,
                model,
                firmware,
                os,
                devices,
                own.len(),
                exploited,
                worst,
                lists
            ]));
            fits.extend(own.iter().map(|(cve, fit, _)| json!([id, cve, fit.confidence.rank(), fit.why])));
        }
        insert_rows(write.on(), "products", PRODUCT, products, doing).await?;
        insert_rows(write.on(), "product_cves", PRODUCT_CVE, fits, doing).await?;
        write.commit(doing).await
    }

    async fn recount(&self, counts: &[(String, i64)], gone: Vec<String>) -> Result<(), StoreError> {
        let doing = "counting devices by what they are";
        let mut write = self.write(doing).await?;
        for (id, devices) in counts {
            sqlx::query("UPDATE products SET devices = $1 WHERE id = $2")
                .bind(devices)
                .bind(id)
                .execute(write.on())
                .await
                .doing(doing)?;
        }
        let text = format!("DELETE FROM products WHERE id IN {}", rows::list(write.on(), 1));
        let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(rows::bound(gone));
        query.execute(write.on()).await.doing(doing)?;
        write.commit(doing).await
    }
}

struct Rating {
    score: i64,
    exploited: bool,
}

/// What is known about how bad these are. Those that are not kept are left out.
async fn rated(
    on: &mut AnyConnection,
    cves: &BTreeSet<&str>,
) -> Result<BTreeMap<String, Rating>, StoreError> {
    let text = format!(
        "SELECT c.id, COALESCE(c.score, 0), CAST(CASE WHEN k.cve_id IS NULL THEN 0 ELSE 1 END AS BIGINT) FROM cves c \
         LEFT JOIN known_exploited k ON k.cve_id = c.id WHERE c.id IN {}",
        rows::list(on, 1)
    );
    let query = sqlx::query_as::<_, (String, i64, i64)>(sqlx::AssertSqlSafe(text)).bind(rows::bound(cves));
    let rows = query.fetch_all(on).await.doing("reading how bad vulnerabilities are")?;
    Ok(rows.into_iter().map(|(id, score, k)| (id, Rating { score, exploited: k != 0 })).collect())
}
