//! `docs/health.md` agrees with the list it is made from.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::PathBuf;

use eyot_contract::{ConditionCode, Level};

const BEGIN: &str = "<!-- the list begins: EYOT_BLESS=1 cargo test -p eyot-contract -->\n";
const END: &str = "<!-- the list ends -->\n";

#[test]
fn the_page_is_made_from_the_list() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/health.md");
    let kept = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = kept.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let fresh = format!("{before}{BEGIN}{}{END}{after}", list());
    if std::env::var_os("EYOT_BLESS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    } else {
        assert_eq!(
            kept, fresh,
            "docs/health.md is stale; EYOT_BLESS=1 cargo test -p eyot-contract renews it"
        );
    }
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
