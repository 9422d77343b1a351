//! The inputs of a step, and what surrounds one.

use std::collections::BTreeMap;

use bytes::Bytes;
use kernel::{CustomerId, Timestamp};
use messages::stream::v1::Record;

use crate::{Effects, PartKey, WaitKey, fragment_ordinal};

/// No parts at all.
static NO_PARTS: BTreeMap<PartKey, Bytes> = BTreeMap::new();

/// One input of one customer.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A record of the customer.
    Record(&'a Record),
    /// The customer's timer is due. It may be stale: the deadline of record is the one in the
    /// state.
    Timer {
        /// When it was due.
        due_time: Timestamp,
    },
}

/// The state of a customer who was joined into another. All of it has arrived.
#[derive(Debug, Clone, Copy)]
pub struct Moved<'a> {
    /// The customer who left.
    pub from: CustomerId,
    /// The ordinal of that customer's own parts from now on, from 1. A part of a fragment that it
    /// had taken in has its ordinal there added to this one, and no part that the survivor lists
    /// has such an ordinal yet.
    pub ordinal: u16,
    /// The bytes that [`crate::Core::take_leave`] returned. Other definitions may have been in
    /// force there.
    pub state: &'a Bytes,
    /// Parts of the state, as they are stored, under their new keys. The store of the survivor has
    /// all that the state lists; the step is given those that it said it needs, by
    /// [`Effects::need`] and their new keys.
    pub parts: &'a BTreeMap<PartKey, Bytes>,
}

impl<'a> Moved<'a> {
    /// The first state that is joined into a customer, one that has no parts.
    pub const fn whole(from: CustomerId, state: &'a Bytes) -> Self {
        Self {
            from,
            ordinal: 1,
            state,
            parts: &NO_PARTS,
        }
    }
}

impl Moved<'_> {
    /// Returns the ordinal here of what has one there: 0 is what the customer who left learned
    /// itself. Those beyond [`FRAGMENTS`](crate::limits::FRAGMENTS) share the last.
    #[must_use]
    pub fn ordinal_of(&self, theirs: u16) -> u16 {
        fragment_ordinal(self.ordinal, theirs)
    }
}

/// What leaves a customer again, to whom it was joined: which fragments.
#[derive(Debug, Clone, Copy)]
pub struct Split<'a> {
    /// The customer who comes out of it.
    pub to: CustomerId,
    /// Each ordinal that leaves, with its ordinal there: 0 for the own one of who comes out. They
    /// ascend by the first.
    pub ordinals: &'a [(u16, u16)],
    /// When the merge that is undone took effect at the earliest; absent where that is not known.
    pub merge_time: Option<Timestamp>,
}

impl Split<'_> {
    /// Returns the ordinal there of what has one here; absent for what stays.
    #[must_use]
    pub fn ordinal_of(&self, own: u16) -> Option<u16> {
        let place = self.ordinals.binary_search_by_key(&own, |(here, _)| *here);
        place.ok().map(|place| self.ordinals[place].1)
    }
}

/// The surroundings of one step: whose it is, when it is taken, and where its effects go.
#[derive(Debug)]
pub struct Step<'a> {
    /// The customer.
    pub customer: CustomerId,
    /// The customer's id as records carry it; cheap to clone.
    pub key: &'a Bytes,
    /// When the cause took effect: the time of the record, or the due time of the timer.
    pub time: Timestamp,
    /// The instant of the step. The same input at the same instant gives the same answer.
    pub now: Timestamp,
    /// The ordinal of the fragment that the cause happened to: what the step learns is learned under
    /// it. 0 for the customer's own, and where the cause names none.
    pub ordinal: u16,
    /// The W3C trace context of the cause; empty for none. Every effect without one inherits it.
    pub trace_parent: &'a str,
    /// Waits of the customer that could not be processed and are not to be tried now: the step
    /// passes over them, however long they are due. Empty for a core whose waits are not told
    /// apart.
    pub set_aside: &'a [WaitKey],
    /// Everything that the step causes beyond the state.
    pub effects: &'a mut Effects,
}
