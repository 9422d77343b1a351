//! The signs between the cells of a line.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::csv_records::separator_hint;
use super::csv_scan::{Scan, scan};
use super::window::line_end;
use crate::limits::SNIFF_RECORDS;

/// A sign between cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Separator {
    Comma,
    Semicolon,
    Tab,
    Pipe,
}

impl Separator {
    /// All of them, the commonest first.
    pub(crate) const ALL: [Self; 4] = [Self::Comma, Self::Semicolon, Self::Tab, Self::Pipe];

    /// Returns the byte.
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
            Self::Pipe => b'|',
        }
    }
}

/// The fit of a separator to the beginning of a file.
#[derive(Debug, Clone, Copy)]
struct Fit {
    /// Cells of the header.
    cells: usize,
    /// Records, the header among them, and those that have as many cells.
    records: usize,
    alike: usize,
}

impl Fit {
    /// Puts the greater share of records that are like the header first, then more cells.
    fn compare(&self, other: &Self) -> Ordering {
        let (own, its) = (self.alike * other.records, other.alike * self.records);
        own.cmp(&its).then(self.cells.cmp(&other.cells))
    }
}

impl Separator {
    /// Finds the sign that parts the header and the lines after it into as many cells; where
    /// several do, the one that makes most of them, and then the expected one. Absent where none
    /// parts the header.
    pub(super) fn find(start: &[u8], is_whole: bool, expected: Self) -> Option<Self> {
        if let Some(hint) = separator_hint(start) {
            return Self::ALL.into_iter().find(|it| it.byte() == hint);
        }
        let others = Self::ALL.into_iter().filter(|it| *it != expected);
        let mut best: Option<(Fit, Self)> = None;
        for separator in std::iter::once(expected).chain(others) {
            let fit = fit(start, is_whole, separator.byte());
            let is_better = best.is_none_or(|(best, _)| fit.compare(&best) == Ordering::Greater);
            if fit.cells > 1 && is_better {
                best = Some((fit, separator));
            }
        }
        best.map(|(_, separator)| separator)
    }
}

fn fit(start: &[u8], is_whole: bool, separator: u8) -> Fit {
    let mut fit = Fit {
        cells: 0,
        records: 0,
        alike: 0,
    };
    let mut cells = Vec::new();
    let mut rest = start;
    while fit.records < SNIFF_RECORDS && !rest.is_empty() {
        let length = match scan(rest, is_whole, separator, &mut cells) {
            Scan::More { .. } => break,
            Scan::Record(extent) => {
                if cells.iter().any(|cell| cell.start < cell.end) {
                    fit.cells = if fit.records == 0 {
                        cells.len()
                    } else {
                        fit.cells
                    };
                    fit.records += 1;
                    fit.alike += usize::from(cells.len() == fit.cells);
                }
                extent.length
            }
            Scan::Fault(_) => {
                fit.records += 1;
                line_end(rest, true).map_or(rest.len(), |end| end.next)
            }
        };
        rest = &rest[length..];
    }
    fit
}

impl FromStr for Separator {
    type Err = String;

    /// Reads the sign itself, or its name.
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "," | "comma" => Self::Comma,
            ";" | "semicolon" => Self::Semicolon,
            "\t" | "\\t" | "tab" => Self::Tab,
            "|" | "pipe" => Self::Pipe,
            _ => {
                return Err("expected comma, semicolon, tab or pipe, or the sign itself".to_owned());
            }
        })
    }
}

impl fmt::Display for Separator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Comma => "comma",
            Self::Semicolon => "semicolon",
            Self::Tab => "tab",
            Self::Pipe => "pipe",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_is_found_by_the_header_and_the_first_lines() {
        use Separator::{Comma, Pipe, Semicolon, Tab};
        for (start, found) in [
            ("time,event,user_id\n", Some(Comma)),
            ("time;event;user_id", Some(Semicolon)),
            ("Datum;Betrag, brutto;Kunde\n1;19,90;2,5\n", Some(Semicolon)),
            ("a\tb\n1,5\t2,5\n", Some(Tab)),
            ("a|b|c\r1|\"x|y\"|2\r", Some(Pipe)),
            ("\"a;b;c;d\",e\n1,2\n", Some(Comma)),
            ("time,tags;all,x\n1,a;b;c,2\n1,a,2\n", Some(Comma)),
            ("sep=;\r\na,b;c\r\n", Some(Semicolon)),
            ("sep=#\na#c\n", None),
            ("user_id\n1\n", None),
            ("", None),
        ] {
            let whole = Separator::find(start.as_bytes(), true, Comma);
            assert_eq!(whole, found, "{start:?}");
        }
        let cut = "a,b;c\n1,5;\"never";
        assert_eq!(
            Separator::find(cut.as_bytes(), false, Semicolon),
            Some(Semicolon)
        );
    }

    #[test]
    fn separators_have_names_and_signs() {
        for separator in Separator::ALL {
            let sign = char::from(separator.byte()).to_string();
            assert_eq!(sign.parse(), Ok(separator));
            assert_eq!(separator.to_string().parse(), Ok(separator));
        }
        assert!("#".parse::<Separator>().is_err());
    }
}
