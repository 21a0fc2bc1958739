//! Reports by way of IoT Hub, or straight to an event hub: the protocols of this folder put in order.
//!
//! The hub is found by the provisioning service once and asked for again when the hub no longer knows the device. A
//! batch goes out in as many requests as its size needs; how far it got is kept in memory, so that trouble in the middle
//! does not send the beginning twice while the process lives.

use std::time::Duration;

use eyot_contract::{Content, Timestamp};

use super::dps::{Assignment, DpsError, Progress, Registration};
use super::event_hub::EventHub;
use super::hub::Hub;
use super::pack::{Message, Sink};
use super::sas::SharedKey;
use crate::destination::{Batch, Carrier, Destination, Trouble};
use crate::wire::{Refused, Response};

/// Questions to the provisioning service in one go; it assigns within seconds, and never within this it is stuck.
const MAX_QUESTIONS: usize = 60;
/// Evidence kept in a record that is too large for one message, strongest first.
const EVIDENCE_WHEN_LARGE: usize = 10;

/// How far the batch in hand has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    sequence: u64,
    records: usize,
    /// Whether this destination has ever taken anything. Until then a refusal speaks of us, not of one record.
    proved: bool,
}

/// Reports to the IoT Hub that the provisioning service names.
#[derive(Debug)]
pub struct HubReporter<C> {
    carrier: C,
    registration: Registration,
    key: SharedKey,
    sensor: String,
    hub: Option<Hub>,
    storage: Option<String>,
    mark: Mark,
}

impl<C: Carrier + Send> HubReporter<C> {
    /// A reporter for one registration; `key` is the device's own.
    pub fn new(carrier: C, registration: Registration, key: SharedKey, sensor: impl Into<String>) -> Self {
        let sensor = sensor.into();
        Self { carrier, registration, key, sensor, hub: None, storage: None, mark: Mark::default() }
    }

    /// The storage account's host name, as the hub told it last: also when it could not be reached then.
    pub fn storage_host(&self) -> Option<&str> {
        self.storage.as_deref()
    }

    /// Asks for the hub until there is one.
    ///
    /// # Errors
    /// When the service refuses, or does not come to an end.
    pub async fn register(&mut self, now: Timestamp) -> Result<Assignment, Trouble> {
        let mut renewed = false;
        for _ in 0..MAX_QUESTIONS {
            let request = self.registration.request(now);
            let response = self.carrier.carry(request).await?;
            match self.registration.answer(&response) {
                Ok(Progress::Assigned(assignment)) => {
                    self.hub = Some(Hub::new(&assignment, self.key.clone()));
                    return Ok(assignment);
                }
                Ok(Progress::Again(pause)) => tokio::time::sleep(pause).await,
                Err(DpsError::Refused { refused: Refused::Unauthorised, .. }) if !renewed => renewed = true,
                Err(error) => return Err(provisioning(&error)),
            }
        }
        Err(Trouble::Later {
            after: None,
            message: "the provisioning service does not come to an end with this registration".to_owned(),
        })
    }

    /// Puts a file into the storage container that the hub knows, and tells the hub.
    ///
    /// # Errors
    /// When hub or storage refuse; the hub is told of a failure as well.
    pub async fn upload(
        &mut self,
        name: &str,
        content: Vec<u8>,
        content_type: &str,
        now: Timestamp,
    ) -> Result<(), Trouble> {
        if self.hub.is_none() {
            self.register(now).await?;
        }
        let Some(hub) = &mut self.hub else { return Ok(()) };
        let mut answer = self.carrier.carry(hub.ask_upload(name, now)).await?;
        if answer.judged() == Err(Refused::Unauthorised) {
            hub.forget_signature();
            answer = self.carrier.carry(hub.ask_upload(name, now)).await?;
        }
        if let Err(refused) = answer.judged() {
            hub.forget_signature();
            return Err(trouble("the hub does not take a file", &refused, &answer));
        }
        let grant = super::upload::Grant::read(&answer)
            .map_err(|error| Trouble::Operator { message: error.to_string() })?;
        self.storage = Some(grant.host().to_owned());
        let stored = self.carrier.carry(grant.put(content, content_type)).await;
        let outcome = match &stored {
            Ok(response) => response.clone(),
            Err(_) => Response { status: 503, ..Response::default() },
        };
        let told = self.carrier.carry(hub.tell_upload(&grant, &outcome, now)).await;
        let stored = stored?;
        if let Err(refused) = stored.judged() {
            return Err(trouble(&format!("{} does not take the file", grant.host()), &refused, &stored));
        }
        let told = told?;
        told.judged().map_err(|refused| trouble("the hub was not told of the file", &refused, &told))
    }
}

impl<C: Carrier + Send> Destination for HubReporter<C> {
    async fn deliver(&mut self, batch: &Batch, now: Timestamp) -> Result<(), Trouble> {
        if self.hub.is_none() {
            self.register(now).await?;
        }
        let Some(hub) = &mut self.hub else { return Ok(()) };
        let sent =
            send_all(&mut self.carrier, hub, "the hub", batch, &self.sensor, &mut self.mark, now).await;
        if let Err(Failed::Unknown(trouble)) = sent {
            // moved to another hub, perhaps: ask again next time
            self.hub = None;
            return Err(trouble);
        }
        sent.map_err(Failed::into_trouble)
    }
}

/// Reports straight to an event hub.
#[derive(Debug)]
pub struct EventReporter<C> {
    carrier: C,
    hub: EventHub,
    sensor: String,
    mark: Mark,
}

impl<C: Carrier + Send> EventReporter<C> {
    /// A reporter for one event hub.
    pub fn new(carrier: C, hub: EventHub, sensor: impl Into<String>) -> Self {
        Self { carrier, hub, sensor: sensor.into(), mark: Mark::default() }
    }
}

impl<C: Carrier + Send> Destination for EventReporter<C> {
    async fn deliver(&mut self, batch: &Batch, now: Timestamp) -> Result<(), Trouble> {
        let (carrier, hub) = (&mut self.carrier, &mut self.hub);
        send_all(carrier, hub, "the event hub", batch, &self.sensor, &mut self.mark, now)
            .await
            .map_err(Failed::into_trouble)
    }
}

enum Failed {
    /// The other side does not know us (any more).
    Unknown(Trouble),
    Otherwise(Trouble),
}

impl Failed {
    fn into_trouble(self) -> Trouble {
        match self {
            Self::Unknown(trouble) | Self::Otherwise(trouble) => trouble,
        }
    }
}

async fn send_all<C: Carrier + Send, S: Sink>(
    carrier: &mut C,
    sink: &mut S,
    who: &str,
    batch: &Batch,
    sensor: &str,
    mark: &mut Mark,
    now: Timestamp,
) -> Result<(), Failed> {
    if mark.sequence != batch.sequence {
        *mark = Mark { sequence: batch.sequence, records: 0, ..*mark };
    }
    let messages: Vec<Message> =
        (0..batch.records.len()).filter_map(|at| text(batch, at, sensor, usize::MAX)).collect();
    let mut renewed = false;
    let mut most = messages.len();
    while mark.records < messages.len() {
        let at = mark.records;
        let (request, taken) = match sink.send(&messages[at..messages.len().min(at + most)], now) {
            Ok(made) => made,
            Err(_) => {
                let shorter: Vec<Message> =
                    text(batch, at, sensor, EVIDENCE_WHEN_LARGE).into_iter().collect();
                sink.send(&shorter, now).map_err(|oversized| {
                    Failed::Otherwise(Trouble::Record { at, message: oversized.to_string() })
                })?
            }
        };
        let response = carrier.carry(request).await.map_err(Failed::Otherwise)?;
        match response.judged() {
            Ok(()) => {
                mark.records += taken;
                mark.proved = true;
            }
            Err(Refused::Unauthorised) if !renewed => {
                renewed = true;
                sink.forget_signature();
            }
            // smaller and smaller, until what it chokes on stands alone
            Err(Refused::TooLarge | Refused::Never) if taken > 1 => most = taken / 2,
            Err(refused) => {
                sink.forget_signature();
                let what = format!("{who} does not take the messages");
                return Err(match refused {
                    Refused::Unknown => Failed::Unknown(trouble(&what, &refused, &response)),
                    // one alone that is never taken must not hold up the others for ever
                    Refused::TooLarge | Refused::Never if mark.proved => Failed::Otherwise(Trouble::Record {
                        at,
                        message: trouble(&what, &refused, &response).to_string(),
                    }),
                    _ => Failed::Otherwise(trouble(&what, &refused, &response)),
                });
            }
        }
    }
    *mark = Mark { proved: true, ..Mark::default() };
    Ok(())
}

/// A record as text, with at most so many pieces of evidence.
fn text(batch: &Batch, at: usize, sensor: &str, evidence: usize) -> Option<Message> {
    let mut message = batch.message(at, sensor)?;
    if let Content::Device { device } = &mut message.content {
        device.evidence.truncate(evidence);
    }
    let kind = message.content.kind();
    let id = message.id.clone();
    // a record that was read from the spool can be written again
    serde_json::to_string(&message).ok().map(|body| Message { id, kind, body })
}

fn provisioning(error: &DpsError) -> Trouble {
    let message = error.to_string();
    match error {
        DpsError::Refused { refused: Refused::Later(after), .. } => Trouble::Later { after: *after, message },
        DpsError::Unreadable => Trouble::Later { after: None, message },
        _ => Trouble::Operator { message },
    }
}

fn trouble(what: &str, refused: &Refused, response: &Response) -> Trouble {
    let words = response.words().map(|w| format!(", {w}")).unwrap_or_default();
    let status = response.status;
    let message = |remedy: &str| format!("{what} (status {status}{words}); {remedy}");
    match refused {
        Refused::Later(after) => Trouble::Later {
            after: *after,
            message: message(if status == 429 {
                "it asks for fewer; sent again later"
            } else {
                "sent again later"
            }),
        },
        Refused::Unauthorised => Trouble::Operator {
            message: message("the key is not the one Azure has, or this machine's clock is wrong"),
        },
        // a quota is filled again at midnight UTC; asking every few minutes does no harm
        Refused::Forbidden => Trouble::Later {
            after: Some(Duration::from_secs(300)),
            message: message(
                "the daily quota is used up, or the key may not send; look at the hub in the Azure portal",
            ),
        },
        Refused::Unknown => Trouble::Operator {
            message: message("it does not know this device; look at it in the Azure portal"),
        },
        Refused::TooLarge | Refused::Never => Trouble::Operator {
            message: message("its interface may have changed; a newer version may be needed"),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::VecDeque;

    use eyot_contract::{DeviceRecord, SensorStatus};
    use serde_json::{json, Value};
    use uuid::Uuid;

    use super::*;
    use crate::wire::Request;

    const KEY: &str = "+XLy+MVZ+aTeOnVzN2kLeB16O+kSxmz6g3rS6fAf6rw=";
    const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

    /// Answers from a list, and keeps what it was asked.
    #[derive(Default)]
    struct Script {
        answers: VecDeque<Response>,
        asked: Vec<Request>,
    }

    impl Carrier for &mut Script {
        async fn carry(&mut self, request: Request) -> Result<Response, Trouble> {
            self.asked.push(request);
            Ok(self.answers.pop_front().unwrap_or(Response { status: 204, ..Response::default() }))
        }
    }

    impl Script {
        fn new(answers: impl IntoIterator<Item = Response>) -> Self {
            Self { answers: answers.into_iter().collect(), asked: Vec::new() }
        }
    }

    fn answer(status: u16, body: Value) -> Response {
        Response { status, retry_after: None, body: body.to_string().into_bytes() }
    }

    fn status(status: u16) -> Response {
        answer(status, json!({ "message": "words" }))
    }

    fn assigned() -> Response {
        answer(
            200,
            json!({ "status": "assigned", "registrationState": { "assignedHub": "h", "deviceId": "d" } }),
        )
    }

    fn reporter(script: &mut Script) -> HubReporter<&mut Script> {
        let key = SharedKey::from_base64(KEY).unwrap();
        let registration = Registration::new("dps", "0ne0", "d", key.clone()).unwrap();
        HubReporter::new(script, registration, key, "lab")
    }

    fn device(evidence: usize, seen: usize) -> Content {
        let evidence: Vec<Value> = (0..evidence)
            .map(|n| {
                json!({ "attribute": "vendor", "value": n.to_string(), "source": "s", "seen": "x".repeat(seen),
                        "rule": "r", "nature": "inferred", "confidence": 0.5 })
            })
            .collect();
        let record: DeviceRecord = serde_json::from_value(json!({
            "mac": "00:01:02:03:04:05", "ips": [], "hostname": null, "vendor": null, "model": null, "os": null,
            "firmware": null, "confidence": 0.5, "first_seen": "2026-01-01T00:00:00Z",
            "last_seen": "2026-01-01T00:00:00Z", "evidence": evidence,
        }))
        .unwrap();
        Content::Device { device: Box::new(record) }
    }

    fn batch(records: Vec<Content>) -> Batch {
        Batch { epoch: Uuid::nil(), sequence: 3, sent: NOW, records }
    }

    fn ids(request: &Request) -> Vec<String> {
        let items: Value = serde_json::from_slice(&request.body).unwrap();
        let id = |item: &Value| {
            item["properties"]["iothub-messageid"].as_str().unwrap().rsplit('-').next().map(str::to_owned)
        };
        items.as_array().unwrap().iter().filter_map(id).collect()
    }

    #[tokio::test]
    async fn a_batch_goes_to_the_hub_that_was_assigned() {
        let mut script = Script::new([assigned()]);
        let health = Content::Health { health: Box::new(SensorStatus::default()) };
        reporter(&mut script).deliver(&batch(vec![device(1, 1), health]), NOW).await.unwrap();
        assert_eq!(script.asked.len(), 2);
        assert_eq!(script.asked[1].host, "h");
        assert_eq!(ids(&script.asked[1]), ["0", "1"]);
        let items: Value = serde_json::from_slice(&script.asked[1].body).unwrap();
        assert_eq!(items[1]["properties"]["iothub-app-kind"], "health");
        assert_eq!(items[0]["properties"]["iothub-messageid"], format!("{}-3-0", Uuid::nil().simple()));
    }

    #[tokio::test]
    async fn trouble_in_the_middle_does_not_send_the_beginning_again() {
        let mut throttled = status(429);
        throttled.retry_after = Some(Duration::from_secs(9));
        let mut script = Script::new([assigned(), status(204), throttled]);
        let records = vec![device(10, 9_000), device(10, 9_000), device(10, 9_000), device(1, 1)];
        let batch = batch(records);
        let mut reporter = reporter(&mut script);
        let trouble = reporter.deliver(&batch, NOW).await.unwrap_err();
        assert!(
            matches!(trouble, Trouble::Later { after: Some(after), .. } if after.as_secs() == 9),
            "{trouble:?}"
        );
        reporter.deliver(&batch, NOW).await.unwrap();
        let sent: Vec<_> = script.asked[1..].iter().map(ids).collect();
        assert_eq!(sent, [vec!["0", "1"], vec!["2", "3"], vec!["2", "3"]]);
    }

    #[tokio::test]
    async fn a_refused_signature_is_made_anew_once() {
        let mut script = Script::new([assigned(), status(401)]);
        reporter(&mut script).deliver(&batch(vec![device(1, 1)]), NOW).await.unwrap();
        assert_eq!(script.asked.len(), 3);

        let mut script = Script::new([assigned(), status(401), status(401)]);
        let trouble = reporter(&mut script).deliver(&batch(vec![device(1, 1)]), NOW).await.unwrap_err();
        assert!(
            matches!(&trouble, Trouble::Operator { message } if message.contains("clock")),
            "{trouble:?}"
        );
    }

    #[tokio::test]
    async fn a_device_that_the_hub_forgot_is_provisioned_again() {
        let mut script = Script::new([assigned(), status(404), assigned()]);
        let mut reporter = reporter(&mut script);
        let batch = batch(vec![device(1, 1)]);
        assert!(matches!(reporter.deliver(&batch, NOW).await, Err(Trouble::Operator { .. })));
        reporter.deliver(&batch, NOW).await.unwrap();
        let hosts: Vec<_> = script.asked.iter().map(|r| r.host.as_str()).collect();
        assert_eq!(hosts, ["dps", "h", "dps", "h"]);
    }

    #[tokio::test]
    async fn what_the_hub_chokes_on_is_found_and_named() {
        // proved by a first batch; then three: refused whole, the first passes, the second is the one
        let answers = [assigned(), status(204), status(400), status(204), status(400)];
        let mut script = Script::new(answers);
        let mut reporter = reporter(&mut script);
        reporter.deliver(&batch(vec![device(1, 1)]), NOW).await.unwrap();
        let second = Batch { sequence: 4, ..batch(vec![device(1, 1), device(1, 1), device(1, 1)]) };
        let trouble = reporter.deliver(&second, NOW).await.unwrap_err();
        assert!(matches!(trouble, Trouble::Record { at: 1, .. }), "{trouble:?}");
    }

    #[tokio::test]
    async fn a_hub_that_never_took_anything_costs_no_record() {
        let mut script = Script::new([assigned(), status(400)]);
        let trouble = reporter(&mut script).deliver(&batch(vec![device(1, 1)]), NOW).await.unwrap_err();
        assert!(matches!(trouble, Trouble::Operator { .. }), "{trouble:?}");
    }

    #[tokio::test]
    async fn a_record_too_large_for_a_message_keeps_its_strongest_evidence() {
        let mut script = Script::new([assigned()]);
        reporter(&mut script).deliver(&batch(vec![device(40, 9_000)]), NOW).await.unwrap();
        let items: Value = serde_json::from_slice(&script.asked[1].body).unwrap();
        use base64::Engine;
        let body =
            base64::engine::general_purpose::STANDARD.decode(items[0]["body"].as_str().unwrap()).unwrap();
        let message: eyot_contract::Message = serde_json::from_slice(&body).unwrap();
        let Content::Device { device } = message.content else { panic!("a device was sent") };
        assert_eq!(device.evidence.len(), EVIDENCE_WHEN_LARGE);
        assert_eq!(device.evidence[0].value, "0");
    }

    #[tokio::test]
    async fn a_file_is_stored_and_the_hub_hears_how_it_went() {
        let grant = answer(
            200,
            json!({ "correlationId": "c", "hostName": "s", "containerName": "k", "blobName": "b", "sasToken": "?s" }),
        );
        // with a signature made anew, since the first is refused
        let mut script = Script::new([assigned(), status(401), grant.clone(), status(201)]);
        reporter(&mut script).upload("b", b"x".to_vec(), "text/plain", NOW).await.unwrap();
        let told: Value = serde_json::from_slice(&script.asked[4].body).unwrap();
        assert_eq!(told["isSuccess"], true);

        let mut script = Script::new([assigned(), grant, status(403)]);
        let mut refused = reporter(&mut script);
        assert!(refused.upload("b", b"x".to_vec(), "text/plain", NOW).await.is_err());
        assert_eq!(refused.storage_host(), Some("s"), "whoever opens the way has to know where to");
        let told: Value = serde_json::from_slice(&script.asked[3].body).unwrap();
        assert_eq!(told["isSuccess"], false);
    }
}
