//! Other programs: run them, read them, wait for them.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};

/// Runs to the end; what it printed, whatever its exit code.
pub fn run(command: &mut Command) -> Result<Output> {
    let name = name(command);
    command.stdin(Stdio::null()).output().with_context(|| format!("{name} does not start"))
}

/// Runs to a good end; what it printed.
pub fn output(command: &mut Command) -> Result<String> {
    let name = name(command);
    let output = run(command)?;
    ensure!(
        output.status.success(),
        "{name} failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).with_context(|| format!("{name} prints something that is not text"))
}

/// Runs to a good end with this on its standard input.
pub fn feed(command: &mut Command, input: &str) -> Result<String> {
    let name = name(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{name} does not start"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8(output.stdout)?)
}

/// Waits until the question has an answer. The last reason why not ends up in the error.
pub fn wait_for<T>(limit: Duration, pause: Duration, mut ask: impl FnMut() -> Result<T>) -> Result<T> {
    let began = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(reason) if began.elapsed() >= limit => {
                return Err(reason.context(format!("not within {} s", limit.as_secs())))
            }
            Err(_) => std::thread::sleep(pause),
        }
    }
}

/// A program that runs beside us; it is killed when this goes.
pub struct Background {
    name: String,
    child: Child,
}

impl Background {
    /// Starts it.
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = name(command);
        let child = command.stdin(Stdio::null()).spawn().with_context(|| format!("{name} does not start"))?;
        Ok(Self { name, child })
    }

    /// An error if it has ended.
    pub fn still_runs(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status})", self.name),
        }
    }

    /// Waits for its own end.
    pub fn wait(&mut self, limit: Duration) -> Result<()> {
        wait_for(limit, Duration::from_millis(200), || match self.child.try_wait()? {
            Some(_) => Ok(()),
            None => bail!("{} still runs", self.name),
        })
    }

    /// Asks it to stop as Ctrl-C would, and waits.
    pub fn interrupt(mut self) -> Result<()> {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into()?);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT)?;
        self.wait(Duration::from_secs(10))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // it may have ended already, and then there is nothing left to do
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn name(command: &Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    match program.as_str() {
        // the interesting part is what runs inside the namespace: ip netns exec NAMESPACE PROGRAM
        "ip" => command.get_args().nth(3).map_or(program, |p| p.to_string_lossy().into_owned()),
        _ => program,
    }
}
