//! The sensor on a capture file: the recorded office is understood, and files that are none are refused in one line.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{ensure, Context, Result};
use eyot_tests::{Artefacts, Office};
use serde_json::Value;

use crate::log::Log;
use crate::tool::run;

const CHAPTER: &str = "read";

/// Reads the office, and what is not a capture.
pub fn journey(artefacts: &Artefacts, office: &Office, log: &mut Log) {
    log.begin("read: the sensor on capture files");
    let Some(sensor) = log.check(CHAPTER, "eyot-sensor is there", || artefacts.program("eyot-sensor")) else {
        return;
    };
    let claim = format!("the office's {} hosts are known", office.len());
    log.check(CHAPTER, &claim, || {
        let output = read(&sensor, &office.capture)?;
        ensure!(output.status.success(), "{}", stderr(&output));
        let differences = office.differences(&records(&output)?);
        ensure!(differences.is_empty(), "{}", differences.join("\n"));
        Ok(())
    });
    let Some(folder) = log.check(CHAPTER, "a folder for damaged files", || Ok(tempfile::tempdir()?)) else {
        return;
    };
    log.check(CHAPTER, "a capture cut short gives what was readable and says so", || {
        let cut = folder.path().join("cut.pcap");
        let bytes = std::fs::read(&office.capture)?;
        // within the last frame but many: 7 bytes are less than any frame
        std::fs::write(&cut, &bytes[..bytes.len() - 7])?;
        let output = read(&sensor, &cut)?;
        ensure!(records(&output)?.len() >= office.len(), "{} devices", records(&output)?.len());
        says_one_line(&output, &cut)
    });
    let nothing_to_read: [(&str, &str, &[u8]); 3] = [
        ("a text", "text.pcap", b"this is not a capture, however long it goes on and on\n"),
        ("an empty file", "empty.pcap", b""),
        ("a lone file header cut short", "header.pcap", &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0]),
    ];
    for (what, name, bytes) in nothing_to_read {
        log.check(CHAPTER, &format!("{what} is refused in one line"), || {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes)?;
            refused(&sensor, &path)
        });
    }
    log.check(CHAPTER, "a file that is not there is refused in one line", || {
        refused(&sensor, &folder.path().join("nowhere.pcap"))
    });
}

fn refused(sensor: &Path, path: &Path) -> Result<()> {
    let output = read(sensor, path)?;
    ensure!(!output.status.success(), "exit code 0");
    ensure!(records(&output)?.is_empty(), "devices out of nothing");
    says_one_line(&output, path)
}

fn says_one_line(output: &Output, path: &Path) -> Result<()> {
    let said = stderr(output);
    ensure!(said.trim_end().lines().count() == 1, "not one line on standard error: {said}");
    ensure!(said.contains(&path.display().to_string()), "the file is not named: {said}");
    Ok(())
}

fn read(sensor: &Path, capture: &Path) -> Result<Output> {
    run(Command::new(sensor).arg("read").args(["--format", "ndjson"]).arg(capture))
}

fn records(output: &Output) -> Result<Vec<Value>> {
    let text = std::str::from_utf8(&output.stdout)?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("not a JSON object: {line}")))
        .collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
