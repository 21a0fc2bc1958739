//! Comma-separated values (RFC 4180): cells in quotes may hold separators, doubled quotes and line breaks.

/// The records of a text, without those that are empty. Cells come without blanks around them.
pub fn records(text: &str, separator: char) -> Vec<Vec<String>> {
    let (mut records, mut record, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.trim_start_matches('\u{feff}').chars().peekable();
    let mut end = |record: &mut Vec<String>, cell: &mut String| {
        record.push(std::mem::take(cell).trim().to_owned());
        let whole = std::mem::take(record);
        if whole.iter().any(|cell| !cell.is_empty()) || whole.len() > 1 {
            records.push(whole);
        }
    };
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            '\n' if !quoted => end(&mut record, &mut cell),
            c if c == separator && !quoted => record.push(std::mem::take(&mut cell).trim().to_owned()),
            c => cell.push(c),
        }
    }
    end(&mut record, &mut cell);
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_separators_quotes_and_line_breaks() {
        let text = "\u{feff}a,b\r\n\r\n\"1, \"\"x\"\"\",\"two\nlines\"\n,\n3";
        let expected: Vec<Vec<&str>> =
            vec![vec!["a", "b"], vec!["1, \"x\"", "two\nlines"], vec!["", ""], vec!["3"]];
        assert_eq!(records(text, ','), expected);
        assert_eq!(records("a;b,c", ';'), vec![vec!["a", "b,c"]]);
        assert!(records("\n\n", ',').is_empty());
    }
}
