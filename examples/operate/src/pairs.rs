//! The pairs of a migration, from a CSV file.

use std::collections::BTreeMap;
use std::io::{self, Read};

use csv::{Reader, ReaderBuilder, StringRecord, Trim};

/// The separators of a table, the most usual first. Excel writes a semicolon in most of Europe.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// Maximum characters of the previous and of the current external id.
const LONGEST: [usize; 2] = [1024, 255];

/// Column names that may appear in the first line.
const HEADERS: [&str; 14] = [
    "previous",
    "current",
    "old",
    "new",
    "from",
    "to",
    "before",
    "after",
    "previous_external_id",
    "current_external_id",
    "previousexternalid",
    "currentexternalid",
    "old_external_id",
    "new_external_id",
];

/// A pair, and the number of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub line: u64,
    pub previous: String,
    pub current: String,
}

/// A line that is not a pair, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub line: u64,
    pub fields: Vec<String>,
    pub reason: String,
}

/// Reads pairs. A first line with column names is skipped, and a repeated pair is read once.
pub fn read(mut file: impl Read) -> io::Result<(Vec<Pair>, Vec<Refused>)> {
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(in_other_encoding)?;
    let mut reader = reader(&text, separator(&text));
    let mut lines = Lines::of(&text);
    let (mut pairs, mut refused) = (Vec::new(), Vec::new());
    let mut current_of: BTreeMap<String, String> = BTreeMap::new();
    for (number, record) in reader.records().enumerate() {
        let record = record?;
        let line = lines.next_at(record.position().map_or(0, csv::Position::byte));
        if number == 0 && is_header(&record) {
            continue;
        }
        match pair(&record, line) {
            Ok(pair) => match current_of.get(&pair.previous) {
                Some(current) if *current == pair.current => {}
                Some(_) => refused.push(refusal(
                    &record,
                    line,
                    "an earlier line has the same previous external_id and another current one",
                )),
                None => {
                    current_of.insert(pair.previous.clone(), pair.current.clone());
                    pairs.push(pair);
                }
            },
            Err(reason) => refused.push(refusal(&record, line, reason)),
        }
    }
    Ok((pairs, refused))
}

fn reader(text: &str, separator: u8) -> Reader<&[u8]> {
    ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text.as_bytes())
}

/// The separator that makes two fields of the first line; a comma if none does.
fn separator(text: &str) -> u8 {
    let makes_two = |separator: &u8| {
        let first = reader(text, *separator).into_records().next();
        matches!(first, Some(Ok(record)) if record.len() == 2)
    };
    SEPARATORS.into_iter().find(makes_two).unwrap_or(b',')
}

fn in_other_encoding(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::InvalidData => io::Error::new(error.kind(), "save it as CSV in UTF-8"),
        _ => error,
    }
}

/// Counts lines as an editor does. The reader's own number is too low after a CRLF or an empty
/// line, because to it a record begins right after the last field of the previous one.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            bytes: text.as_bytes(),
            at: 0,
            line: 1,
        }
    }

    /// The line of the first byte at or after `start` that is not a line end.
    fn next_at(&mut self, start: u64) -> u64 {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        while let Some(&byte) = self.bytes.get(self.at) {
            let is_end = matches!(byte, b'\r' | b'\n');
            if self.at >= start && !is_end {
                break;
            }
            self.at += 1;
            let is_half = byte == b'\r' && self.bytes.get(self.at) == Some(&b'\n');
            self.line += u64::from(is_end && !is_half);
        }
        self.line
    }
}

fn is_header(record: &StringRecord) -> bool {
    record.iter().any(|field| {
        let name = without_mark(field)
            .to_ascii_lowercase()
            .replace([' ', '-'], "_");
        HEADERS.contains(&name.as_str())
    })
}

fn pair(record: &StringRecord, line: u64) -> Result<Pair, &'static str> {
    let mut fields = record.iter();
    let (Some(previous), Some(current), None) = (fields.next(), fields.next(), fields.next())
    else {
        return Err("a line has two fields: the external_id before, and the one now");
    };
    let previous = without_mark(previous);
    for (field, longest) in [previous, current].into_iter().zip(LONGEST) {
        if field.is_empty() {
            return Err("an external_id is empty");
        }
        if field.chars().any(char::is_control) {
            return Err("an external_id has a control character");
        }
        if matches!(field, "." | "..") {
            return Err("an external_id is a dot segment");
        }
        if field.chars().count() > longest {
            return Err("an external_id is too long");
        }
    }
    if previous == current {
        return Err("both external_ids are the same");
    }
    Ok(Pair {
        line,
        previous: previous.to_owned(),
        current: current.to_owned(),
    })
}

/// Removes the byte order mark with which Excel begins a file in UTF-8.
fn without_mark(field: &str) -> &str {
    field.trim_start_matches('\u{feff}')
}

fn refusal(record: &StringRecord, line: u64, reason: &str) -> Refused {
    Refused {
        line,
        fields: record.iter().map(ToOwned::to_owned).collect(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(file: &str) -> Vec<(String, String)> {
        let (pairs, refused) = read(file.as_bytes()).unwrap();
        assert_eq!(refused, []);
        pairs
            .into_iter()
            .map(|pair| (pair.previous, pair.current))
            .collect()
    }

    #[test]
    fn files_of_any_program_are_read_alike() {
        let expected = [("1", "a"), ("2", "b"), ("3", "c,d")];
        let expected =
            expected.map(|(previous, current)| (previous.to_owned(), current.to_owned()));
        for file in [
            "1,a\n2,b\n3,\"c,d\"\n",
            "1,a\r\n2,b\r\n3,\"c,d\"\r\n",
            "1,a\n2,b\n3,\"c,d\"",
            "previous,current\n1,a\n2,b\n3,\"c,d\"\n",
            "\u{feff}Previous External ID,Current External ID\r\n1,a\r\n2,b\r\n3,\"c,d\"\r\n",
            "\u{feff}1,a\n\n 2 , b \n\"3\",\"c,d\"\n1,a\n",
            "old;new\r\n1;a\r\n2;b\r\n3;\"c,d\"\r\n",
            "1\ta\n2\tb\n3\tc,d\n",
        ] {
            assert_eq!(ids(file), expected, "{file:?}");
        }
    }

    #[test]
    fn an_id_may_contain_the_separator_of_another_file() {
        let expected = [("1;2".to_owned(), "a;b".to_owned())];
        assert_eq!(ids("1;2,a;b\n"), expected);
    }

    #[test]
    fn a_first_line_of_ids_is_not_a_header() {
        assert_eq!(ids("user-1,user-2\n").len(), 1);
    }

    #[test]
    fn a_line_that_is_not_a_pair_is_refused_with_its_number_and_a_reason() {
        let file = "1,a\n1,b\n2,\n,c\n3\n4,d,e\n5,5\n.,f\n6,g\n";
        let (pairs, refused) = read(file.as_bytes()).unwrap();
        let lines: Vec<_> = pairs.iter().map(|pair| pair.line).collect();
        assert_eq!(lines, [1, 9]);
        let lines: Vec<_> = refused.iter().map(|line| line.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8]);
        assert!(
            refused[0].reason.contains("earlier line"),
            "{:?}",
            refused[0]
        );
        assert!(refused[5].reason.contains("same"), "{:?}", refused[5]);
    }

    #[test]
    fn a_line_has_the_number_that_an_editor_shows() {
        for end in ["\n", "\r\n", "\r"] {
            let file = [
                "old,new",
                "1,a",
                "",
                "\"2\nx\",b",
                "bad",
                "3,c",
                "",
                "worse",
            ]
            .join(end);
            let (pairs, refused) = read(file.as_bytes()).unwrap();
            let lines: Vec<_> = pairs.iter().map(|pair| pair.line).collect();
            assert_eq!(lines, [2, 7], "{end:?}");
            let lines: Vec<_> = refused.iter().map(|line| line.line).collect();
            assert_eq!(lines, [4, 6, 9], "{end:?}");
        }
    }

    #[test]
    fn a_file_in_another_encoding_is_refused_with_advice() {
        let error = read(&b"1,\xe9\n"[..]).unwrap_err();
        assert!(error.to_string().contains("UTF-8"), "{error}");
    }

    #[test]
    fn an_external_id_that_is_too_long_is_refused() {
        let (long, longer) = ("a".repeat(1024), "a".repeat(1025));
        let file = format!("{long},b\n{longer},c\nd,{}\n", "e".repeat(256));
        let (pairs, refused) = read(file.as_bytes()).unwrap();
        assert_eq!((pairs.len(), refused.len()), (1, 2));
    }
}
