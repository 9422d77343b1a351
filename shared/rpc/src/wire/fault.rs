//! The reason why a message cannot be built, or must not be, and where in the message it is.

use super::Refusal;
use crate::Violation;
use crate::limits::{COUNT_MARGIN, SHOWN_FIELDS};

/// A fault of a message; its path is completed on the way out.
#[derive(Debug)]
pub(super) struct Fault(Box<Inner>);

#[derive(Debug)]
struct Inner {
    cause: Cause,
    /// From the inside out.
    path: Vec<String>,
}

#[derive(Debug)]
enum Cause {
    Malformed(&'static str),
    NotText,
    Deep,
    TooMany { noun: &'static str, max: u64 },
    Costly { most: usize },
}

impl Fault {
    fn new(cause: Cause) -> Self {
        let path = Vec::new();
        Self(Box::new(Inner { cause, path }))
    }

    /// Bytes that are no message of the contract.
    #[cold]
    pub(super) fn malformed(reason: &'static str) -> Self {
        Self::new(Cause::Malformed(reason))
    }

    /// A text that is not UTF-8.
    #[cold]
    pub(super) fn not_text() -> Self {
        Self::new(Cause::NotText)
    }

    /// Messages in messages beyond what can be read.
    #[cold]
    pub(super) fn deep() -> Self {
        Self::new(Cause::Deep)
    }

    /// Items or entries far beyond the rule.
    #[cold]
    pub(super) fn too_many(noun: &'static str, max: u64) -> Self {
        Self::new(Cause::TooMany { noun, max })
    }

    /// A message that would take more memory than one may.
    #[cold]
    pub(super) fn costly(most: usize) -> Self {
        Self::new(Cause::Costly { most })
    }

    /// The same fault seen from one message further out; an empty step is not shown.
    pub(super) fn under(mut self, step: String) -> Self {
        if !step.is_empty() {
            self.0.path.push(step);
        }
        self
    }

    /// Returns whether it is the cost of the message.
    pub(super) fn is_cost(&self) -> bool {
        matches!(self.0.cause, Cause::Costly { .. })
    }

    /// The fault in words.
    pub(super) fn into_violation(self) -> Violation {
        let description = match self.0.cause {
            Cause::Malformed(reason) => format!(
                "cannot be read as protobuf ({reason}): send the message of the contract, with a \
                 client made from it"
            ),
            Cause::NotText => "is not valid UTF-8: encode texts as UTF-8".to_owned(),
            Cause::Deep => "nests too deep to be read: nest less".to_owned(),
            Cause::TooMany { noun, max } => format!(
                "has more than {} {noun}: must have at most {max}",
                max + COUNT_MARGIN
            ),
            Cause::Costly { most } => format!(
                "takes more than {} MiB of memory when it is read: send less at once, in several \
                 requests",
                most >> 20
            ),
        };
        let mut path = String::new();
        for step in self.0.path.iter().rev().take(SHOWN_FIELDS) {
            if !path.is_empty() && !step.starts_with('[') {
                path.push('.');
            }
            path.push_str(step);
        }
        Violation::new(path, description)
    }

    /// The refusal of the whole message.
    pub(super) fn into_refusal(self) -> Refusal {
        match self.0.cause {
            Cause::Malformed(_) | Cause::NotText | Cause::Deep => {
                Refusal::Unreadable(self.into_violation())
            }
            Cause::TooMany { .. } | Cause::Costly { .. } => {
                Refusal::Excessive(self.into_violation())
            }
        }
    }
}
