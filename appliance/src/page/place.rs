//! Where the page is reached, and what the console says about it.
//!
//! The sockets follow the management interface's addresses. A port that somebody else has is left to them and asked for
//! again; the console says so meanwhile. Where the machine is somebody's own server there is no page: 443 is theirs. An
//! appliance's owner has it back by `management.page`.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use eyot_contract::InterfaceRole;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::{bracketed, Page, PORT};
use crate::health::{latest, management};
use crate::host::{Access, Host, HostError};
use crate::paths;
use crate::settings::chain;

/// How often addresses are looked at: while somebody waits for the page, and afterwards.
const LOOK: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

/// Sockets by address, and why there is none where there should be.
#[derive(Default)]
struct Places {
    open: BTreeMap<IpAddr, AbortHandle>,
    refused: BTreeMap<IpAddr, String>,
}

pub(super) async fn run(page: Rc<Page>) {
    let mut places = Places::default();
    loop {
        let wanted = match page.owns_network && page.wanted.load(Ordering::Relaxed) {
            true => addresses(&*page.host).unwrap_or_default(),
            false => Vec::new(),
        };
        places.follow(&page, &wanted).await;
        let activated = page.is_activated();
        if activated {
            page.door().clear();
        }
        if let Err(error) = tell_console(&page, &places, activated) {
            tracing::debug!("console not told of the page: {}", chain(&error));
        }
        if let Some(line) = super::network::tick(&page, Instant::now()) {
            tracing::info!("{line}");
        }
        tokio::time::sleep(if activated { LOOK.1 } else { LOOK.0 }).await;
    }
}

/// The management interface's addresses, by what the agent decided last.
fn addresses(host: &dyn Host) -> Result<Vec<IpAddr>, HostError> {
    let report = latest(host)?;
    let management =
        report.and_then(|r| r.interfaces.into_iter().find(|i| i.role == InterfaceRole::Management));
    let Some(interface) = management else { return Ok(Vec::new()) };
    let found = management::addresses(host, &interface.name)?;
    Ok(found.iter().filter_map(|a| a.split('/').next()?.parse().ok()).collect())
}

impl Places {
    async fn follow(&mut self, page: &Rc<Page>, wanted: &[IpAddr]) {
        self.open.retain(|address, socket| {
            let stays = wanted.contains(address) && !socket.is_finished();
            if !stays {
                socket.abort();
            }
            stays
        });
        self.refused.retain(|address, _| wanted.contains(address));
        for address in wanted.iter().filter(|a| !self.open.contains_key(a)).copied().collect::<Vec<_>>() {
            match TcpListener::bind(SocketAddr::new(address, PORT)).await {
                Ok(listener) => {
                    tracing::info!("the local page is at https://{}/", bracketed(address));
                    let task = tokio::task::spawn_local(Rc::clone(page).serve(listener));
                    self.open.insert(address, task.abort_handle());
                    self.refused.remove(&address);
                }
                Err(error) => {
                    let why = match error.kind() {
                        io::ErrorKind::AddrInUse => format!("another program has port {PORT}"),
                        _ => error.to_string(),
                    };
                    if self.refused.get(&address) != Some(&why) {
                        tracing::warn!("no local page at {address}: {why}");
                    }
                    self.refused.insert(address, why);
                }
            }
        }
    }
}

/// Writes what the console shows, if it is news.
fn tell_console(page: &Page, places: &Places, activated: bool) -> Result<(), HostError> {
    let host = &*page.host;
    let text = notice(page, places, activated);
    if text.is_empty() {
        host.remove(paths::PAGE_NOTICE_LINK)?;
        return host.remove(paths::PAGE_NOTICE);
    }
    if host.write(paths::PAGE_NOTICE, text.as_bytes(), Access::Root)? {
        // older agettys cannot reload; they show it the next time
        if let Err(error) = host.run("agetty", &["--reload"]) {
            tracing::debug!("console not refreshed: {}", chain(&error));
        }
    }
    host.link(paths::PAGE_NOTICE_LINK, paths::PAGE_NOTICE).map(drop)
}

fn notice(page: &Page, places: &Places, activated: bool) -> String {
    let mut text = String::new();
    let what = if activated { "Status in a browser " } else { "Set up in a browser " };
    for address in places.open.keys() {
        text.push_str(&format!("  {what}  https://{}/\n", bracketed(*address)));
    }
    if !places.open.is_empty() {
        if let Some(code) = page.code() {
            text.push_str(&format!("  Set-up code           {code}\n"));
        }
        // 16 of 32 bytes: a console has 80 columns
        let (first, second) = page.fingerprint().split_at(16 * 3);
        text.push_str(&format!(
            "  Certificate SHA-256   {}\n                        {second}\n",
            first.trim_end_matches(':')
        ));
    }
    for (address, why) in &places.refused {
        text.push_str(&format!("  No page in a browser at {address}: {why}\n"));
    }
    text
}
