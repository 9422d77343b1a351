//! One fragment: a customer in small.

use std::sync::Arc;

use bytes::Bytes;
use decision::{Piece, Poison};
use kernel::Timestamp;

use crate::codec;
use crate::profile::Traits;
use crate::state::{EventTotal, MemberCount, Membership, RecentEvents, State, join_totals};

/// All that happened to one fragment of a merged customer, and was of use.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Fragment {
    /// The last words of its own events.
    pub(crate) traits: Arc<Traits>,
    /// By name.
    pub(crate) totals: Vec<EventTotal>,
    /// The segments that it was in when it was joined, by name.
    pub(crate) memberships: Vec<Membership>,
    /// Its newest events that are not among those of the customer.
    pub(crate) recent: RecentEvents,
    pub(crate) first_seen: Option<Timestamp>,
    pub(crate) last_seen: Option<Timestamp>,
    /// Of an account: its members when it was joined, or as told later of it alone.
    pub(crate) members: Option<MemberCount>,
}

impl Fragment {
    /// All that is known of a customer who has no fragments, but for the newest events.
    pub(crate) fn of(state: &State) -> Self {
        Self {
            traits: Arc::clone(&state.traits),
            totals: state.totals.clone(),
            memberships: state.memberships.clone(),
            recent: RecentEvents::default(),
            first_seen: state.first_seen,
            last_seen: state.last_seen,
            members: state.members,
        }
    }

    /// Takes note of when something happened.
    pub(crate) fn see(&mut self, at: Timestamp) {
        self.first_seen = Some(self.first_seen.map_or(at, |first| first.min(at)));
        self.last_seen = Some(self.last_seen.map_or(at, |last| last.max(at)));
    }

    /// Adds what happened to another fragment, which cannot be told apart from then on.
    pub(crate) fn join(&mut self, other: &Self) {
        Arc::make_mut(&mut self.traits).join(other.traits.iter().cloned());
        join_totals(&mut self.totals, &other.totals, |_| false);
        for element in other.recent.to_elements() {
            self.recent.put(element);
        }
        self.recent.drop_surplus();
        let seen = [other.first_seen, other.last_seen].into_iter();
        seen.flatten().for_each(|at| self.see(at));
    }
}

/// The kind of the part that a fragment is.
pub(super) struct Kept;

impl Piece for Kept {
    type Value = Fragment;

    fn is_empty(value: &Fragment) -> bool {
        *value == Fragment::default()
    }

    fn encode(value: &Fragment) -> Bytes {
        codec::write_fragment(value)
    }

    fn decode(bytes: &Bytes) -> Result<Fragment, Poison> {
        codec::read_fragment(bytes)
    }
}
