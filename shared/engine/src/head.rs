//! Stored values: the head that the engine keeps of each customer, in front of the state of the
//! service.
//!
//! A value is one byte that names this form, the length of the head as a varint, the head, and the
//! state as its core encodes it. Whoever was never merged has an empty head, so that a value is two
//! bytes longer than its state.

use bytes::Bytes;
use decision::{Core, PartKey, Poison};
use kernel::CustomerId;
pub(crate) use messages::convert::id_bytes;
use messages::engine::state_v1 as stored;
use prost::Message;
use prost::encoding::{decode_varint, encode_varint, encoded_len_varint};

use crate::moving::{Fragment, ID_BYTES, Leaving, Moving, read_fragments, write_fragments};
use crate::redirect::NextRedirect;
use crate::splitting::Splits;
use crate::waiting::{Waiting, parked_key};

/// The form of a value. No message begins with this byte, so that a state without a head is told
/// apart.
const FORM: u8 = 1;

/// The form of a value with a state on its way by an unmerge. Programs that do not know of unmerges
/// refuse it: they would forget the state.
const FORM_OF_SPLIT: u8 = 2;

/// The engine's own record of one customer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The customer that this one was joined into. All that comes for this one goes there.
    pub redirect: Option<CustomerId>,
    /// The customer that the redirect is to lead to, once nothing is on the way to the one before.
    pub(crate) next_redirect: Option<NextRedirect>,
    /// The customers that were joined into this one, in the order in which their states were folded
    /// in.
    pub fragments: Vec<Fragment>,
    /// The greatest ordinal that is taken, by parts of fragments or of states that arrive. The
    /// customer's own is 0.
    pub last_ordinal: u16,
    /// The states that arrive, of customers who are joined into this one.
    pub(crate) arriving: Vec<Moving>,
    /// The states on their way to the customer that this one was joined into.
    pub(crate) leaving: Option<Box<Leaving>>,
    /// The name of the leave whose state has arrived there; 0 for none, and once that state is part
    /// of one that left in its turn.
    pub(crate) released_leave_id: u64,
    /// The wait for the states of others, and the records that wait.
    pub(crate) waiting: Option<Box<Waiting>>,
    /// The erasure that removed the customer. Nothing else is kept then.
    pub(crate) erased_by: Option<[u8; ID_BYTES]>,
    /// The graph epoch of the merge by which the customer left; 0 for none, and where nobody knows.
    pub(crate) merge_epoch: u64,
    /// The graph epoch of the last word of a merge or an unmerge that the customer acted upon; 0 for
    /// none, and where nobody knows.
    pub(crate) graph_epoch: u64,
    /// The record of the customer's unmerges.
    pub(crate) splits: Option<Box<Splits>>,
    /// Says that the service knows something of the customer.
    pub has_state: bool,
}

impl Head {
    /// The head of a customer of whom the service knows something, and who was never merged.
    pub const fn plain() -> Self {
        Self {
            redirect: None,
            next_redirect: None,
            fragments: Vec::new(),
            last_ordinal: 0,
            arriving: Vec::new(),
            leaving: None,
            released_leave_id: 0,
            waiting: None,
            erased_by: None,
            merge_epoch: 0,
            graph_epoch: 0,
            splits: None,
            has_state: true,
        }
    }

    /// The head of a customer who was joined into another.
    pub const fn redirected_to(survivor: CustomerId) -> Self {
        Self {
            redirect: Some(survivor),
            next_redirect: None,
            fragments: Vec::new(),
            last_ordinal: 0,
            arriving: Vec::new(),
            leaving: None,
            released_leave_id: 0,
            waiting: None,
            erased_by: None,
            merge_epoch: 0,
            graph_epoch: 0,
            splits: None,
            has_state: false,
        }
    }

    /// The head of a customer who is erased.
    pub(crate) fn erased_by(erasure: [u8; ID_BYTES]) -> Self {
        Self {
            erased_by: Some(erasure),
            has_state: false,
            ..Self::plain()
        }
    }

    /// Returns whether a merge is remembered, so that the value stays where the service forgets the
    /// customer.
    pub const fn has_merges(&self) -> bool {
        self.redirect.is_some()
            || self.erased_by.is_some()
            || !self.fragments.is_empty()
            || !self.arriving.is_empty()
            || self.waiting.is_some()
            || self.splits.is_some()
    }

    /// Returns whether a customer was joined into this one, and all of them is here.
    pub fn has_fragment(&self, customer: CustomerId) -> bool {
        self.fragments.iter().any(|it| it.customer == customer)
    }

    /// Returns whether all of a customer is here, or part of a state that arrives. A state may be
    /// sent more than once, also to somebody whom its survivor was joined into meanwhile.
    pub(crate) fn has_or_expects(&self, customer: CustomerId) -> bool {
        let mut arriving = self.arriving.iter().flat_map(|it| &it.fragments);
        self.has_fragment(customer) || arriving.any(|it| it.customer == customer)
    }

    /// Returns whether a read that comes after a write may show the customer: no state is on its
    /// way to or from them, nothing waits for one, and those who are known to be joined into them
    /// are here. A state that does not come by itself is not looked for: the customer went on
    /// without.
    pub fn is_settled(&self, joined: &[CustomerId]) -> bool {
        let waiting = self.waiting.as_deref();
        let is_absent = |it| waiting.is_some_and(|waiting| waiting.is_absent(it));
        let mut joined = joined.iter().copied();
        let mut arriving = self.arriving.iter();
        let is_on_way = self.leaving.is_some() || arriving.any(|it| !is_absent(it.from));
        // Records that wait at a customer who was joined into another have not left either.
        let is_quiet = !is_on_way && !self.is_holding() && !self.has_parked() && !self.has_words();
        let is_here = |it| self.has_fragment(it) || is_absent(it);
        is_quiet && (self.redirect.is_some() || joined.all(is_here))
    }

    /// Returns whether all that came for the customer has gone on: nothing waits for a state, and
    /// none is about to leave.
    pub(crate) fn lets_through(&self) -> bool {
        let waiting = self.waiting.as_ref();
        let is_back = self.coming_back().is_none() && !self.has_words();
        let is_quiet = self.leaving.is_none() && is_back;
        is_quiet && !waiting.is_some_and(|waiting| waiting.is_holding())
    }

    /// The state that arrives from a customer.
    pub(crate) fn arriving_from(&mut self, customer: CustomerId) -> Option<&mut Moving> {
        self.arriving.iter_mut().find(|it| it.from == customer)
    }

    /// Returns whether the customer goes on without the state of one who was joined into them, and
    /// waits for none.
    pub fn lacks_state(&self) -> bool {
        self.goes_on_alone() && !self.has_parked()
    }

    /// Returns whether the customer goes on without the state of one who was joined into them. The
    /// records that waited for it may still be to take.
    pub fn goes_on_alone(&self) -> bool {
        let waiting = self.waiting.as_ref();
        waiting.is_some_and(|waiting| !waiting.waived.is_empty() && waiting.awaited.is_empty())
    }

    /// The parts of states on their way to or from the customer, and of what waits for one. No core
    /// lists them.
    pub fn parts(&self) -> impl Iterator<Item = PartKey> + '_ {
        let leaving = self.leaving.iter().flat_map(|it| &it.states);
        let returning = self.returning().iter().map(|it| &it.state);
        let coming_back = self.coming_back().and_then(|it| it.state.as_ref());
        let moving = self.arriving.iter().chain(leaving).chain(returning);
        let moving = moving.chain(coming_back);
        let parked = self.waiting.iter().flat_map(|it| it.first..it.next);
        let parked = parked.map(parked_key);
        moving
            .flat_map(|it| it.parts.values().copied())
            .chain(parked)
    }

    /// The states on their way to or from the customer, to be changed.
    pub(crate) fn states_mut(&mut self) -> impl Iterator<Item = &mut Moving> + '_ {
        let leaving = self.leaving.iter_mut().flat_map(|it| &mut it.states);
        let splits = self.splits.iter_mut().flat_map(|it| it.states_mut());
        self.arriving.iter_mut().chain(leaving).chain(splits)
    }

    /// Returns whether what comes for the customer waits for the states of others, or for the own
    /// one.
    pub(crate) fn is_holding(&self) -> bool {
        let waiting = self.waiting.as_ref();
        let is_waiting = waiting.is_some_and(|waiting| waiting.is_holding());
        self.redirect.is_none() && (is_waiting || self.coming_back().is_some())
    }

    /// Returns whether the own state of the customer leaves under a name.
    pub(crate) fn is_leaving_as(&self, leave_id: u64, customer: CustomerId) -> bool {
        let mut states = self.leaving.iter().flat_map(|it| &it.states);
        states.any(|it| it.from == customer && it.leave_id == leave_id)
    }

    /// Returns whether some of what leaves is still to be sent.
    pub(crate) fn is_sending(&self) -> bool {
        self.leaving.as_ref().is_some_and(|it| it.is_sending())
    }

    /// Returns whether records wait.
    pub(crate) fn has_parked(&self) -> bool {
        self.waiting.as_ref().is_some_and(|it| it.has_parked())
    }

    /// Returns whether records wait that can go on, since no state is waited for.
    pub(crate) fn has_free(&self) -> bool {
        let is_free = |waiting: &Waiting| waiting.awaited.is_empty() && waiting.has_parked();
        let is_back = self.coming_back().is_none() && !self.has_words();
        is_back && self.waiting.as_deref().is_some_and(is_free)
    }

    /// Returns whether a part belongs to the engine: to a state that arrives or leaves, or to a
    /// record that waits. No core knows it.
    pub(crate) fn has_on_way(&self, part: PartKey) -> bool {
        part.kind == PartKey::ENGINE_KIND
            || self.leaving.is_some()
            || self.arriving.iter().any(|it| it.holds(part))
            || self.is_returning(part)
    }

    fn read(mut bytes: &[u8]) -> Result<(Self, &[u8]), Poison> {
        let [FORM | FORM_OF_SPLIT, rest @ ..] = bytes else {
            return Err(Poison::new(
                "it has no head: an older version of the program wrote it; begin with an empty store",
            ));
        };
        bytes = rest;
        let len = decode_varint(&mut bytes).map_err(unreadable)?;
        let len = usize::try_from(len).map_err(unreadable)?;
        let (head, state) = bytes
            .split_at_checked(len)
            .ok_or_else(|| unreadable("it ends early"))?;
        let head = stored::Head::decode(head).map_err(unreadable)?;
        let redirect = match head.redirect_customer_id.as_ref() {
            [] => None,
            id => Some(CustomerId::try_from_bytes(id).map_err(unreadable)?),
        };
        let next_redirect = head.next_redirect.as_ref().map(NextRedirect::read);
        let head = Self {
            redirect,
            next_redirect: next_redirect.transpose().map_err(unreadable)?,
            fragments: read_fragments(&head.fragment_ids, &head.fragment_ordinals)
                .map_err(unreadable)?,
            last_ordinal: u16::try_from(head.last_ordinal).map_err(unreadable)?,
            arriving: head
                .arriving
                .iter()
                .map(Moving::read)
                .collect::<Result<_, _>>()
                .map_err(unreadable)?,
            leaving: head
                .leaving
                .as_ref()
                .map(Leaving::read)
                .transpose()
                .map_err(unreadable)?
                .map(Box::new),
            released_leave_id: head.released_leave_id,
            waiting: head
                .waiting
                .as_ref()
                .map(|waiting| Waiting::read(waiting).map(Box::new))
                .transpose()
                .map_err(unreadable)?,
            erased_by: match head.erased_by_id.as_ref() {
                [] => None,
                id => Some(id.try_into().map_err(unreadable)?),
            },
            merge_epoch: head.merge_epoch,
            graph_epoch: head.graph_epoch,
            splits: Splits::read(&head).map_err(unreadable)?,
            has_state: !head.stateless,
        };
        Ok((head, state))
    }

    fn message(&self) -> stored::Head {
        let (fragment_ids, fragment_ordinals) = write_fragments(&self.fragments);
        let mut head = stored::Head {
            redirect_customer_id: self.redirect.map(id_bytes).unwrap_or_default(),
            next_redirect: self.next_redirect.map(NextRedirect::write),
            fragment_ids,
            fragment_ordinals,
            last_ordinal: self.last_ordinal.into(),
            arriving: self.arriving.iter().map(Moving::write).collect(),
            leaving: self.leaving.as_deref().map(Leaving::write),
            released_leave_id: self.released_leave_id,
            waiting: self.waiting.as_ref().map(|waiting| waiting.write()),
            erased_by_id: self
                .erased_by
                .map(|id| Bytes::copy_from_slice(&id))
                .unwrap_or_default(),
            stateless: !self.has_state,
            merge_epoch: self.merge_epoch,
            graph_epoch: self.graph_epoch,
            ..stored::Head::default()
        };
        if let Some(splits) = &self.splits {
            splits.write(&mut head);
        }
        head
    }
}

fn unreadable(error: impl std::fmt::Display) -> Poison {
    Poison::new(format!("its head cannot be read: {error}"))
}

/// Reads the head of a stored value, of whatever service.
///
/// # Errors
/// [`Poison`] where it is not one.
pub(crate) fn read_alone(value: &[u8]) -> Result<Head, Poison> {
    Ok(Head::read(value)?.0)
}

/// Reads a stored value.
///
/// # Errors
/// [`Poison`] where it is not one, such as the value of an older version of the program.
pub fn read<C: Core>(value: &[u8]) -> Result<(Head, C::State), Poison> {
    let (head, state) = Head::read(value)?;
    let state = if head.has_state {
        C::decode(state)?
    } else {
        C::State::default()
    };
    Ok((head, state))
}

/// Writes a value to store. A state that the service does not know is left out.
pub fn write<C: Core>(head: &Head, state: &C::State) -> Bytes {
    // Nearly everybody's.
    let is_plain = *head == Head::plain();
    let message = if is_plain {
        stored::Head::default()
    } else {
        head.message()
    };
    let state = if head.has_state {
        C::encode(state)
    } else {
        Bytes::new()
    };
    let len = message.encoded_len();
    let mut value = Vec::with_capacity(1 + encoded_len_varint(len as u64) + len + state.len());
    value.push(if head.is_splitting() {
        FORM_OF_SPLIT
    } else {
        FORM
    });
    encode_varint(len as u64, &mut value);
    message.encode_raw(&mut value);
    value.extend_from_slice(&state);
    value.into()
}

#[cfg(test)]
mod tests;
