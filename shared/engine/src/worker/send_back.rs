//! The pieces of a state that goes back by an unmerge: some with each batch that meets the customer
//! who had it. Nothing of that customer waits for them.
//!
//! This does not divide the state, nor let go of it: `split_off` does.

use bytes::Bytes;
use decision::{Core, PartKey};
use kernel::{CustomerId, Timestamp};
use messages::stream::v1::{MovedPart, StateMoved, record::Body};

use super::Worker;
use super::batch::Change;
use super::cause::Cause;
use super::fault::Failed;
use super::quarantine::InputId;
use crate::limits;
use crate::moving::{has_head, state_key};
use crate::splitting::Returning;

impl<C: Core> Worker<C> {
    /// Sends a state that is one part, or none, at once. A larger one goes with the next batches.
    pub(super) fn begin_return(
        &mut self,
        work: usize,
        (mut returning, state): (Returning, Option<Bytes>),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let is_small = returning.state.part_count <= 1
            && state
                .as_ref()
                .is_none_or(|it| it.len() <= limits::PIECE_BYTES);
        if is_small {
            let state = state.into_iter();
            let parts = state.map(|body| moved_part(&returning, (0, state_key(0)), body));
            let piece = self.returned_piece(work, &returning, parts.collect());
            self.send_returned(work, returning.state.from, piece, cause)?;
            let part_count = returning.state.part_count;
            (returning.state.sent_parts, returning.state.is_sent) = (part_count, true);
        } else {
            self.send_word(work, cause)?;
        }
        let entry = &mut self.batch.works[work];
        entry.cached.head.splits_mut().returning.push(returning);
        entry.change = Change::Write;
        entry.last = Some(cause.origin);
        self.batch.count_write(work);
        Ok(())
    }

    /// Goes on with states that go back, once in a batch.
    pub(super) fn go_on_returning(&mut self, work: usize, now: Timestamp) -> Result<(), Failed> {
        let entry = &mut self.batch.works[work];
        if !entry.cached.head.has_to_return() || entry.is_stuck || entry.fault.is_some() {
            return Ok(());
        }
        let is_known = |it: &&Returning| {
            let mut before = entry.before.head.returning().iter();
            !it.state.is_sent && before.any(|old| old.is_of(it))
        };
        let known = entry.cached.head.returning().iter().find(is_known).cloned();
        let origin = InputId::Move { key: entry.key };
        let Some(known) = known.filter(|_| self.inputs.faults(origin).is_empty()) else {
            return Ok(());
        };
        if std::mem::replace(&mut self.batch.works[work].has_returned, true) {
            return Ok(());
        }
        let moved_by = known.state.cause.clone();
        let cause = Cause {
            bulk: moved_by.is_bulk,
            trace_parent: &moved_by.trace_parent,
            ..Cause::of_timer(origin, moved_by.time, now)
        };
        self.batch.inputs += 1;
        let sent = self.send_share(work, known, cause);
        self.unless_stuck(Some(work), sent)
    }

    /// Sends the next pieces of a state that goes back, as many as one batch may.
    fn send_share(
        &mut self,
        work: usize,
        mut returning: Returning,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let key = self.batch.works[work].key;
        let next = returning.state.unsent().take(limits::PARTS_PER_PIECE);
        let next: Vec<(u32, PartKey)> = next.collect();
        let raw = &self.batch.raw;
        let missing = next.iter().map(|(_, part)| *part);
        let missing = missing.filter(|part| !raw.contains_key(&(key, *part)));
        let missing: Vec<PartKey> = missing.collect();
        if !missing.is_empty() {
            let lacked = self.batch.effects.lacks_definition;
            self.batch.effects.needs.extend(missing);
            return Err(self.miss(work, cause, lacked));
        }
        let to = returning.state.from;
        let mut parts: Vec<MovedPart> = Vec::new();
        let (mut bytes, mut all_bytes) = (0, 0);
        for (index, part) in next {
            let Some(body) = self.batch.raw.get(&(key, part)).cloned() else {
                break;
            };
            let size = body.len() + PartKey::STORE_BYTES;
            // The head goes another way than the rest.
            let is_alone = part.kind == PartKey::ENGINE_KIND;
            let is_full = is_alone || bytes + size > self.config.piece_bytes;
            if is_full && !parts.is_empty() {
                let piece = self.returned_piece(work, &returning, std::mem::take(&mut parts));
                self.send_returned(work, to, piece, cause)?;
                bytes = 0;
            }
            if all_bytes > 0 && all_bytes + size > limits::BYTES_PER_BATCH / 2 {
                break;
            }
            (bytes, all_bytes) = (bytes + size, all_bytes + size);
            parts.push(moved_part(&returning, (index, part), body));
            returning.state.sent_parts = index + 1;
        }
        if !parts.is_empty() || returning.state.part_count == 0 {
            let piece = self.returned_piece(work, &returning, parts);
            self.send_returned(work, to, piece, cause)?;
        }
        let is_sent = returning.state.unsent().next().is_none();
        returning.state.is_sent = is_sent;
        let entry = &mut self.batch.works[work];
        let known = &mut entry.cached.head.splits_mut().returning;
        if let Some(known) = known.iter_mut().find(|it| it.is_of(&returning)) {
            *known = returning;
        }
        entry.change = Change::Write;
        self.batch.count_write(work);
        self.finish(work, cause)
    }

    fn returned_piece(
        &self,
        work: usize,
        returning: &Returning,
        parts: Vec<MovedPart>,
    ) -> StateMoved {
        StateMoved {
            from_customer_id: self.batch.works[work].key_bytes.clone(),
            parts,
            ..returning.state.piece()
        }
    }

    /// Sends a piece: the one with the head behind all that the later services send, the others
    /// straight.
    fn send_returned(
        &mut self,
        work: usize,
        to: CustomerId,
        piece: StateMoved,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let is_straight = !cause.bulk && !piece.parts.is_empty() && !has_head(&piece);
        let record = cause.record(to, Some(Body::Returned(piece)));
        if is_straight {
            self.deliver(C::HOME, record, cause)
        } else {
            self.send(work, C::HOME, record, cause)
        }
    }
}

/// A part as a piece carries it, with the ordinal that it has there.
fn moved_part(returning: &Returning, (index, key): (u32, PartKey), body: Bytes) -> MovedPart {
    let is_head = key.kind == PartKey::ENGINE_KIND;
    let ordinal = returning.ordinal_there(key).filter(|_| !is_head);
    MovedPart {
        index,
        ordinal: ordinal.unwrap_or(0).into(),
        kind: key.kind.into(),
        name: key.name,
        body,
    }
}
