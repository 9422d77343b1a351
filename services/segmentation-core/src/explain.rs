//! Tells why a customer is in a segment, or not.

use expr::{Condition, Mistake, Term};
use kernel::Timestamp;

use crate::customer::Customer;
use crate::definitions::Definitions;
use crate::state::State;

/// Why a condition holds for a customer, or does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The segment; empty for an expression.
    pub segment: String,
    /// The condition.
    pub expression: String,
    /// Whether it holds.
    pub holds: bool,
    /// Its terms with their values, in the order of the text.
    pub terms: Vec<Term>,
    /// When the answer changes by time alone, if nothing else happens.
    pub next_change: Option<Timestamp>,
}

/// Explains every segment, by name.
pub fn explain_segments(
    definitions: &Definitions,
    state: &State,
    now: Timestamp,
) -> Vec<Explanation> {
    let segments = definitions.segments.iter();
    let mut explanations: Vec<Explanation> = segments
        .map(|segment| explain(&segment.name, &segment.condition, state, now))
        .collect();
    explanations.sort_by(|a, b| a.segment.cmp(&b.segment));
    explanations
}

/// Explains an expression. Of events that no segment reads, only the number and times are known.
///
/// # Errors
/// Every mistake in the expression.
pub fn explain_expression(
    definitions: &Definitions,
    expression: &str,
    state: &State,
    now: Timestamp,
) -> Result<Explanation, Vec<Mistake>> {
    let condition = Condition::compile(expression, &definitions.scope())?;
    Ok(explain("", &condition, state, now))
}

fn explain(segment: &str, condition: &Condition, state: &State, now: Timestamp) -> Explanation {
    let customer = Customer { state, now };
    Explanation {
        segment: segment.to_owned(),
        expression: condition.source().to_owned(),
        holds: condition.holds(&customer),
        terms: condition.explain(&customer),
        next_change: condition.next_change(&customer),
    }
}
