//! The hub's device twin: what the owner wishes there becomes settings, and what is in force and how the sensor is is
//! written back.
//!
//! One connection, MQTT on WebSocket on 443, with a shared access signature as password; made anew before the signature is
//! over, and after a failure with growing, jittered pauses. On every connection the whole twin is asked for, and again
//! when the owner changes something, so that nothing depends on having heard every change. A wish that the capture must
//! begin anew for ends the round of `run`, which starts again with it; the next connection then reports it as in force.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use eyot_client::Way;
use eyot_contract::{ConditionCode, Timestamp, UploadState};
use eyot_uplink::azure::dps::Assignment;
use eyot_uplink::azure::twin::{self, Document, Heard, Login, MAX_REPORTED_BYTES, SUBSCRIPTIONS};
use eyot_uplink::destination::Trouble;
use eyot_uplink::pause::Pause;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, NetworkOptions, Packet,
    ProxyAuth, ProxyType, Publish, QoS, TlsConfiguration, Transport,
};
use serde_json::{json, Map, Value};
use tokio::sync::{watch, Notify};
use tokio::time::{interval_at, sleep_until, timeout, Instant, MissedTickBehavior};

use crate::config::{Azure, AzureHub, Config};
use crate::destinations::hub_reporter;
use crate::https::{chain, Https};
use crate::snapshots::Plan;
use crate::status::Shared;
use crate::wishes::{self, Laid, Wishes};

/// What the status calls it.
const NAME: &str = "azure_twin";
/// Pause between two reports of how the sensor is.
const REPORT_EVERY: Duration = Duration::from_secs(300);
/// Silence after which the connection is probed; proxies end those that are quiet for minutes.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// How long the way there may take, proxy and TLS included, in seconds.
const CONNECT_SECONDS: u64 = 30;
/// How long the hub may take to answer a question.
const ANSWER: Duration = Duration::from_secs(60);
/// How long a connection may take to end.
const FAREWELL: Duration = Duration::from_secs(5);
/// Largest packet: a twin has at most 64 KiB in both halves.
const MAX_PACKET: usize = 256 << 10;
/// Requests that wait to be written; a few are under way at a time.
const MAX_REQUESTS: usize = 16;

/// The running thread.
pub struct Twin {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// What the thread tells others.
pub struct Told {
    /// When files are wanted.
    pub plan: watch::Sender<Plan>,
    /// Wakes whoever makes them.
    pub reports: Arc<Notify>,
    /// Asks for a new round with new wishes.
    pub again: Arc<Notify>,
}

impl Twin {
    /// Starts following the twin, if the configuration says so. `base` is the configuration without wishes, `laid` what is
    /// in force.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        base: &Config,
        wishes: Wishes,
        laid: &Laid,
        shared: &Shared,
        told: Told,
    ) -> anyhow::Result<Option<Self>> {
        let azure = base.azure.clone();
        let Some((azure, hub)) = azure.and_then(|a| a.hub.clone().map(|hub| (a, hub))) else {
            return Ok(None);
        };
        let Some(lifetime) = hub.twin else { return Ok(None) };
        shared.destination(NAME, |status| status.upload.state = UploadState::Retrying);
        let (stop, stopped) = watch::channel(false);
        let follower = Follower {
            azure,
            hub,
            lifetime,
            database: base.database.clone(),
            base: base.clone(),
            wishes,
            in_force: laid.config.clone(),
            verdicts: laid.verdicts.clone(),
            shared: shared.clone(),
            told,
            stopped,
            assignment: None,
            pause: Pause::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the twin's runtime")?;
        let thread = thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(move || runtime.block_on(follower.run()))
            .context("cannot start the twin's thread")?;
        Ok(Some(Self { stop, thread }))
    }

    /// Ends it. False if its thread panicked.
    pub fn stop(self) -> bool {
        self.stop.send_replace(true);
        self.thread.join().is_ok()
    }
}

struct Follower {
    azure: Azure,
    hub: AzureHub,
    lifetime: Duration,
    database: PathBuf,
    base: Config,
    wishes: Wishes,
    in_force: Config,
    verdicts: Map<String, Value>,
    shared: Shared,
    told: Told,
    stopped: watch::Receiver<bool>,
    assignment: Option<Assignment>,
    pause: Pause,
}

/// Why a connection ended well.
enum Ended {
    /// Its signature is nearly over.
    Renew,
    /// New wishes want a new round.
    Again,
}

/// One connection's questions.
struct Conversation {
    client: AsyncClient,
    rid: u64,
    /// The question for the twin that is not answered yet, and until when it should be.
    asked: Option<(u64, Instant)>,
    /// The report that is not answered yet.
    reported: Option<u64>,
    subscribed: usize,
}

impl Follower {
    async fn run(mut self) {
        let mut stopped = self.stopped.clone();
        loop {
            let ended = tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                ended = self.connection() => ended,
            };
            let pause = match ended {
                Ok(Ended::Renew) => Duration::ZERO,
                Ok(Ended::Again) => {
                    tracing::info!("new settings in the device twin; the capture begins anew with them");
                    self.told.again.notify_one();
                    let _ = stopped.wait_for(|stop| *stop).await;
                    return;
                }
                Err(trouble) => self.failed(&trouble),
            };
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn failed(&mut self, trouble: &Trouble) -> Duration {
        self.shared.failing(
            NAME,
            "cannot follow the device twin",
            UploadState::Retrying,
            ConditionCode::Disconnected,
            trouble.to_string(),
        );
        self.pause.after_trouble(trouble)
    }

    async fn connection(&mut self) -> Result<Ended, Trouble> {
        let operator = |error: anyhow::Error| Trouble::Operator { message: format!("{error:#}") };
        let (mut reporter, key) = hub_reporter(&self.azure, &self.hub).map_err(operator)?;
        let assignment = match self.assignment.clone() {
            Some(known) => known,
            None => self.assignment.insert(reporter.register(Timestamp::now()).await?).clone(),
        };
        let way = Https::new(&self.azure)
            .and_then(|https| Ok(https.to(&assignment.hub).way()?))
            .map_err(operator)?;
        // the signature's life begins here, after what the registration took
        let login = twin::login(&assignment, &key, self.lifetime, Timestamp::now());
        let renew = Instant::now() + login.renew_after;
        let (client, mut events) = connect(&login, way);
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {}
            Ok(other) => {
                return Err(lost(&format!("{} begins with {other:?}", assignment.hub)));
            }
            Err(error) => {
                // deleted, moved to another hub or refused: ask the provisioning service again
                self.assignment = None;
                return Err(refused(&assignment.hub, &error));
            }
        }
        let mut talk = Conversation { client, rid: 0, asked: None, reported: None, subscribed: 0 };
        for topic in SUBSCRIPTIONS {
            talk.client.try_subscribe(topic, QoS::AtMostOnce).map_err(|e| lost(&chain(&e)))?;
        }
        let mut report = interval_at(Instant::now() + REPORT_EVERY, REPORT_EVERY);
        report.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let answer_by = talk.asked.map_or(renew, |(_, by)| by.min(renew));
            tokio::select! {
                event = events.poll() => match event.map_err(|e| lost(&chain(&e)))? {
                    Event::Incoming(Packet::SubAck(_)) => {
                        talk.subscribed += 1;
                        if talk.subscribed == SUBSCRIPTIONS.len() {
                            talk.ask()?;
                        }
                    }
                    Event::Incoming(Packet::Publish(message)) => {
                        let again = self.hear(&message, &mut talk)?;
                        if again {
                            farewell(&talk.client, &mut events).await;
                            return Ok(Ended::Again);
                        }
                    }
                    _ => {}
                },
                () = sleep_until(answer_by) => {
                    if Instant::now() < renew {
                        return Err(lost("the hub does not answer"));
                    }
                    farewell(&talk.client, &mut events).await;
                    return Ok(Ended::Renew);
                }
                _ = report.tick() => talk.report(&self.health())?,
            }
        }
    }

    /// Whether a new round is wanted.
    fn hear(&mut self, message: &Publish, talk: &mut Conversation) -> Result<bool, Trouble> {
        match twin::hear(&message.topic, &message.payload) {
            Some(Heard::Changed) => talk.ask()?,
            Some(Heard::Answer { rid, status, twin })
                if talk.asked.is_some_and(|(asked, _)| asked == rid) =>
            {
                talk.asked = None;
                let Some(document) = twin.filter(|_| status == 200) else {
                    return Err(lost(&format!("the hub answers with status {status} and no twin")));
                };
                let gone: Vec<String> = document
                    .reported
                    .iter()
                    .filter(|name| **name != "sensor" && !document.desired.contains_key(*name))
                    .cloned()
                    .collect();
                if self.take(document) {
                    return Ok(true);
                }
                let mut report = self.health();
                report.extend(self.verdicts.clone());
                // what is no wish any more has no answer either
                report.extend(gone.into_iter().map(|name| (name, Value::Null)));
                talk.report(&report)?;
            }
            Some(Heard::Answer { rid, status, .. }) if talk.reported == Some(rid) => {
                talk.reported = None;
                match status {
                    200..=299 => self.connected(),
                    // too many at a time: the next one is minutes away
                    429 => tracing::debug!("the hub asks for fewer reports to the twin"),
                    _ => return Err(lost(&format!("the hub takes no report to the twin, status {status}"))),
                }
            }
            _ => {}
        }
        Ok(false)
    }

    /// Makes the owner's wishes ours; whether a new round is wanted for them.
    fn take(&mut self, document: Document) -> bool {
        let wishes = Wishes { version: document.version, properties: document.desired };
        if wishes != self.wishes {
            if let Err(error) = wishes.keep(&self.database) {
                tracing::error!("the device twin's settings are not followed: {error:#}");
                for (name, value) in wishes.properties {
                    let words = "cannot be kept on this machine's disk";
                    let verdict = json!({ "value": value, "ac": 500, "av": wishes.version, "ad": words });
                    self.verdicts.insert(name, verdict);
                }
                return false;
            }
            self.wishes = wishes;
        }
        let laid = self.wishes.over(self.base.clone());
        self.verdicts = laid.verdicts;
        if self.told.plan.send_if_modified(|plan| std::mem::replace(plan, laid.plan.clone()) != laid.plan) {
            self.told.reports.notify_waiters();
        }
        laid.config != self.in_force
    }

    fn connected(&mut self) {
        self.pause.reset();
        self.shared.delivered(NAME, 0);
    }

    /// How the sensor is, in few words: the hub bounds the reported half.
    fn health(&self) -> Map<String, Value> {
        let status = self.shared.lock();
        let destinations: Map<String, Value> = status
            .destinations
            .iter()
            .filter(|d| d.name != NAME)
            .map(|d| {
                let (waiting, dropped) = (d.spool.waiting, d.spool.dropped);
                (d.name.clone(), json!({ "state": d.upload.state, "waiting": waiting, "dropped": dropped }))
            })
            .collect();
        let sensor = json!({
            "version": status.version,
            "started": status.started,
            "at": Timestamp::now(),
            "frames": status.frames,
            "dropped": status.dropped,
            "devices": status.devices,
            "devices_present": status.devices_present,
            "findings": status.findings,
            "last_error": status.last_error,
            "destinations": destinations,
            "settings": wishes::names(),
        });
        Map::from_iter([("sensor".to_owned(), sensor)])
    }
}

impl Conversation {
    fn ask(&mut self) -> Result<(), Trouble> {
        self.rid += 1;
        self.asked = Some((self.rid, Instant::now() + ANSWER));
        self.publish(twin::ask(self.rid), Vec::new())
    }

    fn report(&mut self, report: &Map<String, Value>) -> Result<(), Trouble> {
        let text = serde_json::to_vec(report).map_err(|e| lost(&chain(&e)))?;
        if text.len() > MAX_REPORTED_BYTES {
            let message =
                format!("the report to the twin has {} bytes; fewer settings there help", text.len());
            return Err(Trouble::Operator { message });
        }
        self.rid += 1;
        self.reported = Some(self.rid);
        self.publish(twin::report(self.rid), text)
    }

    fn publish(&self, topic: String, payload: Vec<u8>) -> Result<(), Trouble> {
        self.client.try_publish(topic, QoS::AtMostOnce, false, payload).map_err(|e| lost(&chain(&e)))
    }
}

fn connect(login: &Login, way: Way) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(&login.client_id, &login.url, 443);
    options
        .set_transport(Transport::Wss(TlsConfiguration::Rustls(way.tls)))
        .set_credentials(&login.username, login.signature.header())
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_session(true)
        .set_max_packet_size(MAX_PACKET, MAX_PACKET);
    if let Some(proxy) = way.proxy {
        options.set_proxy(rumqttc::Proxy {
            ty: match proxy.tls {
                Some(tls) => ProxyType::Https(TlsConfiguration::Rustls(tls)),
                None => ProxyType::Http,
            },
            auth: match proxy.credentials {
                Some((username, password)) => ProxyAuth::Basic { username, password },
                None => ProxyAuth::None,
            },
            addr: proxy.host,
            port: proxy.port,
        });
    }
    let (client, mut events) = AsyncClient::new(options, MAX_REQUESTS);
    let mut network = NetworkOptions::new();
    network.set_connection_timeout(CONNECT_SECONDS);
    events.set_network_options(network);
    (client, events)
}

/// Ends the connection so that the hub sees it end.
async fn farewell(client: &AsyncClient, events: &mut EventLoop) {
    if client.try_disconnect().is_ok() {
        let _ = timeout(FAREWELL, async { while events.poll().await.is_ok() {} }).await;
    }
}

fn lost(message: &str) -> Trouble {
    Trouble::Later { after: None, message: format!("the connection to the device twin: {message}") }
}

fn refused(hub: &str, error: &ConnectionError) -> Trouble {
    let message = match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => format!(
            "{hub} does not take the login; the key is not the one Azure has, this machine's clock is wrong, or the \
             device is disabled there"
        ),
        error => format!("{hub}: {}", chain(error)),
    };
    Trouble::Later { after: None, message }
}
