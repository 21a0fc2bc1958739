//! Back to how it left the factory: no identity, no settings, nothing learnt.
//!
//! Secrets are overwritten before they are removed; what the sensor has learnt is removed, and the disk's free blocks are
//! discarded at the end. The order lets a power cut in between lead to a machine that asks for a token, never to one that
//! speaks in a sensor's name without knowing its settings: the identity goes first. The firewall's rules stay, so that
//! there is no moment without any.

use crate::host::{Discard, Host, HostError};
use crate::paths;

/// What holds secrets.
const SECRET_DIRS: [&str; 2] = [paths::IDENTITY_DIR, paths::NEXT_IDENTITY_DIR];
const SECRET_FILES: [&str; 9] = [
    paths::LOCAL_SETTINGS,
    paths::PAGE_SETTINGS,
    paths::PAGE_BEFORE,
    paths::SEED_SETTINGS,
    paths::KEPT_SETTINGS,
    paths::SENSOR_PROXY_PASSWORD,
    paths::SENSOR_AZURE_KEY,
    paths::SENSOR_EVENT_HUB,
    paths::PAGE_CERTIFICATE,
];
const FILES: [&str; 9] = [
    paths::AZURE_NAMES,
    paths::SENSOR_CONFIG,
    paths::SENSOR_EXTRA_CA,
    paths::TIMESYNCD,
    paths::FORGOTTEN,
    paths::HEALTH,
    paths::ROLES,
    paths::SERVICE_TAGS,
    paths::DESTINATIONS,
];
/// What says where the management interface is reached.
const NETWORK: [&str; 1] = [paths::NETPLAN];

/// Resets. Says whether free blocks were discarded. The services are the caller's to stop before and the machine's to start.
///
/// # Errors
/// A step failed; asking again goes on from there.
pub fn reset(host: &dyn Host, keep_network: bool) -> Result<Discard, HostError> {
    let mut secrets = Vec::new();
    for dir in SECRET_DIRS {
        secrets.extend(host.files_below(dir)?);
    }
    secrets.extend(SECRET_FILES.map(str::to_owned));
    for path in &secrets {
        if let Some(content) = host.read(path)?.filter(|c| !c.is_empty()) {
            host.overwrite(path, &vec![0; content.len()])?;
        }
        host.remove(path)?;
    }
    let mut files = host.files_below(paths::SENSOR_STATE_DIR)?;
    files.extend(FILES.map(str::to_owned));
    if !keep_network {
        files.extend(NETWORK.map(str::to_owned));
    }
    for path in &files {
        host.remove(path)?;
    }
    host.discard_free_blocks(paths::STATE_DIR)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::double::Double;

    fn used() -> Double {
        let host = Double::default();
        for path in SECRET_FILES.iter().chain(&FILES).chain(&NETWORK).chain(&[paths::FIREWALL]) {
            host.put(path, "s3cret");
        }
        for path in ["identity/key.pem", "identity/enrolment.json", "identity.next/key.pem"] {
            host.put(&format!("{}/{path}", paths::STATE_DIR), "s3cret");
        }
        host.put(&format!("{}/inventory.db", paths::SENSOR_STATE_DIR), "devices");
        host.put("/etc/hosts", "localhost");
        host
    }

    #[test]
    fn everything_of_ours_goes_but_the_firewall() {
        for keep_network in [false, true] {
            let host = used();
            reset(&host, keep_network).unwrap();
            let left: Vec<String> = host.state().files.into_keys().collect();
            let mut expected = vec!["/etc/eyot/firewall.nft", "/etc/hosts"];
            if keep_network {
                expected.push(paths::NETPLAN);
            }
            assert_eq!(left, expected);
        }
    }

    #[test]
    fn a_reset_that_was_cut_off_is_finished_by_the_next() {
        let steps = {
            let host = used();
            reset(&host, false).unwrap();
            host.take_log().len()
        };
        for step in 0..steps {
            let host = used();
            host.fail_at(step);
            assert!(reset(&host, false).is_err(), "step {step}");
            host.fail_at(usize::MAX);
            reset(&host, false).unwrap();
            assert_eq!(host.state().files.len(), 2, "step {step}");
        }
    }
}
