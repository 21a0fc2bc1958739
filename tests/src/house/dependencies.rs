//! Who may depend on whom. Wings meet in `contract`; inside the sensor, floors look only upwards.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::artefacts::repository;

/// Every crate of the house with the crates of the house it may name, in any section of its Cargo.toml. A crate that is
/// not here is a mistake too: a new one is placed by adding its line.
const ALLOWED: &[(&str, &[&str])] = &[
    ("eyot-contract", &[]),
    ("eyot-client", &["eyot-contract"]),
    ("eyot-iso", &[]),
    // the sensor's floors, from packets to devices
    ("eyot-capture", &["eyot-contract"]),
    ("eyot-dissect", &["eyot-contract", "eyot-capture"]),
    ("eyot-identify", &["eyot-contract", "eyot-capture", "eyot-dissect"]),
    ("eyot-inventory", &["eyot-contract", "eyot-capture", "eyot-dissect", "eyot-identify"]),
    ("eyot-findings", &["eyot-contract", "eyot-capture", "eyot-dissect", "eyot-inventory"]),
    ("eyot-uplink", &["eyot-contract"]),
    (
        "eyot-sensor",
        &[
            "eyot-contract",
            "eyot-client",
            "eyot-capture",
            "eyot-dissect",
            "eyot-identify",
            "eyot-inventory",
            "eyot-findings",
            "eyot-uplink",
        ],
    ),
    // the other wings
    ("eyot-appliance", &["eyot-contract", "eyot-client", "eyot-iso"]),
    ("eyot-image", &["eyot-contract", "eyot-client", "eyot-iso"]),
    ("eyot-portal", &["eyot-contract", "eyot-client", "eyot-iso"]),
    ("eyot-tests", &["eyot-contract"]),
];

#[test]
fn crates_depend_only_on_those_they_may() {
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let crates = dependencies_within_the_house();
    let mut wrong = Vec::new();
    for (name, uses) in &crates {
        let Some(may) = allowed.get(name.as_str()) else {
            wrong.push(format!("{name} has no line in this test: say what it may depend on"));
            continue;
        };
        wrong.extend(
            uses.iter().filter(|u| !may.contains(&u.as_str())).map(|u| format!("{name} must not use {u}")),
        );
    }
    wrong.extend(
        allowed
            .keys()
            .filter(|n| !crates.contains_key(**n))
            .map(|n| format!("{n} is in this test and nowhere else")),
    );
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Crate to crates of the house it names, from cargo's own reading of the manifests.
fn dependencies_within_the_house() -> BTreeMap<String, Vec<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(repository().unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let house: Vec<_> = packages.iter().map(name).collect();
    let uses = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter().map(name);
        all.filter(|used| house.contains(used)).collect()
    };
    packages.iter().map(|package| (name(package), uses(package))).collect()
}
