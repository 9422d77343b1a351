//! A customer at an instant, as conditions see them.

use std::cell::{Cell, RefCell};

use expr::{Feature, FeatureId, Measure, Subject};
use kernel::{Timestamp, Value};

use crate::reading::{self, FeatureReading, Known};
use crate::state::{Held, MissingParts, State};

/// A customer at an instant, as one condition sees them.
pub(crate) struct Customer<'a> {
    state: &'a State,
    now: Timestamp,
    /// The histories of the condition's features.
    ids: &'a [FeatureId],
    /// True where what is known in part counts as unknown.
    is_strict: bool,
    missing: RefCell<MissingParts>,
    /// The slot that was looked up last, with its histories: a decision asks for one several times.
    found: Cell<(usize, &'a [Held])>,
}

impl<'a> Customer<'a> {
    /// As memberships are decided: by what is known.
    pub(crate) const fn new(state: &'a State, now: Timestamp, ids: &'a [FeatureId]) -> Self {
        Self {
            state,
            now,
            ids,
            is_strict: false,
            missing: RefCell::new(MissingParts(Vec::new())),
            found: Cell::new((usize::MAX, &[])),
        }
    }

    /// As previews are made: what is known in part is unknown.
    pub(crate) fn strict(state: &'a State, now: Timestamp, ids: &'a [FeatureId]) -> Self {
        Self {
            is_strict: true,
            ..Self::new(state, now, ids)
        }
    }

    /// Passes on what was answered, unless a part was missed on the way.
    ///
    /// # Errors
    /// [`MissingParts`]: the answer is worth nothing.
    pub(crate) fn found<T>(&self, answer: T) -> Result<T, MissingParts> {
        self.missing.take().or(answer)
    }

    /// The value of a feature now, and how much is behind it.
    ///
    /// # Errors
    /// [`MissingParts`] where it cannot be read.
    pub(crate) fn reading(
        &self,
        slot: usize,
        feature: &Feature,
    ) -> Result<FeatureReading, MissingParts> {
        let mut reading = reading::read(self.state, self.held(slot), feature, self.now)?;
        if self.is_strict && reading.known != Known::Whole {
            reading.measure = Measure::Unknown;
        }
        Ok(reading)
    }

    fn held(&self, slot: usize) -> &'a [Held] {
        let (last, held) = self.found.get();
        if last == slot {
            return held;
        }
        let held = self.state.features.of(self.ids[slot]);
        self.found.set((slot, held));
        held
    }

    /// Takes note of what an answer misses.
    fn note<T>(&self, answer: Result<T, MissingParts>, otherwise: T) -> T {
        self.missing.borrow_mut().note(answer, otherwise)
    }
}

impl Subject for Customer<'_> {
    fn profile(&self, name: &str) -> Option<&Value> {
        self.state.traits.value(name)
    }

    fn event(&self, _name: &str) -> Option<&Value> {
        None
    }

    fn has_profile(&self, name: &str) -> bool {
        self.state.traits.has(name)
    }

    fn in_segment(&self, name: &str) -> bool {
        self.state.membership_place(name).is_ok()
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn first_seen(&self) -> Option<Timestamp> {
        self.state.first_seen
    }

    fn last_seen(&self) -> Option<Timestamp> {
        self.state.last_seen
    }

    fn measure(&self, slot: usize, feature: &Feature, at: Timestamp) -> Measure {
        let held = self.held(slot);
        if self.is_strict {
            let known = reading::known(self.state, held, feature, at);
            if self.note(known, Known::Nothing) != Known::Whole {
                return Measure::Unknown;
            }
        }
        let measure = reading::measure(self.state, held, feature, at);
        self.note(measure, Measure::Unknown)
    }

    fn measure_change(
        &self,
        slot: usize,
        feature: &Feature,
        after: Timestamp,
    ) -> Option<Timestamp> {
        self.note(reading::next_change(self.held(slot), feature, after), None)
    }

    fn level_change(
        &self,
        slot: usize,
        feature: &Feature,
        level: f64,
        after: Timestamp,
    ) -> Option<(Timestamp, bool)> {
        let change = reading::level_change(self.held(slot), feature, level, after);
        // What is unknown now and then changes nothing.
        let (at, is_sure) = self.note(change, None)?;
        Some((at, is_sure && !self.is_strict))
    }

    fn remark(&self, slot: usize, feature: &Feature, _at: Timestamp) -> Option<String> {
        let reading = self.reading(slot, feature).ok()?;
        Some(reading.to_string()).filter(|remark| !remark.is_empty())
    }
}
