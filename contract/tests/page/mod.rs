//! A page of the documentation that holds a list made from the code: kept between two marks, renewed by EYOT_BLESS.

use std::path::PathBuf;

const BEGIN: &str = "<!-- the list begins: EYOT_BLESS=1 cargo test -p eyot-contract -->\n";
const END: &str = "<!-- the list ends -->\n";

/// The page below `docs/` holds this list, or is given it.
pub fn holds(name: &str, list: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let kept = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = kept.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let fresh = format!("{before}{BEGIN}{list}{END}{after}");
    if std::env::var_os("EYOT_BLESS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    } else {
        assert_eq!(kept, fresh, "docs/{name} is stale; EYOT_BLESS=1 cargo test -p eyot-contract renews it");
    }
}
