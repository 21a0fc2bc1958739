//! Alerts by e-mail, to a real mail server (Debian's python3-aiosmtpd) that wants TLS and a password, and is moody.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;

use crate::support::run;
use crate::telling::{until, Telling};

struct MailServer {
    child: Child,
    port: u64,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl MailServer {
    /// Its CA is `mail-ca.pem` in the folder.
    fn start(folder: &Path, way: &str, refusals: u32) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf =
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
        let at = |name: &str| folder.join(name);
        std::fs::write(at("mail-ca.pem"), ca.pem()).unwrap();
        std::fs::write(at("mail.pem"), leaf.pem()).unwrap();
        std::fs::write(at("mail.key"), key.serialize_pem()).unwrap();
        // Debian's own, whose packages the mail server is one of
        let mut child = Command::new("/usr/bin/python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/portal/email/server.py"))
            .args([way, at("mail.pem").to_str().unwrap(), at("mail.key").to_str().unwrap()])
            .args(["eyot", "s3cret word", &refusals.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let first = lines.next().expect("the mail server starts; Debian's package is python3-aiosmtpd");
        let first: Value = serde_json::from_str(&first).unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&taken);
        std::thread::spawn(move || {
            lines.for_each(|line| kept.lock().unwrap().push(serde_json::from_str(&line).unwrap()));
        });
        Self { child, port: first["port"].as_u64().unwrap(), taken }
    }

    fn has(&self, text: &str) -> bool {
        self.taken.lock().unwrap().iter().any(|one| one["body"].as_str().unwrap().contains(text))
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn outlet(folder: &Path, way: &str, port: u64, more: &str) -> String {
    format!(
        "[[outlets]]\nname = \"duty\"\nemail = {{ server = \"{way}://localhost:{port}\", from = \"Eyot <eyot@example.com>\", \
         to = [\"soc@example.com\", \"Wache <night@example.com>\"], ca = {:?}, pause_seconds = 0{more} }}\n",
        folder.join("mail-ca.pem")
    )
}

#[tokio::test]
async fn alerts_come_by_encrypted_mail_also_after_refusals_and_a_kill() {
    let mail = tempfile::tempdir().unwrap();
    let password = mail.path().join("password");
    std::fs::write(&password, "s3cret word\n").unwrap();
    let login = format!(", user = \"eyot\", password_file = {password:?}");
    for way in ["starttls", "tls"] {
        let server = MailServer::start(mail.path(), way, 1);
        let mut telling = Telling::begin(&outlet(mail.path(), way, server.port, &login)).await;
        telling.report(1).await;
        until("the first alert, after a refusal", || server.has("scan number 1")).await;
        telling.again();
        telling.report(2).await;
        until("the second alert, after a kill", || server.has("scan number 2")).await;
        let taken = server.taken.lock().unwrap();
        for one in taken.iter() {
            assert_eq!((&one["tls"], &one["user"]), (&true.into(), &"eyot".into()), "{one:#}");
            assert_eq!(one["from"], "eyot@example.com");
            assert_eq!(one["to"], serde_json::json!(["soc@example.com", "night@example.com"]));
            assert!(one["subject"].as_str().unwrap().starts_with("Eyot alert (medium): "), "{one:#}");
            assert!(one["id"].as_str().unwrap().ends_with("@example.com>"), "{one:#}");
        }
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_believed_or_wants_another_password_is_told_nothing() {
    let mail = tempfile::tempdir().unwrap();
    let password = mail.path().join("password");
    std::fs::write(&password, "another word\n").unwrap();
    let login = format!(", user = \"eyot\", password_file = {password:?}");
    let server = MailServer::start(mail.path(), "starttls", 0);
    let telling = Telling::begin(&outlet(mail.path(), "starttls", server.port, &login)).await;
    telling.report(1).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(!server.has("scan"), "the password is wrong");
    std::fs::write(&password, "s3cret word\n").unwrap();
    until("the alert, once the password is right", || server.has("scan number 1")).await;

    // without STARTTLS nothing is said, and nothing to a stranger's certificate
    let plain = MailServer::start(mail.path(), "plain", 0);
    let telling = Telling::begin(&outlet(mail.path(), "starttls", plain.port, "")).await;
    telling.report(1).await;
    let stranger = MailServer::start(mail.path(), "tls", 0);
    let text = outlet(mail.path(), "tls", stranger.port, &login).replace("mail-ca.pem", "server-ca.pem");
    std::fs::copy(telling.folder.path().join("ca.pem"), mail.path().join("server-ca.pem")).unwrap();
    let other = Telling::begin(&text).await;
    other.report(1).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(!plain.has("scan") && !stranger.has("scan"));
}

#[test]
fn the_password_is_on_no_command_line_and_in_no_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("portal.toml");
    let text = outlet(folder.path(), "tls", 465, ", user = \"eyot\", password = \"s3cret\"");
    std::fs::write(&config, text).unwrap();
    let (data, config) = (folder.path().join("data"), config.to_str().unwrap());
    let ended =
        run(&["serve", "--data", data.to_str().unwrap(), "--config", config, "--address", "https://x"]);
    assert!(!ended.status.success());
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("unknown field `password`") && !said.contains("s3cret"), "{said}");
}
