//! One customer at one instant, as conditions see them.

use kernel::{Timestamp, Value};

use crate::feature::{Feature, Measure};

/// One customer at one instant, as conditions see them.
///
/// # Contract
/// The methods with a default are asked only by expressions of a [`Scope`](crate::Scope) with
/// `aggregates`.
pub trait Subject {
    /// A trait of the profile.
    fn profile(&self, name: &str) -> Option<&Value>;

    /// A property of the event at hand.
    fn event(&self, name: &str) -> Option<&Value>;

    /// Returns whether a trait has a value, or is an object that has values.
    fn has_profile(&self, name: &str) -> bool {
        self.profile(name).is_some()
    }

    /// Returns whether a property of the event at hand has a value, or is an object that has
    /// values.
    fn has_event(&self, name: &str) -> bool {
        self.event(name).is_some()
    }

    /// Returns whether the customer is in a segment.
    fn in_segment(&self, name: &str) -> bool;

    /// The instant.
    fn now(&self) -> Timestamp {
        Timestamp::MIN
    }

    /// When the customer's first event happened.
    fn first_seen(&self) -> Option<Timestamp> {
        None
    }

    /// When the customer's last event happened.
    fn last_seen(&self) -> Option<Timestamp> {
        None
    }

    /// The value of a feature of the expression at an instant at or after now, if nothing else
    /// happens until then. `slot` is its place in
    /// [`Condition::features`](crate::Condition::features).
    fn measure(&self, slot: usize, feature: &Feature, at: Timestamp) -> Measure {
        let _ = (slot, feature, at);
        Measure::Unknown
    }

    /// The first instant after `after` at which the value of a feature may change by time alone.
    fn measure_change(
        &self,
        slot: usize,
        feature: &Feature,
        after: Timestamp,
    ) -> Option<Timestamp> {
        let _ = (slot, feature, after);
        None
    }

    /// The first instant after `after` at which a count or a sum may fall to `level` or below, or
    /// grow, and whether it surely is above the level until then and not above it then. Where it
    /// only falls, what it does above and below the level does not matter.
    fn level_change(
        &self,
        slot: usize,
        feature: &Feature,
        level: f64,
        after: Timestamp,
    ) -> Option<(Timestamp, bool)> {
        let _ = level;
        let change = self.measure_change(slot, feature, after)?;
        Some((change, false))
    }

    /// Notes for people on the value of a feature at an instant, beside the value itself, such as
    /// how much of the past it covers; none where there is nothing to say.
    fn remark(&self, slot: usize, feature: &Feature, at: Timestamp) -> Option<String> {
        let _ = (slot, feature, at);
        None
    }
}
