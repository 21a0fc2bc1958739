//! Destinations are told everything, also across failures of theirs and a kill of the portal.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use ring::hmac;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::support::run;
use crate::telling::{until, Heard, Telling};

#[derive(Clone, Default)]
struct Hook {
    heard: Arc<Mutex<Heard>>,
    refused: Arc<Mutex<u32>>,
}

async fn hooked(State(hook): State<Hook>, headers: HeaderMap, body: String) -> StatusCode {
    let signature = headers["eyot-signature"].to_str().unwrap();
    let (time, tag) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"between us");
    hmac::verify(&key, format!("{time}.{body}").as_bytes(), &hex::decode(tag).unwrap()).unwrap();
    {
        let mut refused = hook.refused.lock().unwrap();
        *refused += 1;
        if *refused <= 2 {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
    }
    let told: Value = serde_json::from_str(&body).unwrap();
    for event in told["events"].as_array().unwrap() {
        hook.heard.lock().unwrap().take(event.clone());
    }
    StatusCode::NO_CONTENT
}

#[tokio::test]
async fn webhook_and_syslog_hear_every_alert_once_they_can() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hook_at = listener.local_addr().unwrap();
    let hook = Hook::default();
    let router = axum::Router::new().route("/hook", axum::routing::post(hooked)).with_state(hook.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

    // the syslog receiver is not there at first
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let syslog_at = reserved.local_addr().unwrap();
    drop(reserved);
    let mut telling = Telling::begin(&format!(
        "[[outlets]]\nname = \"hook\"\nwebhook = {{ url = \"http://{hook_at}/hook\", secret_file = \"SECRET\" }}\n\
         [[outlets]]\nname = \"siem\"\nsyslog = {{ server = \"tcp://{syslog_at}\" }}\n"
    ))
    .await;
    telling.report(1).await;
    telling.again();
    telling.report(2).await;
    let lines = syslog_lines(TcpListener::bind(syslog_at).await.unwrap());
    let count = |wanted: usize| {
        let lines = lines.clone();
        move || {
            (1..=wanted)
                .all(|n| lines.lock().unwrap().iter().any(|l| l.ends_with(&format!("scan number {n}"))))
        }
    };
    until("both lines", count(2)).await;
    until("both posts", || hook.heard.lock().unwrap().0.len() >= 2).await;
    telling.report(3).await;
    until("the third line", count(3)).await;
    until("the third post", || hook.heard.lock().unwrap().0.len() >= 3).await;
    let heard = hook.heard.lock().unwrap();
    let summaries: Vec<_> = heard.0.values().map(|t| t["finding"]["summary"].clone()).collect();
    assert_eq!(summaries, ["scan number 1", "scan number 2", "scan number 3"], "alerts only, in order");
    assert!(*hook.refused.lock().unwrap() > 2, "it was tried again after a failure");
    let lines = lines.lock().unwrap();
    assert!(lines.iter().all(|l| l.starts_with("<132>1 ") && l.contains("[eyot@32473 seq=")), "{lines:?}");
}

/// Lines with their counts in front, from every connection.
fn syslog_lines(listener: TcpListener) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let kept = kept.clone();
            tokio::spawn(async move {
                let mut seen = String::new();
                let mut some = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut some).await {
                    seen.push_str(std::str::from_utf8(&some[..count]).unwrap());
                    while let Some((length, rest)) = seen.split_once(' ') {
                        let length: usize = length.parse().unwrap();
                        let Some(line) = rest.get(..length) else { break };
                        kept.lock().unwrap().push(line.to_owned());
                        seen = rest[length..].to_owned();
                    }
                }
            });
        }
    });
    lines
}

#[tokio::test]
async fn a_destination_that_makes_no_sense_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("portal.toml");
    for (text, expected) in [
        ("[[outlets]]\nname = \"x\"\n", "x: exactly one of webhook, syslog, email, nats and kafka is expected"),
        ("[[outlets]]\nname = \"x\"\nnats = { server = \"nats://me:secret@a\" }\n", "x: server: no account in the address"),
        ("[[outlets]]\nname = \"x\"\nkafka = { brokers = \"a:9092,b\" }\n", "x: brokers: \"b\" is not host:port"),
        ("[[outlets]]\nname = \"x\"\nwebhook = { url = \"http://a.example/\", secret_file = \"s\" }\n", "go over https://"),
        ("[[outlets]]\nname = \"x\"\nsyslog = { server = \"a\" }\n", "server: \"a\" is not"),
        ("[[outlets]]\nname = \"x\"\ncolour = 1\n", "unknown field `colour`"),
        ("[[outlets]]\nname = \"x\"\nsyslog = { server = \"udp://a:1\" }\n[[outlets]]\nname = \"x\"\nsyslog = { server = \"udp://a:1\" }\n", "two destinations are named"),
    ] {
        std::fs::write(&config, text).unwrap();
        let ended = serve(folder.path(), &config);
        assert!(ended.contains(expected), "{text}: {ended}");
    }
}

fn serve(folder: &Path, config: &Path) -> String {
    let (data, config) = (folder.join("data"), config.to_str().unwrap());
    let data = data.to_str().unwrap();
    let ended = run(&[
        "serve",
        "--data",
        data,
        "--config",
        config,
        "--listen",
        "127.0.0.1:0",
        "--address",
        "https://x",
    ]);
    assert!(!ended.status.success());
    String::from_utf8(ended.stderr).unwrap()
}
