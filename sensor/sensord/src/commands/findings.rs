//! `findings`: what is wrong on the network, from the running sensor's database or from capture files.

use std::io::{stdout, BufWriter, Write};
use std::process::ExitCode;

use eyot_contract::{Finding, Timestamp, FINDING_KINDS};
use eyot_findings::{Findings, Policy};
use eyot_inventory::Store;

use crate::cli::FindingsArgs;
use crate::offline::Reading;
use crate::show;
use crate::watch::Lists;

/// Prints findings. A file or list that cannot be read fails the command, after the others were read.
pub fn run(args: &FindingsArgs) -> anyhow::Result<ExitCode> {
    let mut out = BufWriter::new(stdout().lock());
    if args.kinds {
        show::kinds(&mut out, FINDING_KINDS, args.format)?;
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = |f: &&Finding| {
        args.kind.is_none_or(|kind| f.kind == kind) && args.mac.is_none_or(|mac| f.mac == Some(mac))
    };
    let mut failed = false;
    if args.files.is_empty() {
        let stored = Store::open_read_only(&args.database)?.findings()?;
        let mut list: Vec<&Finding> = stored.iter().filter(wanted).collect();
        list.sort_by_key(|f| (std::cmp::Reverse(f.severity), std::cmp::Reverse(f.last_seen)));
        show::findings(&mut out, &list, args.format)?;
    } else {
        let mut findings = Findings::new(Policy::default());
        let (threats, problems) = Lists::new(args.threats.clone()).read(Timestamp::now());
        for problem in problems {
            failed = true;
            eprintln!("eyot-sensor: {problem:#}");
        }
        findings.set_threats(threats);
        let reading = Reading::with_findings(&args.files, findings);
        failed |= reading.unreadable > 0;
        let all = reading.findings.as_ref().map(Findings::all).unwrap_or_default();
        let list: Vec<&Finding> = all.into_iter().filter(wanted).collect();
        show::findings(&mut out, &list, args.format)?;
    }
    out.flush()?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
