//! What is it, how sure, because of what.
//!
//! Facts (distinct readings about one device, made by `dissect` and kept by `inventory`) go in, an [`Identity`] comes
//! out. This crate has never seen a packet, opens nothing and keeps nothing between calls.
//!
//! The way: the address gives a brand ([`vendor_of`]); every fact is held against the rules of its field ([`rules`],
//! TOML files in `rules/`), which gives claims; a second pass holds the claimed models against the model rules (a
//! `DCS-935L` is a camera, whoever said the name); then each attribute is resolved by the order that `resolve` writes
//! down. What loses stays in the evidence.

mod book;
mod brand;
mod claim;
mod context;
mod identity;
mod oui;
mod pattern;
mod place;
mod resolve;
mod rule;
mod tables;

pub use book::{rules, RuleBook, RuleBookError};
pub use identity::{identify, Fact, Identity, Sure};
pub use oui::vendor_of;
pub use pattern::Pattern;
pub use place::Place;
pub use rule::{ClaimTemplate, Matcher, Rule};
