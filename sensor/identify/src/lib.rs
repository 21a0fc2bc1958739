//! What is it, how sure, because of what.
//!
//! Facts (distinct readings about one device, made by `dissect` and kept by `inventory`) go in, an [`Identity`] comes
//! out. This crate has never seen a packet, opens nothing and keeps nothing between calls.

mod book;
mod identity;
mod oui;

pub use book::{rules, RuleBook};
pub use identity::{identify, Fact, Identity};
pub use oui::vendor_of;
