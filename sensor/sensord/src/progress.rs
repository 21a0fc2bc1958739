//! How far reading has come, on standard error, when a person is looking.

use std::io::{stderr, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over the bytes of all files.
pub struct Progress {
    bar: ProgressBar,
    done: u64,
}

impl Progress {
    /// A bar of so many bytes; nothing is shown when standard error is no terminal, or for work that takes a blink.
    pub fn new(total: u64) -> Self {
        let bar =
            if stderr().is_terminal() && total > 0 { ProgressBar::new(total) } else { ProgressBar::hidden() };
        let style =
            ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg} {eta} left");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, done: 0 }
    }

    /// The file now being read has been read so far.
    pub fn at(&self, position: u64, devices: usize) {
        self.bar.set_position(self.done + position);
        self.bar.set_message(format!("{devices} devices"));
    }

    /// A file of this size has been read.
    pub fn file_done(&mut self, size: u64) {
        self.done += size;
        self.bar.set_position(self.done);
    }

    /// Prints a line without tearing the bar.
    pub fn warn(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
