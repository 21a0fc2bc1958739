//! The portal in the management namespace, and its visitors: a program with an API token, a person with a password.
//!
//! Both come in with curl, which checks the certificate against the portal's CA as any other client would.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{bail, Context, Result};
use eyot_tests::Artefacts;
use serde_json::Value;

use crate::tool::{feed, output, wait_for, Background};
use crate::wiring::{Wiring, PORTAL_IP, PORTAL_NAME};

/// Account of the person.
const PERSON: &str = "journey";

/// A portal that runs.
pub struct Portal {
    program: PathBuf,
    data: PathBuf,
    log: PathBuf,
    api_token: String,
    password: String,
    server: Background,
}

/// What registering a sensor gives.
pub struct Registered {
    /// The sensor's id.
    pub sensor: String,
    /// The activation token.
    pub token: String,
    /// The seed volume.
    pub seed_iso: PathBuf,
}

impl Portal {
    /// Sets one up and starts it on port 443.
    pub fn start(artefacts: &Artefacts, wiring: &Wiring) -> Result<Self> {
        let program = artefacts.program("eyot-portal")?;
        let data = wiring.folder().join("portal");
        let log = wiring.folder().join("portal.log");
        let address = format!("https://{PORTAL_NAME}");
        output(Command::new(&program).arg("init").arg("--data").arg(&data).args(["--address", &address]))?;
        let mut serve = wiring.in_management(&program);
        serve.arg("serve").arg("--data").arg(&data).args(["--listen", &format!("{PORTAL_IP}:443")]);
        serve.stdout(File::create(wiring.folder().join("portal.out"))?).stderr(File::create(&log)?);
        let mut portal = Self {
            server: Background::start(&mut serve)?,
            program,
            data,
            log,
            api_token: String::new(),
            password: format!("a long walk over water {}", std::process::id()),
        };
        portal.let_visitors_in()?;
        wait_for(Duration::from_secs(20), Duration::from_millis(200), || {
            portal.server.still_runs().with_context(|| portal.said())?;
            portal.curl(wiring, "/healthz", &[])
        })?;
        Ok(portal)
    }

    /// Registers a sensor and has its seed volume written.
    pub fn register(&self, wiring: &Wiring, name: &str) -> Result<Registered> {
        self.register_with(self.command("register"), wiring, name)
    }

    /// The same, as it would have been done so many days ago.
    pub fn register_in_the_past(&self, wiring: &Wiring, name: &str, days: u32) -> Result<Registered> {
        let mut command = Command::new("faketime");
        command.arg("-f").arg(format!("-{days}d")).arg(&self.program);
        command.arg("register").arg("--data").arg(&self.data);
        self.register_with(command, wiring, name)
    }

    fn register_with(&self, mut command: Command, wiring: &Wiring, name: &str) -> Result<Registered> {
        let seed_iso = wiring.folder().join(format!("{name}.iso"));
        command
            .args(["--name", name, "--subscription", "journey", "--format", "json", "--seed-iso"])
            .arg(&seed_iso);
        let said = output(&mut command)?;
        let said: Value = serde_json::from_str(&said)?;
        let text = |key: &str| {
            said[key].as_str().map(str::to_owned).with_context(|| format!("`register` prints no \"{key}\""))
        };
        Ok(Registered { sensor: text("sensor")?, token: text("token")?, seed_iso })
    }

    /// Issues another token for a sensor; the earlier one is replaced.
    pub fn reissue(&self, name: &str) -> Result<()> {
        output(self.command("activation").args(["--name", name, "--format", "json"])).map(drop)
    }

    /// What the API tells a program with a token.
    pub fn get(&self, wiring: &Wiring, path: &str) -> Result<Value> {
        let authorization = format!("Authorization: Bearer {}", self.api_token);
        let said = self.curl(wiring, path, &["-H", &authorization])?;
        serde_json::from_str(&said).with_context(|| format!("{path} is not JSON"))
    }

    /// What the API says about one sensor.
    pub fn sensor(&self, wiring: &Wiring, id: &str) -> Result<Value> {
        let all = self.get(wiring, "/api/v1/sensors")?;
        let sensors = all["sensors"].as_array().context("/api/v1/sensors has no list of sensors")?;
        let found = sensors.iter().find(|sensor| sensor["id"] == id);
        found.cloned().with_context(|| format!("sensor {id} is not listed"))
    }

    /// Every device in the inventory.
    pub fn devices(&self, wiring: &Wiring) -> Result<Vec<Value>> {
        let all = self.get(wiring, "/api/v1/devices?per_page=1000")?;
        all["devices"].as_array().cloned().context("/api/v1/devices has no list of devices")
    }

    /// A page as a person sees it after signing in.
    pub fn page(&self, wiring: &Wiring, path: &str) -> Result<String> {
        let cookies = wiring.folder().join("cookies");
        let cookies = cookies.to_str().context("the folder's name is not text")?;
        let form = [format!("name={PERSON}"), format!("password={}", self.password)];
        let sign_in = ["-c", cookies, "--data-urlencode", &form[0], "--data-urlencode", &form[1]];
        self.curl(wiring, "/login", &sign_in).context("signing in")?;
        self.curl(wiring, path, &["-b", cookies])
    }

    /// What it wrote to its log.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_else(|error| format!("(no log: {error})"))
    }

    fn let_visitors_in(&mut self) -> Result<()> {
        let create = output(
            self.command("api-token").arg("create").arg("--data").arg(&self.data).args(["--name", PERSON]),
        );
        self.api_token = create?.trim().to_owned();
        let mut add = self.command("user");
        add.arg("add").arg("--data").arg(&self.data).args(["--name", PERSON, "--password-file", "-"]);
        feed(&mut add, &format!("{}\n", self.password))?;
        Ok(())
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(verb);
        // verbs with verbs of their own take the folder after those
        if !matches!(verb, "api-token" | "user") {
            command.arg("--data").arg(&self.data);
        }
        command
    }

    fn curl(&self, wiring: &Wiring, path: &str, arguments: &[&str]) -> Result<String> {
        let mut command = wiring.in_management("curl");
        command.args(["--silent", "--show-error", "--fail", "--max-time", "10", "--cacert"]);
        command.arg(self.data.join("ca.pem")).args(arguments).arg(format!("https://{PORTAL_NAME}{path}"));
        match output(&mut command) {
            Ok(said) => Ok(said),
            // the command line holds the API token, so only the reason is passed on
            Err(error) => bail!("{path}: {error:#}"),
        }
    }
}
