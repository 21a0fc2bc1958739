//! Which vulnerabilities the fleet has: all of them for the grid, one with what has it, those of one device.

use eyot_contract::Timestamp;
use sqlx::{Any, FromRow};
use uuid::Uuid;

use super::products::key_of;
use super::sensors::parse_id;
use super::{Doing, Store, StoreError};
use crate::rules::vulnerabilities::product::Product;
use crate::rules::vulnerabilities::{Confidence, SEVERITIES};

/// Most devices shown with one vulnerability; the inventory's filter has them all.
const MAX_DEVICES: i64 = 100;
/// Most vulnerabilities shown with one device.
const MAX_OF_DEVICE: i64 = 1_000;

macro_rules! orders {
    ($($(#[$doc:meta])* $order:ident = $name:literal, $by:literal;)+) => {
        /// In which order vulnerabilities come.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ExposureOrder { $($(#[$doc])* $order),+ }

        impl ExposureOrder {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$order),+];

            /// Name in addresses.
            pub fn name(self) -> &'static str {
                match self { $(Self::$order => $name),+ }
            }

            fn by(self) -> &'static str {
                match self { $(Self::$order => $by),+ }
            }
        }
    };
}

orders! {
    /// What is exploited first, then by score.
    Urgency = "urgency", "CASE WHEN k.cve_id IS NULL THEN 1 ELSE 0 END, c.score DESC NULLS LAST, x.confidence";
    /// By score.
    Severity = "severity", "c.score DESC NULLS LAST";
    /// By the number of devices.
    Devices = "devices", "x.devices DESC";
    /// What is to be done first.
    Due = "due", "k.due ASC NULLS LAST";
    /// Latest first.
    Published = "published", "c.published DESC";
}

impl ExposureOrder {
    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|o| o.name() == name)
    }
}

/// Which vulnerabilities.
#[derive(Clone, Debug)]
pub struct ExposureQuery {
    /// A part of the name or of the description.
    pub search: String,
    /// A severity's name, or empty for any.
    pub severity: String,
    /// Only those known to be exploited.
    pub exploited: bool,
    /// At least this sure.
    pub confidence: Option<Confidence>,
    /// In which order.
    pub order: ExposureOrder,
    /// How many to skip.
    pub offset: i64,
    /// How many to return.
    pub limit: i64,
}

/// A vulnerability.
#[derive(Clone, Debug, FromRow)]
pub struct KeptCve {
    /// Its name.
    pub id: String,
    /// When it was published, in µs.
    pub published: i64,
    /// What it is.
    pub summary: String,
    /// Score in tenths.
    pub score: Option<i64>,
    /// The score's scale.
    pub scale: String,
    /// The score's vector.
    pub vector: String,
    /// Since when it is known to be exploited, in µs.
    pub exploited: Option<i64>,
    /// Until when to act, in µs.
    pub due: Option<i64>,
    /// What the catalogue says to do.
    pub action: Option<String>,
    /// 1 where it is known to be used for ransom.
    pub ransom: Option<i64>,
    /// How many devices have it; of one device's 1.
    pub devices: i64,
    /// Rank of the surest match.
    pub confidence: i64,
    /// Why that one matches; empty in a list of all.
    pub why: String,
}

impl KeptCve {
    /// CVSS score.
    pub fn score(&self) -> Option<f64> {
        self.score.map(|tenths| tenths as f64 / 10.0)
    }

    /// The surest match.
    pub fn confidence(&self) -> Confidence {
        Confidence::ranked(self.confidence)
    }

    /// Until when to act.
    pub fn due(&self) -> Option<Timestamp> {
        self.due.map(Timestamp)
    }
}

/// Some of the vulnerabilities that match.
#[derive(Clone, Debug)]
pub struct ExposurePage {
    /// How many match.
    pub total: i64,
    /// Those asked for.
    pub cves: Vec<KeptCve>,
}

/// A product that has a vulnerability.
#[derive(Clone, Debug, FromRow)]
pub struct AffectedProduct {
    /// Who made it.
    pub vendor: Option<String>,
    /// Which product.
    pub model: Option<String>,
    /// Its firmware.
    pub firmware: Option<String>,
    /// Its system.
    pub os: Option<String>,
    /// How many devices.
    pub devices: i64,
    /// Rank of the match.
    pub confidence: i64,
    /// Why it matches.
    pub why: String,
}

/// A device that has a vulnerability.
#[derive(Clone, Debug)]
pub struct AffectedDevice {
    /// Its id.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// Its hardware address.
    pub mac: String,
}

const CVE: &str = "c.id, c.published, c.summary, c.score, c.scale, c.vector, k.added AS exploited, k.due, k.action, k.ransom";
/// Every vulnerability that a device has, once, with how many have it.
const HAD: &str =
    "(SELECT f.cve_id, CAST(SUM(p.devices) AS BIGINT) AS devices, MIN(f.confidence) AS confidence \
     FROM product_cves f JOIN products p ON p.id = f.product_id GROUP BY f.cve_id) x \
     JOIN cves c ON c.id = x.cve_id LEFT JOIN known_exploited k ON k.cve_id = c.id";

impl ExposureQuery {
    /// The condition, with `$1` for what is looked for.
    fn condition(&self) -> String {
        let mut all =
            vec!["(LOWER(c.id) LIKE $1 ESCAPE '\\' OR LOWER(c.summary) LIKE $1 ESCAPE '\\')".to_owned()];
        if let Some(at) = SEVERITIES.iter().position(|(name, _)| *name == self.severity) {
            let least = SEVERITIES[at].1;
            all.push(format!("COALESCE(c.score, 0) >= {least}"));
            if let Some((_, above)) = at.checked_sub(1).map(|at| SEVERITIES[at]) {
                all.push(format!("COALESCE(c.score, 0) < {above}"));
            }
        }
        if self.exploited {
            all.push("k.cve_id IS NOT NULL".to_owned());
        }
        if let Some(confidence) = self.confidence {
            all.push(format!("x.confidence <= {}", confidence.rank()));
        }
        all.join(" AND ")
    }

    fn looked_for(&self) -> String {
        let word = self.search.trim().to_lowercase();
        format!("%{}%", word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
    }
}

impl Store {
    /// Vulnerabilities that devices have.
    ///
    /// # Errors
    /// The database fails.
    pub async fn exposure(&self, query: &ExposureQuery) -> Result<ExposurePage, StoreError> {
        let doing = "reading vulnerabilities";
        let condition = query.condition();
        let count = format!("SELECT COUNT(*) FROM {HAD} WHERE {condition}");
        let total = sqlx::query_scalar(sqlx::AssertSqlSafe(count))
            .bind(query.looked_for())
            .fetch_one(&self.pool)
            .await
            .doing(doing)?;
        let text = format!(
            "SELECT {CVE}, x.devices, x.confidence, '' AS why FROM {HAD} WHERE {condition} ORDER BY {}, c.id DESC \
             LIMIT {} OFFSET {}",
            query.order.by(),
            query.limit,
            query.offset
        );
        let cves = sqlx::query_as(sqlx::AssertSqlSafe(text))
            .bind(query.looked_for())
            .fetch_all(&self.pool)
            .await
            .doing(doing)?;
        Ok(ExposurePage { total, cves })
    }

    /// One vulnerability, whether or not a device has it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn cve(&self, id: &str) -> Result<Option<KeptCve>, StoreError> {
        let text = format!(
            "SELECT {CVE}, (SELECT CAST(COALESCE(SUM(p.devices), 0) AS BIGINT) FROM product_cves f \
             JOIN products p ON p.id = f.product_id WHERE f.cve_id = c.id) AS devices, \
             (SELECT COALESCE(MIN(f.confidence), {}) FROM product_cves f WHERE f.cve_id = c.id) AS confidence, '' AS why \
             FROM cves c LEFT JOIN known_exploited k ON k.cve_id = c.id WHERE c.id = $1",
            Confidence::VersionUnknown.rank()
        );
        sqlx::query_as(sqlx::AssertSqlSafe(text))
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .doing("reading a vulnerability")
    }

    /// What has a vulnerability, the surest match and then the most frequent first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn affected_products(&self, cve: &str) -> Result<Vec<AffectedProduct>, StoreError> {
        sqlx::query_as(
            "SELECT p.vendor, p.model, p.firmware, p.os, p.devices, f.confidence, f.why FROM product_cves f \
             JOIN products p ON p.id = f.product_id WHERE f.cve_id = $1 ORDER BY f.confidence, p.devices DESC, p.key",
        )
        .bind(cve)
        .fetch_all(&self.pool)
        .await
        .doing("reading what has a vulnerability")
    }

    /// Some of the devices that are such a product, those seen latest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn devices_of(&self, product: &AffectedProduct) -> Result<Vec<AffectedDevice>, StoreError> {
        let doing = "reading the devices that have a vulnerability";
        let columns = [
            ("vendor", &product.vendor),
            ("model", &product.model),
            ("firmware", &product.firmware),
            ("os", &product.os),
        ];
        let (mut conditions, mut bound) = (Vec::new(), Vec::new());
        for (column, value) in columns {
            match value {
                Some(value) => {
                    bound.push(value);
                    conditions.push(format!("{column} = ${}", bound.len()));
                }
                None => conditions.push(format!("{column} IS NULL")),
            }
        }
        let text = format!(
            "SELECT id, COALESCE(hostname, mac), mac FROM devices WHERE {} ORDER BY last_seen DESC, id LIMIT {MAX_DEVICES}",
            conditions.join(" AND ")
        );
        let mut query = sqlx::query_as::<Any, (String, String, String)>(sqlx::AssertSqlSafe(text));
        for value in bound {
            query = query.bind(value.clone());
        }
        let rows = query.fetch_all(&self.pool).await.doing(doing)?;
        rows.into_iter().map(|(id, name, mac)| Ok(AffectedDevice { id: parse_id(&id)?, name, mac })).collect()
    }

    /// The vulnerabilities of a device that is this, the most urgent first. Where the lists or the device changed since the
    /// latest pass, it is held against the lists now.
    ///
    /// # Errors
    /// The database fails.
    pub async fn vulnerabilities_of(&self, product: &Product) -> Result<Vec<KeptCve>, StoreError> {
        let doing = "reading a device's vulnerabilities";
        let Some(lists) = self.lists().await? else { return Ok(Vec::new()) };
        let matched: Option<String> =
            sqlx::query_scalar("SELECT id FROM products WHERE key = $1 AND lists = $2")
                .bind(key_of(product))
                .bind(lists)
                .fetch_optional(&self.pool)
                .await
                .doing(doing)?;
        let order = ExposureOrder::Urgency.by();
        let Some(id) = matched else { return self.matched_now(product).await };
        let text = format!(
            "SELECT {CVE}, CAST(1 AS BIGINT) AS devices, x.confidence, x.why FROM product_cves x \
             JOIN cves c ON c.id = x.cve_id LEFT JOIN known_exploited k ON k.cve_id = c.id WHERE x.product_id = $1 \
             ORDER BY {order}, c.id DESC LIMIT {MAX_OF_DEVICE}"
        );
        sqlx::query_as(sqlx::AssertSqlSafe(text)).bind(id).fetch_all(&self.pool).await.doing(doing)
    }

    async fn matched_now(&self, product: &Product) -> Result<Vec<KeptCve>, StoreError> {
        let mut all = Vec::new();
        for (id, fit) in self.fits(product).await? {
            if let Some(cve) = self.cve(&id).await? {
                all.push(KeptCve { devices: 1, confidence: fit.confidence.rank(), why: fit.why, ..cve });
            }
        }
        all.sort_by(|a, b| {
            let urgency =
                |cve: &KeptCve| (cve.exploited.is_none(), std::cmp::Reverse(cve.score), cve.confidence);
            urgency(a).cmp(&urgency(b)).then_with(|| b.id.cmp(&a.id))
        });
        all.truncate(usize::try_from(MAX_OF_DEVICE).unwrap_or(usize::MAX));
        Ok(all)
    }
}
