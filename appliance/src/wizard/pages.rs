//! The pages: each asks, tries, shows what came of it.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use console::Term;
use dialoguer::theme::Theme;
use dialoguer::{Input, MultiSelect, Password, Select};
use eyot_contract::{ActivationToken, MAX_TOKEN_CHARS};

use super::{Answers, Doer, Outcome, WizardError};
use crate::apply::role;
use crate::host::{Adapter, Host};

/// How long frames are counted before the list of interfaces is shown.
const COUNTING: Duration = Duration::from_secs(2);
/// Longest wait for the proxy's port to answer.
const PROXY_ANSWERS: Duration = Duration::from_secs(5);

/// Who is asked, and where.
pub(super) struct Asking<'a> {
    pub(super) host: &'a dyn Host,
    pub(super) term: &'a Term,
    pub(super) theme: &'a dyn Theme,
}

impl Asking<'_> {
    fn say(&self, text: &str) -> Result<(), WizardError> {
        Ok(self.term.write_line(text)?)
    }

    fn title(&self, text: &str) -> Result<(), WizardError> {
        self.term.clear_screen()?;
        self.say(&format!("{text}\n"))
    }

    fn choose(&self, prompt: &str, items: &[String], default: usize) -> Result<usize, WizardError> {
        let select = Select::with_theme(self.theme).with_prompt(prompt).items(items).default(default);
        Ok(select.interact_on(self.term)?)
    }

    fn ask(&self, prompt: &str, now: &str) -> Result<String, WizardError> {
        let input = Input::<String>::with_theme(self.theme).with_prompt(prompt).allow_empty(true);
        let input = if now.is_empty() { input } else { input.default(now.to_owned()) };
        Ok(input.interact_text_on(self.term)?)
    }

    /// The management network: which adapter, and how it gets its address.
    pub(super) fn network(&self, answers: &mut Answers, doer: &dyn Doer) -> Result<(), WizardError> {
        loop {
            self.title("Management network")?;
            let adapters = self.hardware()?;
            let roles = answers.settings().map(|s| role::assign(&s, &adapters)).unwrap_or_default();
            let lines: Vec<String> = adapters.iter().map(line).collect();
            let now = adapters.iter().position(|a| roles.management.as_deref() == Some(&a.name));
            if adapters.is_empty() {
                self.say("There is no network adapter; add one to the machine.")?;
                return Ok(());
            }
            let chosen = self.choose("Which interface reaches the portal?", &lines, now.unwrap_or(0))?;
            let interface = format!("mac:{}", adapters[chosen].mac);
            let by_hand = usize::from(answers.get("management.mode") == "static");
            let modes = ["By DHCP", "By hand"].map(str::to_owned);
            let mut said = vec![("management.interface", interface)];
            if self.choose("How does it get its address?", &modes, by_hand)? == 0 {
                said.push(("management.mode", "dhcp".to_owned()));
                let off = ["management.address", "management.gateway", "management.dns"];
                said.extend(off.map(|key| (key, String::new())));
            } else {
                said.push(("management.mode", "static".to_owned()));
                for (key, prompt) in [
                    ("management.address", "Address with prefix (192.0.2.10/24)"),
                    ("management.gateway", "Gateway"),
                    ("management.dns", "DNS servers, joined by commas"),
                ] {
                    said.push((key, self.ask(prompt, &answers.get(key))?));
                }
            }
            if !self.take(answers, &said)? {
                continue;
            }
            self.say("Applying ...")?;
            match doer.apply_network() {
                Ok(came) => {
                    self.say(&came)?;
                    return Ok(());
                }
                Err(reason) => {
                    self.say(&reason)?;
                    let what = ["Change it", "Go on all the same"].map(str::to_owned);
                    if self.choose("The network is not up. What now?", &what, 0)? == 1 {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// The proxy: none, or host, port, user name and password.
    pub(super) fn proxy(&self, answers: &mut Answers) -> Result<(), WizardError> {
        loop {
            self.title("Proxy server")?;
            let url = answers.get("proxy.url");
            let yes_or_no = ["No", "Yes"].map(str::to_owned);
            if self.choose("Set up proxy server?", &yes_or_no, usize::from(!url.is_empty()))? == 0 {
                let off = ["proxy.url", "proxy.username", "proxy.password", "proxy.certificate", "proxy.key"];
                self.take(answers, &off.map(|key| (key, String::new())))?;
                return Ok(());
            }
            let (host, port) = host_and_port(&url);
            let host = self.ask("Proxy server host", &host)?;
            let port = self.ask("Proxy server port", if port.is_empty() { "3128" } else { &port })?;
            let username = self.ask("Proxy user name (empty for none)", &answers.get("proxy.username"))?;
            let password = match username.is_empty() {
                true => String::new(),
                false => Password::with_theme(self.theme)
                    .with_prompt("Proxy password")
                    .allow_empty_password(true)
                    .interact_on(self.term)?,
            };
            let scheme = if url.starts_with("https://") { "https" } else { "http" };
            let said = [
                ("proxy.url", format!("{scheme}://{}:{}", host.trim(), port.trim())),
                ("proxy.username", username),
                ("proxy.password", password),
            ];
            if !self.take(answers, &said)? {
                continue;
            }
            match answers_at(host.trim(), port.trim()) {
                Ok(()) => {
                    self.say("The proxy answers. Whether it lets this sensor through shows with the token.")?
                }
                Err(reason) => {
                    self.say(&format!("The proxy does not answer: {reason}"))?;
                    let what = ["Change it", "Go on all the same"].map(str::to_owned);
                    if self.choose("What now?", &what, 0)? == 0 {
                        continue;
                    }
                }
            }
            return Ok(());
        }
    }

    /// The monitored interfaces, with what each receives at this moment.
    pub(super) fn capture(&self, answers: &mut Answers) -> Result<(), WizardError> {
        loop {
            self.title("Monitored interfaces")?;
            self.say("Counting frames ...")?;
            let before = self.hardware()?;
            std::thread::sleep(COUNTING);
            let all = self.hardware()?;
            let roles = answers.settings().map(|s| role::assign(&s, &all)).unwrap_or_default();
            let adapters: Vec<&Adapter> =
                all.iter().filter(|a| roles.management.as_deref() != Some(&a.name)).collect();
            if adapters.is_empty() {
                self.say("There is no interface besides the management one; add one to the machine, on the SPAN port group.")?;
                return Ok(());
            }
            let counted = |a: &Adapter| {
                let earlier = before.iter().find(|b| b.mac == a.mac && b.name == a.name);
                a.rx_frames.saturating_sub(earlier.map_or(a.rx_frames, |b| b.rx_frames)) / COUNTING.as_secs()
            };
            let lines: Vec<String> =
                adapters.iter().map(|a| format!("{}  {} frames/s", line(a), counted(a))).collect();
            let marked: Vec<bool> = adapters.iter().map(|a| roles.captures(&a.name)).collect();
            let chosen = MultiSelect::with_theme(self.theme)
                .with_prompt("What is the name of the monitored interface? (space marks, Enter takes)")
                .items(&lines)
                .defaults(&marked)
                .interact_on(self.term)?;
            let selectors: Vec<String> = chosen.iter().map(|n| format!("mac:{}", adapters[*n].mac)).collect();
            let value = if selectors.is_empty() { "auto".to_owned() } else { selectors.join(",") };
            if self.take(answers, &[("capture.interfaces", value)])? {
                return Ok(());
            }
        }
    }

    /// The token, and the activation. `None` if it did not come about.
    pub(super) fn token(&self, doer: &dyn Doer) -> Result<Option<Outcome>, WizardError> {
        self.title("Activation")?;
        let text = Password::with_theme(self.theme)
            .with_prompt("Activation token from the portal (it is not shown)")
            .allow_empty_password(true)
            .validate_with(|text: &String| match text.trim().parse::<ActivationToken>() {
                Err(reason) if !text.trim().is_empty() => Err(reason.to_string()),
                _ => Ok(()),
            })
            .interact_on(self.term)?;
        if text.trim().is_empty() || text.len() > 4 * MAX_TOKEN_CHARS {
            return Ok(None);
        }
        self.say("Activating ...")?;
        match doer.activate(text.trim()) {
            Ok(said) => {
                self.say(&said)?;
                Ok(Some(Outcome::Activated))
            }
            Err(reason) => {
                self.say(&format!("Not activated: {reason}\n"))?;
                Ok(None)
            }
        }
    }

    /// Keeps answers if they can be; says why not otherwise.
    fn take(&self, answers: &mut Answers, said: &[(&str, String)]) -> Result<bool, WizardError> {
        let pairs: Vec<(&str, &str)> = said.iter().map(|(k, v)| (*k, v.as_str())).collect();
        match answers.with(&pairs) {
            Ok(next) => {
                next.keep(self.host)?;
                *answers = next;
                Ok(true)
            }
            Err(reason) => {
                self.say(&format!("\n{reason}"))?;
                self.choose("This cannot be.", &["Change it".to_owned()], 0)?;
                Ok(false)
            }
        }
    }

    fn hardware(&self) -> Result<Vec<Adapter>, WizardError> {
        Ok(self.host.adapters()?.into_iter().filter(|a| a.hardware && !a.enslaved).collect())
    }
}

fn line(adapter: &Adapter) -> String {
    format!(
        "{:<10} {}  {:<10} {}",
        adapter.name,
        adapter.mac,
        adapter.driver.as_deref().unwrap_or("-"),
        if adapter.link { "link" } else { "no link" }
    )
}

/// Of `http://host:port`; either may be missing.
fn host_and_port(url: &str) -> (String, String) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
    match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host.to_owned(), port.to_owned()),
        _ => (rest.to_owned(), String::new()),
    }
}

/// Whether anything answers there.
fn answers_at(host: &str, port: &str) -> Result<(), String> {
    let port: u16 = port.parse().map_err(|_| "the port is no number".to_owned())?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let addresses =
        (bare, port).to_socket_addrs().map_err(|_| format!("the name {host} cannot be resolved"))?;
    let started = Instant::now();
    let mut last = format!("the name {host} has no address");
    for address in addresses {
        let Some(left) = PROXY_ANSWERS.checked_sub(started.elapsed()).filter(|l| !l.is_zero()) else { break };
        match TcpStream::connect_timeout(&address, left) {
            Ok(_) => return Ok(()),
            Err(error) => last = format!("{address}: {error}"),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_address_comes_apart() {
        for (url, host, port) in [
            ("http://proxy.example:3128", "proxy.example", "3128"),
            ("https://[2001:db8::1]:8080/", "[2001:db8::1]", "8080"),
            ("http://[2001:db8::1]", "[2001:db8::1]", ""),
            ("", "", ""),
        ] {
            assert_eq!(host_and_port(url), (host.to_owned(), port.to_owned()), "{url}");
        }
    }
}
