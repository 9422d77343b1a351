//! The state of one customer.

mod fragments;
mod ids;
mod parts;
mod recent;
mod split;
mod total;

use std::sync::Arc;

use bytes::Bytes;
use decision::{PartKey, PartLoad, PartWrites, Poison, UnknownParts};
use kernel::{Properties, Timestamp};

use crate::profile::{Content, Traits};

pub(crate) use fragments::{Fragment, Fragments, LAST};
pub(crate) use ids::{EventIds, IdBlock, IdRun, RecentId};
pub(crate) use parts::{Features, Held, Listing};
pub use parts::{MissingParts, PartKind};
pub use recent::RecentEvent;
pub(crate) use recent::{RecentEvents, set_ordinal};
pub use total::EventTotal;
pub(crate) use total::{Counted, count_event, has_all_names, join_totals, total_place};

/// The state of one customer. Cheap to clone: what a step does not touch is shared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub(crate) traits: Arc<Traits>,
    /// By name.
    pub(crate) totals: Vec<EventTotal>,
    pub(crate) features: Features,
    /// Parts of kinds that a newer version wrote.
    pub(crate) others: UnknownParts,
    /// By name of the segment.
    pub(crate) memberships: Vec<Membership>,
    /// Places of segments and when to look at them again, by place.
    pub(crate) dues: Vec<(u32, Timestamp)>,
    pub(crate) recent: RecentEvents,
    pub(crate) event_ids: EventIds,
    /// Of a merged customer: what happened to each fragment alone. All else here is of all of them.
    pub(crate) fragments: Fragments,
    pub(crate) first_seen: Option<Timestamp>,
    pub(crate) last_seen: Option<Timestamp>,
    /// Of an account: its members, as told last.
    pub(crate) members: Option<MemberCount>,
    /// The set of definitions that the memberships and dues were decided by.
    pub(crate) fingerprint: u64,
    /// The latest instant at which the memberships were decided.
    pub(crate) clock: Option<Timestamp>,
    /// Parts of fragments that leave, as they are to be stored until they have moved.
    pub(crate) parting: Vec<(PartKey, Option<Bytes>)>,
    /// Parts that were loaded before the state that lists them is there.
    pub(crate) given: Vec<(PartKey, Bytes)>,
}

/// A segment that the customer is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The segment.
    pub segment: Arc<str>,
    /// The version of its definition that said so last.
    pub version: u32,
    /// Since when.
    pub enter_time: Timestamp,
}

/// The number of members of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberCount {
    /// The number.
    pub count: u32,
    /// The number of the change that said so: it grows.
    pub number: u64,
}

impl MemberCount {
    /// Returns whether it is newer than another one.
    pub(crate) fn is_after(self, other: Option<Self>) -> bool {
        other.is_none_or(|other| self.number > other.number)
    }
}

impl State {
    /// Returns whether an event of the customer was processed; of an account, whether an event or a
    /// number of members was.
    pub fn is_known(&self) -> bool {
        self.first_seen.is_some() || self.members.is_some() || !self.fragments.is_empty()
    }

    /// Of an account: how many customers are members of it; absent before that was told.
    pub fn member_count(&self) -> Option<u32> {
        self.members.map(|members| members.count)
    }

    /// The traits, by path.
    pub fn traits(&self) -> Properties {
        let values = self.traits.values();
        values
            .map(|(name, value, _)| (name, value.clone()))
            .collect()
    }

    /// The traits that have a value that found no room, by name, with when it was set.
    pub fn left_out_traits(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        let said = self.traits.iter();
        let left_out = said.filter(|said| *said.content() == Content::LeftOut);
        left_out.map(|said| (said.name(), said.stamp().time))
    }

    /// The segments that the customer is in, by name.
    pub fn memberships(&self) -> &[Membership] {
        &self.memberships
    }

    /// The counts of events, by name.
    pub fn event_totals(&self) -> &[EventTotal] {
        &self.totals
    }

    /// The parts for a reader to load who missed some: those, and all blocks of a history of which
    /// a block is among them. So a reader needs a look or two, however many edges its windows have.
    #[must_use]
    pub fn parts_to_read(&self, missing: &MissingParts) -> Vec<PartKey> {
        let mut parts = missing.0.clone();
        for held in self.features.iter() {
            let own = held.not_loaded();
            if own.iter().any(|key| missing.0.contains(key)) {
                parts.extend(own);
            }
        }
        parts.sort_unstable();
        parts.dedup();
        parts
    }

    /// The newest events, newest last.
    pub fn recent(&self) -> impl Iterator<Item = RecentEvent> {
        self.recent.read()
    }

    /// When the first event happened.
    pub const fn first_seen(&self) -> Option<Timestamp> {
        self.first_seen
    }

    /// When the last event happened.
    pub const fn last_seen(&self) -> Option<Timestamp> {
        self.last_seen
    }

    /// Returns the count of an event; none where it is not known that it did.
    pub(crate) fn total(&self, name: &str) -> Option<&EventTotal> {
        let place = self.total_place(name).ok()?;
        Some(&self.totals[place])
    }

    pub(crate) fn total_place(&self, name: &str) -> Result<usize, usize> {
        total_place(&self.totals, name)
    }

    /// Returns whether names that nobody reads are no longer counted, because so many are.
    pub(crate) fn has_all_names(&self) -> bool {
        has_all_names(&self.totals)
    }

    /// Returns whether events of a name happened, or may have.
    pub(crate) fn may_have_had(&self, name: &str) -> bool {
        self.total_place(name).is_ok() || self.has_all_names()
    }

    pub(crate) fn membership_place(&self, segment: &str) -> Result<usize, usize> {
        self.memberships
            .binary_search_by(|membership| membership.segment.as_ref().cmp(segment))
    }

    /// Finds a membership as [`membership_place`](Self::membership_place) does, sooner where it is
    /// at a place or not far behind it: segments are decided in an order that follows their names.
    pub(crate) fn membership_place_near(&self, near: usize, segment: &str) -> Result<usize, usize> {
        let is_before = |own: &Membership| own.segment.as_ref() < segment;
        let near = near.min(self.memberships.len());
        if !self.memberships[..near].last().is_none_or(is_before) {
            return self.membership_place(segment);
        }
        let (mut from, mut stride) = (near, 1);
        while self
            .memberships
            .get(from + stride - 1)
            .is_some_and(is_before)
        {
            from += stride;
            stride *= 2;
        }
        let until = self.memberships.len().min(from + stride);
        let rest = &self.memberships[from..until];
        let found = rest.binary_search_by(|own| own.segment.as_ref().cmp(segment));
        found
            .map(|place| from + place)
            .map_err(|place| from + place)
    }

    /// Sets or clears when to look at a segment again.
    pub(crate) fn set_due(&mut self, segment: u32, due: Option<Timestamp>) {
        match (
            self.dues.binary_search_by_key(&segment, |(own, _)| *own),
            due,
        ) {
            (Ok(place), Some(due)) => self.dues[place].1 = due,
            (Ok(place), None) => drop(self.dues.remove(place)),
            (Err(place), Some(due)) => self.dues.insert(place, (segment, due)),
            (Err(_), None) => {}
        }
    }

    /// The earliest instant at which a segment must be looked at again.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.dues.iter().map(|(_, due)| *due).min()
    }

    /// The earliest instant at which the customer must be looked at again.
    pub(crate) fn next_wake(&self) -> Option<Timestamp> {
        let wakes = [self.next_due(), self.event_ids.next_due()];
        wakes.into_iter().flatten().min()
    }

    /// Takes a part as it is stored.
    ///
    /// # Errors
    /// [`Poison`] where it is not listed, or cannot be read.
    pub(crate) fn load_part(&mut self, key: PartKey, bytes: Bytes) -> Result<(), Poison> {
        if let Some(part) = self.others.part_mut(key) {
            part.load(bytes);
            return Ok(());
        }
        if !self.is_known() && !self.has_parts_listed() {
            // It is asked for by a state that comes back.
            self.given.push((key, bytes));
            return Ok(());
        }
        if key.kind == PartKind::EventIds as u8 {
            return self.event_ids.load(key, &bytes);
        }
        if key.kind == PartKind::Fragment as u8 {
            return self.fragments.load(key, &bytes);
        }
        self.features.load(key, &bytes)
    }

    /// Hands out the parts that changed, and marks them clean.
    pub(crate) fn drain_parts(&mut self, writes: &mut PartWrites) {
        for (key, bytes) in self.parting.drain(..) {
            match bytes {
                Some(bytes) => writes.put(key, bytes),
                None => writes.remove(key),
            }
        }
        self.features.drain(writes);
        self.event_ids.drain(writes);
        self.fragments.drain(writes);
        self.others.drain(writes);
    }

    /// Keeps the number of parts and the size of the head in bounds, after a step.
    pub(crate) fn settle(&mut self) {
        self.fragments.settle();
        self.features.settle(self.fragments.ordinals().count());
    }

    /// Returns whether the store keeps any part apart.
    pub(crate) fn has_parts_apart(&self) -> bool {
        self.has_parts_listed() || !self.given.is_empty()
    }

    fn has_parts_listed(&self) -> bool {
        self.features.has_apart()
            || self.event_ids.has_apart()
            || self.fragments.keys_apart().next().is_some()
            || !self.others.is_empty()
    }

    /// All parts that the store keeps apart.
    pub(crate) fn part_keys(&self) -> Vec<PartKey> {
        let features = self.features.keys_apart();
        let ids = self.event_ids.keys_apart();
        features
            .chain(ids)
            .chain(self.fragments.keys_apart())
            .chain(self.others.keys_apart())
            .collect()
    }

    /// Measures the parts.
    pub(crate) fn measure_parts(&self) -> PartLoad {
        let mut load = PartLoad::default();
        self.features.measure(&mut load);
        self.event_ids.measure(&mut load);
        self.fragments.measure(&mut load);
        self.others.measure(&mut load);
        for (_, bytes) in &self.parting {
            load.dirty += 1;
            load.dirty_bytes += PartKey::STORE_BYTES + bytes.as_ref().map_or(0, Bytes::len);
        }
        load
    }

    /// Takes note of when something happened.
    pub(crate) fn see(&mut self, at: Timestamp) {
        self.first_seen = Some(self.first_seen.map_or(at, |first| first.min(at)));
        self.last_seen = Some(self.last_seen.map_or(at, |last| last.max(at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_membership_is_found_from_anywhere() {
        let state = |count: u32| State {
            memberships: (0..count)
                .map(|number| Membership {
                    segment: format!("s{:02}", number * 2 + 1).into(),
                    version: 1,
                    enter_time: Timestamp::MIN,
                })
                .collect(),
            ..State::default()
        };
        for count in [0, 1, 2, 3, 17] {
            let state = state(count);
            for number in 0..=count * 2 + 1 {
                let segment = format!("s{number:02}");
                let expected = state.membership_place(&segment);
                for near in 0..=count as usize + 2 {
                    let found = state.membership_place_near(near, &segment);
                    assert_eq!(found, expected, "{segment} of {count} near {near}");
                }
            }
        }
    }
}
