//! The inputs of a step, and what surrounds one.

use bytes::Bytes;
use kernel::{CustomerId, Timestamp};
use messages::stream::v1::Record;

use crate::{Effects, fragment_ordinal};

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

/// The state of a customer who was joined into another.
#[derive(Debug, Clone, Copy)]
pub struct Moved<'a> {
    /// The customer who left.
    pub from: CustomerId,
    /// The number of that customer among those that were joined into this one, from 1. Those that
    /// it had taken in itself come after it.
    pub ordinal: usize,
    /// The bytes that [`crate::Core::take_leave`] returned. Other definitions may have been in
    /// force there.
    pub state: &'a Bytes,
}

impl Moved<'_> {
    /// Returns the ordinal here of what has one there: 0 is what the customer who left learned
    /// itself. Those beyond [`FRAGMENTS`](crate::limits::FRAGMENTS) share the last.
    #[must_use]
    pub fn ordinal_of(&self, theirs: u16) -> u16 {
        fragment_ordinal(u16::try_from(self.ordinal).unwrap_or(u16::MAX), theirs)
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
    /// The W3C trace context of the cause; empty for none. Every effect without one inherits it.
    pub trace_parent: &'a str,
    /// Everything that the step causes beyond the state.
    pub effects: &'a mut Effects,
}
