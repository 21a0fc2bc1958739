//! The frame of every table: scrolls by itself where the window is narrow, by keyboard too, and has a name.

use maud::{html, Markup};

/// A table of headings (`th`) and rows (`tr`) under a name that is read out.
pub fn table(name: &str, headings: &Markup, rows: &Markup) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label=(name) {
            table {
                thead { tr { (headings) } }
                tbody { (rows) }
            }
        }
    }
}

/// Headings of nothing but words.
pub fn headings<const N: usize>(words: [&str; N]) -> Markup {
    html! { @for word in words { th scope="col" { (word) } } }
}
