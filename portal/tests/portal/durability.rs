//! What was acknowledged survives a kill at any moment.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use eyot_contract::path;
use hyper::Method;

use crate::process::Process;
use crate::support::{device, own_database, run, Client, Sensor};

#[tokio::test]
async fn a_killed_server_has_lost_nothing_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    own_database(folder.path()).await;
    let data = folder.path().to_str().unwrap();
    let mut server = Process::start(folder.path(), &[], "");
    let registered =
        run(&["register", "--data", data, "--name", "s", "--subscription", "m", "--format", "json"]);
    assert!(registered.status.success(), "{registered:?}");
    let registered: serde_json::Value = serde_json::from_slice(&registered.stdout).unwrap();
    let token = registered["token"].as_str().unwrap();
    let anybody = Client::new(server.at, folder.path(), None);
    let mut sensor = Sensor::activate(&anybody, folder.path(), token).await;

    let (mut next, mut acknowledged) = (1_u64, 0);
    for round in 0..4 {
        // send until the kill cuts the connection
        let at_work = sensor_on(&sensor, server.at, folder.path());
        let killer = tokio::task::spawn_blocking(move || {
            std::thread::sleep(Duration::from_millis(150 + 70 * round));
            server.kill();
        });
        loop {
            let records = (0..20).map(|n| device(next as u32 * 100 + n, "d")).collect();
            let batch = serde_json::to_vec(&sensor.batch(next, records)).unwrap();
            match at_work.try_send(Method::POST, path::DEVICES, "application/json", batch.into()).await {
                Ok(answer) => {
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    acknowledged = next;
                    next += 1;
                }
                // not acknowledged: it will be sent again under the same number
                Err(_) => break,
            }
        }
        killer.await.unwrap();
        let listed = run(&["devices", "--data", data, "--format", "json"]);
        let devices: Vec<serde_json::Value> = serde_json::from_slice(&listed.stdout).unwrap();
        let stored = devices.len() as u64;
        // whole batches only, all that were acknowledged, and at most the one whose acknowledgement was cut off
        assert_eq!(stored % 20, 0);
        assert!(
            (acknowledged..=acknowledged + 1).contains(&(stored / 20)),
            "{stored} of {acknowledged} batches"
        );
        server = Process::start(folder.path(), &[], "");
        sensor.client = sensor_on(&sensor, server.at, folder.path());
    }
    assert!(acknowledged > 0, "the test sent something");
    sensor.report_well(next, (0..20).map(|n| device(next as u32 * 100 + n, "d")).collect()).await;
    let listed = run(&["devices", "--data", data, "--format", "json"]);
    let devices: Vec<serde_json::Value> = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(devices.len() as u64, next * 20, "none lost, none twice");
    server.kill();
}

fn sensor_on(sensor: &Sensor, at: SocketAddr, folder: &Path) -> Client {
    Client::new(at, folder, Some((&sensor.certificate, &sensor.key)))
}

#[tokio::test]
async fn a_server_told_to_stop_says_so_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    own_database(folder.path()).await;
    let socket = folder.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let told = || {
        let mut text = [0; 256];
        let length = manager.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).into_owned()
    };
    let data = folder.path().join("data");
    let mut server = Process::start(&data, &[], socket.to_str().unwrap());
    assert!(told().contains("READY=1"));
    // a connection that says nothing and one that is kept alive hold nobody up
    let silent = tokio::net::TcpStream::connect(server.at).await.unwrap();
    let idle = Client::new(server.at, &data, None);
    assert_eq!(idle.get(path::ALIVE).await.status, 200);
    let asked = std::time::Instant::now();
    let sent = Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert!(told().contains("STOPPING=1"));
    let code = tokio::task::spawn_blocking(move || server.child.wait().unwrap()).await.unwrap();
    assert!(code.success(), "{code}");
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    drop(silent);
}
