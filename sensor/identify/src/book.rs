//! The rules, parsed once.

/// Every rule.
#[derive(Debug)]
pub struct RuleBook {}

/// The rules that this build carries.
pub fn rules() -> &'static RuleBook {
    static BOOK: RuleBook = RuleBook {};
    &BOOK
}
