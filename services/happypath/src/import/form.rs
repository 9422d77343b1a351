//! The form of a file, told by how it begins; its name decides only where the content does not.

use std::path::Path;

use super::json_scan::{Scanner, Step};
use super::json_texts::Layout;
use super::separator::Separator;
use super::window::line_end;

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Values with this byte between them, under a header.
    Separated(u8),
    /// JSON objects.
    Json(Layout),
    /// Columns of typed values.
    Parquet,
}

/// The form that the name of a file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Separated(Separator),
    Json,
    Parquet,
    Nothing,
}

impl Name {
    /// Looks at the end of a name.
    pub(super) fn of(path: &Path) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy());
        let name = name.unwrap_or_default().to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        match name.rsplit_once('.').map(|(_, end)| end) {
            Some("csv") => Self::Separated(Separator::Comma),
            Some("tsv" | "tab") => Self::Separated(Separator::Tab),
            Some("json" | "jsonl" | "ndjson") => Self::Json,
            Some("parquet" | "pq") => Self::Parquet,
            _ => Self::Nothing,
        }
    }
}

/// Tells the form of a text by its beginning, which is all of it where `is_whole`.
///
/// # Errors
/// Where nothing tells the form: says what would.
pub(super) fn form_of_text(
    start: &[u8],
    is_whole: bool,
    name: Name,
    separator: Option<Separator>,
) -> Result<Form, String> {
    if name == Name::Parquet {
        return Err(NO_PARQUET.to_owned());
    }
    if let Some(separator) = separator {
        return Ok(Form::Separated(separator.byte()));
    }
    let text = start.trim_ascii_start();
    let second = text
        .get(1..)
        .and_then(|rest| rest.trim_ascii_start().first());
    match (text.first(), second) {
        (Some(b'['), _) if name == Name::Json => return Ok(Form::Json(Layout::Array)),
        (Some(b'['), Some(b'{' | b']')) => return Ok(Form::Json(Layout::Array)),
        (Some(b'{'), Some(b'"' | b'}')) => return Ok(Form::Json(layout(text))),
        _ => {}
    }
    let expected = match name {
        Name::Json => return Ok(Form::Json(Layout::Lines)),
        Name::Separated(expected) => expected,
        Name::Nothing | Name::Parquet => Separator::Comma,
    };
    if text.is_empty() && is_whole {
        return Err(EMPTY.to_owned());
    }
    match Separator::find(start, is_whole, expected) {
        Some(separator) => Ok(Form::Separated(separator.byte())),
        None if name == Name::Nothing => Err(NO_FORM.to_owned()),
        None => Ok(Form::Separated(expected.byte())),
    }
}

/// Tells whether objects are on one line each: the first one ends on its line, or the second line
/// begins another one, so that the first is broken.
fn layout(text: &[u8]) -> Layout {
    let Some(end) = line_end(text, false) else {
        return Layout::Lines;
    };
    let goes_on = Scanner::default().feed(&text[..end.at]) == Step::More;
    let next = text[end.next..].trim_ascii_start().first();
    match next {
        Some(byte) if goes_on && *byte != b'{' => Layout::Sequence,
        _ => Layout::Lines,
    }
}

const NO_PARQUET: &str = "is named as a Parquet file, and is none, since it does not begin with `PAR1`: export it \
     again, or name it .csv or .jsonl if it is that";
const EMPTY: &str =
    "is empty: expected a header and one event on each line after it, or JSON objects";
const NO_FORM: &str = "is of no form that is known: expected CSV with a header, JSON Lines, a JSON array of objects or \
     Parquet. A name that ends in .csv, .tsv or .jsonl decides, and so does --separator";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_tells_the_form_and_the_name_where_it_does_not() {
        const COMMA: Form = Form::Separated(b',');
        const SEMICOLON: Form = Form::Separated(b';');
        const TAB: Form = Form::Separated(b'\t');
        const LINES: Form = Form::Json(Layout::Lines);
        const ARRAY: Form = Form::Json(Layout::Array);
        const SEQUENCE: Form = Form::Json(Layout::Sequence);
        for (name, start, form) in [
            ("a.csv", "a,b\n", Some(COMMA)),
            ("a.CSV.GZ", "a;b\n", Some(SEMICOLON)),
            ("a.csv", "user_id\n1\n", Some(COMMA)),
            ("a.tsv", "a,b\tc\n", Some(TAB)),
            ("a.tsv", "a,b\n", Some(COMMA)),
            ("a.txt", "a\tb\n", Some(TAB)),
            ("a.txt", "what is this\n", None),
            ("a", "", None),
            ("a.csv", " \n", None),
            ("a.jsonl", "", Some(LINES)),
            ("a.jsonl", "xxx\n{\"a\":1}", Some(LINES)),
            ("a.json", "{\"a\":1}\n{\"a\":2}", Some(LINES)),
            ("a.json", " [\n{\"a\":1}]", Some(ARRAY)),
            ("a.json", "[1]", Some(ARRAY)),
            ("a.jsonl", "[]", Some(ARRAY)),
            ("a.csv", "{\"a\":1}\n", Some(LINES)),
            ("a.csv", "[a],[b]\n", Some(COMMA)),
            ("a.json", "{\n  \"a\": 1\n}\n{\n", Some(SEQUENCE)),
            ("a.json", "{\"a\": {\n  \"b\": 1}}\n", Some(SEQUENCE)),
            ("a.jsonl", "{\"a\": \n{\"a\":1}\n", Some(LINES)),
            ("a.jsonl", "{\"a\": \"x\n\n", Some(LINES)),
            ("a.parquet", "a,b\n", None),
        ] {
            let found = form_of_text(start.as_bytes(), true, Name::of(Path::new(name)), None);
            assert_eq!(found.ok(), form, "{name} {start:?}");
        }
    }

    #[test]
    fn a_named_separator_decides() {
        let named = Some(Separator::Pipe);
        let form = form_of_text(b"{\"a\":1|b\n", true, Name::Nothing, named);
        assert_eq!(form, Ok(Form::Separated(b'|')));
    }
}
