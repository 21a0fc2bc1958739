//! What the page does: let in, show, try, store.

use std::time::Instant;

use eyot_contract::settings::Layer;
use eyot_contract::Timestamp;
use hyper::StatusCode;

use super::access::{Refused, Session};
use super::form::{self, Submitted};
use super::server::Answer;
use super::view::{self, FormPage, StatusPage};
use super::{network, Page};
use crate::activate::{reserve, ActivationError};
use crate::apply::{self, nic};
use crate::datasource::PAGE;
use crate::health::connection::PortalAddress;
use crate::health::validate::{self, Check, Outcome};
use crate::health::{current, latest};
use crate::host::{Access, HostError};
use crate::paths;
use crate::settings::{chain, gather, Decided, Gathered};

/// `GET /`: the code, the form, what became of the settings, or how things stand.
pub(super) fn front(page: &Page, key: Option<&str>) -> Answer {
    if !page.is_activated() {
        if !is_in(page, key) {
            return Answer::page(StatusCode::OK, view::code(None));
        }
        if !gather(&*page.host).offers_token() {
            return Answer::go("/settings");
        }
    }
    let report = match latest(&*page.host) {
        Ok(report) => report,
        Err(error) => return failed(&error),
    };
    let (report, conditions) = current(report, Timestamp::now());
    let status =
        StatusPage { report: report.as_ref(), conditions: &conditions, activated: page.is_activated() };
    Answer::page(StatusCode::OK, view::status(&status))
}

/// `POST /code`.
pub(super) fn enter(page: &Page, sent: &Submitted) -> Answer {
    if page.is_activated() {
        return over();
    }
    let again = |status, text: &str| Answer::page(status, view::code(Some(text)));
    match page.door().enter(sent.get("code").unwrap_or_default(), Instant::now()) {
        Ok(Ok(key)) => Answer { session: Some(key), ..Answer::go("/") },
        Ok(Err(Refused::Wrong)) => {
            tracing::warn!("local page: a wrong set-up code was entered");
            again(StatusCode::FORBIDDEN, "That is not the code on the console. Each code works once.")
        }
        Ok(Err(Refused::Locked(left))) => {
            tracing::warn!(
                "local page: no set-up code is taken for {} s, too many were wrong",
                left.as_secs()
            );
            let text = format!(
                "Too many wrong codes: none is taken for {} seconds, and the code is another one now. \
                 The console's own wizard can be used meanwhile.",
                left.as_secs().max(1)
            );
            again(StatusCode::TOO_MANY_REQUESTS, &text)
        }
        Err(error) => Answer::no(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// `GET /settings`.
pub(super) fn settings(page: &Page, key: Option<&str>) -> Answer {
    if page.is_activated() {
        return Answer::go("/");
    }
    match inside(page, key, |s| (s.csrf.clone(), s.draft.clone())) {
        None => Answer::go("/"),
        Some((csrf, draft)) => {
            let gathered = gather(&*page.host);
            let problem = gathered.resolve().err().map(|e| e.to_string());
            let draft = draft.unwrap_or_else(|| stored(&gathered));
            form_page(page, &gathered, &draft, &csrf, Verdict { problem, ..Verdict::default() })
        }
    }
}

/// What is wrong with what was sent.
#[derive(Default)]
struct Verdict {
    status: StatusCode,
    problem: Option<String>,
    checks: Vec<Check>,
}

impl Verdict {
    fn cannot_be(problem: impl ToString) -> Self {
        let problem = Some(problem.to_string());
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, problem, checks: Vec::new() }
    }
}

/// `POST /settings`: tries what was sent; stores it unless it was only to be tried or does not work.
pub(super) async fn submit(page: &Page, key: Option<&str>, sent: &Submitted) -> Answer {
    if page.is_activated() {
        return over();
    }
    let Some((csrf, draft)) = inside(page, key, |s| (s.csrf.clone(), s.draft.clone())) else {
        return Answer::page(
            StatusCode::FORBIDDEN,
            view::code(Some(
                "The session is over; nothing was stored. Enter the code that the console shows now.",
            )),
        );
    };
    if sent.get("csrf") != Some(&csrf) {
        return Answer::no(StatusCode::FORBIDDEN, "This form is not of this session; nothing was stored.");
    }
    let host = &*page.host;
    let gathered = gather(host);
    let before = stored(&gathered);
    let draft = match form::take(&draft.unwrap_or_else(|| before.clone()), sent, &gathered, page.owns_network)
    {
        Ok(draft) => draft,
        Err(malformed) => {
            return Answer::no(StatusCode::BAD_REQUEST, &format!("{malformed}; nothing was stored."))
        }
    };
    inside(page, key, |s| s.draft = Some(draft.clone()));
    let gathered = gathered.replacing(PAGE, draft.clone());
    let decided = match gathered.resolve() {
        Ok(Decided { token_problem: Some(problem), .. }) => Err(problem),
        Ok(decided) => Ok(decided),
        Err(problem) => Err(problem.to_string()),
    };
    let decided = match decided {
        Ok(decided) => decided,
        Err(problem) => return form_page(page, &gathered, &draft, &csrf, Verdict::cannot_be(problem)),
    };
    let checks = match tried(page, &decided).await {
        Ok(checks) => checks,
        Err(ActivationError::Host(error)) => return failed(&error),
        Err(busy) => return Answer::no(StatusCode::CONFLICT, &busy.to_string()),
    };
    let works = !checks.iter().any(|c| c.outcome == Outcome::Failed);
    if sent.get("check").is_some() || !works && sent.get("anyway").is_none() {
        let status = if works { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        return form_page(page, &gathered, &draft, &csrf, Verdict { status, problem: None, checks });
    }
    match store(page, &before, &draft) {
        Err(error) => failed(&error),
        Ok(moves) => {
            inside(page, key, |s| s.draft = None);
            page.stored.notify_one();
            match moves {
                false => Answer::go("/"),
                true => Answer::page(StatusCode::OK, view::plain("Stored", &moving(&decided))),
            }
        }
    }
}

/// In one step: either all of it is there or none.
fn store(page: &Page, before: &Layer, next: &Layer) -> Result<bool, HostError> {
    let moves = network::begin(page, before, next)?;
    page.host.write(paths::PAGE_SETTINGS, next.to_toml().as_bytes(), Access::Root)?;
    tracing::info!(
        "local page: settings stored ({})",
        next.values.keys().copied().collect::<Vec<_>>().join(", ")
    );
    Ok(moves)
}

fn moving(decided: &Decided) -> String {
    let place = match &decided.settings.addressing {
        eyot_contract::settings::Addressing::Static { address, .. } => {
            format!("at https://{}/", super::bracketed(*address))
        }
        eyot_contract::settings::Addressing::Dhcp => "at the address that the console will show".to_owned(),
    };
    format!(
        "The settings are stored and the network changes now. Go on {place} within {} minutes, with the code that the \
         console shows: if nobody reaches the sensor until then, the network is put back as it was.",
        network::TRIAL.as_secs() / 60
    )
}

/// The way to the portal by these settings, step by step. The daemon stands aside meanwhile: the firewall must let the
/// candidate's portal and proxy through, as it does for an activation on the command line. What is not stored afterwards
/// is put back by the daemon's next round.
async fn tried(page: &Page, decided: &Decided) -> Result<Vec<Check>, ActivationError> {
    let host = &*page.host;
    let settings = &decided.settings;
    let _reserved = reserve(host)?;
    if let Some(token) = settings.token.as_ref().filter(|_| matches!(host.read(paths::FIREWALL), Ok(Some(_))))
    {
        apply::listen(host, settings, Some(&token.portal), &mut nic::Refusals::default())?;
    }
    let portal = PortalAddress::of(settings, None, validate::TIMEOUT);
    Ok(validate::connection(settings, portal.as_ref()).await)
}

fn form_page(page: &Page, gathered: &Gathered, draft: &Layer, csrf: &str, verdict: Verdict) -> Answer {
    let adapters = match page.host.adapters() {
        Ok(adapters) => adapters.into_iter().filter(|a| a.hardware && !a.enslaved).collect::<Vec<_>>(),
        Err(error) => return failed(&error),
    };
    let shown = view::form(&FormPage {
        groups: &form::fields(gathered, draft, page.owns_network),
        adapters: &adapters,
        csrf,
        problem: verdict.problem.as_deref(),
        checks: &verdict.checks,
    });
    Answer::page(verdict.status, shown)
}

/// What the page stored earlier.
fn stored(gathered: &Gathered) -> Layer {
    let own = gathered.layers.iter().find(|(source, _)| *source == PAGE);
    own.map_or_else(|| Layer::new(paths::PAGE_SETTINGS), |(_, layer)| layer.clone())
}

fn is_in(page: &Page, key: Option<&str>) -> bool {
    inside(page, key, |_| ()).is_some()
}

fn inside<T>(page: &Page, key: Option<&str>, act: impl FnOnce(&mut Session) -> T) -> Option<T> {
    page.door().session(key?, Instant::now()).map(act)
}

fn over() -> Answer {
    Answer::no(
        StatusCode::FORBIDDEN,
        "This sensor is activated; it is changed at its console or by its seed.",
    )
}

fn failed(error: &HostError) -> Answer {
    Answer::no(StatusCode::INTERNAL_SERVER_ERROR, &chain(error))
}
