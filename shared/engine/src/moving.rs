//! A state on its way from a merged customer to the survivor: its parts as they are stored, piece by
//! piece, in any order. The head of the state is the last of them.
//!
//! This does not send or store them: `worker::leave` and `worker::arrive` do.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use decision::PartKey;
use kernel::{CustomerId, Timestamp};
use messages::engine::state_v1 as stored;
use messages::stream::v1::{MovedPart, StateMoved};

use crate::head::id_bytes;
use crate::waiting::{read_epochs, read_ids, write_epochs, write_ids};

/// Bytes of an id.
pub(crate) const ID_BYTES: usize = 16;

/// A customer who was joined into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// Who it was.
    pub customer: CustomerId,
    /// The ordinal of the parts that this customer taught.
    pub ordinal: u16,
}

/// The record that made a state move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MoveCause {
    /// True where it came in the low-priority lane: all that follows goes there, in order.
    pub(crate) is_bulk: bool,
    pub(crate) time: Timestamp,
    pub(crate) trace_parent: String,
}

/// A state on its way, of which parts are here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moving {
    /// Whose it was.
    pub(crate) from: CustomerId,
    /// The customers that it had taken in, with the ordinals that they had there.
    pub(crate) fragments: Vec<Fragment>,
    /// The greatest ordinal that is taken there.
    pub(crate) last_ordinal: u16,
    /// The ordinal here of what has ordinal 0 there.
    pub(crate) first_ordinal: u16,
    /// True where a customer on the way was joined into another one meanwhile.
    pub(crate) followed: bool,
    /// The number of its parts, the head among them; 0 where nothing is known of the customer.
    pub(crate) part_count: u32,
    /// The parts that are here, by their places among all of them, under their keys here.
    pub(crate) parts: BTreeMap<u32, PartKey>,
    pub(crate) cause: MoveCause,
    /// The name of the leave: greater than that of any earlier one of the customer.
    pub(crate) leave_id: u64,
    /// At who leaves: the parts before this place are sent.
    pub(crate) sent_parts: u32,
    /// At who leaves: all that is here is sent.
    pub(crate) is_sent: bool,
    /// The customers whose states it waited for when it left. The survivor waits for them instead.
    pub(crate) awaited: Vec<CustomerId>,
    /// The graph epochs by which they are waited for, where those are known.
    pub(crate) awaited_epochs: BTreeMap<CustomerId, u64>,
    /// The customers without whose states it went on before it left. The survivor does not wait for
    /// them either.
    pub(crate) waived: Vec<CustomerId>,
    /// Those of `waived` whose states do not come by themselves.
    pub(crate) absent: Vec<CustomerId>,
    /// The graph epoch of the merge or unmerge that it moves by.
    pub(crate) epoch: u64,
    /// Since which graph epoch whoever sent it on has been part of this customer.
    pub(crate) since: u64,
}

/// A state that is to be sent to a survivor, or is sent and has not arrived there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaving {
    /// The customer's own state, until all of it has arrived; then those that were arriving, until
    /// they are sent.
    pub(crate) states: VecDeque<Moving>,
    pub(crate) cause: MoveCause,
    /// The number of times that the own state was sent again.
    pub(crate) tries: u32,
}

/// The key of the head of a state that is on its way.
pub(crate) const fn state_key(ordinal: u16) -> PartKey {
    PartKey {
        ordinal,
        kind: PartKey::ENGINE_KIND,
        name: 0,
    }
}

/// Returns whether a piece has the head of the state.
pub(crate) fn has_head(piece: &StateMoved) -> bool {
    let kind = u32::from(PartKey::ENGINE_KIND);
    piece.parts.iter().any(|part| part.kind == kind)
}

impl Moving {
    /// Returns whether all of it is here.
    pub(crate) fn is_whole(&self) -> bool {
        self.parts.len() == self.part_count as usize
    }

    /// The parts that are not sent, by their places.
    pub(crate) fn unsent(&self) -> impl Iterator<Item = (u32, PartKey)> + '_ {
        let unsent = self.parts.range(self.sent_parts..);
        unsent.map(|(index, part)| (*index, *part))
    }

    /// Returns whether the part that is sent next is the head.
    pub(crate) fn is_head_next(&self) -> bool {
        let next = self.unsent().next();
        next.is_some_and(|(_, part)| part.kind == PartKey::ENGINE_KIND)
    }

    /// Returns whether a key is one of its range.
    pub(crate) fn holds(&self, part: PartKey) -> bool {
        part.lowered(self.first_ordinal)
            .is_some_and(|part| part.ordinal <= self.last_ordinal)
    }

    /// The fragments that a survivor has once it is folded in.
    pub(crate) fn all_fragments(&self) -> impl Iterator<Item = Fragment> + '_ {
        let own = Fragment {
            customer: self.from,
            ordinal: 0,
        };
        let all = std::iter::once(own).chain(self.fragments.iter().copied());
        all.map(|it| Fragment {
            ordinal: it.ordinal.saturating_add(self.first_ordinal),
            ..it
        })
    }

    /// A piece of it, with no part yet.
    pub(crate) fn piece(&self) -> StateMoved {
        let (fragment_ids, fragment_ordinals) = write_fragments(&self.fragments);
        StateMoved {
            from_customer_id: id_bytes(self.from),
            fragment_ids,
            followed: self.followed,
            fragment_ordinals,
            last_ordinal: self.last_ordinal.into(),
            part_count: self.part_count,
            parts: Vec::new(),
            leave_id: self.leave_id,
            released: false,
            stays: false,
            sought: false,
            sought_by_id: Bytes::new(),
            awaited_ids: write_ids(&self.awaited),
            waived_ids: write_ids(&self.waived),
            absent_ids: write_ids(&self.absent),
            graph_epoch: self.epoch,
            forwarded_epoch: self.since,
            awaited_epochs: write_epochs(&self.awaited, &self.awaited_epochs),
        }
    }

    /// Waits no longer for a customer who does not come by merges up to a graph epoch.
    pub(crate) fn set_apart(&mut self, customer: CustomerId, epoch: u64) {
        let known = self.awaited_epochs.get(&customer).copied().unwrap_or(0);
        if known <= epoch {
            self.awaited.retain(|it| *it != customer);
            self.awaited_epochs.remove(&customer);
        }
    }

    /// A part as a piece carries it.
    pub(crate) fn moved_part(&self, index: u32, key: PartKey, body: Bytes) -> MovedPart {
        let ordinal = key.ordinal.saturating_sub(self.first_ordinal);
        MovedPart {
            index,
            ordinal: ordinal.into(),
            kind: key.kind.into(),
            name: key.name,
            body,
        }
    }

    pub(crate) fn read(message: &stored::Moving) -> Result<Self, String> {
        let parts = message.parts.iter().map(|part| {
            let key = read_key(part.ordinal, part.kind, part.name)?;
            Ok::<_, String>((part.index, key))
        });
        Ok(Self {
            from: CustomerId::try_from_bytes(&message.from_customer_id).map_err(text)?,
            fragments: read_fragments(&message.fragment_ids, &message.fragment_ordinals)?,
            last_ordinal: u16::try_from(message.last_ordinal).map_err(text)?,
            first_ordinal: u16::try_from(message.first_ordinal).map_err(text)?,
            followed: message.followed,
            part_count: message.part_count,
            parts: parts.collect::<Result<_, _>>()?,
            cause: MoveCause::read(message.cause.as_ref()),
            leave_id: message.leave_id,
            sent_parts: message.sent_parts,
            is_sent: message.is_sent,
            awaited: read_ids(&message.awaited_ids)?,
            waived: read_ids(&message.waived_ids)?,
            absent: read_ids(&message.absent_ids)?,
            epoch: message.graph_epoch,
            since: message.forwarded_epoch,
            awaited_epochs: read_epochs(&read_ids(&message.awaited_ids)?, &message.awaited_epochs),
        })
    }

    pub(crate) fn write(&self) -> stored::Moving {
        let (fragment_ids, fragment_ordinals) = write_fragments(&self.fragments);
        let part = |(index, key): (&u32, &PartKey)| stored::MovingPart {
            index: *index,
            ordinal: key.ordinal.into(),
            kind: key.kind.into(),
            name: key.name,
        };
        stored::Moving {
            from_customer_id: id_bytes(self.from),
            fragment_ids,
            fragment_ordinals,
            last_ordinal: self.last_ordinal.into(),
            first_ordinal: self.first_ordinal.into(),
            followed: self.followed,
            part_count: self.part_count,
            parts: self.parts.iter().map(part).collect(),
            cause: Some(self.cause.write()),
            leave_id: self.leave_id,
            sent_parts: self.sent_parts,
            is_sent: self.is_sent,
            awaited_ids: write_ids(&self.awaited),
            waived_ids: write_ids(&self.waived),
            absent_ids: write_ids(&self.absent),
            graph_epoch: self.epoch,
            forwarded_epoch: self.since,
            awaited_epochs: write_epochs(&self.awaited, &self.awaited_epochs),
        }
    }
}

impl Leaving {
    /// Returns whether something is to be sent.
    pub(crate) fn is_sending(&self) -> bool {
        self.states.iter().any(|it| !it.is_sent)
    }

    pub(crate) fn read(message: &stored::Leaving) -> Result<Self, String> {
        let states = message.states.iter().map(Moving::read);
        Ok(Self {
            states: states.collect::<Result<_, _>>()?,
            cause: MoveCause::read(message.cause.as_ref()),
            tries: message.tries,
        })
    }

    pub(crate) fn write(&self) -> stored::Leaving {
        stored::Leaving {
            states: self.states.iter().map(Moving::write).collect(),
            cause: Some(self.cause.write()),
            tries: self.tries,
        }
    }
}

impl MoveCause {
    pub(crate) fn read(message: Option<&stored::MoveCause>) -> Self {
        let message = message.cloned().unwrap_or_default();
        Self {
            is_bulk: message.is_bulk,
            time: Timestamp::from_millis(message.time_ms),
            trace_parent: message.trace_parent,
        }
    }

    pub(crate) fn write(&self) -> stored::MoveCause {
        stored::MoveCause {
            is_bulk: self.is_bulk,
            time_ms: self.time.as_millis(),
            trace_parent: self.trace_parent.clone(),
        }
    }
}

/// Reads the key of a part.
///
/// # Errors
/// The words for people, where a number is too large.
pub(crate) fn read_key(ordinal: u32, kind: u32, name: u64) -> Result<PartKey, String> {
    Ok(PartKey {
        ordinal: u16::try_from(ordinal).map_err(text)?,
        kind: u8::try_from(kind).map_err(text)?,
        name,
    })
}

/// Reads ids that stand one behind another, and the ordinal of each.
///
/// # Errors
/// The words for people, where there is not one ordinal for each id.
pub(crate) fn read_fragments(ids: &[u8], ordinals: &[u32]) -> Result<Vec<Fragment>, String> {
    if ids.len() != ordinals.len() * ID_BYTES {
        return Err("it has not one ordinal for each fragment".to_owned());
    }
    let fragment = |(id, ordinal): (&[u8], &u32)| {
        Ok(Fragment {
            customer: CustomerId::try_from_bytes(id).map_err(text)?,
            ordinal: u16::try_from(*ordinal).map_err(text)?,
        })
    };
    ids.chunks(ID_BYTES).zip(ordinals).map(fragment).collect()
}

/// Writes ids one behind another, and the ordinal of each.
pub(crate) fn write_fragments(fragments: &[Fragment]) -> (Bytes, Vec<u32>) {
    let ids: Vec<u8> = fragments
        .iter()
        .flat_map(|it| *it.customer.as_bytes())
        .collect();
    let ordinals = fragments.iter().map(|it| it.ordinal.into()).collect();
    (ids.into(), ordinals)
}

pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
