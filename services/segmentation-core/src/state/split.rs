//! Takes merged customers apart: what happened to each fragment is kept from their first merge on,
//! and becomes a state of its own again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use decision::{PartKey, PartWrites};
use expr::FeatureId;
use kernel::Timestamp;

use super::{
    EventTotal, Fragment, LAST, MissingParts, PartKind, RecentEvents, State, join_totals,
    set_ordinal, total_place,
};
use crate::definitions::Definitions;
use crate::limits;
use crate::profile::{Content, Said, Traits};

impl State {
    /// Returns whether what happens to a fragment is kept for it alone too.
    pub(crate) fn tells_apart(&self, ordinal: u16) -> bool {
        ordinal > 0 || !self.fragments.is_empty()
    }

    /// Begins to tell fragments apart: all that is known so far is the customer's own.
    pub(crate) fn begin_fragments(&mut self) {
        if self.fragments.is_empty() && self.is_known() {
            self.fragments.put(0, Fragment::of(self));
            let held = self.features.iter().filter(|held| !held.is_empty());
            let ordinals = held.map(|held| held.ordinal).filter(|own| *own > 0);
            self.fragments.older = ordinals.collect();
        }
    }

    /// Lets go of the newest events that are too many. A fragment keeps those that would still be
    /// among its own newest.
    ///
    /// # Errors
    /// [`MissingParts`] where it is not loaded.
    pub(crate) fn bound_recent(&mut self) -> Result<(), MissingParts> {
        if self.fragments.is_empty() {
            self.recent.drop_surplus();
            return Ok(());
        }
        while let Some(element) = self.recent.take_surplus() {
            let ordinal = element.ordinal;
            if self.recent.count_of(ordinal) >= limits::RECENT_EVENTS {
                continue;
            }
            let mut fragment = self.fragments.of(ordinal)?;
            fragment.recent.put(set_ordinal(element, 0));
            fragment.recent.drop_surplus();
            self.fragments.put(ordinal, fragment);
        }
        Ok(())
    }

    /// Returns whether anything was learned under ordinals that leave.
    pub(crate) fn has_learned(&self, ordinal_of: impl Fn(u16) -> Option<u16>) -> bool {
        let leaves = |ordinal: u16| ordinal_of(ordinal).is_some();
        let mut held = self.features.iter().filter(|held| !held.is_empty());
        held.any(|held| leaves(held.ordinal))
            || self.fragments.ordinals().any(leaves)
            || self.event_ids.has_any_of(leaves)
            || self.others.iter().any(|(key, _)| leaves(key.ordinal))
    }

    /// Takes out what was learned under ordinals that leave, as the state of whoever comes out of
    /// it, in the segments that it was in when it was joined. Both have traits, counts and newest
    /// events as if they never had been one.
    ///
    /// # Errors
    /// [`MissingParts`] where a part is not loaded.
    pub(crate) fn split_off(
        &mut self,
        definitions: &Definitions,
        ordinal_of: impl Fn(u16) -> Option<u16> + Copy,
        at: Timestamp,
    ) -> Result<Self, MissingParts> {
        let mut missing = MissingParts(self.others.not_loaded().collect());
        let mut fragments = missing.note(self.fragments.all(), BTreeMap::new());
        let ended = self.end_joined(definitions, &fragments, (ordinal_of, at));
        missing.note(ended, ());
        let seen = missing.note(self.seen_by_histories(ordinal_of), None);
        missing.or(())?;
        let mut left = self.split_parts(ordinal_of);
        if !self.fragments.is_empty() {
            self.own_the_rest(&mut fragments);
            let (leaving, staying) = self.share_recent(fragments, ordinal_of);
            // Those who stay are told how many are left; who leaves has as many as before.
            left.members = leaving.get(&0).and_then(|own| own.members);
            self.put_together(definitions, staying);
            left.put_together(definitions, leaving);
        }
        if let Some((first, last)) = seen.filter(|_| !left.is_known()) {
            left.see(first);
            left.see(last);
        }
        left.fit_empty(definitions);
        self.fit_empty(definitions);
        Ok(left)
    }

    /// Takes out the histories, the ids of events, and the parts that a newer version wrote.
    fn split_parts(&mut self, ordinal_of: impl Fn(u16) -> Option<u16> + Copy) -> Self {
        self.settle();
        // Parts that leave and have changed are stored once more before they move.
        let mut stored = self.clone();
        let mut writes = PartWrites::default();
        stored.drain_parts(&mut writes);
        let kinds = [PartKind::Feature, PartKind::Index, PartKind::Block];
        let kinds = kinds.into_iter().chain([PartKind::EventIds]);
        let kinds: Vec<u8> = kinds.map(|kind| kind as u8).collect();
        let is_leaving =
            |key: &PartKey| ordinal_of(key.ordinal).is_some() && kinds.contains(&key.kind);
        let parting = writes.into_iter().filter(|(key, _)| is_leaving(key));
        self.parting.extend(parting);
        drop(self.features.split_off(ordinal_of));
        drop(self.event_ids.split_off(ordinal_of));
        Self {
            features: stored.features.split_off(ordinal_of),
            event_ids: stored.event_ids.split_off(ordinal_of),
            others: self.others.split_off(ordinal_of),
            ..Self::default()
        }
    }

    /// Takes for the customer's own what no fragment has: a version that tells none apart may have
    /// learned it meanwhile.
    fn own_the_rest(&self, fragments: &mut BTreeMap<u16, Fragment>) {
        let mut rest = Fragment::default();
        for total in &self.totals {
            let each = fragments.values();
            let each = each.filter_map(|own| {
                let place = total_place(&own.totals, &total.name).ok()?;
                Some(own.totals[place].count)
            });
            if let Some(count @ 1..) = total.count.checked_sub(each.sum()) {
                rest.see(total.first_time);
                rest.see(total.last_time);
                let total = total.clone();
                rest.totals.push(EventTotal { count, ..total });
            }
        }
        let is_known = |said: &Said| {
            let mut all = fragments.values().flat_map(|own| own.traits.iter());
            *said.content() == Content::LeftOut || all.any(|own| own == said)
        };
        let said = self.traits.iter().filter(|said| !is_known(said)).cloned();
        rest.traits = Arc::new(Traits::stored(said.collect()));
        if rest != Fragment::default() {
            fragments.entry(0).or_default().join(&rest);
        }
    }

    /// Gives each fragment its own newest events, and parts those that leave from those that stay.
    fn share_recent(
        &mut self,
        mut fragments: BTreeMap<u16, Fragment>,
        ordinal_of: impl Fn(u16) -> Option<u16>,
    ) -> (BTreeMap<u16, Fragment>, BTreeMap<u16, Fragment>) {
        for element in std::mem::take(&mut self.recent).to_elements() {
            let own = fragments.entry(element.ordinal).or_default();
            own.recent.put(set_ordinal(element, 0));
            own.recent.drop_surplus();
        }
        let (mut leaving, mut staying) = (BTreeMap::new(), BTreeMap::new());
        for (ordinal, own) in fragments {
            match ordinal_of(ordinal) {
                Some(ordinal) => drop(leaving.insert(ordinal, own)),
                None => drop(staying.insert(ordinal, own)),
            }
        }
        (leaving, staying)
    }

    /// Puts the customer together of fragments, each with its own newest events.
    fn put_together(&mut self, definitions: &Definitions, mut fragments: BTreeMap<u16, Fragment>) {
        fragments.retain(|_, own| *own != Fragment::default());
        self.traits = Arc::default();
        self.totals.clear();
        (self.first_seen, self.last_seen) = (None, None);
        self.recent = RecentEvents::default();
        if let Some(own) = fragments.get_mut(&0) {
            self.memberships = std::mem::take(&mut own.memberships);
        }
        if fragments.keys().all(|ordinal| *ordinal == 0) {
            self.fragments.clear();
            if let Some(own) = fragments.remove(&0) {
                (self.traits, self.totals) = (own.traits, own.totals);
                (self.first_seen, self.last_seen) = (own.first_seen, own.last_seen);
                self.recent = own.recent;
            }
            return;
        }
        let table = &definitions.table;
        for (ordinal, own) in &mut fragments {
            Arc::make_mut(&mut self.traits).join(own.traits.iter().cloned());
            let is_read = |name: &str| table.groups(name).is_some();
            join_totals(&mut self.totals, &own.totals, is_read);
            let seen = [own.first_seen, own.last_seen].into_iter();
            seen.flatten().for_each(|at| self.see(at));
            for element in std::mem::take(&mut own.recent).to_elements() {
                self.recent.put(set_ordinal(element, *ordinal));
            }
        }
        while let Some(element) = self.recent.take_surplus() {
            if let Some(own) = fragments.get_mut(&element.ordinal) {
                own.recent.put(set_ordinal(element, 0));
            }
        }
        self.fragments.replace(fragments);
    }

    /// Says of the histories of fragments that leave since when they are whole, where the rest of
    /// them was joined with those of others.
    fn end_joined(
        &mut self,
        definitions: &Definitions,
        fragments: &BTreeMap<u16, Fragment>,
        (ordinal_of, at): (impl Fn(u16) -> Option<u16>, Timestamp),
    ) -> Result<(), MissingParts> {
        let mut missing = MissingParts::default();
        for (ordinal, own) in fragments {
            if ordinal_of(*ordinal).is_none() || !self.fragments.joined.contains(ordinal) {
                continue;
            }
            let names = own.totals.iter().map(|total| &total.name);
            for history in names.flat_map(|name| definitions.table.of_event(name)) {
                if self.features.has_of(history.id, LAST) {
                    let begun = self.features.of_mut(history.id, *ordinal);
                    let begun = begun.map(|feature| feature.complete_from = Some(at));
                    missing.note(begun, ());
                }
            }
        }
        missing.or(())
    }

    /// Returns when the first and the last event of histories that leave happened, where fragments
    /// do not say so: they were joined by a version that did not tell them apart.
    fn seen_by_histories(
        &self,
        ordinal_of: impl Fn(u16) -> Option<u16>,
    ) -> Result<Option<(Timestamp, Timestamp)>, MissingParts> {
        let mut missing = MissingParts::default();
        let mut seen: Option<(Timestamp, Timestamp)> = None;
        if self
            .fragments
            .ordinals()
            .any(|own| ordinal_of(own).is_some())
        {
            return Ok(None);
        }
        for held in self.features.iter() {
            if ordinal_of(held.ordinal).is_none() {
                continue;
            }
            let Some(feature) = missing.note(held.feature(), None) else {
                continue;
            };
            let sums = feature.sums(None, Timestamp::MAX);
            let sums = sums.map_err(|missing| missing.of(held.id, held.ordinal));
            let Some(sums) = missing.note(sums.map(Some), None) else {
                continue;
            };
            if sums.count > 0 {
                let (first, last) = seen.unwrap_or((sums.first, sums.last));
                seen = Some((first.min(sums.first), last.max(sums.last)));
            }
        }
        missing.or(seen)
    }

    /// Lists as empty exactly those histories of what happened that nothing passed.
    fn fit_empty(&mut self, definitions: &Definitions) {
        let names = self.totals.iter().map(|total| &total.name);
        let histories = names.flat_map(|name| definitions.table.of_event(name));
        let known: BTreeSet<FeatureId> = histories.map(|history| history.id).collect();
        self.features.retain_empty(|id| known.contains(&id));
        for id in known {
            if !self.features.has(id) {
                self.features.begin_empty(id);
            }
        }
    }
}
