//! Events from JSON objects.

use proto::identity::v1::Event;
use rpc::properties::Entries;

use super::bad_line::BadLine;
use super::columns::Builder;
use super::encoding::no_text;
use super::json_texts::{Layout, Texts};
use super::line::{Fingerprint, Line};
use super::mapping::{Mapping, Role};
use super::window::Window;

/// Reads events from JSON objects.
pub(super) struct JsonLines {
    texts: Texts,
    reader: Reader,
}

/// Makes an event of each object.
struct Reader {
    mapping: Mapping,
    /// The roles of the last line's names: most lines have the same.
    columns: Vec<String>,
    roles: Vec<Role>,
}

impl JsonLines {
    /// Reads from here.
    pub(super) fn open(window: Window, layout: Layout, mapping: &Mapping) -> Self {
        Self {
            texts: Texts::new(window, layout),
            reader: Reader {
                mapping: mapping.clone(),
                columns: Vec::new(),
                roles: Vec::new(),
            },
        }
    }
}

impl Iterator for JsonLines {
    type Item = Result<Line, BadLine>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(bad) = self.texts.advance()? {
            return Some(Err(bad));
        }
        let (line, text) = (self.texts.line(), self.texts.text());
        let event = self.reader.read(line, text, self.texts.offset());
        Some(event.map(|event| Line {
            event,
            line,
            digest: Fingerprint::of(text.trim_ascii()),
        }))
    }
}

impl Reader {
    fn read(&mut self, line: u64, text: &[u8], offset: u64) -> Result<Event, BadLine> {
        self.event(line, &object_of(line, text, offset)?)
    }

    fn event(&mut self, line: u64, object: &Entries<'_>) -> Result<Event, BadLine> {
        let names = || object.0.iter().map(|(name, _)| name);
        if !self.columns.iter().eq(names()) {
            if let Some(twice) = object.twice() {
                return Err(BadLine::new(line, twice, "is there twice: keep one"));
            }
            let columns: Vec<String> = names().cloned().collect();
            self.roles = self.mapping.roles(&columns, true).map_err(|faults| {
                let mut faults = faults.into_iter();
                let (field, reason) = faults.next().unwrap_or_default();
                BadLine::new(line, field, reason).with_others(faults.collect(), 0)
            })?;
            self.columns = columns;
        }
        let mut builder = Builder::new(line, self.mapping.event_name.as_deref());
        for (role, (column, value)) in self.roles.iter().zip(&object.0) {
            builder.json(role, column, value.get());
        }
        builder.build()
    }
}

/// Reads a text as an object.
pub(super) fn object_of(line: u64, text: &[u8], offset: u64) -> Result<Entries<'_>, BadLine> {
    let text = std::str::from_utf8(text).map_err(|error| {
        let at = error.valid_up_to();
        BadLine::new(line, "", no_text(text[at], offset + at as u64))
    })?;
    Entries::read(text).map_err(|error| no_object(line, &error))
}

/// Says why a text is no object, and at which column; also on which line, if not on its first.
fn no_object(line: u64, error: &serde_json::Error) -> BadLine {
    let (own_line, column) = (error.line().max(1) as u64, error.column() as u64);
    let told = error.to_string();
    let told = told.split(" at line ").next().unwrap_or(&told);
    match own_line {
        1 => BadLine::at(line, column.max(1), format!("is not a JSON object: {told}")),
        _ => BadLine::new(
            line,
            "",
            format!(
                "the object that begins here is no JSON: {told} (line {}, column {column})",
                line + own_line - 1
            ),
        ),
    }
}
