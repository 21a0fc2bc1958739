//! How far a run has got, on standard error: a bar on a terminal, a plain line now and then elsewhere, or nothing.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Off a terminal, a line is written each time so many per cent more are done.
const LINE_STEP_PERCENT: u64 = 25;

/// Where progress goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Quiet,
    Bar,
    Lines,
}

impl Progress {
    /// Shows nothing.
    pub fn quiet() -> Self {
        Progress { kind: Kind::Quiet }
    }

    /// A bar if standard error is a terminal, else lines.
    pub fn on_stderr() -> Self {
        Progress { kind: if std::io::stderr().is_terminal() { Kind::Bar } else { Kind::Lines } }
    }

    /// Begins a phase of `total` bytes.
    pub fn phase(&self, name: &'static str, total: u64) -> Phase {
        let bar = (self.kind == Kind::Bar).then(|| {
            let style = "{msg:12} [{bar:40}] {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}";
            let bar = ProgressBar::new(total).with_message(name);
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Phase {
            name,
            total,
            bar,
            lines: self.kind == Kind::Lines,
            next_line: AtomicU64::new(LINE_STEP_PERCENT),
        }
    }
}

/// A phase under way.
#[derive(Debug)]
pub struct Phase {
    name: &'static str,
    total: u64,
    bar: Option<ProgressBar>,
    lines: bool,
    next_line: AtomicU64,
}

impl Phase {
    /// `position` of the total bytes are done.
    pub fn at(&self, position: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(position);
        }
        if self.lines {
            let percent = (u128::from(position) * 100 / u128::from(self.total.max(1))) as u64;
            let due = self.next_line.load(Ordering::Relaxed);
            if percent >= due && percent < 100 {
                eprintln!("{}: {percent} % of {} MiB", self.name, self.total >> 20);
                self.next_line
                    .store(percent - percent % LINE_STEP_PERCENT + LINE_STEP_PERCENT, Ordering::Relaxed);
            }
        }
    }

    /// The phase is complete.
    pub fn done(self) {
        if let Some(bar) = &self.bar {
            bar.set_position(self.total);
        }
        if self.lines {
            eprintln!("{}: done, {} MiB", self.name, self.total >> 20);
        }
    }
}

impl Drop for Phase {
    fn drop(&mut self) {
        // Also on errors: the bar must be gone before the error is printed.
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
