//! The features of a condition that can change by time alone, each with the level that matters.

use crate::canon::constant;
use crate::feature::{Aggregate, Feature};
use crate::program::{Compare, Item, Number, Test, Text, Time};

/// A feature whose change may change a condition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Watch {
    pub(crate) slot: usize,
    /// A count or a sum matters only where it falls to this level or below; absent where any change
    /// may matter.
    pub(crate) level: Option<f64>,
}

/// Returns what a condition watches, each once.
pub(crate) fn watches(test: &Test, features: &[Feature]) -> Box<[Watch]> {
    let mut watcher = Watcher {
        features,
        found: Vec::new(),
    };
    watcher.test(test);
    watcher.found.into()
}

struct Watcher<'a> {
    features: &'a [Feature],
    found: Vec<Watch>,
}

impl Watcher<'_> {
    fn test(&mut self, test: &Test) {
        match test {
            Test::Const(_)
            | Test::Truth(_)
            | Test::Has(_)
            | Test::InSegment(_)
            | Test::Values(..)
            | Test::Within(Item::Place(_), _)
            | Test::Among(Item::Place(_), _) => {}
            Test::All(tests) | Test::Any(tests) => tests.iter().for_each(|test| self.test(test)),
            Test::Not(test) | Test::TruthIs(_, _, test) => self.test(test),
            Test::Choice(parts) => {
                for part in [&parts.0, &parts.1, &parts.2] {
                    self.test(part);
                }
            }
            Test::Tests(_, parts) => {
                self.test(&parts.0);
                self.test(&parts.1);
            }
            Test::Numbers(compare, left, right) => self.numbers(*compare, left, right),
            Test::Texts(_, left, right) | Test::Affix(_, left, right) => {
                self.text(left);
                self.text(right);
            }
            Test::Matches(text, _) => self.text(text),
            Test::Times(_, left, right) => {
                self.time(left);
                self.time(right);
            }
            Test::Among(item, _) | Test::Within(item, _) => match item {
                Item::Place(_) => {}
                Item::Number(number) => self.number(number),
                Item::Text(text) => self.text(text),
                Item::Test(test) => self.test(test),
            },
        }
    }

    fn numbers(&mut self, compare: Compare, left: &Number, right: &Number) {
        let compared = match (left, right) {
            (Number::Feature(slot), bound) => constant(bound).map(|bound| (*slot, compare, bound)),
            (bound, Number::Feature(slot)) => {
                constant(bound).map(|bound| (*slot, compare.flipped(), bound))
            }
            _ => None,
        };
        if let Some((slot, compare, bound)) = compared
            && let Some(level) = level(&self.features[slot].aggregate, compare, bound)
        {
            self.add(slot, Some(level));
            return;
        }
        self.number(left);
        self.number(right);
    }

    fn number(&mut self, number: &Number) {
        match number {
            Number::Const(_) | Number::Whole(_) | Number::Place(_) | Number::Size(_) => {}
            Number::Feature(slot) => self.add(*slot, None),
            Number::SizeOf(text) => self.text(text),
            Number::Negative(number) => self.number(number),
            Number::Arithmetic(_, parts) => {
                self.number(&parts.0);
                self.number(&parts.1);
            }
            Number::Choice(parts) => {
                self.test(&parts.0);
                self.number(&parts.1);
                self.number(&parts.2);
            }
        }
    }

    fn text(&mut self, text: &Text) {
        if let Text::Choice(parts) = text {
            self.test(&parts.0);
            self.text(&parts.1);
            self.text(&parts.2);
        }
    }

    fn time(&mut self, time: &Time) {
        match time {
            Time::Instant(_) | Time::Span(_) | Time::Now | Time::FirstSeen | Time::LastSeen => {}
            Time::Feature(slot) => self.add(*slot, None),
            Time::Parse(text) => self.text(text),
            Time::Add(parts) | Time::Subtract(parts) => {
                self.time(&parts.0);
                self.time(&parts.1);
            }
        }
    }

    fn add(&mut self, slot: usize, level: Option<f64>) {
        let watch = Watch { slot, level };
        if !self.found.contains(&watch) {
            self.found.push(watch);
        }
    }
}

/// Returns the count or sum at or below which a comparison answers otherwise than above it. `None`
/// where more than one level tells, and for other aggregates, which may rise by time alone.
fn level(aggregate: &Aggregate, compare: Compare, bound: f64) -> Option<f64> {
    let (below, at) = match aggregate {
        // Counts are whole numbers.
        Aggregate::Count => (bound.ceil() - 1.0, bound.floor()),
        Aggregate::Sum(_) => (bound.next_down(), bound),
        _ => return None,
    };
    match compare {
        Compare::AtLeast | Compare::Less => Some(below),
        Compare::More | Compare::AtMost => Some(at),
        Compare::Equal | Compare::Unequal => None,
    }
}
