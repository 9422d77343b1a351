//! Names of what is set aside of states that move.

use kernel::{CustomerId, StableHash};
use messages::engine::v1::{QuarantinedKind, QuarantinedRecord};
use messages::stream::v1::{Record, StateMoved, record::Body};
use prost::Message;

use crate::key::{Key, key_of};
use crate::moving::ID_BYTES;

/// Names what was set aside of a state that moves: one record of each kind stands for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct MovedAside {
    /// The customer who was to take it.
    to: Key,
    pub(super) from: CustomerId,
    kind: MovedKind,
}

/// The kind of a record about a state that moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum MovedKind {
    Piece,
    /// A piece that somebody sent on who keeps none of it: each is set aside.
    Followed {
        leave_id: u64,
        first_part: u32,
    },
    Released,
    /// A word that states stay, by those that it names.
    Stays {
        named: u64,
    },
}

impl MovedAside {
    /// Names what a record carries. `None` where it is not about a state that moves, or only looks
    /// for one.
    pub(super) fn of(record: &Record) -> Option<Self> {
        let Some(Body::Moved(moved)) = &record.body else {
            return None;
        };
        let kind = match moved {
            StateMoved { sought: true, .. } => return None,
            StateMoved { stays: true, .. } => MovedKind::Stays {
                named: hash_fragments(moved),
            },
            StateMoved { released: true, .. } => MovedKind::Released,
            StateMoved { followed: true, .. } => MovedKind::Followed {
                leave_id: moved.leave_id,
                first_part: moved.parts.first().map_or(0, |part| part.index),
            },
            _ => MovedKind::Piece,
        };
        Some(Self {
            to: key_of(&record.customer_id)?,
            from: CustomerId::try_from_bytes(&moved.from_customer_id).ok()?,
            kind,
        })
    }

    /// Names what a quarantined record carries.
    pub(super) fn of_entry(entry: &QuarantinedRecord) -> Option<Self> {
        if entry.kind() != QuarantinedKind::Record {
            return None;
        }
        Self::of(&Record::decode(entry.record.clone()).ok()?)
    }

    /// Names the pieces of a state.
    pub(super) fn pieces(to: Key, from: CustomerId) -> Self {
        let kind = MovedKind::Piece;
        Self { to, from, kind }
    }
}

/// Returns a hash of the customers that are part of a state, in whatever order they stand.
fn hash_fragments(moved: &StateMoved) -> u64 {
    let mut ids: Vec<&[u8]> = moved.fragment_ids.chunks(ID_BYTES).collect();
    ids.sort_unstable();
    let hash = ids.into_iter().fold(StableHash::new(), StableHash::with);
    hash.finish()
}
