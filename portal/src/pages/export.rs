//! The inventory as a file: every device of the current filter, in its order, sent while it is read from the database.
//!
//! A file that could not be sent to its end is cut off, which the browser tells: a part is never passed off as the whole.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::mpsc;

use super::device::yes_or_no;
use super::inventory::{join, not_understood};
use super::views;
use super::Failed;
use crate::api::devices::{Asked, DeviceView};
use crate::api::{App, Viewer};
use crate::store::{Column, Device, DeviceQuery, Store, User};

/// Devices written at one time.
const AT_ONCE: usize = 256;

/// Devices, and `None` after the last: where that does not come it was not all.
type Rows = mpsc::Receiver<Option<Device>>;

/// How devices are written.
#[derive(Clone, Copy)]
enum Form {
    /// RFC 4180.
    Csv,
    /// One list.
    Json,
}

/// `GET /devices.csv`: the current filter, every page of it (RFC 4180).
///
/// # Errors
/// The store fails before anything is sent.
pub async fn csv(
    State(portal): App,
    Viewer(user): Viewer,
    Query(asked): Query<Asked>,
) -> Result<Response, Failed> {
    let asked = views::asked(&portal, &user, asked).await?;
    Ok(export(&portal.store, &user, &asked, Form::Csv))
}

/// `GET /devices.json`: the current filter, every page of it.
///
/// # Errors
/// The store fails before anything is sent.
pub async fn json(
    State(portal): App,
    Viewer(user): Viewer,
    Query(asked): Query<Asked>,
) -> Result<Response, Failed> {
    let asked = views::asked(&portal, &user, asked).await?;
    Ok(export(&portal.store, &user, &asked, Form::Json))
}

fn export(store: &Store, user: &User, asked: &Asked, form: Form) -> Response {
    let query = match asked.query() {
        Ok(query) => query,
        Err(reason) => return not_understood(user, &reason),
    };
    let (kind, name) = match form {
        Form::Csv => ("text/csv; charset=utf-8", "devices.csv"),
        Form::Json => ("application/json", "devices.json"),
    };
    let about = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (about, body(read(store.clone(), query), form)).into_response()
}

/// Reads in the background, as fast as the file is taken.
fn read(store: Store, query: DeviceQuery) -> Rows {
    let (send, rows) = mpsc::channel(AT_ONCE);
    tokio::spawn(async move {
        if let Err(error) = store.send_devices(&query, &send).await {
            tracing::error!(error = &error as &dyn std::error::Error, "an export failed and was cut off");
        }
    });
    rows
}

fn body(rows: Rows, form: Form) -> Body {
    let state = Some((rows, form, 0_usize));
    Body::from_stream(stream::unfold(state, |state| async move {
        let (mut rows, form, written) = state?;
        let mut some = Vec::with_capacity(AT_ONCE);
        if rows.recv_many(&mut some, AT_ONCE).await == 0 {
            return Some((Err(CutOff::Early), None));
        }
        let mut text = String::new();
        if written == 0 {
            form.begin(&mut text);
        }
        let count = some.len();
        for (at, device) in some.into_iter().enumerate() {
            let Some(device) = device else {
                form.end(&mut text);
                return Some((Ok(text), None));
            };
            if let Err(error) = form.push(&mut text, &device, written + at == 0) {
                return Some((Err(error), None));
            }
        }
        Some((Ok(text), Some((rows, form, written + count))))
    }))
}

/// Why a file is not whole.
#[derive(Debug, thiserror::Error)]
enum CutOff {
    #[error("the inventory was not read to its end")]
    Early,
    #[error("a device could not be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl Form {
    fn begin(self, text: &mut String) {
        match self {
            Self::Csv => {
                let headings: Vec<_> = Column::ALL.iter().map(|c| c.title().to_owned()).collect();
                push_line(text, &headings);
            }
            Self::Json => text.push('['),
        }
    }

    fn push(self, text: &mut String, device: &Device, first: bool) -> Result<(), CutOff> {
        match self {
            Self::Csv => push_line(text, &cells(device)),
            Self::Json => {
                text.push_str(if first { "\n" } else { ",\n" });
                text.push_str(&serde_json::to_string(&DeviceView::listed(device))?);
            }
        }
        Ok(())
    }

    fn end(self, text: &mut String) {
        if matches!(self, Self::Json) {
            text.push_str("\n]\n");
        }
    }
}

fn cells(device: &Device) -> Vec<String> {
    let record = &device.record;
    let plain = |value: &Option<String>| value.clone().unwrap_or_default();
    let text = |column: &Column| match column {
        Column::Name => plain(&record.hostname),
        Column::Ip => join(&record.ips),
        Column::Mac => record.mac.to_string(),
        Column::Vendor => plain(&record.vendor),
        Column::Model => plain(&record.model),
        Column::Type => record.device_type.map(|t| t.name().to_owned()).unwrap_or_default(),
        Column::Class => record.class.map(|c| c.name().to_owned()).unwrap_or_default(),
        Column::Os => plain(&record.os),
        Column::Firmware => plain(&record.firmware),
        Column::Sensor => device.sensor_name.clone(),
        Column::FirstSeen => record.first_seen.to_string(),
        Column::LastSeen => record.last_seen.to_string(),
        Column::Serial => plain(&record.serial),
        Column::Vlans => join(&record.vlans),
        Column::Protocols => join(&record.protocols),
        Column::Zone => device.zone.clone(),
        Column::Confidence => format!("{:.2}", record.confidence),
        Column::Authorized => yes_or_no(device.decisions.authorized).to_owned(),
        Column::Importance => device.decisions.importance.clone(),
        Column::Tags => join(&device.decisions.tags),
        Column::Location => device.decisions.location.clone(),
    };
    Column::ALL.iter().map(text).collect()
}

fn push_line(lines: &mut String, cells: &[String]) {
    let quoted: Vec<_> = cells.iter().map(|c| quoted(c)).collect();
    lines.push_str(&quoted.join(","));
    lines.push_str("\r\n");
}

/// One cell. Device names come from the network: a spreadsheet must not take one for a formula.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    match cell.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http_body_util::BodyExt;
    use tokio::sync::mpsc;

    use super::{body, quoted, Form};

    #[tokio::test]
    async fn a_part_is_never_passed_off_as_the_whole() {
        let (send, rows) = mpsc::channel(1);
        send.send(None).await.unwrap();
        let whole = body(rows, Form::Json).collect().await.unwrap();
        assert_eq!(whole.to_bytes(), "[\n]\n");
        // whoever reads the inventory gives up: nobody took anything for too long, or the database failed
        let (send, rows) = mpsc::channel(1);
        drop(send);
        assert!(body(rows, Form::Csv).collect().await.is_err());
    }

    #[test]
    fn cells_are_quoted_and_disarmed() {
        for (cell, written) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
            ("@a,b", "\"'@a,b\""),
        ] {
            assert_eq!(quoted(cell), written);
        }
    }
}
