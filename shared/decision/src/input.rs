//! The inputs of a step, and what surrounds one.

use bytes::Bytes;
use kernel::{CustomerId, Timestamp};
use messages::stream::v1::Record;

use crate::Effects;

/// One input of one customer.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A record of the customer; never a tick, which the engine handles.
    Record(&'a Record),
    /// The customer's timer is due. It may be stale: the deadline of record is the one in the
    /// state.
    Timer {
        /// When it was due.
        due_time: Timestamp,
    },
}

/// The surroundings of one step: whose it is, when it is taken, and where its effects go.
#[derive(Debug)]
pub struct Step<'a> {
    /// The customer.
    pub customer: CustomerId,
    /// The customer's id as records carry it; cheap to clone.
    pub key: &'a Bytes,
    /// The instant of the step. The same input at the same instant gives the same answer.
    pub now: Timestamp,
    /// The W3C trace context of the cause; empty for none. Effects without one inherit it.
    pub trace_parent: &'a str,
    /// Everything that the step causes beyond the state.
    pub effects: &'a mut Effects,
}
