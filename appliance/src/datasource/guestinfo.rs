//! VMware's variables `guestinfo.eyot.KEY`: single settings (`guestinfo.eyot.proxy_url`) or a whole document
//! (`guestinfo.eyot.settings`, plain or base64), for machines that are made by `govc vm.change -e`, Terraform or a `.vmx`
//! file and not from the OVA.
//!
//! They are asked for with `vmware-rpctool`, else `vmtoolsd --cmd`; both come with open-vm-tools, which the image has. Not
//! with the backdoor port itself (crate vmw_backdoor): that needs `iopl`, which a kernel locked down by Secure Boot
//! refuses, and a port read by assembler in a process that runs as root for good; VMware's own tools take the vsock
//! instead where there is one. What is set from here (emptied variables, the state) is no secret, so it may be an argument.
//!
//! Written after VMware's documentation and the tools' sources; not tried on a real ESXi host.

use std::io::ErrorKind;

use eyot_contract::settings::{Layer, DEFINITIONS};

use super::{flat, SourceError};
use crate::host::{Host, HostError};
use crate::paths;

/// What our variables begin with.
pub(crate) const PREFIX: &str = "guestinfo.eyot.";
const RPCTOOL: &str = "vmware-rpctool";
const DAEMON: &str = "vmtoolsd";

pub(super) fn look(host: &dyn Host) -> Result<Option<Layer>, SourceError> {
    if !is_vmware(host)? {
        return Ok(None);
    }
    let mut pairs = Vec::new();
    for key in keys() {
        pairs.extend(get(host, &format!("{PREFIX}{key}")).map(|v| (key, v.into_bytes())));
    }
    flat::layer("guestinfo.eyot.*", pairs.iter().map(|(k, v)| (k.as_str(), v.clone())))
}

/// The variables of ours that carry one of these tokens are emptied; their names, each with why it could not be.
pub(crate) fn erase(
    host: &dyn Host,
    carries: impl Fn(&str) -> bool,
) -> Result<Vec<(String, Option<String>)>, SourceError> {
    if !is_vmware(host)? {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for variable in keys().map(|k| format!("{PREFIX}{k}")) {
        if !get(host, &variable).is_some_and(|v| carries(&v)) {
            continue;
        }
        let problem = match set(host, &variable, "") {
            Err(problem) => Some(problem),
            Ok(()) if get(host, &variable).is_some_and(|v| carries(&v)) => {
                Some("it was set and did not change".to_owned())
            }
            Ok(()) => None,
        };
        found.push((variable, problem));
    }
    Ok(found)
}

/// Whether the firmware says that this is VMware's machine.
pub(crate) fn is_vmware(host: &dyn Host) -> Result<bool, HostError> {
    Ok(host.read(paths::DMI_VENDOR)?.unwrap_or_default().starts_with(b"VMware"))
}

/// A variable's value. A missing tool and a variable that is not set are the same: nothing.
pub(crate) fn get(host: &dyn Host, variable: &str) -> Option<String> {
    let answer = rpc(host, &format!("info-get {variable}")).unwrap_or_default();
    Some(answer.trim().to_owned()).filter(|a| !a.is_empty())
}

/// Sets a variable to something that is no secret: it is passed as an argument, which others can see.
pub(crate) fn set(host: &dyn Host, variable: &str, value: &str) -> Result<(), String> {
    // the error's own words would repeat the whole value
    rpc(host, &format!("info-set {variable} {value}")).map(drop).map_err(|e| e.source.to_string())
}

fn rpc(host: &dyn Host, request: &str) -> Result<String, HostError> {
    match host.run(RPCTOOL, &[request]) {
        Err(error) if error.source.kind() == ErrorKind::NotFound => host.run(DAEMON, &["--cmd", request]),
        outcome => outcome,
    }
}

fn keys() -> impl Iterator<Item = String> {
    std::iter::once(flat::DOCUMENT.to_owned()).chain(DEFINITIONS.iter().map(|d| d.property_key()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::double::Double;

    fn vmware() -> Double {
        let host = Double::default();
        host.put(paths::DMI_VENDOR, "VMware, Inc.\n");
        host
    }

    #[test]
    fn single_variables_overrule_the_document() {
        let host = vmware();
        assert_eq!(look(&host).unwrap(), None);
        host.set_variable(
            "guestinfo.eyot.settings",
            "version = 1\n[host]\nname = \"one\"\n[proxy]\nurl = \"http://p:1\"\n",
        );
        host.set_variable("guestinfo.eyot.host_name", "two");
        let layer = look(&host).unwrap().unwrap();
        assert_eq!((&*layer.values["host.name"], &*layer.values["proxy.url"]), ("two", "http://p:1"));
        host.put(paths::DMI_VENDOR, "QEMU\n");
        assert_eq!(look(&host).unwrap(), None);
    }

    #[test]
    fn the_tools_daemon_answers_where_the_other_tool_is_missing() {
        let host = vmware();
        host.set_variable("guestinfo.eyot.host_name", "one");
        host.without_rpctool();
        assert_eq!(look(&host).unwrap().unwrap().values["host.name"], "one");
    }

    #[test]
    fn only_what_carries_the_token_is_emptied() {
        let host = vmware();
        host.set_variable("guestinfo.eyot.host_name", "one");
        host.set_variable("guestinfo.eyot.activation_token", "eyot1_x");
        let erased = erase(&host, |v| v.contains("eyot1_x")).unwrap();
        assert_eq!(erased, [("guestinfo.eyot.activation_token".to_owned(), None)]);
        assert_eq!(look(&host).unwrap().unwrap().values.keys().copied().collect::<Vec<_>>(), ["host.name"]);
        assert!(erase(&host, |v| v.contains("eyot1_x")).unwrap().is_empty());
    }
}
