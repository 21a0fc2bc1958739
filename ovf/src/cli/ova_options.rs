//! The options that describe an OVA's virtual machine and its signature, shared by `ova` and `images`.

use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};
use clap::{Args, ValueEnum};
use eyot_image::ova::Signer;
use eyot_image::ovf::{Firmware, GuestOs, Profile};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FirmwareChoice {
    Bios,
    Efi,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GuestOsChoice {
    /// by the word ubuntu or debian in the name, else linux
    Auto,
    Ubuntu,
    Debian,
    Linux,
}

#[derive(Debug, Args)]
pub struct OvaOptions {
    /// Version of the appliance, as shown by vCenter
    #[arg(long = "version", value_name = "V", default_value = env!("CARGO_PKG_VERSION"))]
    version: String,
    /// Virtual hardware version: 11 is ESXi 6.0, 13 is 6.5, 14 is 6.7, 17 is 7.0
    #[arg(long, value_name = "N", default_value_t = 13)]
    hardware_version: u16,
    /// Capture adapters besides the management one
    #[arg(long, value_name = "N", default_value_t = 1)]
    capture_nics: usize,
    /// Firmware of the virtual machine
    #[arg(long, value_enum, default_value_t = FirmwareChoice::Bios)]
    firmware: FirmwareChoice,
    /// EFI Secure Boot; the disk must carry a signed boot loader
    #[arg(long)]
    secure_boot: bool,
    /// Operating system the hypervisor is told of
    #[arg(long, value_enum, default_value_t = GuestOsChoice::Auto)]
    guest_os: GuestOsChoice,
    /// Text of the licence that the wizard shows
    #[arg(long, value_name = "FILE")]
    eula: Option<PathBuf>,
    /// RSA key (PEM) that signs the manifest
    #[arg(long, value_name = "FILE", requires = "sign_certificate")]
    sign_key: Option<PathBuf>,
    /// Certificate (PEM) that belongs to the key
    #[arg(long, value_name = "FILE", requires = "sign_key")]
    sign_certificate: Option<PathBuf>,
}

impl OvaOptions {
    pub fn profile(&self, name: &str) -> Result<Profile> {
        let guest_os = match self.guest_os {
            GuestOsChoice::Auto if name.contains("ubuntu") => GuestOs::Ubuntu,
            GuestOsChoice::Auto if name.contains("debian") => GuestOs::Debian,
            GuestOsChoice::Auto | GuestOsChoice::Linux => GuestOs::OtherLinux,
            GuestOsChoice::Ubuntu => GuestOs::Ubuntu,
            GuestOsChoice::Debian => GuestOs::Debian,
        };
        let firmware = match (self.firmware, self.secure_boot) {
            (FirmwareChoice::Bios, false) => Firmware::Bios,
            (FirmwareChoice::Bios, true) => bail!("--secure-boot needs --firmware efi"),
            (FirmwareChoice::Efi, false) => Firmware::Efi,
            (FirmwareChoice::Efi, true) => Firmware::EfiSecureBoot,
        };
        let eula = match &self.eula {
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read licence {}", path.display()))?,
            ),
            None => None,
        };
        let profile = Profile {
            hardware_version: self.hardware_version,
            capture_nics: self.capture_nics,
            firmware,
            eula,
            ..Profile::new(name, &self.version, guest_os)
        };
        profile.check()?;
        Ok(profile)
    }

    pub fn signer(&self) -> Result<Option<Signer>> {
        match (&self.sign_key, &self.sign_certificate) {
            (Some(key), Some(certificate)) => Ok(Some(read_signer(key, certificate)?)),
            _ => Ok(None),
        }
    }
}

/// A signer from its two files.
pub fn read_signer(key: &Path, certificate: &Path) -> Result<Signer> {
    let key_pem = std::fs::read(key).with_context(|| format!("cannot read key {}", key.display()))?;
    let certificate_pem = std::fs::read(certificate)
        .with_context(|| format!("cannot read certificate {}", certificate.display()))?;
    Signer::new(&key_pem, &certificate_pem)
        .with_context(|| format!("cannot sign with {} and {}", key.display(), certificate.display()))
}
