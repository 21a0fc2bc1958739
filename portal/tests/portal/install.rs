//! The command for a machine of somebody's own: the portal's script by dash and the real curl, with the package manager
//! played by stand-ins that take note.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use eyot_portal::{Portal, Server};
use tempfile::TempDir;
use tokio::sync::oneshot;

#[path = "../../../contract/client/tests/double/mod.rs"]
mod double;

const TOKEN: &str = "eyot1_c29tZSB0b2tlbg";
const DEB: &str = "eyot-sensor_0.10.0_amd64.deb";

/// A portal that answers at the address it says it has, a machine to install on, and what its programs noted.
struct Place {
    portal: TempDir,
    machine: TempDir,
    command: String,
    _stop: oneshot::Sender<()>,
}

impl Place {
    async fn open() -> Self {
        let portal = tempfile::tempdir().unwrap();
        let packages = portal.path().join("packages");
        std::fs::create_dir(&packages).unwrap();
        std::fs::write(packages.join(DEB), "the newest").unwrap();
        std::fs::write(packages.join("eyot-sensor_0.9.0_amd64.deb"), "an older one").unwrap();
        std::fs::write(packages.join("notes.txt"), "not offered").unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        drop(listener);
        let address = format!("https://localhost:{}", at.port()).parse().unwrap();
        let opened = Portal::open_or_create(portal.path(), Some(&address)).await.unwrap();
        assert_eq!(opened.install_command(TOKEN), None, "nothing to pin before the server ran");
        let server = Server::bind(opened, at, &[]).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.run(async move {
            let _ = stopped.await;
        }));
        let command = Portal::open(portal.path()).await.unwrap().install_command(TOKEN).unwrap();
        let machine = tempfile::tempdir().unwrap();
        let place = Self { portal, machine, command, _stop: stop };
        place.program("id", "echo 0");
        place.program("dpkg", "case $1 in --print-architecture) echo amd64 ;; *) exit 1 ;; esac");
        place.program("dpkg-query", "exit 1");
        place.program("debconf-set-selections", "cat >>\"$NOTES.debconf\"");
        place.program("apt-get", "for last; do :; done; cat \"$last\" >>\"$NOTES.installed\"");
        place.program("eyot-appliance", "cat >\"$NOTES.token\"");
        place.program("sudo", "exec \"$@\"");
        place
    }

    /// A stand-in: it notes its arguments and environment, then does this.
    fn program(&self, name: &str, does: &str) {
        let path = self.machine.path().join(name);
        let text = format!("#!/bin/sh\necho \"{name} $*\" >>\"$NOTES\"\nenv >>\"$NOTES.env\"\n{does}\n");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn notes(&self, of: &str) -> String {
        std::fs::read_to_string(self.machine.path().join(format!("notes{of}"))).unwrap_or_default()
    }

    fn folder(&self) -> PathBuf {
        self.portal.path().join("packages")
    }

    /// Runs a line as a person would, without a terminal.
    async fn run(&self, line: &str, environment: &[(&str, &str)]) -> Output {
        let mut command = Command::new("setsid");
        command.args(["--wait", "dash", "-c", line]).stdin(Stdio::null()).env_clear();
        command.env("PATH", format!("{}:/usr/bin:/bin", self.machine.path().display()));
        command.env("NOTES", self.machine.path().join("notes")).envs(environment.iter().copied());
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    async fn script(&self) -> String {
        let fetch = self.command.split(" | ").next().unwrap().to_owned();
        let fetched = self.run(&fetch, &[]).await;
        assert!(fetched.status.success(), "{fetched:?}");
        String::from_utf8(fetched.stdout).unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn saved(place: &Place, script: &str) -> String {
    let path = place.machine.path().join("install");
    std::fs::write(&path, script).unwrap();
    Path::display(&path).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_installs_the_newest_package_and_activates() {
    let place = Place::open().await;
    assert!(
        place.command.ends_with(&format!("/install | sudo sh -s -- --token '{TOKEN}'")),
        "{}",
        place.command
    );
    let output = place.run(&place.command, &[]).await;
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(place.notes(".installed"), "the newest");
    assert_eq!(place.notes(".token"), TOKEN);
    let notes = place.notes("");
    assert!(notes.contains("eyot-appliance activate --token-file -"), "{notes}");
    let of_long_life: Vec<_> = notes.lines().filter(|l| !l.starts_with("sudo ")).collect();
    assert!(!of_long_life.join("\n").contains(TOKEN), "{notes}");
    assert!(!place.notes(".env").contains(TOKEN) && !said(&output).contains(TOKEN));

    // a second time installs nothing and activates all the same
    place.program("dpkg-query", "printf 'installed 0.10.0'");
    let output = place.run(&place.command, &[]).await;
    assert!(said(&output).contains("0.10.0 is installed already"), "{}", said(&output));
    assert_eq!(place.notes(".installed"), "the newest");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_may_come_in_the_environment_and_goes_no_further() {
    let place = Place::open().await;
    let install = saved(&place, &place.script().await);
    let output = place.run(&format!("sh {install}"), &[("EYOT_TOKEN", TOKEN)]).await;
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(place.notes(".token"), TOKEN);
    assert!(!place.notes(".env").contains(TOKEN), "children inherit it");
    let output = place.run(&format!("sh {install}"), &[]).await;
    assert!(said(&output).contains("installed and not activated: no token was given"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_used_and_told_to_the_package() {
    let place = Place::open().await;
    let install = saved(&place, &place.script().await);
    // YTpzM2NyZXQ= is a:s3cret
    let proxy = double::ProxyDouble::start(double::ProxyManner::Basic("YTpzM2NyZXQ=")).await;
    let url = format!("http://a:s3cret@{}", proxy.address);
    let output = place.run(&format!("sh {install} --proxy {url} --token {TOKEN}"), &[]).await;
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(proxy.seen.lock().unwrap().len(), 1, "the package came through it");
    let debconf = place.notes(".debconf");
    for line in [
        "eyot-sensor eyot-sensor/proxy boolean true".to_owned(),
        "eyot-sensor eyot-sensor/proxy-host string 127.0.0.1".to_owned(),
        format!("eyot-sensor eyot-sensor/proxy-port string {}", proxy.address.port()),
        "eyot-sensor eyot-sensor/proxy-username string a".to_owned(),
        "eyot-sensor eyot-sensor/proxy-password password s3cret".to_owned(),
    ] {
        assert!(debconf.contains(&line), "{debconf}");
    }
    assert!(!place.notes("").contains("s3cret"), "an argument");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_in_one_line_and_nothing_is_installed() {
    let place = Place::open().await;
    let script = place.script().await;
    let install = saved(&place, &script);
    let refuses = |line: String, words: &'static str| {
        let place = &place;
        async move {
            let output = place.run(&line, &[]).await;
            let said = said(&output);
            assert!(!output.status.success() && said.contains(words), "{said}");
            assert!(place.notes(".installed").is_empty(), "{said}");
        }
    };
    refuses(format!("sh {install} --token something"), "this is not an activation token").await;
    refuses(format!("sh {install} --tokken x"), "unknown argument").await;
    refuses(format!("sh {install} --token"), "--token needs a value").await;
    let own = place.machine.path().join("own.deb");
    std::fs::write(&own, "not the portal's").unwrap();
    refuses(format!("sh {install} --package {}", own.display()), "is not one of the portal's packages").await;
    // another server's key, or somebody in between
    let other = script.replace("pin='sha256//", "pin='sha256//AAAA");
    refuses(format!("sh {} --token {TOKEN}", saved(&place, &other)), "could not be downloaded").await;
    // changed after the script was fetched: named by digest, so another one
    std::fs::write(place.folder().join(DEB), "tampered with").unwrap();
    refuses(format!("sh {} --token {TOKEN}", saved(&place, &script)), "is not one of the portal's packages")
        .await;
    place.program("dpkg", "case $1 in --print-architecture) echo riscv64 ;; *) exit 1 ;; esac");
    refuses(format!("sh {install} --token {TOKEN}"), "has no package for riscv64").await;
    place.program("id", "echo 1000");
    refuses(format!("sh {install} --token {TOKEN}"), "needs root").await;
    // cut short on its way: nothing is run at all
    std::fs::remove_file(place.machine.path().join("notes")).unwrap();
    for part in [4, 2] {
        let cut = saved(&place, &script[..script.len() - script.len() / part]);
        place.run(&format!("sh {cut} --token {TOKEN}"), &[]).await;
        assert!(place.notes("").is_empty(), "{}", place.notes(""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_packages_are_served() {
    let place = Place::open().await;
    let at = place.portal.path();
    std::fs::write(at.join("packages/eyot-sensor_secret"), "x").unwrap();
    let address = place.command.split("https://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    for (name, status) in [
        (DEB, "200"),
        ("notes.txt", "404"),
        ("eyot-sensor_secret", "404"),
        ("..%2fca.pem", "404"),
        ("eyot-sensor_..%2f..%2fca.pem_amd64.deb", "404"),
    ] {
        let line = format!("curl -sk -o /dev/null -w '%{{http_code}}' https://{address}/install/{name}");
        assert_eq!(String::from_utf8_lossy(&place.run(&line, &[]).await.stdout), status, "{name}");
    }
}
