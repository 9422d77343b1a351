//! Tells downstream, and consumers outside, what was learned of a customer, and counts it. Of an
//! account nothing is told and nothing counted.

use bytes::Bytes;
use kernel::Timestamp;
use messages::convert;
use messages::stream::v1::{
    ChangeReason, Event, Fact, Profile, Record, SegmentChange, SetTrait, record::Body,
};

use crate::change::tell_changes;
use crate::core::Pass;
use crate::counter::Counter;
use crate::profile::TraitChanges;

impl Pass<'_> {
    /// Tells of an event, and of what it changed.
    pub(crate) fn tell_event(
        &mut self,
        key: &Bytes,
        (time_ms, event): (i64, &Event),
        changes: Vec<SegmentChange>,
        traits: TraitChanges,
    ) {
        if self.is_account {
            return;
        }
        tell_changes(key, &changes, self.effects);
        let counter = Counter::Seen { event: &event.name };
        self.effects.count(counter.key(), 1);
        self.count_left_out(&traits);
        let told = Event {
            event_id: event.event_id.clone(),
            name: event.name.clone(),
            properties: event.properties.clone(),
            fragment_id: event.fragment_id.clone(),
            ..Event::default()
        };
        let fact = Fact {
            event: Some(told),
            changes,
            profile: None,
            set_traits: traits.set,
            removed_traits: traits.removed,
        };
        self.emit_fact(key, time_ms, fact);
    }

    /// Counts the traits that found no room.
    pub(crate) fn count_left_out(&mut self, changes: &TraitChanges) {
        if changes.left_out > 0 && !self.is_account {
            let counter = Counter::TraitsLeftOut;
            self.effects.count(counter.key(), changes.left_out);
        }
    }

    /// Tells downstream, and consumers outside, what changed without an event.
    pub(crate) fn emit_changes(&mut self, key: &Bytes, at: Timestamp, changes: Vec<SegmentChange>) {
        if changes.is_empty() {
            return;
        }
        tell_changes(key, &changes, self.effects);
        let fact = Fact {
            changes,
            ..Fact::default()
        };
        self.emit_fact(key, at.as_millis(), fact);
    }

    /// Tells downstream everything that is known of the customer, and what of it changed, which it
    /// tells consumers outside too.
    pub(crate) fn emit_profile(
        &mut self,
        key: &Bytes,
        (at, reason): (Timestamp, ChangeReason),
        changes: Vec<SegmentChange>,
    ) {
        if self.is_account {
            return;
        }
        tell_changes(key, &changes, self.effects);
        let traits = self.state.traits.values();
        let mut traits: Vec<SetTrait> = traits
            .map(|(name, value, stamp)| SetTrait {
                name: name.to_owned(),
                value: Some(convert::stream_value(value)),
                set_time_ms: stamp.time.as_millis(),
            })
            .collect();
        traits.sort_by(|one, other| one.name.cmp(&other.name));
        let segments = self
            .state
            .memberships
            .iter()
            .map(|membership| SegmentChange {
                segment: membership.segment.to_string(),
                version: membership.version,
                entered: true,
                reason: reason.into(),
                time_ms: membership.enter_time.as_millis(),
            });
        let profile = Profile {
            traits,
            segments: segments.collect(),
        };
        let fact = Fact {
            changes,
            profile: Some(profile),
            ..Fact::default()
        };
        self.emit_fact(key, at.as_millis(), fact);
    }

    fn emit_fact(&mut self, key: &Bytes, time_ms: i64, fact: Fact) {
        self.effects.emit(Record {
            customer_id: key.clone(),
            time_ms,
            body: Some(Body::Fact(fact)),
            ..Record::default()
        });
    }
}
