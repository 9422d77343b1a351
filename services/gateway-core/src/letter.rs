//! Events that could not be taken.

use kernel::Timestamp;

use crate::Reason;
use crate::limits::{LETTER_BYTES, LETTER_TEXT_BYTES};

/// A fault of an event: why it cannot be taken as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The reason.
    pub reason: Reason,
    /// The field at fault, as its sender wrote it; empty for the event as a whole.
    pub field: String,
    /// The fault, and what would be right.
    pub description: String,
}

impl Fault {
    /// A fault of a field.
    pub fn new(reason: Reason, field: &str, description: impl Into<String>) -> Self {
        Self {
            reason,
            field: field.to_owned(),
            description: description.into(),
        }
    }

    /// A field of the wrong kind, or one that is missing.
    pub(crate) fn malformed(field: &str, description: impl Into<String>) -> Self {
        Self::new(Reason::MalformedEvent, field, description)
    }
}

/// An event that could not be taken, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The path of the call that brought it.
    pub path: String,
    /// The fault.
    pub fault: Fault,
    /// The event as it was sent, as JSON text; the first 32 KiB of it.
    pub payload: String,
    /// True where the payload was longer than that.
    pub is_cut: bool,
    /// When it was sent, by its sender's clock; absent where nobody said.
    pub sent_time: Option<Timestamp>,
}

impl Letter {
    /// Keeps an event.
    pub fn new(path: &str, mut fault: Fault, event: &str, sent_time: Option<Timestamp>) -> Self {
        let kept = cut(event, LETTER_BYTES);
        for text in [&mut fault.field, &mut fault.description] {
            let length = cut(text, LETTER_TEXT_BYTES).len();
            text.truncate(length);
        }
        Self {
            path: path.to_owned(),
            fault,
            payload: kept.to_owned(),
            is_cut: kept.len() < event.len(),
            sent_time,
        }
    }
}

/// Returns the first bytes of a text, without a part of a character.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_cut_between_characters() {
        let fault = || Fault::malformed("event", "is missing");
        let letter = Letter::new("/v1/track", fault(), "{}", None);
        assert!(!letter.is_cut && letter.payload == "{}");
        let long = format!("x{}", "ü".repeat(LETTER_BYTES));
        let letter = Letter::new("/v1/track", fault(), &long, None);
        assert!(letter.is_cut && letter.payload.len() == LETTER_BYTES - 1);
    }
}
