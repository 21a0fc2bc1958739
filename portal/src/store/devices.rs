//! The inventory: search, filter, sort, page; one device with what each sensor says about it.

use eyot_contract::{DeviceClass, DeviceRecord, DeviceType, Managed, Timestamp};
use futures_util::TryStreamExt as _;
use sqlx::any::AnyRow;
use sqlx::query::Query;
use sqlx::{Any, FromRow, Row};
use uuid::Uuid;

use super::counts::Shares;
use super::decisions::{locked_of, Decisions};
use super::grouping::Grouping;
use super::ingest::read_record;
use super::products::KEY;
use super::sensors::parse_id;
use super::{Doing, Store, StoreError};

/// Filter value for "nobody knows".
const UNKNOWN: &str = "unknown";
/// Most words of a search that are looked at.
const MAX_SEARCH_WORDS: usize = 8;
/// Most values offered per filter.
const MAX_CHOICES: i64 = 500;
/// Most groups counted.
const MAX_GROUPS: i64 = 500;
/// How long an export waits for whoever takes it: a connection to the database is held meanwhile.
const STALL: std::time::Duration = std::time::Duration::from_secs(60);

macro_rules! columns {
    ($($(#[$doc:meta])* $column:ident = $name:literal, $title:literal, $by:literal;)+) => {
        /// A column of the inventory.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Column { $($(#[$doc])* $column),+ }

        impl Column {
            /// Every column, in the order they are shown.
            pub const ALL: &'static [Self] = &[$(Self::$column),+];

            /// Name in addresses and files.
            pub fn name(self) -> &'static str {
                match self { $(Self::$column => $name),+ }
            }

            /// Heading.
            pub fn title(self) -> &'static str {
                match self { $(Self::$column => $title),+ }
            }

            fn by(self) -> &'static str {
                match self { $(Self::$column => $by),+ }
            }
        }
    };
}

columns! {
    /// What the device calls itself.
    Name = "name", "Name", "lower(d.hostname)";
    /// First address.
    Ip = "ip", "IP address", "d.ip_order";
    /// MAC address.
    Mac = "mac", "MAC address", "d.mac";
    /// Who made it.
    Vendor = "vendor", "Vendor", "lower(d.vendor)";
    /// Which product it is.
    Model = "model", "Model", "lower(d.model)";
    /// What kind of thing.
    Type = "type", "Type", "d.type";
    /// Which class of thing.
    Class = "class", "Class", "d.class";
    /// Operating system.
    Os = "os", "OS", "lower(d.os)";
    /// Firmware.
    Firmware = "firmware", "Firmware", "lower(d.firmware)";
    /// Sensor that reported it last.
    Sensor = "sensor", "Sensor", "lower(s.name)";
    /// First frame.
    FirstSeen = "first_seen", "First seen (UTC)", "d.first_seen";
    /// Latest frame.
    LastSeen = "last_seen", "Last activity (UTC)", "d.last_seen";
    /// Serial number.
    Serial = "serial", "Serial number", "lower(d.serial)";
    /// VLANs it was seen in.
    Vlans = "vlans", "VLAN", "d.vlans";
    /// Protocols it speaks.
    Protocols = "protocols", "Protocols", "d.protocols";
    /// Zone.
    Zone = "zone", "Zone", "lower(z.name)";
    /// How sure the identification is.
    Confidence = "confidence", "Confidence", "d.confidence";
    /// Whether it may be here.
    Authorized = "authorized", "Authorised", "d.authorized";
    /// How much it matters.
    Importance = "importance", "Importance", "CASE d.importance WHEN 'low' THEN 0 WHEN 'high' THEN 2 ELSE 1 END";
    /// Tags.
    Tags = "tags", "Tags", "d.tags";
    /// Where it stands.
    Location = "location", "Location", "lower(d.location)";
}

impl Column {
    /// The column of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.name() == name)
    }
}

/// Which way a column is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// Which devices, in which order.
#[derive(Clone, Debug)]
pub struct DeviceQuery {
    /// Words that all must occur somewhere in the device's texts and addresses.
    pub search: String,
    /// Type name, `unknown`, or empty for any.
    pub device_type: String,
    /// Class name, `unknown`, or empty for any.
    pub class: String,
    /// Vendor, `unknown`, or empty for any.
    pub vendor: String,
    /// A sensor that has seen it.
    pub sensor: Option<Uuid>,
    /// `yes`, `no`, `unknown`, or empty for any.
    pub authorized: String,
    /// Importance, or empty for any.
    pub importance: String,
    /// A tag, or empty.
    pub tag: String,
    /// `new`, `transient`, `unclassified`, or empty for any.
    pub state: String,
    /// The name of a vulnerability that they may have, or empty.
    pub cve: String,
    /// What they are grouped by: groups follow each other by their key, and the order holds within each.
    pub group: Option<Grouping>,
    /// Of the groups only this one: its key, `unknown` for none, or empty for all.
    pub within: String,
    /// The moment by which a device is new or transient.
    pub now: Timestamp,
    /// Sorted by.
    pub by: Column,
    /// Which way. Devices without a value come last either way.
    pub order: Order,
    /// In the order of the ids, those after this one, whatever `by` says: whatever changes meanwhile, each comes once.
    pub after: Option<Uuid>,
    /// How many to skip.
    pub offset: i64,
    /// How many to return; `None` for all.
    pub limit: Option<i64>,
}

impl Default for DeviceQuery {
    fn default() -> Self {
        Self {
            search: String::new(),
            device_type: String::new(),
            class: String::new(),
            vendor: String::new(),
            sensor: None,
            authorized: String::new(),
            importance: String::new(),
            tag: String::new(),
            state: String::new(),
            cve: String::new(),
            group: None,
            within: String::new(),
            now: Timestamp::now(),
            by: Column::LastSeen,
            order: Order::Descending,
            after: None,
            offset: 0,
            limit: None,
        }
    }
}

/// A device as the inventory shows it.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its id.
    pub id: Uuid,
    /// Its zone's name.
    pub zone: String,
    /// The sensor that reported it last.
    pub sensor: Uuid,
    /// That sensor's name.
    pub sensor_name: String,
    /// What all sensors together know; the evidence is with the sightings.
    pub record: DeviceRecord,
    /// What people decided about it.
    pub decisions: Decisions,
}

/// Some devices out of all that match.
#[derive(Clone, Debug)]
pub struct DevicePage {
    /// How many match.
    pub total: i64,
    /// Those asked for.
    pub devices: Vec<Device>,
}

/// What one sensor says about a device.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// The sensor.
    pub sensor: Uuid,
    /// Its name.
    pub sensor_name: String,
    /// Its latest record.
    pub record: DeviceRecord,
    /// When that came in.
    pub received_at: Timestamp,
}

/// Values that occur in the inventory, most frequent first, with how many devices have each.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// Types; `None` for unknown.
    pub types: Vec<(Option<String>, i64)>,
    /// Classes.
    pub classes: Vec<(Option<String>, i64)>,
    /// Vendors.
    pub vendors: Vec<(Option<String>, i64)>,
}

#[derive(FromRow)]
struct DeviceRow {
    id: String,
    zone: String,
    sensor_id: String,
    sensor: String,
    mac: String,
    ips: String,
    vlans: String,
    hostname: Option<String>,
    vendor: Option<String>,
    model: Option<String>,
    #[sqlx(rename = "type")]
    device_type: Option<String>,
    class: Option<String>,
    os: Option<String>,
    firmware: Option<String>,
    serial: Option<String>,
    confidence: f64,
    randomized: i64,
    protocols: String,
    frames: i64,
    first_seen: i64,
    last_seen: i64,
    authorized: Option<i64>,
    importance: String,
    tags: String,
    location: String,
    notes: String,
    locked: String,
    decided: String,
}

const COLUMNS: &str = "d.id, z.name AS zone, d.sensor_id, s.name AS sensor, d.mac, d.ips, d.vlans, d.hostname, d.vendor, \
     d.model, d.type, d.class, d.os, d.firmware, d.serial, d.confidence, d.randomized, d.protocols, d.frames, \
     d.first_seen, d.last_seen, d.authorized, d.importance, d.tags, d.location, d.notes, d.locked, d.decided";
const JOINS: &str = "JOIN zones z ON z.id = d.zone_id JOIN sensors s ON s.id = d.sensor_id";
const FROM: &str = "FROM devices d JOIN zones z ON z.id = d.zone_id JOIN sensors s ON s.id = d.sensor_id";

impl DeviceRow {
    fn read(self) -> Result<Device, StoreError> {
        let list = |source| StoreError::Content { what: "device", source };
        let record = DeviceRecord {
            mac: self.mac.parse().map_err(|e| sqlx::Error::Decode(Box::new(e))).doing("reading a device")?,
            ips: serde_json::from_str(&self.ips).map_err(list)?,
            vlans: serde_json::from_str(&self.vlans).map_err(list)?,
            hostname: self.hostname,
            vendor: self.vendor,
            model: self.model,
            // a name that a later version wrote and this one does not know reads as unknown
            device_type: self.device_type.and_then(|t| t.parse::<DeviceType>().ok()),
            class: self.class.and_then(|c| c.parse::<DeviceClass>().ok()),
            os: self.os,
            firmware: self.firmware,
            serial: self.serial,
            confidence: self.confidence as f32,
            randomized_mac: self.randomized != 0,
            protocols: serde_json::from_str(&self.protocols).map_err(list)?,
            frames: u64::try_from(self.frames).unwrap_or(0),
            first_seen: Timestamp(self.first_seen),
            last_seen: Timestamp(self.last_seen),
            evidence: Vec::new(),
            activity: Default::default(),
            managed: Managed { authorized: self.authorized.map(|a| a != 0), ..Managed::default() },
        };
        let decisions = Decisions {
            authorized: record.managed.authorized,
            importance: self.importance,
            tags: serde_json::from_str(&self.tags).map_err(list)?,
            location: self.location,
            notes: self.notes,
            locked: locked_of(&self.locked),
            decided: serde_json::from_str(&self.decided).map_err(list)?,
        };
        Ok(Device {
            id: parse_id(&self.id)?,
            zone: self.zone,
            sensor: parse_id(&self.sensor_id)?,
            sensor_name: self.sensor,
            record,
            decisions,
        })
    }
}

/// A condition and what is bound to it, in order.
#[derive(Default)]
struct Condition {
    text: String,
    bound: Vec<String>,
}

impl Condition {
    fn of(query: &DeviceQuery) -> Self {
        let mut all = Self::default();
        for word in query.search.split_whitespace().take(MAX_SEARCH_WORDS) {
            let escaped = word.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            all.and("(d.words LIKE ? ESCAPE '\\' OR d.own_words LIKE ? ESCAPE '\\')", format!("%{escaped}%"));
        }
        for (column, value) in
            [("d.type", &query.device_type), ("d.class", &query.class), ("d.vendor", &query.vendor)]
        {
            match value.as_str() {
                "" => {}
                UNKNOWN => all.join(&format!("{column} IS NULL")),
                value => all.and(&format!("{column} = ?"), value.to_owned()),
            }
        }
        if let Some(sensor) = query.sensor {
            let seen = "EXISTS (SELECT 1 FROM sightings g WHERE g.device_id = d.id AND g.sensor_id = ?)";
            all.and(seen, sensor.to_string());
        }
        match query.authorized.as_str() {
            "yes" => all.join("d.authorized = 1"),
            "no" => all.join("d.authorized = 0"),
            UNKNOWN => all.join("d.authorized IS NULL"),
            _ => {}
        }
        if !query.importance.is_empty() {
            all.and("d.importance = ?", query.importance.clone());
        }
        if !query.tag.is_empty() {
            let escaped = query.tag.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            all.and("d.tags LIKE ? ESCAPE '\\'", format!("%\"{escaped}\"%"));
        }
        // as `DeviceRecord` has them
        match query.state.as_str() {
            "new" => all.join(&format!(
                "d.authorized IS NULL AND d.first_seen > {}",
                query.now.0 - DeviceRecord::NEW_FOR
            )),
            "transient" => all.join(&format!(
                "d.last_seen - d.first_seen <= {} AND d.last_seen <= {}",
                DeviceRecord::TRANSIENT_FOR,
                query.now.0 - DeviceRecord::TRANSIENT_SILENCE
            )),
            "unclassified" => all.join("d.type IS NULL"),
            _ => {}
        }
        if !query.cve.is_empty() {
            let has = "IN (SELECT p.key FROM product_cves f JOIN products p ON p.id = f.product_id WHERE f.cve_id = ?)";
            all.and(&format!("{} {has}", KEY), query.cve.clone());
        }
        if let Some(group) = query.group {
            match query.within.as_str() {
                "" => {}
                UNKNOWN => all.join(&format!("{} IS NULL", group.key())),
                value => all.and(&format!("{} = ?", group.key()), value.to_owned()),
            }
        }
        all
    }

    fn join(&mut self, text: &str) {
        self.text.push_str(if self.text.is_empty() { " WHERE " } else { " AND " });
        self.text.push_str(text);
    }

    fn and(&mut self, text: &str, value: String) {
        self.bound.push(value);
        let place = format!("${}", self.bound.len());
        self.join(&text.replace('?', &place));
    }

    fn bind<'q>(
        &self,
        mut query: Query<'q, Any, <Any as sqlx::Database>::Arguments>,
    ) -> Query<'q, Any, <Any as sqlx::Database>::Arguments> {
        for value in &self.bound {
            query = query.bind(value.clone());
        }
        query
    }
}

impl Store {
    /// Devices that match.
    ///
    /// # Errors
    /// The database fails.
    pub async fn devices(&self, query: &DeviceQuery) -> Result<DevicePage, StoreError> {
        let doing = "reading the inventory";
        let condition = Condition::of(query);
        let select = select(query, &condition);
        let rows = condition
            .bind(sqlx::query(sqlx::AssertSqlSafe(select)))
            .fetch_all(&self.pool)
            .await
            .doing(doing)?;
        let devices: Vec<_> = rows.iter().map(read_row).collect::<Result<_, _>>()?;
        let here = i64::try_from(devices.len()).unwrap_or(i64::MAX);
        let short = query.limit.is_none_or(|limit| here < limit) && (here > 0 || query.offset == 0);
        if short && query.after.is_none() {
            // the last page: what stands before it has been counted by leaving it out
            return Ok(DevicePage { total: query.offset + here, devices });
        }
        let from = if query.within.is_empty() { "FROM devices d" } else { FROM };
        let count = format!("SELECT NULL AS one, COUNT(*) AS devices {from}");
        let total = self.shares(count, &condition, "").await?.iter().map(|(_, devices)| devices).sum();
        Ok(DevicePage { total, devices })
    }

    /// Sends every device that matches, in order, whatever the query's limit: one after the other, as fast as the receiver
    /// takes them, and then `None`. Without that `None` it was not all: the receiver is gone, or took nothing for [`STALL`].
    ///
    /// # Errors
    /// The database fails; what was sent before is part of the answer.
    pub async fn send_devices(
        &self,
        query: &DeviceQuery,
        to: &tokio::sync::mpsc::Sender<Option<Device>>,
    ) -> Result<(), StoreError> {
        let doing = "reading the inventory";
        let whole = DeviceQuery { offset: 0, limit: None, ..query.clone() };
        let condition = Condition::of(&whole);
        let select = select(&whole, &condition);
        let mut rows = condition.bind(sqlx::query(sqlx::AssertSqlSafe(select))).fetch(&self.pool);
        loop {
            let device = rows.try_next().await.doing(doing)?.as_ref().map(read_row).transpose()?;
            let end = device.is_none();
            match tokio::time::timeout(STALL, to.send(device)).await {
                Ok(Ok(())) if end => return Ok(()),
                Ok(Ok(())) => {}
                Ok(Err(_)) => {
                    tracing::debug!("whoever asked for an export is gone");
                    return Ok(());
                }
                Err(_) => {
                    tracing::warn!(
                        "an export was cut off: nothing of it was taken for {} s",
                        STALL.as_secs()
                    );
                    return Ok(());
                }
            }
        }
    }

    /// The groups among the devices that match, with how many devices each has: the largest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn groups(&self, query: &DeviceQuery) -> Result<Shares, StoreError> {
        let Some(group) = query.group else { return Ok(Vec::new()) };
        let all = DeviceQuery { within: String::new(), ..query.clone() };
        let condition = Condition::of(&all);
        let from = if group.joins() { FROM } else { "FROM devices d" };
        let text = format!("SELECT {} AS one, COUNT(*) AS devices {from}", group.key());
        let order = format!(" GROUP BY 1 ORDER BY devices DESC, one LIMIT {MAX_GROUPS}");
        self.shares(text, &condition, &order).await
    }

    /// Counts devices that meet a condition: `one` and `devices` of each row.
    async fn shares(&self, text: String, condition: &Condition, order: &str) -> Result<Shares, StoreError> {
        let text = format!("{text}{}{order}", condition.text);
        let question = format!("{text}\0{}", condition.bound.join("\0"));
        let (pool, bound) = (self.pool.clone(), condition.bound.clone());
        let count = move || async move {
            let doing = "counting devices";
            let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
            for value in bound {
                query = query.bind(value);
            }
            let rows = query.fetch_all(&pool).await.doing(doing)?;
            let read =
                |row: &AnyRow| Ok((row.try_get("one").doing(doing)?, row.try_get("devices").doing(doing)?));
            rows.iter().map(read).collect()
        };
        self.counts.of(question, count).await
    }

    /// One device.
    ///
    /// # Errors
    /// The database fails.
    pub async fn device(&self, id: Uuid) -> Result<Option<Device>, StoreError> {
        one(&self.pool, &id.to_string()).await
    }

    /// What each sensor says about a device, the surest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn sightings(&self, device: Uuid) -> Result<Vec<Sighting>, StoreError> {
        let doing = "reading what sensors say about a device";
        let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
            "SELECT g.sensor_id, s.name, g.record, g.received_at FROM sightings g \
             JOIN sensors s ON s.id = g.sensor_id WHERE g.device_id = $1",
        )
        .bind(device.to_string())
        .fetch_all(&self.pool)
        .await
        .doing(doing)?;
        let mut sightings = Vec::new();
        for (sensor, sensor_name, record, received) in rows {
            let Some(record) = read_record(&record) else { continue };
            sightings.push(Sighting {
                sensor: parse_id(&sensor)?,
                sensor_name,
                record,
                received_at: Timestamp(received),
            });
        }
        sightings.sort_by(|a, b| b.record.confidence.total_cmp(&a.record.confidence));
        Ok(sightings)
    }

    /// What there is to filter by.
    ///
    /// # Errors
    /// The database fails.
    pub async fn choices(&self) -> Result<Choices, StoreError> {
        Ok(Choices {
            types: self.choice("type").await?,
            classes: self.choice("class").await?,
            vendors: self.choice("vendor").await?,
        })
    }

    async fn choice(&self, column: &'static str) -> Result<Shares, StoreError> {
        let text = format!("SELECT {column} AS one, COUNT(*) AS devices FROM devices");
        let order = format!(" GROUP BY {column} ORDER BY devices DESC, {column} LIMIT {MAX_CHOICES}");
        self.shares(text, &Condition::default(), &order).await
    }
}

/// The statement for a page, or for everything. Rows are chosen first and only then joined with what they show, so that a
/// page of a large inventory looks up the names of its own rows alone.
fn select(query: &DeviceQuery, condition: &Condition) -> String {
    let direction = match query.order {
        Order::Ascending => "ASC",
        Order::Descending => "DESC",
    };
    let by = match query.by {
        // there is always one, and an index has it
        Column::LastSeen => format!("d.last_seen {direction}, d.id {direction}"),
        column => format!("{} {direction} NULLS LAST, d.id", column.by()),
    };
    let order = match query.group {
        Some(group) => format!("{} NULLS LAST, {by}", group.key()),
        None => by,
    };
    let order = if query.after.is_some() { "d.id".to_owned() } else { order };
    let filter = match query.after {
        // a UUID has nothing in it that would end the text
        Some(after) => {
            let joint = if condition.text.is_empty() { " WHERE" } else { " AND" };
            format!("{}{joint} d.id > '{after}'", condition.text)
        }
        None => condition.text.clone(),
    };
    let Some(limit) = query.limit else {
        return format!("SELECT {COLUMNS} {FROM}{filter} ORDER BY {order}");
    };
    let joins = matches!(query.by, Column::Sensor | Column::Zone) || query.group.is_some_and(Grouping::joins);
    let from = if joins { FROM } else { "FROM devices d" };
    format!(
        "SELECT {COLUMNS} FROM (SELECT d.* {from}{filter} ORDER BY {order} LIMIT {limit} OFFSET {}) d {JOINS} \
         ORDER BY {order}",
        query.offset
    )
}

/// One device, also within a transaction.
pub(super) async fn one<'c>(
    on: impl sqlx::Executor<'c, Database = Any>,
    id: &str,
) -> Result<Option<Device>, StoreError> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} {FROM} WHERE d.id = $1")))
        .bind(id.to_owned())
        .fetch_optional(on)
        .await
        .doing("reading a device")?;
    row.as_ref().map(read_row).transpose()
}

fn read_row(row: &AnyRow) -> Result<Device, StoreError> {
    DeviceRow::from_row(row).doing("reading a device")?.read()
}

#[cfg(test)]
mod tests {
    use super::super::ingest::ip_order;
    use std::net::IpAddr;

    #[test]
    fn addresses_sort_by_number() {
        let ips = ["9.0.0.1", "10.0.0.9", "10.0.0.10", "2001:db8::1"].map(|t| t.parse::<IpAddr>());
        let keys: Vec<_> = ips.into_iter().flatten().map(ip_order).collect();
        assert_eq!(keys.len(), 4);
        assert!(keys.is_sorted(), "{keys:?}");
    }
}
