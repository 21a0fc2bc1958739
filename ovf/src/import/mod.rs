//! The import scripts shipped beside an image: what a descriptor cannot say, said to the hypervisor by a script.
//!
//! `import-esxi.sh` (govc), `Import-EyotSensor.PowerCLI.ps1` (vCenter by PowerCLI) and `Import-EyotSensor.ps1`
//! (Hyper-V). The scripts are the files in this folder with names, sizes and keys filled in, so that they never differ
//! from the descriptor. None of them has been run against a real ESXi, vCenter or Hyper-V.

use eyot_contract::settings::definition;

use crate::ovf::{Profile, TIERS};

/// One script: its file name and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// file name
    pub name: &'static str,
    /// text
    pub text: String,
    /// mode of the file
    pub mode: u32,
}

const TEMPLATES: [(&str, &str, u32); 3] = [
    ("import-esxi.sh", include_str!("import-esxi.sh"), 0o755),
    ("Import-EyotSensor.ps1", include_str!("Import-EyotSensor.ps1"), 0o644),
    ("Import-EyotSensor.PowerCLI.ps1", include_str!("Import-EyotSensor.PowerCLI.ps1"), 0o644),
];

/// The scripts for this profile's images.
pub fn scripts(profile: &Profile) -> Vec<Script> {
    let key = |dotted| definition(dotted).map(|d| d.property_key()).unwrap_or_default();
    let tiers: Vec<String> = TIERS
        .iter()
        .map(|t| {
            format!(
                "    {} = @{{ Cpus = {}; MemoryMiB = {}; DataGiB = {} }}",
                t.id, t.cpus, t.memory_mib, t.data_gib
            )
        })
        .collect();
    let values = [
        ("@NAME@", profile.name.clone()),
        ("@VERSION@", profile.version.clone()),
        ("@CAPTURE_NICS@", profile.capture_nics.to_string()),
        ("@TOKEN_KEY@", key("activation.token")),
        ("@HOSTNAME_KEY@", key("host.name")),
        ("@TIERS@", tiers.join("\n")),
        ("@TIER_IDS@", TIERS.map(|t| t.id).join(" ")),
        ("@TIER_SET@", TIERS.map(|t| format!("'{}'", t.id)).join(", ")),
    ];
    let fill = |template: &str| {
        values.iter().fold(template.to_owned(), |text, (mark, value)| text.replace(mark, value))
    };
    TEMPLATES.iter().map(|&(name, template, mode)| Script { name, text: fill(template), mode }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ovf::GuestOs;

    /// P6: firmware settings make `Set-VMFirmware` fail on a Generation 1 machine, and without the template for Linux a
    /// Generation 2 machine stops at its firmware's screen.
    #[test]
    fn p6_firmware_is_set_on_generation_2_alone_and_for_linux() {
        let script = TEMPLATES.iter().find(|t| t.0 == "Import-EyotSensor.ps1").unwrap().1;
        assert!(script.contains("[ValidateSet(1, 2)] [int] $Generation = 2"));
        let (before, block) = script.split_once("if ($vm.Generation -eq 2 -and").unwrap();
        // the block ends with the first bracket that stands as far to the left as its beginning
        let (block, after) = block.split_once("\n    }\n").unwrap();
        assert!(!before.contains("Set-VMFirmware") && !after.contains("Set-VMFirmware"));
        assert!(block.contains("-EnableSecureBoot On -SecureBootTemplate MicrosoftUEFICertificateAuthority"));
        assert!(
            block.contains("-FirstBootDevice $first") && block.contains("Get-VMHardDiskDrive"),
            "never the seed CD"
        );
    }

    #[test]
    fn all_marks_are_filled_in() {
        let profile = Profile { capture_nics: 3, ..Profile::new("eyot-9.8.7", "9.8.7", GuestOs::Debian) };
        for script in scripts(&profile) {
            // A mark is a word in capitals between two at-signs; PowerShell's own @{ and @( are not.
            let marks: Vec<&str> =
                script.text.split('@').skip(1).step_by(1).filter(|w| w.len() > 2).collect();
            let left = marks.iter().find(|w| w.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
            assert_eq!(left, None, "{}", script.name);
            assert!(script.text.contains("eyot-9.8.7") && script.text.is_ascii(), "{}", script.name);
            assert!(script.text.contains("activation_token"), "{}", script.name);
            // Blocks are closed, as far as counting tells.
            for (open, close) in [('{', '}'), ('(', ')')] {
                if script.name.ends_with(".ps1") {
                    let (opened, closed) =
                        (script.text.matches(open).count(), script.text.matches(close).count());
                    assert_eq!(opened, closed, "{} {open}{close}", script.name);
                }
            }
        }
    }
}
