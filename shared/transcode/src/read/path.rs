//! The place in a document, and what is wrong there.

use std::fmt::Write as _;

use crate::limits::SHOWN_CHARS;

/// A step into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Into a field of a message, by its name in JSON.
    Field(&'static str),
    /// Into an element of a list.
    Index(usize),
    /// Into the value of a key that a sender chose.
    Key(Box<str>),
}

/// The steps from the outside to where the reader is. After an error it stays where that was.
#[derive(Debug, Default)]
pub(super) struct Path(Vec<Step>);

/// The reason why a document, or a part of an address, cannot be read as a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The path of the field, as the sender spells paths: `events[3].eventTime`. Empty for the
    /// document as a whole.
    pub(crate) field: String,
    /// The fault and its remedy, with line and column in a document.
    pub(crate) description: String,
}

impl Path {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for step in &self.0 {
            let dot = if text.is_empty() { "" } else { "." };
            // Writing to a text does not fail.
            let _ = match step {
                Step::Field(name) => write!(text, "{dot}{name}"),
                Step::Index(index) => write!(text, "[{index}]"),
                Step::Key(key) => write!(text, "{dot}{}", shown(key)),
            };
        }
        text
    }
}

impl Fault {
    pub(crate) fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            description: description.into(),
        }
    }

    pub(super) fn of_json(path: &Path, error: &serde_json::Error) -> Self {
        let text = error.to_string();
        // serde writes the place behind the reason.
        let reason = text
            .rsplit_once(" at line ")
            .map_or(text.as_str(), |(reason, _)| reason);
        let reason = match error.classify() {
            serde_json::error::Category::Data => reason.to_owned(),
            serde_json::error::Category::Eof => {
                format!("the JSON ends in the middle ({reason})")
            }
            _ => format!("is not JSON: {reason}"),
        };
        Self {
            field: path.text(),
            description: match error.line() {
                0 => reason,
                line => format!("{reason} (line {line}, column {})", error.column()),
            },
        }
    }
}

/// A text of a sender as an error shows it: cut, and without control characters.
pub(crate) fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(SHOWN_CHARS).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut.replace(char::is_control, "\u{fffd}")
}
