//! The histories of a customer as parts: small ones stand in the head of the state, others are kept
//! apart, and so is the index of one that has many blocks. Each sealed block always is.
//!
//! A part that is not loaded is never taken for an empty one: whoever meets one is told which, and
//! the step is taken again with it. This does not know stores.

mod held;
mod kept;
mod key;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use bytes::Bytes;
use decision::{PartKey, PartLoad, PartWrites, Poison};
use expr::FeatureId;
use kernel::Timestamp;

use crate::feature::Feature;
use crate::limits;

use kept::Kept;

pub(crate) use held::{Held, Listing};
pub use key::{MissingParts, PartKind};

/// The histories of a customer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Features {
    /// By id and fragment.
    held: Vec<Held>,
    /// Parts in the store of histories that are gone.
    gone: Vec<PartKey>,
}

impl Features {
    /// The histories that a state lists.
    pub(crate) fn listed(mut held: Vec<Held>) -> Self {
        held.sort_by_key(|held| (held.id, held.ordinal));
        Self {
            held,
            gone: Vec::new(),
        }
    }

    /// All of them, by id and fragment.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.held.iter()
    }

    /// Returns the histories of one feature, one for each fragment that taught it.
    pub(crate) fn of(&self, id: FeatureId) -> &[Held] {
        let rest = &self.held[self.first_of(id)..];
        let until = rest.iter().take_while(|held| held.id == id).count();
        &rest[..until]
    }

    /// Returns whether a history is kept, of whatever fragment.
    pub(crate) fn has(&self, id: FeatureId) -> bool {
        !self.of(id).is_empty()
    }

    /// Returns whether anything happened in the history of a fragment.
    pub(crate) fn has_of(&self, id: FeatureId, ordinal: u16) -> bool {
        let place = self.place(id, ordinal);
        place.is_ok_and(|place| !self.held[place].is_empty())
    }

    /// Begins to keep one of which nothing happened so far.
    pub(crate) fn begin_empty(&mut self, id: FeatureId) {
        self.begin(id, 0);
    }

    /// A fragment's history of this id, to be changed; a new one where there is none.
    ///
    /// # Errors
    /// [`MissingParts`] where it is not loaded.
    pub(crate) fn of_mut(
        &mut self,
        id: FeatureId,
        ordinal: u16,
    ) -> Result<&mut Feature, MissingParts> {
        let place = self.begin(id, ordinal);
        self.held[place].feature_mut()
    }

    /// Drops histories in which nothing ever happened.
    pub(crate) fn retain_empty(&mut self, is_kept: impl Fn(FeatureId) -> bool) {
        self.held
            .retain(|held| !held.is_empty() || is_kept(held.id));
    }

    /// Takes out the histories of fragments that leave, each under the ordinal that it has there.
    /// Their changes were handed out before.
    pub(crate) fn split_off(&mut self, ordinal_of: impl Fn(u16) -> Option<u16>) -> Self {
        let mut left = Vec::new();
        for held in std::mem::take(&mut self.held) {
            // One in which nothing happened is nobody's.
            match ordinal_of(held.ordinal).filter(|_| !held.is_empty()) {
                Some(ordinal) => left.push(held.under(ordinal)),
                None => self.held.push(held),
            }
        }
        Self::listed(left)
    }

    /// Changes each history, or drops those for which the change says no.
    ///
    /// # Errors
    /// [`MissingParts`]: all that are not loaded and that the change looks at.
    pub(crate) fn retain(
        &mut self,
        mut is_kept: impl FnMut(&mut Held) -> Result<bool, MissingParts>,
    ) -> Result<(), MissingParts> {
        let mut missing = MissingParts::default();
        let gone = &mut self.gone;
        self.held.retain_mut(|held| {
            let is_kept = missing.note(is_kept(held), true);
            if !is_kept {
                gone.extend(held.keys_apart());
            }
            is_kept
        });
        missing.or(())
    }

    /// Takes in the histories of a customer who was joined into this one, as those of fragments of
    /// their own. The store has their parts under those ordinals already. Returns the ordinals
    /// whose histories were joined into those of the last one, for lack of room.
    ///
    /// # Errors
    /// [`MissingParts`] where more fragments meet than are kept apart and a history is not loaded.
    pub(crate) fn take_in(
        &mut self,
        other: Self,
        first_ordinal: u16,
        now: Timestamp,
    ) -> Result<BTreeSet<u16>, MissingParts> {
        let gone = other.gone.into_iter();
        self.gone
            .extend(gone.filter_map(|key| key.raised(first_ordinal)));
        let mut missing = MissingParts::default();
        for mut held in other.held {
            if held.is_empty() {
                if !self.has(held.id) {
                    self.begin_empty(held.id);
                }
                continue;
            }
            held.ordinal = first_ordinal.saturating_add(held.ordinal);
            match self.place(held.id, held.ordinal) {
                Err(place) if held.ordinal < decision::limits::FRAGMENTS => {
                    self.held.insert(place, held);
                }
                _ => missing.note(self.join_last(&held, now), ()),
            }
        }
        missing.or(())?;
        if self.extent(Kept::size).1 > limits::FRAGMENTS_INLINE_BYTES {
            return self.join_small(now);
        }
        Ok(BTreeSet::new())
    }

    /// Joins the histories of fragments that stand whole in the head, one for each feature, into
    /// that of the last fragment.
    fn join_small(&mut self, now: Timestamp) -> Result<BTreeSet<u16>, MissingParts> {
        let last = decision::limits::FRAGMENTS - 1;
        let is_small = |held: &mut Held| (1..last).contains(&held.ordinal) && !held.has_apart();
        let mut joined: Vec<Held> = Vec::new();
        let small: Vec<Held> = self.held.extract_if(.., is_small).collect();
        let ordinals = small.iter().map(|held| held.ordinal).collect();
        for held in small {
            MissingParts(held.not_loaded()).or(())?;
            if let Ok(place) = self.place(held.id, last) {
                self.held[place].absorb(&held, now)?;
                continue;
            }
            match joined.last_mut().filter(|before| before.id == held.id) {
                Some(before) => before.absorb(&held, now)?,
                None => joined.push(held.copied_to(last)?),
            }
        }
        self.held.append(&mut joined);
        self.held.sort_by_key(|held| (held.id, held.ordinal));
        Ok(ordinals)
    }

    /// Joins a history into that of the last fragment that is kept apart.
    fn join_last(&mut self, held: &Held, now: Timestamp) -> Result<(), MissingParts> {
        MissingParts(held.not_loaded()).or(())?;
        self.gone.extend(held.keys_apart());
        let last = decision::limits::FRAGMENTS - 1;
        match self.place(held.id, last) {
            Ok(place) => self.held[place].absorb(held, now)?,
            Err(place) => self.held.insert(place, held.copied_to(last)?),
        }
        Ok(())
    }

    /// Keeps the number of parts and the size of the head in bounds, after a step, where the
    /// customer may have so many other parts.
    pub(crate) fn settle(&mut self, others: usize) {
        self.held.iter_mut().for_each(Held::settle);
        let most_parts = decision::limits::PARTS_PER_CUSTOMER.saturating_sub(others);
        let (parts, total) = self.extent(Kept::rough_bytes);
        if parts <= most_parts && total <= limits::INLINE_BYTES {
            return;
        }
        self.bound_parts(most_parts);
        let (mut parts, mut total) = self.extent(Kept::size);
        let inline = self.held.iter().map(|it| it.inline_bytes(Kept::size));
        let inline = inline.zip(0..);
        let mut inline: Vec<(usize, usize)> = inline
            .filter(|(bytes, _)| *bytes >= limits::LEAST_APART_BYTES)
            .collect();
        inline.sort_unstable();
        while total > limits::INLINE_BYTES
            && parts < most_parts
            && let Some((bytes, place)) = inline.pop()
        {
            self.held[place].send_apart();
            total -= bytes;
            parts += 1;
        }
    }

    /// Folds the oldest blocks into sums where there are more than a customer may have. The history
    /// that has most of them loses a quarter; one that grows is loaded.
    fn bound_parts(&mut self, most: usize) {
        while self.extent(Kept::size).0 > most {
            let loaded = self.held.iter_mut().filter(|held| held.block_count() > 0);
            let Some(most) = loaded.max_by_key(|held| held.block_count()) else {
                return;
            };
            let blocks = most.block_count().div_ceil(4);
            // What is counted is loaded.
            if most.feature_mut().map(|it| it.fold_oldest(blocks)).is_err() {
                return;
            }
        }
    }

    /// The number of parts, and bytes that histories are going to take in the head, by a measure of
    /// each.
    fn extent(&self, measure: impl Fn(&Kept) -> usize) -> (usize, usize) {
        let each = self.held.iter().map(|held| held.extent(&measure));
        each.fold((0, 0), |all, own| (all.0 + own.0, all.1 + own.1))
    }

    /// Hands out what changed, and marks it clean.
    pub(crate) fn drain(&mut self, writes: &mut PartWrites) {
        for held in &mut self.held {
            held.drain(writes);
        }
        for key in self.gone.drain(..) {
            writes.remove_unless_written(key);
        }
    }

    /// Returns whether the store keeps any part of them apart.
    pub(crate) fn has_apart(&self) -> bool {
        !self.gone.is_empty() || self.held.iter().any(Held::has_apart)
    }

    /// All parts that the store keeps apart.
    pub(crate) fn keys_apart(&self) -> impl Iterator<Item = PartKey> {
        let held = self.held.iter().flat_map(Held::keys_apart);
        held.chain(self.gone.iter().copied())
    }

    /// All parts that are not loaded, histories before their blocks.
    pub(crate) fn not_loaded(&self) -> impl Iterator<Item = PartKey> {
        self.held.iter().flat_map(Held::not_loaded)
    }

    /// Adds what they take to a state's parts.
    pub(crate) fn measure(&self, load: &mut PartLoad) {
        for held in &self.held {
            held.measure(load);
        }
        load.dirty += self.gone.len();
        load.dirty_bytes += self.gone.len() * PartKey::STORE_BYTES;
    }

    /// Takes a part as it is stored.
    ///
    /// # Errors
    /// [`Poison`] where it is not listed, or cannot be read.
    pub(crate) fn load(&mut self, key: PartKey, bytes: &Bytes) -> Result<(), Poison> {
        let is_index = key.kind == PartKind::Index as u8;
        let is_read = if is_index || key.kind == PartKind::Feature as u8 {
            let place = self.place(FeatureId::from_number(key.name), key.ordinal);
            place
                .ok()
                .map(|place| self.held[place].load(is_index, bytes))
        } else {
            let sealed = self.held.iter().find_map(|held| held.block_of(key));
            sealed.map(|sealed| sealed.load(bytes))
        };
        match is_read {
            None => Err(Poison::new("the state does not list it")),
            Some(false) => Err(Poison::new("it is no history and no block")),
            Some(true) => Ok(()),
        }
    }

    /// The place of a fragment's history of this id.
    fn begin(&mut self, id: FeatureId, ordinal: u16) -> usize {
        self.place(id, ordinal).unwrap_or_else(|place| {
            self.held.insert(place, Held::empty(id).under(ordinal));
            place
        })
    }

    fn place(&self, id: FeatureId, ordinal: u16) -> Result<usize, usize> {
        let first = self.first_of(id);
        let own = self.held[first..].iter();
        let before = own.take_while(|held| (held.id, held.ordinal) < (id, ordinal));
        let place = first + before.count();
        match self.held.get(place) {
            Some(held) if (held.id, held.ordinal) == (id, ordinal) => Ok(place),
            _ => Err(place),
        }
    }

    /// The place of the first history of an id, or where it would be. Ids are hashes: among many,
    /// one is as far along as its number is among all numbers, give or take a few places.
    fn first_of(&self, id: FeatureId) -> usize {
        const NEAR: usize = 16;
        let is_before = |held: &Held| held.id < id;
        let guess = (u128::from(id.number()) * self.held.len() as u128) >> 64;
        let guess = usize::try_from(guess).unwrap_or(0);
        let (older, newer) = self.held.split_at(guess);
        let back = older
            .iter()
            .rev()
            .take(NEAR)
            .take_while(|held| !is_before(held));
        let ahead = newer.iter().take(NEAR).take_while(|held| is_before(held));
        match (back.count(), ahead.count()) {
            (NEAR, _) | (_, NEAR) => self.held.partition_point(is_before),
            (back, ahead) => guess - back + ahead,
        }
    }
}
