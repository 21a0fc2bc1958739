//! `docs/findings.md` agrees with the list it is made from.
#![allow(clippy::unwrap_used)]

mod page;

use std::fmt::Write as _;

use eyot_contract::{FindingCategory, FINDING_KINDS};

#[test]
fn the_page_is_made_from_the_list() {
    page::holds("findings.md", &list());
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
