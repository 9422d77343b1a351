//! The expression language: CEL syntax, checked and compiled at publish, evaluated in nanoseconds.
//!
//! Pure. It does not keep event histories or memberships; a [`Subject`] answers for one customer at
//! one instant. Text from anybody may be compiled: work, memory and stack are bounded by
//! [`limits`].

mod ast;
mod calls;
mod canon;
mod check;
mod compare;
mod condition;
mod conditions;
mod eval;
mod feature;
mod formula;
mod history;
mod lexer;
pub mod limits;
mod mistake;
mod parser;
mod pattern;
mod program;
mod subject;
mod term;
mod watch;

pub use condition::{Condition, Reads, Scope, Type, check};
pub use conditions::Conditions;
pub use feature::{Aggregate, Feature, FeatureId, Filter, Measure};
pub use formula::{Document, DocumentFault, Formula, Found, Inputs, Numeral, elements};
pub use mistake::Mistake;
pub use subject::Subject;
pub use term::Term;
