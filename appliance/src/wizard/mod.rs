//! The console wizard: shown above the login prompt while nothing has given the appliance a token.
//!
//! Questions and lists that a plain terminal can do (a VM's screen, a serial line): arrows move, space marks, Enter takes.
//! Each page is tried at once, what it comes to is shown, and a page can be visited again before the token is given.
//! Answers go to the operator's file, the strongest source of settings; the agent goes by it like by any other. What is
//! typed here is nowhere else: the token does not even get there.
//!
//! Anybody at the console may answer until the appliance is activated. Afterwards there is the login prompt and nothing
//! else: [`wait_for_a_person`] ends as soon as some source has activated it.

mod answers;
mod pages;

use std::io::BufRead;
use std::os::fd::AsFd;
use std::time::Duration;

use console::Term;
use dialoguer::theme::SimpleTheme;
use dialoguer::Select;
use eyot_contract::{ConditionCode, InterfaceRole};
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};

use crate::activate::{Identity, Marks};
use crate::health::latest;
use crate::host::{Host, HostError};
use crate::paths;

pub use answers::Answers;

/// How often it is looked whether something else has activated the appliance.
const LOOK: Duration = Duration::from_secs(2);

/// Why the wizard ended without an activation.
#[derive(Debug, thiserror::Error)]
pub enum WizardError {
    /// The terminal.
    #[error("the terminal cannot be used")]
    Terminal(#[from] std::io::Error),
    /// A question could not be put.
    #[error("the terminal cannot be used")]
    Question(#[from] dialoguer::Error),
    /// The machine.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// How the wizard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The appliance is activated.
    Activated,
    /// The person prefers the login prompt.
    Left,
}

/// What the wizard cannot do by itself.
pub trait Doer {
    /// Applies the management network's settings and waits a while for an address; what came of it, for people.
    fn apply_network(&self) -> Result<String, String>;
    /// Activates with this token; what came of it, for people.
    fn activate(&self, token: &str) -> Result<String, String>;
}

/// Waits until somebody presses Enter ([`Outcome::Left`] is not among the answers) or the appliance is activated.
///
/// # Errors
/// The terminal or the machine.
pub fn wait_for_a_person(host: &dyn Host, term: &Term) -> Result<Option<Outcome>, WizardError> {
    let mut shown = String::new();
    loop {
        if is_activated(host)? {
            return Ok(Some(Outcome::Activated));
        }
        let text = welcome(host)?;
        if text != shown {
            term.clear_screen()?;
            term.write_str(&text)?;
            shown = text;
        }
        let stdin = std::io::stdin();
        let mut waiting = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::MAX);
        if poll(&mut waiting, timeout).map_err(std::io::Error::from)? > 0 {
            let mut line = String::new();
            // nothing at all is the end: a terminal that was hung up
            return match stdin.lock().read_line(&mut line)? {
                0 => Ok(Some(Outcome::Left)),
                _ => Ok(None),
            };
        }
    }
}

/// Asks, page by page.
///
/// # Errors
/// The terminal or the machine. What was answered until then is kept.
pub fn run(
    host: &dyn Host,
    doer: &dyn Doer,
    term: &Term,
    owns_network: bool,
) -> Result<Outcome, WizardError> {
    let mut answers = Answers::load(host)?;
    let theme = SimpleTheme;
    let asking = pages::Asking { host, term, theme: &theme };
    if owns_network {
        asking.network(&mut answers, doer)?;
    }
    asking.proxy(&mut answers)?;
    asking.capture(&mut answers)?;
    loop {
        if let Some(outcome) = asking.token(doer)? {
            return Ok(outcome);
        }
        let pages = ["Activation token", "Proxy server", "Monitored interfaces", "Management network"];
        let offered = if owns_network { &pages[..] } else { &pages[..3] };
        let mut items = offered.to_vec();
        items.push("Leave, and show the login prompt");
        let next = Select::with_theme(&theme)
            .with_prompt("What next?")
            .items(&items)
            .default(0)
            .interact_on(term)?;
        match next {
            0 => {}
            1 => asking.proxy(&mut answers)?,
            2 => asking.capture(&mut answers)?,
            3 if owns_network => asking.network(&mut answers, doer)?,
            _ => return Ok(Outcome::Left),
        }
    }
}

/// Whether there is an identity, and it is this machine's.
pub(crate) fn is_activated(host: &dyn Host) -> Result<bool, HostError> {
    match Identity::load(host)? {
        Some(identity) => Ok(identity.enrolment.machine.moved(&Marks::of(host)?).is_none()),
        None => Ok(false),
    }
}

/// The first screen, which follows what the agent says.
fn welcome(host: &dyn Host) -> Result<String, HostError> {
    let mut text = format!("Eyot sensor {}\n\n", crate::VERSION);
    match latest(host)? {
        None => text.push_str("The agent is starting.\n"),
        Some(report) => {
            for condition in report.conditions.iter().filter(|c| c.code != ConditionCode::Connected).take(3) {
                text.push_str(&format!("  {}: {}\n", condition.code.title(), condition.detail));
            }
            text.push('\n');
            for interface in &report.interfaces {
                let role = match interface.role {
                    InterfaceRole::Management => "management",
                    InterfaceRole::Capture => "monitoring",
                    InterfaceRole::Unused => "unused",
                };
                let link = if interface.link { "link" } else { "no link" };
                text.push_str(&format!("  {role:<10} {:<12} {}  {link}\n", interface.name, interface.mac));
            }
        }
    }
    if let Some(notice) = host.read(paths::PAGE_NOTICE)?.and_then(|c| String::from_utf8(c).ok()) {
        text.push_str(&format!("\n{}\n", notice.trim_end()));
    }
    text.push_str("\nPress Enter to set up this sensor here.\n");
    Ok(text)
}
