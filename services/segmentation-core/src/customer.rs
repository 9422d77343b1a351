//! A customer at an instant, as conditions see them.

use expr::{Feature, Measure, Subject};
use kernel::{Timestamp, Value};

use crate::measure;
use crate::state::State;

/// A customer at an instant.
pub(crate) struct Customer<'a> {
    pub(crate) state: &'a State,
    pub(crate) now: Timestamp,
}

impl Subject for Customer<'_> {
    fn profile(&self, name: &str) -> Option<&Value> {
        self.state.traits.value(name)
    }

    fn event(&self, _name: &str) -> Option<&Value> {
        None
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

    fn measure(&self, _slot: usize, feature: &Feature, at: Timestamp) -> Measure {
        measure::measure(self.state.past(&feature.event), feature, at)
    }

    fn measure_change(
        &self,
        _slot: usize,
        feature: &Feature,
        after: Timestamp,
    ) -> Option<Timestamp> {
        measure::next_change(self.state.past(&feature.event)?, feature, after)
    }
}
