//! `docs/pains.md` names tests; they exist, and every pain has its row.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_test_that_is_named_exists() {
    let page = std::fs::read_to_string(repository().join("docs/pains.md")).unwrap();
    let situations = concat!(
        include_str!("sites/situations.rs"),
        include_str!("sites/adapters.rs"),
        include_str!("sites/azure.rs")
    );
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|l| l.starts_with("| P"))
        .map(|l| l.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let numbers: Vec<String> = rows.iter().map(|r| r[0].to_owned()).collect();
    assert_eq!(numbers, (1..=21).map(|n| format!("P{n}")).collect::<Vec<_>>());
    for row in &rows {
        let shown = row.get(3).copied().unwrap_or_default();
        let names = quoted(shown);
        assert!(!names.is_empty() || row[2].contains("open:"), "{}: neither shown nor open", row[0]);
        let files: Vec<String> = names
            .iter()
            .filter(|n| n.contains('/'))
            .map(|n| {
                std::fs::read_to_string(repository().join(n))
                    .unwrap_or_else(|e| panic!("{}: {n}: {e}", row[0]))
            })
            .collect();
        for name in names.iter().filter(|n| !n.contains('/')) {
            let function = format!("fn {name}(");
            let situation = format!("\"{name}\"");
            let found = files.iter().any(|f| f.contains(&function)) || situations.contains(&situation);
            assert!(found, "{}: there is no {name}", row[0]);
        }
        // at least one test says by its name which pain it shows
        let named = format!("{}_", row[0].to_lowercase());
        assert!(names.iter().any(|n| n.starts_with(&named)), "{}: no test is named {named}…", row[0]);
    }
}
