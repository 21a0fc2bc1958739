//! A portal in a process of its own, so that it can be killed, and configured as its owner would.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The process. It is ended when dropped.
pub struct Process {
    pub child: Child,
    pub at: SocketAddr,
}

impl Process {
    /// Serves a folder. `further` are arguments and `notify` a socket on which it tells how it is, as the service manager
    /// gives one.
    pub fn start(folder: &Path, further: &[&str], notify: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_eyot-portal"))
            .args(["serve", "--listen", "127.0.0.1:0", "--address", "https://localhost", "--data"])
            .arg(folder)
            .args(further)
            .env("NOTIFY_SOCKET", notify)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let at = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let at = line.split_once("listening=").map(|(_, at)| at.trim().parse().unwrap());
            said.push(line);
            at
        });
        // the pipe must be read on, or the server would block on a full one
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, at: at.unwrap_or_else(|| panic!("the server says where it listens: {said:?}")) }
    }

    /// Kills it, as a power cut would.
    pub fn kill(self) {}
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
