//! What a verifier found. A fault is a breach of the format or a contradiction: some reader will refuse or misread
//! the file. A remark is a departure that the known readers bear.

use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// some reader will refuse or misread the file
    Fault,
    /// unusual, but borne by the known readers
    Remark,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// how much it matters
    pub severity: Severity,
    /// which part of the file
    pub part: String,
    /// what is wrong there, with coordinates
    pub text: String,
}

/// All findings about one file, in the order of the checks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    list: Vec<Finding>,
    #[serde(skip)]
    suppressed: u64,
}

/// Findings kept for one file; a file broken in every grain is told to be so once, not a million times.
pub const MAX_FINDINGS: usize = 200;

impl Findings {
    /// Adds a fault.
    pub fn fault(&mut self, part: impl Into<String>, text: impl Into<String>) {
        self.push(Severity::Fault, part.into(), text.into());
    }

    /// Adds a remark.
    pub fn remark(&mut self, part: impl Into<String>, text: impl Into<String>) {
        self.push(Severity::Remark, part.into(), text.into());
    }

    /// Adds a fault unless `holds`.
    pub fn expect(&mut self, holds: bool, part: &str, text: impl FnOnce() -> String) {
        if !holds {
            self.fault(part, text());
        }
    }

    /// Adds all of `other`, found inside `part`.
    pub fn inside(&mut self, part: &str, other: Findings) {
        for finding in other.list {
            self.push(finding.severity, format!("{part}: {}", finding.part), finding.text);
        }
        self.suppressed += other.suppressed;
    }

    /// Whether there is no fault.
    pub fn sound(&self) -> bool {
        self.list.iter().all(|f| f.severity != Severity::Fault)
    }

    /// In the order found.
    pub fn list(&self) -> &[Finding] {
        &self.list
    }

    /// How many more there were beyond [`MAX_FINDINGS`].
    pub fn suppressed(&self) -> u64 {
        self.suppressed
    }

    fn push(&mut self, severity: Severity, part: String, text: String) {
        if self.list.len() < MAX_FINDINGS {
            self.list.push(Finding { severity, part, text });
        } else {
            self.suppressed += 1;
        }
    }
}
