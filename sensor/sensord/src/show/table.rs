//! Columns as wide as what is in them.

use std::io::{self, Write};

/// Blanks between columns.
const GAP: usize = 2;

/// A table for people.
pub struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table with these headings.
    pub fn new(headings: [&str; N]) -> Self {
        Self { rows: vec![headings.map(str::to_owned)] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: [&str; N]) {
        // what devices say of themselves must not move the cursor
        self.rows.push(cells.map(|c| c.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()));
    }

    /// Writes it.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        self.write_indented(out, "")
    }

    /// Writes it, every line behind `indent`.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn write_indented(&self, out: &mut impl Write, indent: &str) -> io::Result<()> {
        let width = |column: usize| self.rows.iter().map(|r| r[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..N).map(width).collect();
        for row in &self.rows {
            let mut line = indent.to_owned();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width + GAP - cell.chars().count()));
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
