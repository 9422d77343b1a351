//! Tells why a customer is in a segment, or not.

use expr::{Condition, FeatureId, Mistake, Term};
use kernel::Timestamp;

use crate::customer::Customer;
use crate::definitions::Definitions;
use crate::reading::FeatureReading;
use crate::state::{MissingParts, State};

/// The reasons for which a condition holds for a customer, or does not.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The segment; empty for an expression.
    pub segment: String,
    /// The condition.
    pub expression: String,
    /// True where it holds.
    pub holds: bool,
    /// Its terms with their values, in the order of the text.
    pub terms: Vec<Term>,
    /// The values of the features that it reads, and how much is behind each.
    pub readings: Vec<FeatureReading>,
    /// When the answer changes by time alone, if nothing else happens.
    pub next_change: Option<Timestamp>,
}

/// The errors of an explanation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// The expression has mistakes: all of them.
    #[error("the expression has mistakes")]
    Mistakes(Vec<Mistake>),
    /// Parts of the state are not loaded: load them and ask again.
    #[error(transparent)]
    Missing(#[from] MissingParts),
}

/// Explains the segments that are wanted, by name, as memberships are decided: by what is known.
///
/// # Errors
/// [`MissingParts`]: load them and ask again, until nothing is missing.
pub fn explain_segments(
    definitions: &Definitions,
    is_wanted: impl Fn(&str) -> bool,
    state: &State,
    now: Timestamp,
) -> Result<Vec<Explanation>, MissingParts> {
    let mut explanations = Vec::new();
    let mut missing = MissingParts::default();
    let segments = definitions.segments.iter();
    for segment in segments.filter(|segment| is_wanted(&segment.name)) {
        let customer = Customer::new(state, now, &segment.histories);
        let explained = explain(&segment.name, &segment.condition, &customer);
        explanations.extend(missing.note(explained.map(Some), None));
    }
    explanations.sort_by(|a, b| a.segment.cmp(&b.segment));
    missing.or(explanations)
}

/// Explains an expression. What is not known in whole, because no segment read it, is unknown.
///
/// # Errors
/// [`ExplainError`].
pub fn explain_expression(
    definitions: &Definitions,
    expression: &str,
    state: &State,
    now: Timestamp,
) -> Result<Explanation, ExplainError> {
    let condition = Condition::compile(expression, &definitions.scope());
    let condition = condition.map_err(ExplainError::Mistakes)?;
    let histories: Vec<FeatureId> = condition.features().iter().map(|it| it.id()).collect();
    let customer = Customer::strict(state, now, &histories);
    Ok(explain("", &condition, &customer)?)
}

fn explain(
    segment: &str,
    condition: &Condition,
    customer: &Customer<'_>,
) -> Result<Explanation, MissingParts> {
    let features = condition.features().iter().enumerate();
    let readings: Vec<Result<_, MissingParts>> = features
        .map(|(slot, feature)| customer.reading(slot, feature))
        .collect();
    let mut missing = MissingParts::default();
    let readings = readings
        .into_iter()
        .map(|it| missing.note(it.map(Some), None));
    let readings = readings.flatten().collect();
    missing.or(())?;
    customer.found(Explanation {
        segment: segment.to_owned(),
        expression: condition.source().to_owned(),
        holds: condition.holds(customer),
        terms: condition.explain(customer),
        readings,
        next_change: condition.next_change(customer),
    })
}
