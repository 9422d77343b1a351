//! Events that were read and resolved, and their records on the way to the streams.

use hot::StreamName;
use identity_core::{DropReason, Resolution};
use kernel::{CustomerId, Timestamp};

use crate::announce::Announcing;
use crate::append::Group;
use crate::ledger::Ticket;
use crate::rejected::Rejected;
use crate::sources::{Replays, Taking};
use crate::store::{AccountNews, News};

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
    /// The memberships that the records tell of.
    pub(crate) members: Vec<AccountNews>,
    /// Nobody else tells of them meanwhile; absent for none.
    pub(crate) joining: Option<Announcing>,
}

/// An event that was resolved.
#[derive(Debug)]
pub struct AcceptedEvent {
    /// Its place in the request, from 0.
    pub index: usize,
    /// Its id, given or made.
    pub event_id: String,
    /// Its customer; the evidence went into the record. Absent of an event of accounts alone.
    pub resolution: Option<Resolution>,
    /// The accounts of its groups, in the order of their types; groups of types that are no
    /// namespaces of accounts are left out.
    pub groups: Vec<AcceptedGroup>,
    /// When it happened, where the sender's clock was wrong.
    pub corrected_time: Option<Timestamp>,
}

/// A group of an event that was resolved, or whose key was left out.
#[derive(Debug)]
pub struct AcceptedGroup {
    /// The type; empty where somebody named the account alone.
    pub r#type: String,
    /// Its account.
    pub resolution: Resolution,
}

impl AcceptedGroup {
    /// Returns the account; absent where the key was left out.
    pub fn account(&self) -> Option<CustomerId> {
        (!self.resolution.is_refused).then_some(self.resolution.customer)
    }

    /// Returns the reason for which the key was left out; absent where it was not.
    pub fn reason(&self) -> Option<DropReason> {
        let dropped = self.resolution.dropped.first();
        let dropped = dropped.filter(|_| self.resolution.is_refused);
        dropped.map(|dropped| dropped.reason)
    }
}

/// The outcome for the events of a batch, but for the appending.
#[derive(Debug)]
pub struct Accepted {
    /// Those that were resolved, in order.
    pub events: Vec<AcceptedEvent>,
    /// Those that were refused.
    pub rejected: Rejected,
    /// Those that were taken before, and are not resolved again.
    pub replays: Replays,
    /// The records to append.
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
                members: Vec::new(),
                joining: None,
            },
        }
    }
}
