//! `sensors` and `devices`: what the portal knows, in a terminal.

use clap::Args;
use eyot_contract::Timestamp;

use super::{json, say, table, Data, Format};
use crate::api::devices::DeviceView;
use crate::api::sensors::SensorView;
use crate::moments::{moment, relative};
use crate::portal::Portal;
use crate::rules::health;
use crate::store::{AuditEntry, DeviceQuery, Order};

#[derive(Args)]
#[command(after_help = "Example:\n  eyot-portal sensors --format json")]
pub(super) struct Sensors {
    #[command(flatten)]
    data: Data,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Args)]
#[command(after_help = "Example:\n  eyot-portal devices --search camera --format json")]
pub(super) struct Devices {
    #[command(flatten)]
    data: Data,
    /// Only devices in which all these words occur
    #[arg(long, default_value = "")]
    search: String,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Args)]
#[command(after_help = "Example:\n  eyot-portal audit --format json")]
pub(super) struct Audit {
    #[command(flatten)]
    data: Data,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

impl Audit {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let portal = Portal::open(&self.data.data).await?;
        let entries = portal.store.audit().await?;
        portal.store.close().await;
        match self.format {
            Format::Json => {
                let view = |e: &AuditEntry| {
                    serde_json::json!({
                        "at": Timestamp(e.at), "by": e.actor, "action": e.action, "on": e.subject, "detail": e.detail,
                    })
                };
                say(&json(&entries.iter().map(view).collect::<Vec<_>>())?)
            }
            Format::Table => {
                let row = |e: &AuditEntry| {
                    let time = moment(Timestamp(e.at));
                    vec![time, e.actor.clone(), e.title().to_owned(), e.subject.clone(), e.detail.clone()]
                };
                say(&table(
                    &["TIME", "BY", "WHAT", "ON", "DETAILS"],
                    &entries.iter().map(row).collect::<Vec<_>>(),
                ))
            }
        }
    }
}

impl Sensors {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let portal = Portal::open(&self.data.data).await?;
        let sensors = portal.store.sensors().await?;
        portal.store.close().await;
        let now = Timestamp::now();
        match self.format {
            Format::Json => {
                let views: Vec<_> = sensors.iter().map(|s| SensorView::of(s, now)).collect();
                say(&json(&views)?)?;
            }
            Format::Table => {
                let headings =
                    ["NAME", "ZONE", "SUBSCRIPTION", "VERSION", "HEALTH", "LAST CONNECTED", "DEVICES"];
                let row = |s: &crate::store::Sensor| {
                    vec![
                        s.name.clone(),
                        s.zone.clone(),
                        s.subscription.clone(),
                        s.version.clone().unwrap_or_else(|| "-".to_owned()),
                        health::conditions(s, now)[0].code.title().to_owned(),
                        s.last_contact.map_or("never".to_owned(), |at| {
                            format!("{} ({})", moment(at), relative(at, now))
                        }),
                        s.devices.to_string(),
                    ]
                };
                say(&table(&headings, &sensors.iter().map(row).collect::<Vec<_>>()))?;
            }
        }
        Ok(())
    }
}

impl Devices {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let portal = Portal::open(&self.data.data).await?;
        let query = DeviceQuery { search: self.search, order: Order::Descending, ..DeviceQuery::default() };
        let found = portal.store.devices(&query).await?;
        portal.store.close().await;
        match self.format {
            Format::Json => {
                let views: Vec<_> = found.devices.iter().map(DeviceView::listed).collect();
                say(&json(&views)?)?;
            }
            Format::Table => {
                let headings = ["NAME", "IP", "MAC", "VENDOR", "MODEL", "TYPE", "SENSOR", "LAST ACTIVITY"];
                let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
                let row = |d: &crate::store::Device| {
                    let r = &d.record;
                    vec![
                        text(&r.hostname),
                        r.ips.first().map_or("-".to_owned(), ToString::to_string),
                        r.mac.to_string(),
                        text(&r.vendor),
                        text(&r.model),
                        r.device_type.map_or("-".to_owned(), |t| t.to_string()),
                        d.sensor_name.clone(),
                        moment(r.last_seen),
                    ]
                };
                say(&table(&headings, &found.devices.iter().map(row).collect::<Vec<_>>()))?;
            }
        }
        Ok(())
    }
}
