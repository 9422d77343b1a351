//! A compiled condition: whether it holds, why, and when that changes by itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use kernel::Timestamp;

use crate::canon::canonical;
use crate::check::Checked;
use crate::eval::View;
use crate::feature::Feature;
use crate::limits;
use crate::mistake::Mistake;
use crate::program::{Test, Time};
use crate::subject::Subject;
use crate::term::{Shown, Term};
use crate::watch::{Watch, watches};

/// The names that an expression may refer to.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// True where `events("name")` aggregates, `now`, `first_seen` and `last_seen` are known.
    pub aggregates: bool,
    /// True where `event.*`, the event at hand, is known.
    pub event: bool,
    /// The segments that exist; absent to accept any name.
    pub segments: Option<Arc<BTreeSet<String>>>,
}

impl Scope {
    /// Returns whether a segment of this name exists here, or any name is accepted.
    pub fn has_segment(&self, name: &str) -> bool {
        self.segments
            .as_ref()
            .is_none_or(|segments| segments.contains(name))
    }
}

/// The names that an expression reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// Traits of the profile.
    pub traits: BTreeSet<Box<str>>,
    /// Properties of the event at hand.
    pub properties: BTreeSet<Box<str>>,
    /// Names of events of the past.
    pub events: BTreeSet<Box<str>>,
    /// Segments.
    pub segments: BTreeSet<Box<str>>,
    /// True where it reads when the customer was first or last seen, which any event may change.
    pub seen: bool,
}

/// The type of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// True or false.
    Bool,
    /// A number.
    Number,
    /// A text.
    Text,
    /// An instant.
    Timestamp,
    /// A length of time.
    Duration,
    /// A list.
    List,
    /// A trait or property, of whatever type it has for each customer.
    Any,
}

impl Type {
    /// Its name, as answers carry it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Number => "number",
            Self::Text => "string",
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
            Self::List => "list",
            Self::Any => "any",
        }
    }
}

/// A compiled condition.
#[derive(Debug, Clone)]
pub struct Condition {
    source: Box<str>,
    test: Test,
    features: Box<[Feature]>,
    reads: Reads,
    /// Comparisons of time, whose truth may change without an event.
    clocks: Box<[(Time, Time)]>,
    /// Features whose change may change its truth.
    watches: Box<[Watch]>,
    terms: Box<[Shown]>,
}

/// Checks an expression of any type: its type and what it reads.
///
/// # Errors
/// Every [`Mistake`] in the text, in its order.
pub fn check(source: &str, scope: &Scope) -> Result<(Type, Reads), Vec<Mistake>> {
    crate::check::check(source, scope, false).map(|checked| (checked.kind, checked.reads))
}

impl Condition {
    /// Checks and compiles a condition.
    ///
    /// # Errors
    /// Every [`Mistake`] in the text, in its order.
    pub fn compile(source: &str, scope: &Scope) -> Result<Self, Vec<Mistake>> {
        let Checked {
            test,
            features,
            reads,
            clocks,
            terms,
            ..
        } = crate::check::check(source, scope, true)?;
        Ok(Self {
            source: source.into(),
            watches: watches(&test, &features),
            test,
            features: features.into(),
            reads,
            clocks: clocks.into(),
            terms: terms.into(),
        })
    }

    /// Its text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its text in canonical form: conditions that only spell the same otherwise have one.
    pub fn canonical(&self) -> Box<str> {
        canonical(&self.test, &self.features)
    }

    /// Returns the names that it reads.
    pub const fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Returns the features that it reads; their places are the slots that a [`Subject`] is asked
    /// for.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// Returns whether its truth may change by time alone.
    fn is_timed(&self) -> bool {
        !self.clocks.is_empty() || !self.features.is_empty()
    }

    /// Returns whether it is nothing but one comparison of a count or a sum with a level.
    fn is_one_level(&self) -> bool {
        matches!(
            (&self.test, &*self.watches),
            (Test::Numbers(..), [Watch { level: Some(_), .. }])
        )
    }

    /// Returns whether it holds. An unknown value makes a comparison false.
    pub fn holds<S: Subject + ?Sized>(&self, subject: &S) -> bool {
        self.holds_at(subject, subject.now())
    }

    /// Returns whether it holds at another instant: later if nothing else happens until then, or
    /// earlier with what is known today.
    fn holds_at<S: Subject + ?Sized>(&self, subject: &S, at: Timestamp) -> bool {
        self.view(subject, at).test(&self.test)
    }

    /// Returns whether it compares instants or lengths of time, so that it may change by time alone
    /// whatever the subject.
    pub fn compares_times(&self) -> bool {
        !self.clocks.is_empty()
    }

    /// When its truth changes next, if nothing but time happens; none if never. Memberships in
    /// other segments are taken to stay as they are.
    pub fn next_change<S: Subject + ?Sized>(&self, subject: &S) -> Option<Timestamp> {
        let truth = self.holds(subject);
        let (at, changes) = self.search(subject, truth, limits::EXACT_LOOKS)?;
        changes.then_some(at)
    }

    /// When to look again: no later than [`next_change`](Self::next_change), possibly earlier,
    /// found at bounded cost.
    pub fn next_look<S: Subject + ?Sized>(&self, subject: &S) -> Option<Timestamp> {
        self.decide(subject).1
    }

    /// Returns whether it holds, and when to look again: [`holds`](Self::holds) and
    /// [`next_look`](Self::next_look) at the cost of the second alone.
    pub fn decide<S: Subject + ?Sized>(&self, subject: &S) -> (bool, Option<Timestamp>) {
        let truth = self.holds(subject);
        let look = self.search(subject, truth, limits::LOOKS);
        (truth, look.map(|(at, _)| at))
    }

    /// Since when its truth is what it is now, as far as the subject can tell, and no earlier than
    /// `from`. Tries at most `looks` instants and says now where that is not enough.
    pub fn since<S: Subject + ?Sized>(
        &self,
        subject: &S,
        from: Timestamp,
        looks: usize,
    ) -> Timestamp {
        let now = subject.now();
        let truth = self.holds(subject);
        let (mut at, mut last, mut since) = (from, self.holds_at(subject, from), from);
        for _ in 0..looks {
            let next = self.next_candidate(subject, at);
            match next.filter(|(next, _)| *next <= now) {
                Some((next, _)) => at = next,
                None if last == truth => return since,
                None => return now,
            }
            let holds = self.holds_at(subject, at);
            if holds != last && holds == truth {
                since = at;
            }
            last = holds;
        }
        now
    }

    /// Its terms with their values, in the order of the text.
    pub fn explain<S: Subject + ?Sized>(&self, subject: &S) -> Vec<Term> {
        let view = self.view(subject, subject.now());
        self.terms
            .iter()
            .map(|shown| shown.explain(&view, &self.source))
            .collect()
    }

    fn view<'a, S: Subject + ?Sized>(&'a self, subject: &'a S, now: Timestamp) -> View<'a, S> {
        View {
            subject,
            features: &self.features,
            now,
        }
    }

    /// Tries the instants at which something may change, in order; tells the last one tried and
    /// whether it differs.
    fn search<S: Subject + ?Sized>(
        &self,
        subject: &S,
        truth: bool,
        looks: usize,
    ) -> Option<(Timestamp, bool)> {
        if !self.is_timed() {
            return None;
        }
        let mut at = subject.now();
        for _ in 0..looks {
            let is_sure;
            (at, is_sure) = self.next_candidate(subject, at)?;
            if is_sure || self.holds_at(subject, at) != truth {
                return Some((at, true));
            }
        }
        Some((at, false))
    }

    /// The first instant after another at which a feature may change or two times cross, and
    /// whether its truth surely changes then: where it is nothing but a level that is crossed.
    fn next_candidate<S: Subject + ?Sized>(
        &self,
        subject: &S,
        after: Timestamp,
    ) -> Option<(Timestamp, bool)> {
        let steps = self.watches.iter().filter_map(|watch| {
            let (slot, feature) = (watch.slot, &self.features[watch.slot]);
            match watch.level {
                Some(level) => subject.level_change(slot, feature, level, after),
                None => subject
                    .measure_change(slot, feature, after)
                    .map(|at| (at, false)),
            }
        });
        let view = self.view(subject, after);
        let crossings = self.clocks.iter().filter_map(|(left, right)| {
            let gap = view.time(left)?.checked_sub(view.time(right)?)?;
            let ahead = next_crossing(gap, left.slope() - right.slope())?;
            after
                .as_millis()
                .checked_add(ahead)
                .map(|at| (Timestamp::from_millis(at), false))
        });
        let candidates = steps.chain(crossings).filter(|(at, _)| *at > after);
        let (at, is_sure) = candidates.min()?;
        Some((at, is_sure && self.is_one_level()))
    }
}

/// In how many milliseconds a gap that grows by `slope` a millisecond changes its sign next:
/// reaches zero, or leaves it.
fn next_crossing(gap: i64, slope: i64) -> Option<i64> {
    if slope == 0 || (gap != 0 && (gap > 0) == (slope > 0)) {
        return None;
    }
    let (gap, slope) = (i128::from(gap).abs(), i128::from(slope).abs());
    // At the first millisecond the gap is closed or passed; at the second it is surely passed.
    let (closed, passed) = ((gap + slope - 1) / slope, gap / slope + 1);
    let ahead = if closed > 0 { closed } else { passed };
    i64::try_from(ahead).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_close_and_open_at_the_millisecond() {
        for (gap, slope, expected) in [
            (-5, 1, Some(5)),
            (5, -1, Some(5)),
            (0, 1, Some(1)),
            (0, -2, Some(1)),
            (-5, 2, Some(3)),
            (5, 1, None),
            (-5, 0, None),
        ] {
            assert_eq!(next_crossing(gap, slope), expected, "{gap} {slope}");
        }
    }
}
