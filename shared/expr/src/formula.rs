//! A compiled formula: an expression that makes a value of what somebody sent.
//!
//! The syntax is that of conditions. It reads `item`, `body` and `headers`, and nothing of
//! customers; a value that is not there is unknown, and so is all that needs it.

mod calls;
mod check;
mod document;
mod eval;
mod found;
mod inputs;
mod program;

pub use document::{Document, DocumentFault};
pub use found::{Found, Numeral};
pub use inputs::Inputs;

use crate::condition::Type;
use crate::mistake::Mistake;

use self::program::Part;

/// An expression that makes a value of what somebody sent, compiled.
///
/// | formula | value |
/// |---|---|
/// | `item.contacts[0].id`, `headers["x-topic"]` | what is there, as it was sent |
/// | `"order_" + string(item.id)` | a text of both |
/// | `coalesce(item.email, body.user.email)` | the first that is known |
/// | `has(item.sku) ? item.sku : "none"` | the one or the other |
/// | `int(x)`, `double(x)`, `string(x)`, `timestamp(x)` | a value of another type |
/// | `x.lowerAscii()`, `x.trim()`, `x.split("/")[4]` | a text made of another |
/// | `item.type == "order" && item.total > 0` | whether that holds, as in conditions |
#[derive(Debug, Clone)]
pub struct Formula {
    source: Box<str>,
    part: Part,
    headers: Vec<Box<str>>,
}

impl Formula {
    /// Checks and compiles a formula.
    ///
    /// # Errors
    /// Every [`Mistake`] in the text, in its order.
    pub fn compile(source: &str) -> Result<Self, Vec<Mistake>> {
        let (part, headers) = check::check(source)?;
        Ok(Self {
            source: source.into(),
            part,
            headers,
        })
    }

    /// Its text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The type of its value, as far as its text tells.
    pub fn kind(&self) -> Type {
        self.part.kind()
    }

    /// The names of the headers that it reads.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(AsRef::as_ref)
    }

    /// Returns its value, where that is known.
    pub fn value<'v, 't: 'v>(&'v self, inputs: &Inputs<'_, 't>) -> Option<Found<'v>> {
        self.part.value(inputs)
    }

    /// Returns whether it is true; what is unknown is not.
    pub fn holds(&self, inputs: &Inputs<'_, '_>) -> bool {
        self.part.holds(inputs)
    }
}

/// Returns the values of a list as they are written, the value itself where it is none, and nothing
/// where a list has more than `most`.
pub fn elements(json: &str, most: usize) -> Option<Vec<&str>> {
    match json.starts_with('[') {
        true => document::elements(json, most),
        false => Some(vec![json]),
    }
}
