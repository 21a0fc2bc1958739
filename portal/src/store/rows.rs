//! Many rows in one statement: they travel as one JSON text, which the database takes apart again. However many there are,
//! the statement's text is the same, so each connection prepares it once; and a batch of five hundred devices is a handful of
//! round trips instead of thousands.
//!
//! Taking JSON apart is the one thing that both engines spell differently; that is here and nowhere else.

use serde_json::Value;
use sqlx::AnyConnection;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// A text.
    Text,
    /// A whole number.
    Whole,
    /// A number with a fraction.
    Real,
}

/// The columns of the rows, in their order.
pub(super) type Columns = &'static [(&'static str, Holds)];

/// What stands after FROM for rows bound as `$1`: a table `r` with these columns.
pub(super) fn from(on: &AnyConnection, columns: Columns) -> String {
    let postgres = is_postgres(on);
    let column = |(at, (name, holds)): (usize, &(&str, Holds))| match (postgres, holds) {
        (false, _) | (true, Holds::Text) => format!("value ->> {at} AS {name}"),
        (true, Holds::Whole) => format!("CAST(value ->> {at} AS BIGINT) AS {name}"),
        (true, Holds::Real) => format!("CAST(value ->> {at} AS DOUBLE PRECISION) AS {name}"),
    };
    let columns: Vec<_> = columns.iter().enumerate().map(column).collect();
    let elements = match postgres {
        true => "jsonb_array_elements(CAST($1 AS JSONB)) e (value)",
        false => "json_each($1)",
    };
    format!("(SELECT {} FROM {elements}) r", columns.join(", "))
}

/// The columns' names, with commas between.
pub(super) fn names(columns: Columns) -> String {
    columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// What stands after IN for a list of texts bound as `$N`.
pub(super) fn list(on: &AnyConnection, place: usize) -> String {
    match is_postgres(on) {
        true => format!("(SELECT jsonb_array_elements_text(CAST(${place} AS JSONB)))"),
        false => format!("(SELECT value FROM json_each(${place}))"),
    }
}

/// A list of texts as it is bound.
pub(super) fn bound<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    Value::from_iter(all.into_iter().map(|one| one.to_string())).to_string()
}

fn is_postgres(on: &AnyConnection) -> bool {
    on.backend_name() == "PostgreSQL"
}
