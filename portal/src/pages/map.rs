//! Whom one device sends to: a drawing of the greatest peers, and a table of all that sensors report.
//!
//! The drawing is made here, as SVG within the page: nothing is fetched for it and no script draws it. Whoever cannot see
//! it has all of it, and the links, in the table.

use std::f64::consts::TAU;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use eyot_contract::{Location, Peer, Timestamp};
use maud::{html, Markup};
use uuid::Uuid;

use super::device::{called, head, no_device, Tab};
use super::layout::{page, Place};
use super::table::{headings, table};
use super::Failed;
use crate::api::{App, Viewer};
use crate::moments::{cell, relative};
use crate::store::KnownPeer;

/// Peers drawn; more would not be told apart.
const DRAWN: usize = 12;
/// Size of the drawing and of the ring the peers stand on, in its own units.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const RING: (f64, f64) = (250.0, 160.0);
/// Longest name in the drawing, in characters.
const SHORT: usize = 34;

/// `GET /devices/{id}/map`.
///
/// # Errors
/// The store fails.
pub async fn show(
    State(portal): App,
    Viewer(user): Viewer,
    Path(id): Path<Uuid>,
) -> Result<Response, Failed> {
    let Some(device) = portal.store.device(id).await? else {
        return Ok(no_device(&user));
    };
    let peers = portal.store.peers_of(id).await?;
    let now = Timestamp::now();
    let title = called(&device.record);
    let body = html! {
        (head(id, &title, Tab::Map))
        @if peers.is_empty() {
            p { "No sensor has seen this device send to another one yet." }
        } @else {
            p.hint { "Whom this device sends to, as sensors saw it: the greatest peers by bytes, without what goes to groups." }
            section.card aria-labelledby="drawing" {
                h2 #drawing { "Who it talks to" }
                (drawing(&title, &peers))
            }
            (table("Peers", &html! {
                (headings(["Peer", "Address", "Where", "Service"]))
                th.number scope="col" { "Sent" }
                (headings(["Latest (UTC)"]))
            }, &html! { @for peer in &peers { (row(peer, now)) } }))
        }
    };
    Ok(page(Some(&user), Place::Devices, &title, &body).into_response())
}

fn row(KnownPeer { peer, device }: &KnownPeer, now: Timestamp) -> Markup {
    html! {
        tr {
            th scope="row" {
                @match device {
                    Some((id, name)) => a href={ "/devices/" (id) } { (name) },
                    None => { "Not in the inventory" }
                }
            }
            td.code { (peer.ip) }
            td { (place(peer)) }
            td { (service(peer)) }
            td.number { (size(peer.bytes)) }
            td.when { (cell(peer.last_seen)) br; small { (relative(peer.last_seen, now)) } }
        }
    }
}

fn place(peer: &Peer) -> &'static str {
    match peer.location {
        Some(Location::Local) => "Local",
        Some(Location::Routed) => "External",
        None => "Unknown",
    }
}

/// `RTSP, 554 (its own)`.
fn service(peer: &Peer) -> String {
    let protocol = peer.protocol.as_deref().map(str::to_uppercase);
    let port = (peer.port > 0).then(|| format!("port {}", peer.port));
    let parts: Vec<_> = protocol.into_iter().chain(port).collect();
    match (parts.is_empty(), peer.serves) {
        (true, _) => "–".to_owned(),
        (false, true) => format!("{} (its own)", parts.join(", ")),
        (false, false) => parts.join(", "),
    }
}

/// `1.4 MB`.
fn size(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    match unit {
        "B" => format!("{bytes} B"),
        unit => format!("{value:.1} {unit}"),
    }
}

fn drawing(title: &str, peers: &[KnownPeer]) -> Markup {
    let drawn = &peers[..peers.len().min(DRAWN)];
    let most = drawn.iter().map(|p| p.peer.bytes).max().unwrap_or(1).max(1) as f64;
    let middle = (WIDTH / 2.0, HEIGHT / 2.0);
    let at = |n: usize| {
        let angle = TAU * n as f64 / drawn.len() as f64;
        (middle.0 + RING.0 * angle.cos(), middle.1 + RING.1 * angle.sin())
    };
    // from 1 to 7 units, by orders of magnitude
    let thickness = |bytes: u64| 1.0 + 6.0 * ((bytes as f64 + 1.0).ln() / (most + 1.0).ln());
    let left_out = peers.len() - drawn.len();
    html! {
        div.wide tabindex="0" role="region" aria-label="Drawing" {
            svg.map role="img" aria-labelledby="map-title map-words" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } {
                title #map-title { "Whom " (title) " sends to" }
                desc #map-words { (words(drawn)) }
                @for (n, KnownPeer { peer, .. }) in drawn.iter().enumerate() {
                    line class={ "edge " (place(peer).to_lowercase()) } x1=(middle.0) y1=(middle.1)
                        x2=(round(at(n).0)) y2=(round(at(n).1)) stroke-width=(round(thickness(peer.bytes))) {}
                }
                circle.own cx=(middle.0) cy=(middle.1) r="16" {}
                text.own x=(middle.0) y=(middle.1 + 34.0) text-anchor="middle" { (short(title)) }
                @for (n, known) in drawn.iter().enumerate() {
                    @let (x, y) = at(n);
                    // outside the ring, so that no line goes through it
                    @let below = if y < middle.1 { -14.0 } else { 22.0 };
                    circle class={ "peer " (place(&known.peer).to_lowercase()) } cx=(round(x)) cy=(round(y)) r="9" {}
                    text x=(round(x)) y=(round(y + below)) text-anchor="middle" { (short(&name(known))) }
                    text.faint x=(round(x)) y=(round(y + below + if below < 0.0 { -15.0 } else { 15.0 })) text-anchor="middle" {
                        (short(&format!("{} · {}", service(&known.peer), size(known.peer.bytes))))
                    }
                }
            }
        }
        p.hint {
            "Filled: in the local networks; hollow: external. The thicker the line, the more was sent."
            @if left_out > 0 { " The " (DRAWN) " greatest are drawn; the table has " (left_out) " more." }
        }
    }
}

fn name(known: &KnownPeer) -> String {
    known.device.as_ref().map_or_else(|| known.peer.ip.to_string(), |(_, name)| name.clone())
}

/// What the drawing says, in words.
fn words(drawn: &[KnownPeer]) -> String {
    let one = |known: &KnownPeer| {
        let peer = &known.peer;
        format!("{} ({}, {}, {})", name(known), place(peer).to_lowercase(), service(peer), size(peer.bytes))
    };
    drawn.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn short(text: &str) -> String {
    match text.char_indices().nth(SHORT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// A tenth of a unit is finer than anybody sees.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_at_a_glance() {
        for (bytes, text) in
            [(0, "0 B"), (999, "999 B"), (1_400, "1.4 kB"), (2_000_000, "2.0 MB"), (5_500_000_000, "5.5 GB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
