//! A PostgreSQL server of this test's own, in a folder that goes away with it, which can be killed like a machine that loses
//! its power: every process at once.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};

/// The server.
pub struct Postgres {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
}

/// How far a sensor's batches are stored.
pub struct Mark {
    pub sequence: u64,
    pub batches: u64,
    pub records: u64,
}

/// Events that wait, by what they are about, and the latest number.
pub struct Events {
    pub device: u64,
    pub finding: u64,
    pub last: u64,
}

impl Postgres {
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("eyot-kills-postgres.").tempdir().unwrap();
        let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = reserved.local_addr().unwrap().port();
        drop(reserved);
        let server = Self { folder, programs: programs(), port };
        if root() {
            server.run(Command::new("chown").arg("postgres").arg(server.folder.path()));
        }
        let data = server.data();
        server.run(
            server
                .program("initdb")
                .args(["--auth=trust", "--username=postgres", "--locale=C.UTF-8"])
                .arg("-D")
                .arg(data),
        );
        server.start_again();
        server
    }

    /// A new database's address.
    pub async fn create(&self, name: &str) -> String {
        let at = format!("postgres://postgres@127.0.0.1:{}", self.port);
        let mut connection = PgConnection::connect(&format!("{at}/postgres")).await.unwrap();
        let create = format!("CREATE DATABASE {name} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'");
        sqlx::query(sqlx::AssertSqlSafe(create)).execute(&mut connection).await.unwrap();
        format!("{at}/{name}")
    }

    /// Ends the server and every process of it, as `kill -9` does.
    pub fn kill(&mut self) {
        let Some(main) = self.main() else { return };
        let children = Command::new("pgrep").args(["-P", &main]).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        let all: Vec<_> = children.split_whitespace().chain([main.as_str()]).collect();
        // at once, for those that are left would notice
        let _ = Command::new("kill").arg("-9").args(all.iter().rev()).output().unwrap();
        let begun = Instant::now();
        while all.iter().any(|id| alive(id)) {
            assert!(begun.elapsed() < Duration::from_secs(10), "PostgreSQL does not die");
            std::thread::sleep(Duration::from_millis(5));
        }
        // one that nobody has buried yet would count as running
        std::fs::remove_file(self.data().join("postmaster.pid")).unwrap();
    }

    pub fn start_again(&self) {
        // no socket in a folder: its lock would outlive a kill as well
        let options =
            format!("-p {} -h 127.0.0.1 -c unix_socket_directories='' -c max_connections=60", self.port);
        let mut command = self.program("pg_ctl");
        command.arg("-D").arg(self.data()).arg("-l").arg(self.folder.path().join("log"));
        self.run(command.args(["--wait", "--silent", "-o", &options, "start"]));
    }

    pub async fn marks(&self, url: &str) -> HashMap<String, Mark> {
        let text = "SELECT sensor_id, sequence, batches, records FROM uplinks";
        let rows: Vec<(String, i64, i64, i64)> =
            sqlx::query_as(text).fetch_all(&mut connected(url).await).await.unwrap();
        let mark = |sequence, batches, records| Mark {
            sequence: sequence as u64,
            batches: batches as u64,
            records: records as u64,
        };
        rows.into_iter().map(|(sensor, a, b, c)| (sensor, mark(a, b, c))).collect()
    }

    pub async fn events(&self, url: &str) -> Events {
        let text = "SELECT COUNT(*) FILTER (WHERE kind LIKE 'device.%'), COUNT(*) FILTER (WHERE kind LIKE 'finding.%'), \
                    COALESCE(MAX(seq), 0) FROM events";
        let (device, finding, last): (i64, i64, i64) =
            sqlx::query_as(text).fetch_one(&mut connected(url).await).await.unwrap();
        Events { device: device as u64, finding: finding as u64, last: last as u64 }
    }

    /// Names by address.
    pub async fn devices(&self, url: &str) -> BTreeMap<String, String> {
        let rows: Vec<(String, String)> = sqlx::query_as("SELECT mac, hostname FROM devices")
            .fetch_all(&mut connected(url).await)
            .await
            .unwrap();
        rows.into_iter().collect()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn main(&self) -> Option<String> {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        file.lines().next().map(str::to_owned)
    }

    /// The server refuses to be root.
    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        match root() {
            true => {
                let mut command = Command::new("runuser");
                command.args(["-u", "postgres", "--"]).arg(path);
                command
            }
            false => Command::new(path),
        }
    }

    fn run(&self, command: &mut Command) {
        // the server keeps its standard output: a pipe would never end
        let log = std::fs::File::create(self.folder.path().join("words")).unwrap();
        let done = command.current_dir("/").stdout(log.try_clone().unwrap()).stderr(log).status().unwrap();
        let words = std::fs::read_to_string(self.folder.path().join("words")).unwrap();
        let more = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        assert!(done.success(), "{command:?}: {words}\n{more}");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A connection, as soon as the server takes one: after a crash it recovers first.
async fn connected(url: &str) -> PgConnection {
    let begun = Instant::now();
    loop {
        match PgConnection::connect(url).await {
            Ok(connection) => return connection,
            Err(why) => assert!(begun.elapsed() < Duration::from_secs(30), "{why}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Debian keeps them out of the path, a folder for each version.
fn programs() -> PathBuf {
    let all = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = all.map(|e| e.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max();
    newest.expect("there is no PostgreSQL server here; install the package postgresql")
}

fn root() -> bool {
    std::fs::read_to_string("/proc/self/status").unwrap().lines().any(|l| l.starts_with("Uid:\t0\t"))
}

/// Neither gone nor waiting for its parent to notice.
fn alive(id: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
