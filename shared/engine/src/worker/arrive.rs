//! The state of a merged customer arrives: its parts are stored as they come, in any order, each
//! once, and it is folded in when all are there.
//!
//! The first piece reserves ordinals, so that a part has its lasting key at once. The core knows
//! nothing of a state before all of it is there: it is folded in by the next batch that meets a
//! record of the survivor, before that record. A word to the survivor itself makes sure that there
//! is one.

use std::collections::BTreeMap;

use bytes::Bytes;
use decision::limits::FRAGMENTS;
use decision::{Core, Moved, PartKey};
use kernel::CustomerId;
use messages::stream::v1::{MovedPart, StateMoved, record::Body};

use super::Worker;
use super::batch::{Change, Work};
use super::customer::is_word;
use super::fault::Failed;
use super::quarantine::InputId;
use super::run::{Cause, Room};
use crate::head::Head;
use crate::key::customer_of;
use crate::moving::{Fragment, Moving, read_fragments, read_key, state_key};
use kernel::Timestamp;

impl<C: Core> Worker<C> {
    /// Takes a piece of the state of a customer who was joined into this one.
    pub(super) fn take_moved(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        moved: &StateMoved,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let arrived = Arrived::read(moved).map_err(|error| cause.failed(error))?;
        let entry = &mut self.batch.works[work];
        if arrived.from == customer_of(&entry.key_bytes) {
            return Err(cause.failed("a state was moved to the customer whose it is"));
        }
        if entry.cached.head.has_fragment(arrived.from) {
            return Ok(());
        }
        let is_known = entry.cached.head.arriving_from(arrived.from).is_some();
        if !is_known && is_word(moved) {
            return Ok(());
        }
        if !is_known {
            let moving = reserve(&mut entry.cached.head, &arrived, moved, cause)?;
            if let ([] | [_], true) = (&arrived.parts[..], arrived.is_whole(moved)) {
                let state = arrived.parts.into_iter().next().map(|(_, _, body)| body);
                let parts = BTreeMap::new();
                return self.fold(definitions, work, &moving, (state, parts), cause);
            }
            entry.cached.head.arriving.push(moving);
        }
        let was_whole = is_known && self.is_whole(work, arrived.from);
        self.store_parts(work, moved, arrived, cause)?;
        let from = CustomerId::try_from_bytes(&moved.from_customer_id);
        let from = from.map_err(|error| cause.failed(error.to_string()))?;
        match (was_whole, self.is_whole(work, from)) {
            (false, true) => {
                let customer = customer_of(&self.batch.works[work].key_bytes);
                let again = StateMoved {
                    parts: Vec::new(),
                    ..moved.clone()
                };
                let again = cause.record(customer, Some(Body::Moved(again)));
                self.deliver(C::HOME, again, cause)?;
            }
            // It could not be folded in before: this record says why.
            (true, true) => return self.fold_arrived(definitions, work, from, cause),
            (_, false) => {}
        }
        self.finish(work, cause)
    }

    fn is_whole(&mut self, work: usize, from: CustomerId) -> bool {
        let head = &mut self.batch.works[work].cached.head;
        head.arriving_from(from).is_some_and(|it| it.is_whole())
    }

    /// Stores the parts that are not here yet.
    fn store_parts(
        &mut self,
        work: usize,
        moved: &StateMoved,
        arrived: Arrived,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &mut self.batch.works[work];
        entry.change = Change::Write;
        let Some(moving) = entry.cached.head.arriving_from(arrived.from) else {
            return Ok(());
        };
        moving.followed |= moved.followed;
        let mut news = Vec::new();
        for (index, key, body) in arrived.parts {
            let is_one = index < moving.part_count && key.ordinal <= moving.last_ordinal;
            let key = key.raised(moving.first_ordinal).filter(|_| is_one);
            let key = key.ok_or_else(|| cause.failed("a moved part is none of its state"))?;
            if let std::collections::btree_map::Entry::Vacant(place) = moving.parts.entry(index) {
                place.insert(key);
                news.push((key, body));
            }
        }
        self.batch.count_write(work);
        for (key, body) in news {
            self.batch.put_part(work, key, Some(body));
        }
        Ok(())
    }

    /// Folds in a state of which all has arrived.
    pub(super) fn fold_arrived(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        from: CustomerId,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &mut self.batch.works[work];
        let key = entry.key;
        let Some(moving) = entry.cached.head.arriving_from(from).cloned() else {
            return Ok(());
        };
        let state_key = state_key(moving.first_ordinal);
        let Some(state) = self.batch.raw.get(&(key, state_key)).cloned() else {
            let lacked = self.batch.effects.lacks_definition;
            self.batch.effects.need(state_key);
            return Err(self.miss(work, cause, lacked));
        };
        let raw = self.batch.raw.iter();
        let parts = raw.filter(|((of, part), _)| *of == key && moving.holds(*part));
        let parts = parts.map(|((_, part), body)| (*part, body.clone()));
        let parts = parts.filter(|(part, _)| *part != state_key).collect();
        self.batch.put_part(work, state_key, None);
        let head = &mut self.batch.works[work].cached.head;
        head.arriving.retain(|it| it.from != from);
        self.fold(definitions, work, &moving, (Some(state), parts), cause)
    }

    fn fold(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        moving: &Moving,
        (state, parts): (Option<Bytes>, BTreeMap<PartKey, Bytes>),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let parts_here = moving.parts.values();
        let parts_here = parts_here.filter(|part| part.kind != PartKey::ENGINE_KIND);
        // They go with the state, also where the core forgets it at once.
        self.batch.works[work].taken_in.extend(parts_here);
        if let Some(state) = &state {
            let moved = Moved {
                from: moving.from,
                ordinal: moving.first_ordinal,
                state,
                parts: &parts,
            };
            let outcome = self.call(work, cause, |state, step| {
                C::fold_in(definitions, state, moved, step)
            })?;
            self.apply_outcome(work, outcome, false, cause.now);
        }
        let entry = &mut self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        entry.change = Change::Write;
        entry.cached.head.fragments.extend(moving.all_fragments());
        self.batch.count_write(work);
        if moving.followed {
            // They were told of somebody who has left since.
            for fragment in moving.all_fragments() {
                self.tell_merge(work, fragment.customer, (customer, true), cause)?;
            }
        }
        self.finish(work, cause)
    }

    /// Goes on with what is on its way, before a record of its customer. Returns whether the record
    /// has to wait for the next batch: because more is to be sent, because what this batch stores
    /// is needed, or because the batch is full.
    ///
    /// What fails is left out here. The word that the customer gets for it is set aside with the
    /// reason.
    pub(super) fn has_to_wait(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        now: Timestamp,
    ) -> Result<bool, Failed> {
        loop {
            let entry = &self.batch.works[work];
            let origin = InputId::Move { key: entry.key };
            let is_left_out = !self.inputs.faults(origin).is_empty();
            if is_left_out || entry.is_stuck || entry.fault.is_some() {
                return Ok(false);
            }
            let arrived = entry
                .cached
                .head
                .arrived()
                .map(|it| (it.from, it.cause.clone()));
            let (from, moved_by) = match (&entry.cached.head.leaving, arrived) {
                (Some(leaving), _) => (None, leaving.cause.clone()),
                (None, Some((from, cause))) => (Some(from), cause),
                (None, None) => return Ok(false),
            };
            if !entry.was_on_way(from) {
                return Ok(true);
            }
            let cause = Cause {
                origin,
                bulk: moved_by.is_bulk,
                trace_parent: &moved_by.trace_parent,
                time: moved_by.time,
                now,
            };
            let leaving = entry.cached.head.leaving.clone();
            self.batch.inputs += 1;
            let gone_on = match (from, leaving) {
                (Some(from), _) => self.fold_arrived(definitions, work, from, cause),
                (None, Some(leaving)) => self.send_pieces(work, *leaving, cause),
                (None, None) => Ok(()),
            };
            self.unless_stuck(Some(work), gone_on)?;
            let entry = &self.batch.works[work];
            if entry.cached.head.leaving.is_some() && !entry.is_stuck {
                return Ok(true);
            }
            // So that what does not fit into one commit is cut to two.
            if self.room() == Room::Full {
                return Ok(true);
            }
        }
    }
}

impl<S> Work<S> {
    /// Returns whether a state was on its way before the batch: one that arrived from a customer, or
    /// the own one that leaves. The store has what is needed of it.
    fn was_on_way(&self, from: Option<CustomerId>) -> bool {
        let before = &self.before.head;
        match from {
            None => before.leaving.is_some(),
            Some(from) => before
                .arriving
                .iter()
                .any(|it| it.from == from && it.is_whole()),
        }
    }
}

/// What a piece carries.
#[derive(Debug)]
struct Arrived {
    from: CustomerId,
    fragments: Vec<Fragment>,
    last_ordinal: u16,
    /// Places, keys and bodies.
    parts: Vec<(u32, PartKey, Bytes)>,
}

impl Arrived {
    fn read(moved: &StateMoved) -> Result<Self, String> {
        let bad = |field: &'static str| move |error| format!("{field} of a moved state: {error}");
        let from = CustomerId::try_from_bytes(&moved.from_customer_id);
        let from = from.map_err(|error| bad("from_customer_id")(error.to_string()))?;
        let last = u16::try_from(moved.last_ordinal);
        let part = |part: &MovedPart| {
            let key = read_key(part.ordinal, part.kind, part.name).map_err(bad("parts"))?;
            Ok::<_, String>((part.index, key, part.body.clone()))
        };
        Ok(Self {
            from,
            fragments: read_fragments(&moved.fragment_ids, &moved.fragment_ordinals)
                .map_err(bad("fragment_ids"))?,
            last_ordinal: last.map_err(|error| bad("last_ordinal")(error.to_string()))?,
            parts: moved.parts.iter().map(part).collect::<Result<_, _>>()?,
        })
    }

    /// Returns whether all of a state is in one piece.
    fn is_whole(&self, moved: &StateMoved) -> bool {
        self.parts.len() == moved.part_count as usize
    }
}

/// Reserves the ordinals of a state that arrives.
fn reserve(
    head: &mut Head,
    arrived: &Arrived,
    moved: &StateMoved,
    cause: Cause<'_>,
) -> Result<Moving, Failed> {
    let Some((first_ordinal, last)) = free_ordinals(head.last_ordinal, arrived.last_ordinal) else {
        return Err(cause.failed("more customers were joined than can be told apart"));
    };
    head.last_ordinal = last;
    Ok(Moving {
        from: arrived.from,
        fragments: arrived.fragments.clone(),
        last_ordinal: arrived.last_ordinal,
        first_ordinal,
        followed: moved.followed,
        part_count: moved.part_count,
        parts: BTreeMap::new(),
        cause: cause.of_move(),
    })
}

/// Returns the first and the last of the ordinals after those that are taken, for a state that has
/// some beside its own.
///
/// The last one that cores tell apart is never among them: under it they join whatever comes
/// beyond, while a state with parts of that ordinal might still arrive.
fn free_ordinals(taken: u16, beside: u16) -> Option<(u16, u16)> {
    let range = |first: u16| Some((first, first.checked_add(beside)?));
    let (first, last) = range(taken.checked_add(1)?)?;
    if (first..=last).contains(&(FRAGMENTS - 1)) {
        return range(FRAGMENTS);
    }
    Some((first, last))
}
