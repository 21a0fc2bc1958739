//! The story of a run: one line a step, with the time since the journey began, and the count at the end.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

/// Tells the story as it happens and counts.
pub struct Log {
    run_began: Instant,
    journey_began: Instant,
    passed: u32,
    failed: u32,
    /// Which of several walks that go on at once this is; before every claim.
    walk: String,
}

impl Log {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        let now = Instant::now();
        Self { run_began: now, journey_began: now, passed: 0, failed: 0, walk: String::new() }
    }

    /// A journey begins; times count from here.
    pub fn begin(&mut self, title: &str) {
        self.journey_began = Instant::now();
        println!("\n== {title}");
    }

    /// The log of one of several walks that go on at once; its counts come back with [`absorb`](Self::absorb).
    pub fn walk(&self, name: &str) -> Self {
        Self {
            run_began: self.run_began,
            journey_began: self.journey_began,
            passed: 0,
            failed: 0,
            walk: format!("{name}: "),
        }
    }

    /// Adds what a walk has counted.
    pub fn absorb(&mut self, walk: Self) {
        self.passed += walk.passed;
        self.failed += walk.failed;
    }

    /// Something worth knowing that is neither right nor wrong.
    pub fn note(&self, chapter: &str, text: &str) {
        self.line("      ", chapter, text);
    }

    /// One step: passed if it returns `Ok`.
    pub fn check<T>(&mut self, chapter: &str, claim: &str, step: impl FnOnce() -> Result<T>) -> Option<T> {
        self.tell(chapter, claim, step, |_| None)
    }

    /// One step whose answer is shown with the claim.
    pub fn check_showing(
        &mut self,
        chapter: &str,
        claim: &str,
        step: impl FnOnce() -> Result<String>,
    ) -> Option<String> {
        self.tell(chapter, claim, step, |seen| Some(seen.clone()))
    }

    fn tell<T>(
        &mut self,
        chapter: &str,
        claim: &str,
        step: impl FnOnce() -> Result<T>,
        show: impl FnOnce(&T) -> Option<String>,
    ) -> Option<T> {
        match step() {
            Ok(value) => {
                self.passed += 1;
                let seen = show(&value).map(|seen| format!(": {seen}")).unwrap_or_default();
                self.line("ok    ", chapter, &format!("{claim}{seen}"));
                Some(value)
            }
            Err(error) => {
                self.failed += 1;
                self.line("FAILED", chapter, claim);
                for line in format!("{error:#}").lines() {
                    println!("                              {line}");
                }
                None
            }
        }
    }

    /// Counts. The form of the last line is the one other test suites end with.
    pub fn end(self) -> ExitCode {
        let verdict = if self.failed == 0 { "ok" } else { "FAILED" };
        println!("\njourneys: {} steps passed, {} failed", self.passed, self.failed);
        println!(
            "test result: {verdict}. {} passed; {} failed; finished in {:.1}s",
            self.passed,
            self.failed,
            self.run_began.elapsed().as_secs_f32()
        );
        if self.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn line(&self, verdict: &str, chapter: &str, text: &str) {
        println!(
            "{verdict} {:7.1} s  {chapter:<11} {}{text}",
            self.journey_began.elapsed().as_secs_f32(),
            self.walk
        );
    }
}
