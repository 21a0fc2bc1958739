//! `support-bundle`: one file for whoever helps.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use anyhow::Context;
use eyot_contract::Timestamp;

use crate::host::Host;
use crate::settings::gather;
use crate::support;

/// Write everything that says how the appliance is into one .tar.gz, every secret masked
///
/// Settings, health, checks, network, firewall, services and logs. Run it as root: it is complete only then. Tokens,
/// passwords and private keys are replaced by "(masked)" before anything is written.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  sudo eyot-appliance support-bundle --output /tmp/eyot-support.tar.gz\n\nExit codes: 0 written, 1 not written"
)]
pub(super) struct Arguments {
    /// The file to write; one that is there is replaced
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

impl Arguments {
    pub(super) fn run(self, host: &dyn Host) -> anyhow::Result<u8> {
        let bytes = super::block_on(support::bundle(host, &gather(host), Timestamp::now()))??;
        let told = || format!("{} cannot be written", self.output.display());
        let mut half = self.output.clone().into_os_string();
        half.push(".part");
        // its owner's alone, although nothing secret is in it: it describes a network
        let written =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half).and_then(
                |mut file| {
                    file.write_all(&bytes)?;
                    file.sync_all()?;
                    std::fs::rename(&half, &self.output)
                },
            );
        if written.is_err() {
            // what could not be made cannot always be removed either
            let _ = std::fs::remove_file(&half);
        }
        written.with_context(told)?;
        println!("{} written, {} KiB; secrets are masked", self.output.display(), bytes.len().div_ceil(1024));
        Ok(0)
    }
}
