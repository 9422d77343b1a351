//! Events that were read and resolved, and their records on the way to the streams.

use hot::StreamName;
use identity_core::Resolution;
use kernel::Timestamp;

use crate::announce::Announcing;
use crate::append::Group;
use crate::ledger::Ticket;
use crate::rejected::Rejected;
use crate::sources::{Replays, Taking};
use crate::store::News;

/// Events on their way to the streams.
#[derive(Debug)]
pub struct Outbound {
    /// The lane.
    pub stream: StreamName,
    /// The records by partition.
    pub groups: Vec<Group>,
    /// The source that the streams de-duplicate by; absent where ids of events do.
    pub source: Option<String>,
    /// The mark of its source once it is taken; absent without an ordered one.
    pub(crate) taking: Option<Taking>,
    /// The batch that its records are in the ledger of an import; absent without one.
    pub(crate) ticket: Option<Ticket>,
    /// The merges and splits that the records announce.
    pub news: Vec<News>,
    /// Nobody else announces them meanwhile; absent for none.
    pub(crate) announcing: Option<Announcing>,
}

/// An event that was resolved.
#[derive(Debug)]
pub struct AcceptedEvent {
    /// Its place in the request, from 0.
    pub index: usize,
    /// Its id, given or made.
    pub event_id: String,
    /// Its customer; the evidence went into the record.
    pub resolution: Resolution,
    /// When it happened, where the sender's clock was wrong.
    pub corrected_time: Option<Timestamp>,
}

/// What became of the events of a batch, but for the appending.
#[derive(Debug)]
pub struct Accepted {
    /// Those that were resolved, in order.
    pub events: Vec<AcceptedEvent>,
    /// Those that were refused.
    pub rejected: Rejected,
    /// Those that were taken before, and are not resolved again.
    pub replays: Replays,
    /// What is to be appended.
    pub outbound: Outbound,
}

impl Accepted {
    /// Nothing yet of a batch with these events refused and these taken before.
    pub(crate) const fn none(stream: StreamName, rejected: Rejected, replays: Replays) -> Self {
        Self {
            events: Vec::new(),
            rejected,
            replays,
            outbound: Outbound {
                stream,
                groups: Vec::new(),
                source: None,
                taking: None,
                ticket: None,
                news: Vec::new(),
                announcing: None,
            },
        }
    }
}
