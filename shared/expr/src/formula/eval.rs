//! Evaluates formulas. A value that is missing, or of another type than is needed, is unknown
//! (`None`), and makes what needs it unknown; a comparison with it is false.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::limits::{LIST_LITERALS, VALUES, WORKED_BYTES};
use crate::program::{Arithmetic, Compare};

use super::document;
use super::found::{Found, Numeral};
use super::inputs::Inputs;
use super::program::{Function, Part};

impl Part {
    /// Returns the value, where it is known.
    pub(super) fn value<'v, 't: 'v>(&'v self, inputs: &Inputs<'_, 't>) -> Option<Found<'v>> {
        inputs.spend(1)?;
        Some(match self {
            Self::Error => return None,
            Self::Bool(truth) => Found::Bool(*truth),
            Self::Number(number) => Found::Number(Numeral::Computed(*number)),
            Self::Whole(whole) => Found::Number(Numeral::Written(whole.to_string().into())),
            Self::Text(text) => Found::Text(Cow::Borrowed(text)),
            Self::Span(millis) => Found::Span(*millis),
            Self::List(items) => {
                Found::List(items.iter().filter_map(|it| it.value(inputs)).collect())
            }
            Self::Path(root, steps) => return inputs.find(*root, steps),
            Self::Element(list, place) => return element(list.value(inputs)?, *place, inputs),
            Self::Not(part) => Found::Bool(!part.holds(inputs)),
            Self::Negative(part) => Found::Number(Numeral::Computed(-number(part, inputs)?)),
            Self::All(parts) => Found::Bool(parts.iter().all(|part| part.holds(inputs))),
            Self::Any(parts) => Found::Bool(parts.iter().any(|part| part.holds(inputs))),
            Self::Compare(compare, sides) => Found::Bool(compares(*compare, sides, inputs)),
            Self::Among(sides) => Found::Bool(is_among(sides, inputs).unwrap_or(false)),
            Self::Arithmetic(operation, sides) => {
                let (left, right) = (sides.0.value(inputs)?, sides.1.value(inputs)?);
                return apply(*operation, left, right, inputs);
            }
            Self::Choice(parts) => {
                let chosen = if parts.0.holds(inputs) {
                    &parts.1
                } else {
                    &parts.2
                };
                return chosen.value(inputs);
            }
            Self::Matches(part, pattern) => {
                let text = text(part, inputs);
                Found::Bool(text.is_some_and(|text| pattern.is_match(&text)))
            }
            Self::Call(function, arguments) => return call(*function, arguments, inputs),
        })
    }

    /// Returns whether it is true; what is unknown is not.
    pub(super) fn holds(&self, inputs: &Inputs<'_, '_>) -> bool {
        self.value(inputs) == Some(Found::Bool(true))
    }
}

/// Returns a text to work with.
fn text<'v, 't: 'v>(part: &'v Part, inputs: &Inputs<'_, 't>) -> Option<Cow<'v, str>> {
    match part.value(inputs)? {
        Found::Text(text) => {
            inputs.spend(text.len())?;
            Some(text)
        }
        _ => None,
    }
}

fn number(part: &Part, inputs: &Inputs<'_, '_>) -> Option<f64> {
    match part.value(inputs)? {
        Found::Number(number) => number.as_double(),
        _ => None,
    }
}

fn compares(compare: Compare, sides: &(Part, Part), inputs: &Inputs<'_, '_>) -> bool {
    let order = || {
        let (left, right) = (sides.0.value(inputs)?, sides.1.value(inputs)?);
        inputs.spend(left.size().min(right.size()))?;
        if compare.is_order() && matches!(left, Found::Bool(_)) {
            return None;
        }
        left.compare(&right)
    };
    order().is_some_and(|order| compare.holds(order))
}

fn is_among(sides: &(Part, Part), inputs: &Inputs<'_, '_>) -> Option<bool> {
    let item = sides.0.value(inputs)?;
    let is_it = |other: &Found<'_>| item.compare(other) == Some(Ordering::Equal);
    match sides.1.value(inputs)? {
        Found::List(items) => {
            inputs.spend(items.iter().map(Found::size).sum())?;
            Some(items.iter().any(is_it))
        }
        Found::Json(list) => {
            inputs.spend(list.len())?;
            let mut items = document::elements(list, VALUES)?.into_iter();
            Some(items.any(|it| Found::of(it).as_ref().is_some_and(is_it)))
        }
        _ => None,
    }
}

fn element<'v>(list: Found<'v>, place: u32, inputs: &Inputs<'_, '_>) -> Option<Found<'v>> {
    let place = usize::try_from(place).ok()?;
    match list {
        Found::List(mut items) => (place < items.len()).then(|| items.swap_remove(place)),
        Found::Json(list) => {
            inputs.spend(list.len())?;
            let items = document::elements(list, VALUES)?;
            Found::of(items.get(place)?)
        }
        _ => None,
    }
}

fn apply<'v>(
    operation: Arithmetic,
    left: Found<'v>,
    right: Found<'v>,
    inputs: &Inputs<'_, '_>,
) -> Option<Found<'v>> {
    use Arithmetic::{Add, Subtract};
    Some(match (operation, left, right) {
        (_, Found::Number(left), Found::Number(right)) => {
            let result = operation.apply(left.as_double()?, right.as_double()?)?;
            Found::Number(Numeral::Computed(result))
        }
        (Add, Found::Text(left), Found::Text(right)) => {
            let length = left.len() + right.len();
            inputs.spend(length)?;
            if length > WORKED_BYTES {
                return None;
            }
            Found::Text((left.into_owned() + &right).into())
        }
        (Add, Found::Time(time), Found::Span(span))
        | (Add, Found::Span(span), Found::Time(time)) => Found::Time(moved(time, span)?),
        (Subtract, Found::Time(time), Found::Span(span)) => {
            Found::Time(moved(time, span.checked_neg()?)?)
        }
        (Subtract, Found::Time(left), Found::Time(right)) => {
            Found::Span(left.as_millis().checked_sub(right.as_millis())?)
        }
        (Add, Found::Span(left), Found::Span(right)) => Found::Span(left.checked_add(right)?),
        (Subtract, Found::Span(left), Found::Span(right)) => Found::Span(left.checked_sub(right)?),
        _ => return None,
    })
}

fn moved(time: kernel::Timestamp, span: i64) -> Option<kernel::Timestamp> {
    let millis = time.as_millis().checked_add(span)?;
    Some(kernel::Timestamp::from_millis(millis))
}

fn call<'v, 't: 'v>(
    function: Function,
    arguments: &'v [Part],
    inputs: &Inputs<'_, 't>,
) -> Option<Found<'v>> {
    let first = arguments.first()?;
    let affix = |holds: fn(&str, &str) -> bool| {
        let found = text(first, inputs).zip(text(arguments.get(1)?, inputs));
        Some(Found::Bool(
            found.is_some_and(|(text, part)| holds(&text, &part)),
        ))
    };
    Some(match function {
        Function::Has => Found::Bool(first.value(inputs).is_some()),
        Function::Coalesce => return arguments.iter().find_map(|it| it.value(inputs)),
        Function::Size => Found::Number(Numeral::Computed(size(first, inputs)?)),
        Function::String => Found::Text(as_text(first.value(inputs)?)?),
        Function::Int => Found::Number(as_whole(first.value(inputs)?)?),
        Function::Double => Found::Number(as_number(first.value(inputs)?)?),
        Function::Timestamp => Found::Time(first.value(inputs)?.as_time()?),
        Function::Contains => return affix(|text, part| text.contains(part)),
        Function::StartsWith => return affix(|text, part| text.starts_with(part)),
        Function::EndsWith => return affix(|text, part| text.ends_with(part)),
        Function::LowerAscii => Found::Text(text(first, inputs)?.to_ascii_lowercase().into()),
        Function::UpperAscii => Found::Text(text(first, inputs)?.to_ascii_uppercase().into()),
        Function::Trim => Found::Text(trimmed(text(first, inputs)?)),
        Function::Split => {
            let separator = text(arguments.get(1)?, inputs)?;
            split(&text(first, inputs)?, &separator)?
        }
        Function::Replace => {
            let (old, new) = (
                text(arguments.get(1)?, inputs)?,
                text(arguments.get(2)?, inputs)?,
            );
            replaced(&text(first, inputs)?, &old, &new, inputs)?
        }
    })
}

fn size(part: &Part, inputs: &Inputs<'_, '_>) -> Option<f64> {
    let found = part.value(inputs)?;
    inputs.spend(found.size())?;
    let size = match found {
        Found::Text(text) => text.chars().count(),
        Found::List(items) => items.len(),
        Found::Json(json) => document::count(json, VALUES)?,
        _ => return None,
    };
    Some(u32::try_from(size).map_or(f64::from(u32::MAX), f64::from))
}

fn as_text(found: Found<'_>) -> Option<Cow<'_, str>> {
    match found {
        Found::Text(text) => Some(text),
        Found::Number(number) => Some(number.into_text()),
        Found::Bool(true) => Some("true".into()),
        Found::Bool(false) => Some("false".into()),
        Found::Time(time) => Some(time.to_string().into()),
        Found::Span(_) | Found::List(_) | Found::Json(_) => None,
    }
}

fn as_number(found: Found<'_>) -> Option<Numeral<'_>> {
    match found {
        Found::Number(number) => Some(number),
        Found::Text(text) => Numeral::of_text(trimmed(text)),
        _ => None,
    }
}

/// The whole part of a number; of an instant, the seconds since the epoch.
fn as_whole(found: Found<'_>) -> Option<Numeral<'_>> {
    match found {
        Found::Time(time) => {
            let seconds = time.as_millis().div_euclid(1_000);
            Some(Numeral::Written(seconds.to_string().into()))
        }
        other => as_number(other)?.into_whole(),
    }
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// Splits a text, where that makes no more parts than a list may have.
fn split<'v>(text: &str, separator: &str) -> Option<Found<'v>> {
    let mut parts = Vec::new();
    for part in text.split(separator) {
        if parts.len() == LIST_LITERALS {
            return None;
        }
        parts.push(Found::Text(part.to_owned().into()));
    }
    Some(Found::List(parts))
}

fn replaced<'v>(text: &str, old: &str, new: &str, inputs: &Inputs<'_, '_>) -> Option<Found<'v>> {
    let count = text.matches(old).count();
    let length = text.len() + count.checked_mul(new.len())?;
    inputs.spend(length)?;
    (length <= WORKED_BYTES).then(|| Found::Text(text.replace(old, new).into()))
}
