//! The console wizard as somebody types at it, on a terminal like a serial line.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../../contract/client/tests/double/mod.rs"]
mod double;

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use double::{Portal, ProxyDouble, ProxyManner, Script};
use eyot_appliance::paths;
use nix::pty::openpty;

const DOWN: &str = "\x1b[B";
const ENTER: &str = "\r";
/// A question may wait for frames to be counted or a port to answer.
const PATIENCE: Duration = Duration::from_secs(20);

struct Console {
    keys: File,
    screen: Arc<Mutex<String>>,
    /// How much of the screen has been waited for.
    seen: usize,
    wizard: Child,
}

impl Console {
    fn start(root: &Path, arguments: &[&str]) -> Self {
        let terminal = openpty(None, None).unwrap();
        let end = || Stdio::from(terminal.slave.try_clone().unwrap());
        let wizard = Command::new(env!("CARGO_BIN_EXE_eyot-appliance"))
            .arg("--root")
            .arg(root)
            .arg("wizard")
            .args(arguments)
            .env("TERM", "vt100")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let keys = File::from(terminal.master);
        let mut output = keys.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            // ends with an error once the last program has closed the terminal
            while let Ok(n @ 1..) = output.read(&mut part) {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&part[..n]));
            }
        });
        Self { keys, screen, seen: 0, wizard }
    }

    fn screen(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    /// Waits until one of these is shown below what was waited for before; which.
    fn wait_for_any(&mut self, texts: &[&'static str]) -> &'static str {
        let started = Instant::now();
        loop {
            let screen = self.screen();
            let found = texts.iter().filter_map(|t| Some((screen[self.seen..].find(t)?, *t))).min();
            if let Some((at, text)) = found {
                self.seen += at + text.len();
                return text;
            }
            assert!(started.elapsed() < PATIENCE, "{texts:?} is not shown: {screen:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_for(&mut self, text: &'static str) {
        self.wait_for_any(&[text]);
    }

    fn type_in(&mut self, text: &str) {
        // what is typed while a question is being put would be lost on a real line too
        std::thread::sleep(Duration::from_millis(150));
        self.keys.write_all(text.as_bytes()).unwrap();
    }

    fn answer(&mut self, question: &'static str, answer: &str) {
        self.wait_for(question);
        self.type_in(answer);
    }

    fn end(&mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.wizard.try_wait().unwrap() {
                return status.code();
            }
            assert!(started.elapsed() < PATIENCE, "it goes on: {:?}", self.screen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // it has ended, unless a check failed
        let _ = self.wizard.kill();
        let _ = self.wizard.wait();
    }
}

fn capture_page(console: &mut Console) {
    // a machine with adapters of its own lists them
    let shown =
        console.wait_for_any(&["What is the name of the monitored interface", "no interface besides"]);
    if shown.starts_with("What") {
        console.type_in(ENTER);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_interfaces_and_token_by_the_keyboard() {
    let portal = Portal::start(Script::default()).await;
    // YTpzM2NyZXQ= is a:s3cret
    let proxy = ProxyDouble::start(ProxyManner::Basic("YTpzM2NyZXQ=")).await;
    let root = tempfile::tempdir_in("/dev/shm").unwrap();
    let (at, token) = (root.path().to_owned(), portal.token().encode());
    let port = proxy.address.port().to_string();
    let typed = token.clone();
    let (screen, code) = tokio::task::spawn_blocking(move || {
        let token = typed;
        let mut console = Console::start(&at, &["--wait"]);
        console.answer("Press Enter", ENTER);
        console.answer("Set up proxy server?", &format!("{DOWN}{ENTER}"));
        console.answer("Proxy server host", "\u{e9}@ proxy\r");
        console.answer("Proxy server port", ENTER);
        console.answer("Proxy user name", "a\r");
        console.answer("Proxy password", "wrong\r");
        console.wait_for("proxy.url");
        console.answer("This cannot be", ENTER);
        console.answer("Set up proxy server?", &format!("{DOWN}{ENTER}"));
        console.answer("Proxy server host", "127.0.0.1\r");
        console.answer("Proxy server port", "1\r");
        console.answer("Proxy user name", "a\r");
        console.answer("Proxy password", "wrong\r");
        console.wait_for("The proxy does not answer");
        console.answer("What now?", ENTER);
        console.answer("Set up proxy server?", ENTER);
        console.answer("Proxy server host", ENTER);
        console.answer("Proxy server port", &format!("\x08{port}\r"));
        console.answer("Proxy user name", ENTER);
        console.answer("Proxy password", "wrong\r");
        console.wait_for("The proxy answers");
        capture_page(&mut console);
        console.answer("Activation token", &format!("{}\r", &token[..token.len() - 3]));
        console.wait_for("damaged");
        console.type_in(&format!("{token}\r"));
        // the wrong password shows now, and that page can be visited again
        console.wait_for("Not activated");
        console.answer("What next?", &format!("{DOWN}{ENTER}"));
        console.answer("Set up proxy server?", ENTER);
        console.answer("Proxy server host", ENTER);
        console.answer("Proxy server port", ENTER);
        console.answer("Proxy user name", ENTER);
        console.answer("Proxy password", "s3cret\r");
        console.answer("Activation token", &format!("{token}\r"));
        console.wait_for("activated as test sensor");
        let code = console.end();
        (console.screen(), code)
    })
    .await
    .unwrap();
    assert_eq!(code, Some(0), "{screen}");
    assert!(!screen.contains(&token) && !screen.contains("s3cret"), "{screen}");
    let local = std::fs::read_to_string(root.path().join(&paths::LOCAL_SETTINGS[1..])).unwrap();
    assert!(local.contains(&format!("http://127.0.0.1:{}", proxy.address.port())), "{local}");
    assert!(!local.contains("eyot1_") && !local.contains("wrong"), "{local}");
    assert!(root.path().join(&paths::IDENTITY_DIR[1..]).join("key.pem").exists());

    // afterwards there is the login prompt and nothing to press
    let at = root.path().to_owned();
    tokio::task::spawn_blocking(move || {
        let mut console = Console::start(&at, &["--wait", "--", "/bin/echo", "a login prompt"]);
        console.wait_for("a login prompt");
        assert_eq!(console.end(), Some(0));
    })
    .await
    .unwrap();
}

#[test]
fn whoever_leaves_gets_the_login_prompt() {
    let root = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut console = Console::start(root.path(), &["--", "/bin/echo", "a login prompt"]);
    console.answer("Set up proxy server?", ENTER);
    capture_page(&mut console);
    console.answer("Activation token", ENTER);
    // from the first item upwards to the last
    console.answer("What next?", "\x1b[A\r");
    console.wait_for("a login prompt");
    assert_eq!(console.end(), Some(0));
}

#[test]
fn without_a_terminal_it_says_so() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_eyot-appliance")).arg("wizard").stdin(Stdio::null()).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the wizard needs a terminal") && said.trim().lines().count() == 1, "{said}");
}
