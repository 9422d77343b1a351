//! Evaluates compiled expressions over a subject.

use std::cmp::Ordering;

use kernel::{Amount, Timestamp, Value};

use crate::feature::{Feature, Measure};
use crate::program::{Item, Number, Place, Test, Text, Time};
use crate::subject::Subject;

/// A subject at an instant, with the features of the expression at hand.
pub(crate) struct View<'a, S: ?Sized> {
    pub(crate) subject: &'a S,
    pub(crate) features: &'a [Feature],
    pub(crate) now: Timestamp,
}

impl<'a, S: Subject + ?Sized> View<'a, S> {
    pub(crate) fn test(&self, test: &Test) -> bool {
        match test {
            Test::Const(truth) => *truth,
            Test::All(tests) => tests.iter().all(|test| self.test(test)),
            Test::Any(tests) => tests.iter().any(|test| self.test(test)),
            Test::Not(test) => !self.test(test),
            Test::Choice(parts) => {
                if self.test(&parts.0) {
                    self.test(&parts.1)
                } else {
                    self.test(&parts.2)
                }
            }
            Test::Truth(place) => self.value(place) == Some(&Value::Bool(true)),
            Test::Has(place) if place.is_event => self.subject.has_event(&place.name),
            Test::Has(place) => self.subject.has_profile(&place.name),
            Test::InSegment(name) => self.subject.in_segment(name),
            Test::Numbers(compare, left, right) => match (self.amount(left), self.amount(right)) {
                (Some(left), Some(right)) => left
                    .partial_cmp(&right)
                    .is_some_and(|order| compare.holds(order)),
                _ => false,
            },
            Test::Texts(compare, left, right) => match (self.text(left), self.text(right)) {
                (Some(left), Some(right)) => compare.holds(left.cmp(right)),
                _ => false,
            },
            Test::Times(compare, left, right) => match (self.time(left), self.time(right)) {
                (Some(left), Some(right)) => compare.holds(left.cmp(&right)),
                _ => false,
            },
            Test::Values(compare, left, right) => match (self.value(left), self.value(right)) {
                (Some(left), Some(right)) => order(left, right).is_some_and(|order| {
                    (!compare.is_order() || is_ordered(left)) && compare.holds(order)
                }),
                _ => false,
            },
            Test::Tests(equal, parts) => (self.test(&parts.0) == self.test(&parts.1)) == *equal,
            Test::TruthIs(equal, place, test) => match self.value(place) {
                Some(Value::Bool(truth)) => (*truth == self.test(test)) == *equal,
                _ => false,
            },
            Test::Among(item, values) => self.is_among(item, values),
            Test::Within(item, place) => match self.value(place) {
                Some(Value::List(values)) => self.is_among(item, values),
                _ => false,
            },
            Test::Affix(test, text, part) => match (self.text(text), self.text(part)) {
                (Some(text), Some(part)) => test.holds(text, part),
                _ => false,
            },
            Test::Matches(text, regex) => self.text(text).is_some_and(|text| regex.is_match(text)),
        }
    }

    fn is_among(&self, item: &Item, values: &[Value]) -> bool {
        match item {
            Item::Place(place) => self
                .value(place)
                .is_some_and(|value| values.contains(value)),
            Item::Number(number) => self.amount(number).is_some_and(|number| {
                let mut amounts = values.iter().filter_map(Value::as_amount);
                amounts.any(|amount| amount.partial_cmp(&number) == Some(Ordering::Equal))
            }),
            Item::Text(text) => self
                .text(text)
                .is_some_and(|text| values.iter().any(|value| value.as_text() == Some(text))),
            Item::Test(test) => values.contains(&Value::Bool(self.test(test))),
        }
    }

    pub(crate) fn value(&self, place: &Place) -> Option<&'a Value> {
        if place.is_event {
            self.subject.event(&place.name)
        } else {
            self.subject.profile(&place.name)
        }
    }

    /// Returns a number to be compared, as exact as it is.
    pub(crate) fn amount(&self, number: &Number) -> Option<Amount> {
        match number {
            Number::Whole(whole) => Some(Amount::Integer(*whole)),
            Number::Place(place) => self.value(place)?.as_amount(),
            other => self.number(other).map(Amount::Number),
        }
    }

    pub(crate) fn number(&self, number: &Number) -> Option<f64> {
        match number {
            Number::Const(number) => Some(*number),
            Number::Whole(whole) => Value::from(*whole).as_number(),
            Number::Place(place) => self.value(place)?.as_number(),
            Number::Feature(slot) => match self.measure(*slot) {
                Measure::Number(number) => Some(number),
                Measure::Unknown | Measure::Time(_) => None,
            },
            Number::Size(place) => match self.value(place)? {
                Value::Text(text) => Some(count(text.chars().count())),
                Value::List(values) => Some(count(values.len())),
                Value::Bool(_) | Value::Number(_) | Value::Integer(_) | Value::Json(_) => None,
            },
            Number::SizeOf(text) => Some(count(self.text(text)?.chars().count())),
            Number::Negative(number) => Some(-self.number(number)?),
            Number::Arithmetic(operation, parts) => {
                operation.apply(self.number(&parts.0)?, self.number(&parts.1)?)
            }
            Number::Choice(parts) => {
                if self.test(&parts.0) {
                    self.number(&parts.1)
                } else {
                    self.number(&parts.2)
                }
            }
        }
    }

    pub(crate) fn text<'t>(&self, text: &'t Text) -> Option<&'t str>
    where
        'a: 't,
    {
        match text {
            Text::Const(text) => Some(text),
            Text::Place(place) => self.value(place)?.as_text(),
            Text::Choice(parts) => {
                if self.test(&parts.0) {
                    self.text(&parts.1)
                } else {
                    self.text(&parts.2)
                }
            }
        }
    }

    pub(crate) fn time(&self, time: &Time) -> Option<i64> {
        match time {
            Time::Instant(millis) | Time::Span(millis) => Some(*millis),
            Time::Now => Some(self.now.as_millis()),
            Time::FirstSeen => Some(self.subject.first_seen()?.as_millis()),
            Time::LastSeen => Some(self.subject.last_seen()?.as_millis()),
            Time::Feature(slot) => match self.measure(*slot) {
                Measure::Time(instant) => Some(instant.as_millis()),
                Measure::Unknown | Measure::Number(_) => None,
            },
            Time::Parse(text) => {
                let instant: Timestamp = self.text(text)?.parse().ok()?;
                Some(instant.as_millis())
            }
            Time::Add(parts) => self.time(&parts.0)?.checked_add(self.time(&parts.1)?),
            Time::Subtract(parts) => self.time(&parts.0)?.checked_sub(self.time(&parts.1)?),
        }
    }

    pub(crate) fn remark(&self, slot: usize) -> Option<String> {
        self.subject.remark(slot, &self.features[slot], self.now)
    }

    fn measure(&self, slot: usize) -> Measure {
        self.subject.measure(slot, &self.features[slot], self.now)
    }
}

/// Compares two known values of the same type; values of different types are unknown to each other.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(_) | Value::Integer(_), Value::Number(_) | Value::Integer(_)) => {
            left.as_amount().partial_cmp(&right.as_amount())
        }
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::List(_), Value::List(_)) => Some(if left == right {
            Ordering::Equal
        } else {
            Ordering::Less
        }),
        _ => None,
    }
}

/// Returns whether a value is of a type with an order.
fn is_ordered(value: &Value) -> bool {
    matches!(value, Value::Number(_) | Value::Integer(_) | Value::Text(_))
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}
