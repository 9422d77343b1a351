//! Definitions as YAML or JSON: one document for each, one to one with the contract.
//!
//! Read against the descriptors and not through serde, because serde stops at the first mistake and
//! a person wants all of them, each with line and column.

mod node;
mod read;
mod write;

use std::fmt;

use prost_reflect::{DynamicMessage, ReflectMessage as _};
use proto::definition::v1::Definition;
use rpc::Violation;

use self::node::Document;
use crate::limits;

pub use self::write::to_yaml;

/// Something wrong in a file, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The mistake, and what would be right.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.file, self.line, self.column, self.message
        )
    }
}

/// A value and where each of its parts was written.
#[derive(Debug, Clone)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    file: String,
    /// Paths with proto names and their line and column; the empty path is the document.
    places: Vec<(String, (usize, usize))>,
}

impl<T> Located<T> {
    /// Says in the words of the file what a server said about a path inside the value, such as
    /// `segment.name`.
    pub fn mistake(&self, violation: &Violation) -> Mistake {
        let (line, column) = self.place_of(&violation.field);
        let message = violation.to_string();
        Mistake {
            file: self.file.clone(),
            line,
            column,
            message,
        }
    }

    /// The line and column of a path, or of the nearest part around it that was written.
    pub fn place_of(&self, path: &str) -> (usize, usize) {
        let mut path = path;
        loop {
            if let Some((_, place)) = self.places.iter().find(|(known, _)| known == path) {
                return *place;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None if path.is_empty() => return (1, 1),
                None => path = "",
            }
        }
    }
}

/// Reads the definitions of a file.
///
/// # Errors
/// Every mistake of every document, in the order of the file: what is no YAML, unknown and repeated
/// names, wrong types, and what breaks the field rules of the contract.
pub fn parse(file: &str, text: &str) -> Result<Vec<Located<Definition>>, Vec<Mistake>> {
    let mistake = |place: (usize, usize), message: String| Mistake {
        file: file.to_owned(),
        line: place.0,
        column: place.1,
        message,
    };
    if text.len() > limits::FILE_BYTES {
        let message = format!(
            "the file has {} bytes: split it, at most {} are read",
            text.len(),
            limits::FILE_BYTES
        );
        return Err(vec![mistake((1, 1), message)]);
    }
    let mut mistakes = Vec::new();
    let mut definitions = Vec::new();
    let (documents, broken) = node::documents(text);
    for Document { root } in documents {
        let mut reader = read::Reader::default();
        let mut message = DynamicMessage::new(Definition::default().descriptor());
        reader.message(&root, &mut message, "");
        let is_read = reader.mistakes.is_empty();
        mistakes.extend(
            reader
                .mistakes
                .into_iter()
                .map(|(place, text)| mistake(place, text)),
        );
        let Ok(value) = message.transcode_to::<Definition>() else {
            mistakes.push(mistake(
                root.place,
                "the document cannot be encoded".to_owned(),
            ));
            continue;
        };
        let located = Located {
            value,
            file: file.to_owned(),
            places: reader.places,
        };
        if is_read && let Err(violations) = rpc::validate(&located.value) {
            mistakes.extend(
                violations
                    .iter()
                    .map(|violation| located.mistake(violation)),
            );
        }
        definitions.push(located);
    }
    mistakes.extend(broken.into_iter().map(|(place, text)| mistake(place, text)));
    if mistakes.is_empty() {
        return Ok(definitions);
    }
    mistakes.sort();
    mistakes.truncate(limits::MISTAKES);
    Err(mistakes)
}
