//! A merged customer leaves: the state goes to the survivor, piece by piece, over as many commits as
//! that takes.
//!
//! A state without parts goes at once. Otherwise the first commit makes it final: its head is
//! stored like a part, no core sees it any more, and the head of the customer lists what is to be
//! sent. Each batch that meets a record of the customer then sends some pieces first, and removes
//! the parts that they carry in the same commit. The record waits until nothing is left, so that it
//! comes after the state. A word to the customer itself makes sure that there is such a record.
//!
//! A survivor that leaves in its turn sends on what has arrived of others, as theirs.

use std::collections::BTreeMap;

use bytes::Bytes;
use decision::{Core, PartKey, PartLoad, PartWrites};
use kernel::CustomerId;
use messages::stream::v1::{CustomerMerged, StateMoved, record::Body};
use prost::Message;

use super::Worker;
use super::batch::Change;
use super::fault::Failed;
use super::run::Cause;
use crate::head::{Head, id_bytes};
use crate::key::customer_of;
use crate::limits;
use crate::moving::{Leaving, MoveCause, Moving, state_key};

/// A state that is about to leave: its head, the parts that changed, and the keys of all parts.
type Final = (Option<Bytes>, PartWrites, Vec<PartKey>);

impl<C: Core> Worker<C> {
    /// Begins to send the state after the survivor, and leaves a redirect.
    pub(super) fn leave(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        survivor: CustomerId,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let (state, changed, parts) = self.take_final(definitions, work, cause)?;
        let entry = &mut self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let head = std::mem::replace(&mut entry.cached.head, Head::redirected_to(survivor));
        entry.change = Change::Write;
        self.batch.count_write(work);
        let merged = CustomerMerged {
            into_customer_id: id_bytes(survivor),
            repoints: false,
        };
        self.pass_merge_on(work, merged.clone(), cause);
        let mut own = Moving {
            from: customer,
            fragments: head.fragments.clone(),
            last_ordinal: head.last_ordinal,
            first_ordinal: 0,
            followed: false,
            part_count: u32::from(state.is_some()),
            parts: BTreeMap::new(),
            cause: cause.of_move(),
        };
        if parts.is_empty() && head.arriving.is_empty() {
            self.batch.forget_state(work);
            self.clear_timer(work, cause.now);
            // The state before the batch does not list what was folded in since.
            for (key, _) in changed.into_iter().filter(|(_, value)| value.is_none()) {
                self.batch.put_part(work, key, None);
            }
            let mut piece = own.piece();
            let whole = state.map(|state| own.moved_part(0, state_key(0), state));
            piece.parts.extend(whole);
            self.send_piece(work, survivor, piece, cause)?;
            return self.end_leave(work, &head, survivor, cause);
        }
        if let Some(state) = state {
            own.parts = (0..)
                .zip(std::iter::once(state_key(0)).chain(parts))
                .collect();
            own.part_count = u32::try_from(own.parts.len()).unwrap_or(u32::MAX);
            self.batch.put_part(work, state_key(0), Some(state));
        }
        for (key, value) in changed {
            self.batch.put_part(work, key, value);
        }
        let arriving = head.arriving.into_iter().map(|moving| Moving {
            followed: true,
            ..moving
        });
        let entry = &mut self.batch.works[work];
        entry.cached.state = C::State::default();
        entry.cached.head = Head {
            fragments: head.fragments,
            leaving: Some(Box::new(Leaving {
                states: std::iter::once(own).chain(arriving).collect(),
                cause: cause.of_move(),
            })),
            ..Head::redirected_to(survivor)
        };
        self.batch.count_parts(work, PartLoad::default());
        // Only now: waits of the state that are in quarantine go with it.
        self.clear_timer(work, cause.now);
        let again = cause.record(customer, Some(Body::Merged(merged)));
        self.deliver(C::HOME, again, cause)
    }

    /// Lets the core take leave, and hands out the parts that changed.
    fn take_final(
        &mut self,
        definitions: &C::Definitions,
        work: usize,
        cause: Cause<'_>,
    ) -> Result<Final, Failed> {
        if !self.batch.works[work].cached.head.has_state {
            return Ok(Final::default());
        }
        self.call(work, cause, |state, step| {
            let left = C::take_leave(definitions, state, step);
            let mut changed = PartWrites::default();
            // A step that misses parts is void, and one of whom nothing is known has none.
            if left.is_none() || !step.effects.needs.is_empty() {
                return Ok((left, changed, Vec::new()));
            }
            C::drain_parts(state, &mut changed);
            Ok((left, changed, C::part_keys(state)))
        })
    }

    /// Sends the next pieces, as many as one batch may.
    pub(super) fn send_pieces(
        &mut self,
        work: usize,
        leaving: Leaving,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let Some(survivor) = self.batch.works[work].cached.head.redirect else {
            return Err(cause.failed("a state leaves, and there is no survivor"));
        };
        self.read_moving(work, &leaving, cause)?;
        let mut states = leaving.states;
        let mut bytes = 0;
        for _ in 0..limits::PIECES_PER_BATCH {
            let Some(moving) = states.front_mut() else {
                break;
            };
            // Nothing is sent of a state of which nothing arrived: the rest of it follows.
            if !moving.parts.is_empty() || moving.part_count == 0 {
                let Some(piece) = self.next_piece(work, moving) else {
                    break;
                };
                bytes += piece.encoded_len();
                self.send_piece(work, survivor, piece, cause)?;
            }
            if moving.parts.is_empty() {
                states.pop_front();
            }
            // A part that is larger than a piece goes alone.
            if bytes >= limits::BYTES_PER_BATCH {
                break;
            }
        }
        let entry = &mut self.batch.works[work];
        entry.change = Change::Write;
        self.batch.count_write(work);
        let entry = &mut self.batch.works[work];
        if !states.is_empty() {
            entry.cached.head.leaving = Some(Box::new(Leaving {
                states,
                cause: leaving.cause,
            }));
            return self.finish(work, cause);
        }
        let head = std::mem::replace(&mut entry.cached.head, Head::redirected_to(survivor));
        self.end_leave(work, &head, survivor, cause)?;
        self.finish(work, cause)
    }

    /// Asks for the parts that are sent next.
    fn read_moving(
        &mut self,
        work: usize,
        leaving: &Leaving,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let key = self.batch.works[work].key;
        let next = leaving.states.iter().flat_map(|it| it.parts.values());
        let next = next.take(limits::PARTS_PER_PIECE).copied();
        let missing: Vec<PartKey> = next
            .filter(|part| !self.batch.raw.contains_key(&(key, *part)))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let lacked = self.batch.effects.lacks_definition;
        self.batch.effects.needs.extend(missing);
        Err(self.miss(work, cause, lacked))
    }

    /// Takes the next piece off a state that leaves. `None` where its first part was not read.
    fn next_piece(&mut self, work: usize, moving: &mut Moving) -> Option<StateMoved> {
        let key = self.batch.works[work].key;
        let mut piece = moving.piece();
        let mut bytes = 0;
        while let Some((&index, &part)) = moving.parts.first_key_value() {
            let Some(body) = self.batch.raw.get(&(key, part)).cloned() else {
                break;
            };
            bytes += body.len() + PartKey::STORE_BYTES;
            let is_first = piece.parts.is_empty();
            let is_full =
                bytes > self.config.piece_bytes || piece.parts.len() >= limits::PARTS_PER_PIECE;
            if is_full && !is_first {
                break;
            }
            moving.parts.remove(&index);
            piece.parts.push(moving.moved_part(index, part, body));
            self.batch.put_part(work, part, None);
        }
        (moving.part_count == 0 || !piece.parts.is_empty()).then_some(piece)
    }

    fn send_piece(
        &mut self,
        work: usize,
        survivor: CustomerId,
        piece: StateMoved,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let record = cause.record(survivor, Some(Body::Moved(piece)));
        self.send(work, C::HOME, record, cause)
    }

    /// Says to all fragments where they are now. Behind the state: whatever they send the short way
    /// from now on comes after it.
    fn end_leave(
        &mut self,
        work: usize,
        head: &Head,
        survivor: CustomerId,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        for fragment in &head.fragments {
            self.tell_merge(work, fragment.customer, (survivor, true), cause)?;
        }
        Ok(())
    }
}

impl Cause<'_> {
    /// What a state that moves remembers of it.
    pub(super) fn of_move(self) -> MoveCause {
        MoveCause {
            is_bulk: self.bulk,
            time: self.time,
            trace_parent: self.trace_parent.to_owned(),
        }
    }
}
