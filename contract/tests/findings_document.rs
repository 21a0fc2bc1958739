//! `docs/findings.md` agrees with the list it is made from.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::PathBuf;

use eyot_contract::{FindingCategory, FINDING_KINDS};

const BEGIN: &str = "<!-- the list begins: EYOT_BLESS=1 cargo test -p eyot-contract -->\n";
const END: &str = "<!-- the list ends -->\n";

#[test]
fn the_page_is_made_from_the_list() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/findings.md");
    let kept = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = kept.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let fresh = format!("{before}{BEGIN}{}{END}{after}", list());
    if std::env::var_os("EYOT_BLESS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    } else {
        assert!(
            kept == fresh,
            "docs/findings.md is stale; EYOT_BLESS=1 cargo test -p eyot-contract renews it"
        );
    }
}

fn list() -> String {
    let mut text = String::new();
    for (category, heading) in
        [(FindingCategory::Alert, "Alerts"), (FindingCategory::Recommendation, "Recommendations")]
    {
        writeln!(text, "\n### {heading}\n").unwrap();
        writeln!(
            text,
            "| finding | kind | severity | ATT&CK | when | what to do |\n|---|---|---|---|---|---|"
        )
        .unwrap();
        for d in FINDING_KINDS.iter().filter(|d| d.category == category) {
            writeln!(
                text,
                "| **{}** | `{}` | {} | {} {} | {} | {} |",
                d.title,
                d.name,
                d.severity.name(),
                d.technique,
                d.technique_name,
                d.condition,
                d.remedy
            )
            .unwrap();
        }
    }
    text.push('\n');
    text
}
