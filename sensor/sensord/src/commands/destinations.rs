//! `destinations`: asks every destination besides the portal whether it would take what the sensor sends, and sends nothing.
//!
//! The provisioning service is asked as at every start; IoT Hub and Event Hubs get an empty batch with a true signature:
//! they look at the signature before they look at the batch, so whatever is wrong with an empty one says that the key is
//! good. Output and errors hold no secret. The appliance's agent asks this for `status` and `validate`.

use std::fs;
use std::io::{stdout, Write};
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use eyot_client::ClientError;
use eyot_contract::{ConditionCode, DestinationCheck, Timestamp};
use eyot_uplink::azure::dps::{Assignment, DpsError, Progress, Registration};
use eyot_uplink::azure::event_hub::EventHub;
use eyot_uplink::azure::hub::Hub;
use eyot_uplink::azure::pack::Sink;
use eyot_uplink::azure::sas::SharedKey;
use eyot_uplink::wire::{Refused, Request, Response};

use crate::cli::{DestinationsArgs, ListFormat};
use crate::config::{read, Azure, AzureHub, Bundles, Config, Enrolment};
use crate::destinations::{BUNDLES, EVENT_HUB, IOT_HUB};
use crate::https::{chain, Https};
use crate::show::Table;

/// Time limit of one request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Questions to the provisioning service before it is said to be slow.
const QUESTIONS: usize = 8;

/// Asks and prints. Exit code 0: all of them take what is sent, or a program reads which do not; 1: one does not.
pub fn run(args: &DestinationsArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let checks = runtime.block_on(all(&config));
    let mut out = stdout().lock();
    match args.format {
        ListFormat::Json => {
            serde_json::to_writer_pretty(&mut out, &checks)?;
            writeln!(out)?;
        }
        ListFormat::Table => {
            let mut table = Table::new(["destination", "endpoint", "state", "what"]);
            for check in &checks {
                let state = check.condition.map_or("ok", ConditionCode::name);
                table.row([check.destination.as_str(), &check.endpoint, state, &check.detail]);
            }
            table.write(&mut out)?;
        }
    }
    Ok(match args.format == ListFormat::Json || checks.iter().all(|c| c.condition.is_none()) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

async fn all(config: &Config) -> Vec<DestinationCheck> {
    let mut checks = Vec::new();
    if let Some(azure) = &config.azure {
        if let Some(hub) = &azure.hub {
            checks.extend(iot_hub(azure, hub).await);
        }
        if let Some(file) = &azure.event_hub_file {
            let asked = read("azure.event_hub_file", file)
                .map_err(anyhow::Error::from)
                .and_then(|text| Ok((EventHub::from_connection_string(&text)?, Https::new(azure)?)));
            checks.push(match asked {
                Err(error) => mistake(EVENT_HUB, "azure.event_hub", &error),
                Ok((mut hub, way)) => {
                    let host = hub.host().to_owned();
                    answered(EVENT_HUB, &host, empty(&mut hub, &way).await, "azure.event_hub_key")
                }
            });
        }
    }
    checks.extend(config.bundles.as_ref().map(bundles));
    checks
}

async fn iot_hub(azure: &Azure, hub: &AzureHub) -> Vec<DestinationCheck> {
    let host = &hub.provisioning_host;
    let ready = read("azure.key_file", &hub.key_file).map_err(anyhow::Error::from).and_then(|text| {
        let key = SharedKey::from_base64(&text).context("azure.key")?;
        let key = match hub.enrolment {
            Enrolment::Individual => key,
            Enrolment::Group => key.derive(&hub.registration_id),
        };
        let registration = Registration::new(host, &hub.id_scope, &hub.registration_id, key.clone())?;
        Ok((key, registration, Https::new(azure)?))
    });
    let (key, registration, way) = match ready {
        Ok(ready) => ready,
        Err(error) => return vec![mistake(IOT_HUB, host, &error)],
    };
    match assigned(registration, &way).await {
        Err(problem) => vec![failed(IOT_HUB, host, problem)],
        Ok(assignment) => {
            let name = assignment.hub.clone();
            let mut sink = Hub::new(&assignment, key);
            let outcome = empty(&mut sink, &way).await;
            vec![
                passed(IOT_HUB, host, format!("assigns {name}")),
                answered(IOT_HUB, &name, outcome, "azure.key"),
            ]
        }
    }
}

/// What is wrong, and what health calls it.
type Problem = (ConditionCode, String);

async fn assigned(mut registration: Registration, way: &Https) -> Result<Assignment, Problem> {
    let refused = |detail: String| (ConditionCode::DestinationRefused, detail);
    for _ in 0..QUESTIONS {
        let response = ask(way, registration.request(Timestamp::now())).await?;
        match registration.answer(&response) {
            Ok(Progress::Assigned(assignment)) => return Ok(assignment),
            Ok(Progress::Again(pause)) => tokio::time::sleep(pause.min(PATIENCE)).await,
            Err(DpsError::Refused { status, refused: kind, .. }) => {
                return Err(judged(status, &kind, "azure.key, azure.registration_id or azure.id_scope"))
            }
            Err(error) => return Err(refused(error.to_string())),
        }
    }
    Err((ConditionCode::DestinationUnreachable, "it has not assigned a hub within its time".to_owned()))
}

async fn empty<S: Sink>(sink: &mut S, way: &Https) -> Result<Response, Problem> {
    let (request, _) =
        sink.send(&[], Timestamp::now()).map_err(|error| (ConditionCode::SanityFailed, error.to_string()))?;
    ask(way, request).await
}

async fn ask(way: &Https, request: Request) -> Result<Response, Problem> {
    let problem = |error: ClientError| (condition(&error), chain(&error));
    let client = way.to(&request.host).timeout(PATIENCE).build().map_err(problem)?;
    let headers: Vec<_> = request.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let reply =
        client.send(request.method.name(), &request.target, &headers, request.body).await.map_err(problem)?;
    Ok(Response { status: reply.status, retry_after: None, body: reply.body })
}

/// As for the portal, but where the phrase names the portal.
fn condition(error: &ClientError) -> ConditionCode {
    match error.condition() {
        ConditionCode::EndpointUnreachable | ConditionCode::EndpointError => {
            ConditionCode::DestinationUnreachable
        }
        other => other,
    }
}

fn answered(
    destination: &str,
    endpoint: &str,
    outcome: Result<Response, Problem>,
    settings: &str,
) -> DestinationCheck {
    let judgement = outcome.and_then(|response| match response.judged() {
        // an empty batch may be too little for it, and still the signature was looked at
        Ok(()) | Err(Refused::Never) => Ok(()),
        Err(kind) => Err(judged(response.status, &kind, settings)),
    });
    match judgement {
        Ok(()) => passed(destination, endpoint, "takes the key".to_owned()),
        Err(problem) => failed(destination, endpoint, problem),
    }
}

/// `settings`: those that may be wrong.
fn judged(status: u16, kind: &Refused, settings: &str) -> Problem {
    let why = match kind {
        Refused::Unauthorised => format!("the key is wrong, or this machine's clock; correct {settings}"),
        Refused::Forbidden => {
            format!("the key may not send, or the daily quota is used up; look at the policy of {settings}")
        }
        Refused::Unknown => format!("there is no such device, registration or event hub; correct {settings}"),
        Refused::Later(_) => {
            let detail = format!("it answers with status {status}, which passes by itself");
            return (ConditionCode::DestinationUnreachable, detail);
        }
        Refused::TooLarge | Refused::Never => "it does not understand the request".to_owned(),
    };
    (ConditionCode::DestinationRefused, format!("it refuses with status {status}: {why}"))
}

fn bundles(bundles: &Bundles) -> DestinationCheck {
    let folder = bundles.folder.display().to_string();
    let key = read("bundles.key_file", &bundles.key_file).err();
    match (key, fs::metadata(&bundles.folder)) {
        (Some(error), _) => failed(BUNDLES, &folder, (ConditionCode::SanityFailed, chain(&error))),
        (None, Ok(found)) if !found.is_dir() || found.mode() & 0o200 == 0 => failed(
            BUNDLES,
            &folder,
            (ConditionCode::SanityFailed, "it is no folder to write into".to_owned()),
        ),
        (None, _) => passed(BUNDLES, &folder, "files are written there".to_owned()),
    }
}

fn mistake(destination: &str, endpoint: &str, error: &anyhow::Error) -> DestinationCheck {
    failed(destination, endpoint, (ConditionCode::SettingsInvalid, format!("{error:#}")))
}

fn passed(destination: &str, endpoint: &str, detail: String) -> DestinationCheck {
    DestinationCheck {
        destination: destination.to_owned(),
        endpoint: endpoint.to_owned(),
        condition: None,
        detail,
    }
}

fn failed(destination: &str, endpoint: &str, (condition, detail): Problem) -> DestinationCheck {
    DestinationCheck { condition: Some(condition), ..passed(destination, endpoint, detail) }
}
