//! Tokens that must not activate anything: the real agent against the real portal over TLS, without a virtual machine.
//!
//! Each refusal is one line on standard error that says what is wrong, a non-zero exit code, no identity left behind,
//! and no trace of the token in anything printed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{ensure, Result};
use eyot_tests::{Artefacts, Office};

use crate::log::Log;
use crate::portal::Portal;
use crate::secret;
use crate::tool::run;
use crate::wiring::{Wiring, PORTAL_IP, PORTAL_NAME};

const CHAPTER: &str = "refusals";

/// One token after the other.
pub fn journey(artefacts: &Artefacts, _: &Office, log: &mut Log) {
    log.begin("refusals: tokens that must not activate anything");
    let Some(agent) = log.check(CHAPTER, "eyot-appliance is there", || artefacts.program("eyot-appliance"))
    else {
        return;
    };
    let Some(wiring) = log.check(CHAPTER, "a management network", || Wiring::new("refusals")) else { return };
    let Some(portal) = log.check(CHAPTER, "a portal in it", || Portal::start(artefacts, &wiring)) else {
        return;
    };
    let desk = Desk { agent, wiring: &wiring, portal: &portal };
    let Some(token) =
        log.check(CHAPTER, "a sensor is registered", || Ok(portal.register(&wiring, "refused")?.token))
    else {
        return;
    };

    // the good token is tried only after all the bad ones made from it
    let cut = &token[..token.len() - 9];
    log.check(CHAPTER, "a truncated token", || desk.refuses("truncated", cut, &["damaged", "cut short"]));
    log.check(CHAPTER, "a text that is no token", || {
        desk.refuses("text", "hello world", &["not an activation token"])
    });
    log.check(CHAPTER, "a forged token", || {
        desk.refuses("forged", &secret::forged(&token)?, &["does not know this activation token"])
    });
    log.check(CHAPTER, "a token that names another CA", || {
        desk.refuses("pin", &secret::with_another_pin(&token)?, &["certificate"])
    });
    log.check(CHAPTER, "a portal where nothing listens", || {
        let nowhere = secret::for_portal(&token, &format!("https://{PORTAL_NAME}:9"))?;
        desk.refuses("nowhere", &nowhere, &[PORTAL_NAME])
    });
    log.check(CHAPTER, "a portal whose name does not resolve", || {
        desk.refuses("name", &secret::for_portal(&token, "https://nobody.eyot.test")?, &["nobody.eyot.test"])
    });
    log.check(CHAPTER, "a portal that is called by a name it does not have", || {
        desk.refuses(
            "address",
            &secret::for_portal(&token, &format!("https://{PORTAL_IP}"))?,
            &["certificate"],
        )
    });
    log.check(CHAPTER, "a token that a newer one has replaced", || {
        let replaced = portal.register(&wiring, "replaced")?.token;
        portal.reissue("replaced")?;
        desk.refuses("replaced", &replaced, &["newer activation token"])
    });
    log.check(CHAPTER, "a token whose time is over", || {
        let expired = portal.register_in_the_past(&wiring, "expired", 100)?.token;
        desk.refuses("expired", &expired, &["expired"])
    });
    log.check(CHAPTER, "a good token on a machine whose clock is wrong", || {
        desk.refuses_at_another_time("clock", &token, "+2h", &["clock"])
    });
    log.check(CHAPTER, "and the good one activates", || {
        let output = desk.activate("good", &token)?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        desk.tells_nothing(&output, &token)?;
        ensure!(desk.identity("good").is_dir(), "no {}", desk.identity("good").display());
        Ok(())
    });
    log.check(CHAPTER, "but only once", || {
        desk.refuses("again", &token, &["already activated another machine"])
    });
    log.check(CHAPTER, "the portal's log holds no token", || {
        ensure!(!portal.said().contains(&secret::secret_text(&token)?), "it does");
        ensure!(!portal.said().contains(&token), "it does");
        Ok(())
    });
}

/// Where tokens are tried, each on a machine of its own: a folder that the agent takes for `/`.
struct Desk<'a> {
    agent: PathBuf,
    wiring: &'a Wiring,
    portal: &'a Portal,
}

impl Desk<'_> {
    fn refuses(&self, machine: &str, token: &str, because: &[&str]) -> Result<()> {
        let output = self.activate(machine, token)?;
        self.is_refused(machine, token, &output, because)
    }

    fn refuses_at_another_time(
        &self,
        machine: &str,
        token: &str,
        offset: &str,
        because: &[&str],
    ) -> Result<()> {
        let mut faketime = self.wiring.in_management("faketime");
        faketime.arg("-f").arg(offset).arg(&self.agent);
        let output = self.activate_by(faketime, machine, token)?;
        self.is_refused(machine, token, &output, because)
    }

    fn is_refused(&self, machine: &str, token: &str, output: &Output, because: &[&str]) -> Result<()> {
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(!output.status.success(), "exit code 0, and {}", String::from_utf8_lossy(&output.stdout));
        ensure!(said.trim_end().lines().count() == 1, "not one line on standard error:\n{said}");
        let missing: Vec<_> = because.iter().filter(|b| !said.contains(**b)).collect();
        ensure!(missing.is_empty(), "the line does not say {missing:?}: {said}");
        ensure!(!self.identity(machine).exists(), "an identity was left behind");
        self.tells_nothing(output, token)
    }

    fn activate(&self, machine: &str, token: &str) -> Result<Output> {
        self.activate_by(self.wiring.in_management(&self.agent), machine, token)
    }

    fn activate_by(&self, mut command: Command, machine: &str, token: &str) -> Result<Output> {
        let root = self.root(machine);
        std::fs::create_dir_all(&root)?;
        let file = self.wiring.folder().join(format!("{machine}.token"));
        std::fs::write(&file, token)?;
        run(command.arg("--root").arg(root).args(["activate", "--token-file"]).arg(file))
    }

    fn tells_nothing(&self, output: &Output, token: &str) -> Result<()> {
        for stream in [&output.stdout, &output.stderr] {
            ensure!(!String::from_utf8_lossy(stream).contains(token), "the token is printed");
        }
        ensure!(!self.portal.said().contains(token), "the token is in the portal's log");
        Ok(())
    }

    fn identity(&self, machine: &str) -> PathBuf {
        self.root(machine).join("var/lib/eyot/identity")
    }

    fn root(&self, machine: &str) -> PathBuf {
        let folder: &Path = self.wiring.folder();
        folder.join(format!("machine-{machine}"))
    }
}
