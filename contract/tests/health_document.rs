//! `docs/health.md` agrees with the list it is made from.
#![allow(clippy::unwrap_used)]

mod page;

use std::fmt::Write as _;

use eyot_contract::{ConditionCode, Level};

#[test]
fn the_page_is_made_from_the_list() {
    page::holds("health.md", &list());
}

fn list() -> String {
    let mut text = String::new();
    for level in [Level::Critical, Level::Warning, Level::Healthy] {
        let word = level.to_string();
        writeln!(text, "\n### {}{}\n", word[..1].to_uppercase(), &word[1..]).unwrap();
        writeln!(text, "| phrase | code | cause | what to do |\n|---|---|---|---|").unwrap();
        for code in ConditionCode::ALL.iter().filter(|c| c.level() == level) {
            let cell = |words: &str| words.replace('|', "\\|");
            writeln!(
                text,
                "| **{}** | `{}` | {} | {} |",
                cell(code.title()),
                code.name(),
                cell(code.cause()),
                cell(code.remedy())
            )
            .unwrap();
        }
    }
    text.push('\n');
    text
}
