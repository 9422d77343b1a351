//! Mistakes in an expression, with their place and what would be right.

use crate::limits;

/// A mistake in an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct Mistake {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Says what is wrong, and what would be right.
    pub message: String,
}

/// Collects mistakes by byte offset.
#[derive(Debug, Default)]
pub(crate) struct Mistakes {
    found: Vec<(usize, String)>,
    closed: bool,
}

impl Mistakes {
    /// Adds a mistake; a second one at the same place would only repeat the first.
    pub(crate) fn add(&mut self, at: usize, message: impl Into<String>) {
        let is_news = self.found.iter().all(|(place, _)| *place != at);
        if is_news && !self.closed && self.found.len() < limits::MISTAKES {
            self.found.push((at, message.into()));
        }
    }

    /// Adds a last mistake: what follows from a text that is not read to its end would mislead.
    pub(crate) fn add_last(&mut self, at: usize, message: impl Into<String>) {
        self.add(at, message);
        self.closed = true;
    }

    /// Returns the mistakes in the order of the text, or that there are none.
    pub(crate) fn into_result(mut self, source: &str) -> Result<(), Vec<Mistake>> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort_by_key(|(at, _)| *at);
        Err(self
            .found
            .into_iter()
            .map(|(at, message)| {
                let (line, column) = position(source, at);
                Mistake {
                    line,
                    column,
                    message,
                }
            })
            .collect())
    }
}

/// Refuses a source that is longer than is read, with what to do about it behind the message.
pub(crate) fn check_length(source: &str, remedy: &str) -> Result<(), Vec<Mistake>> {
    if source.len() <= limits::SOURCE_BYTES {
        return Ok(());
    }
    let message = format!(
        "the expression has {} bytes, and at most {} are allowed{remedy}",
        source.len(),
        limits::SOURCE_BYTES
    );
    Err(vec![Mistake {
        line: 1,
        column: 1,
        message,
    }])
}

/// Returns line and column, from 1, of a byte offset.
fn position(source: &str, at: usize) -> (u32, u32) {
    let (mut line, mut column) = (1, 1);
    for (_, character) in source.char_indices().take_while(|(place, _)| *place < at) {
        if character == '\n' {
            line += 1;
            column = 1;
        } else {
            column += 1;
        }
    }
    (line, column)
}

/// Returns the word that was probably meant, as the end of a sentence; nothing where none is near.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    kernel::nearest(word, known)
        .map(|meant| format!(": did you mean `{meant}`?"))
        .unwrap_or_default()
}

/// Quotes a text of the source for a message, cut to what a line of output can hold.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted: String = text.chars().take(40).collect();
    if text.chars().nth(40).is_some() {
        quoted.push('…');
    }
    format!("`{quoted}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let mut mistakes = Mistakes::default();
        mistakes.add("ä\nöü".len(), "x");
        assert_eq!(
            mistakes.into_result("ä\nöü!"),
            Err(vec![Mistake {
                line: 2,
                column: 3,
                message: "x".to_owned()
            }])
        );
    }

    #[test]
    fn the_nearest_word_is_suggested() {
        for (word, expected) in [
            ("evnts", ": did you mean `events`?"),
            ("profiles", ": did you mean `profile`?"),
            ("zzzzzz", ""),
        ] {
            assert_eq!(
                did_you_mean(word, ["profile", "events"]),
                expected,
                "{word}"
            );
        }
    }
}
