//! What is kept of one customer.

mod activation;
mod codec;
mod key;
mod parts;
mod pending;
mod settled;

use std::cmp::Reverse;
use std::sync::Arc;

use decision::{Part, PartKey, UnknownParts};
use kernel::{ActivationId, Timestamp};

use crate::cap::SendTimes;
use crate::consent::Consents;
use crate::limits;

pub use activation::{Activation, Listed};
pub use key::{MissingPart, PartKind};
pub(crate) use pending::is_expired;
pub use pending::{Admitted, Pending};
use settled::Settled;

/// One customer. Cheap to clone: what a step does not touch is shared.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// All that the customer said; absent where nothing was.
    consents: Part<Consents>,
    /// The newest sends that count towards frequency caps.
    pub(crate) send_times: SendTimes,
    /// The activations that are pending, oldest first.
    pub(crate) pending: Vec<Pending>,
    settled: Settled,
    /// Parts of kinds that a newer version wrote.
    others: UnknownParts,
    /// Parts in the store of what is gone.
    gone: Vec<PartKey>,
}

impl State {
    /// All that the customer said.
    ///
    /// # Errors
    /// [`MissingPart`] where it is not loaded.
    pub fn consents(&self) -> Result<&Consents, MissingPart> {
        static NOTHING: Consents = Consents::nothing();
        let known = self.consents.get();
        let known = known.map_err(|_| MissingPart(key::CONSENTS))?;
        Ok(known.unwrap_or(&NOTHING))
    }

    /// Replaces all that the customer said.
    pub(crate) fn set_consents(&mut self, consents: Consents) {
        if consents.is_empty() {
            self.consents.remove();
        } else {
            self.consents.set(consents);
        }
    }

    /// When the newest sends were that count towards frequency caps.
    pub const fn send_times(&self) -> &SendTimes {
        &self.send_times
    }

    /// The activations that are pending, oldest first.
    pub fn pending(&self) -> &[Pending] {
        &self.pending
    }

    /// The number of activations that are known.
    pub fn activation_count(&self) -> usize {
        self.pending.len() + self.settled.len()
    }

    /// All activations, newest first.
    ///
    /// # Errors
    /// [`MissingPart`] where a part of one is not loaded.
    pub fn activations(&self) -> Result<Vec<Listed>, MissingPart> {
        let mut all = Vec::with_capacity(self.activation_count());
        for pending in &self.pending {
            all.push(Listed {
                activation: Arc::new(pending.activation()?),
                next_attempt_time: (!pending.in_flight).then_some(pending.due),
            });
        }
        all.extend(self.settled.all()?.into_iter().map(|activation| Listed {
            activation,
            next_attempt_time: None,
        }));
        all.sort_by_key(|it| Reverse((it.activation.create_time, it.activation.id)));
        Ok(all)
    }

    /// Returns whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.consents.is_absent()
            && self.send_times.is_empty()
            && self.pending.is_empty()
            && self.settled.is_empty()
            && self.others.is_empty()
    }

    /// Returns whether an activation is known, whatever became of it.
    pub(crate) fn knows(&self, id: ActivationId) -> bool {
        self.place(id).is_some() || self.settled.has(id)
    }

    /// The place of an activation among those that are pending.
    pub(crate) fn place(&self, id: ActivationId) -> Option<usize> {
        self.pending.iter().rposition(|known| known.id == id)
    }

    /// When the state wants to be looked at again.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.pending.iter().map(|pending| pending.due).min()
    }

    /// Bytes that was admitted of all pending activations where it is stored, at the most.
    pub fn pending_bytes(&self) -> usize {
        self.pending.iter().map(Pending::admitted_bytes).sum()
    }

    /// Takes one out of those that are pending.
    pub(crate) fn remove_pending(&mut self, place: usize) -> Pending {
        let pending = self.pending.remove(place);
        self.gone.extend(pending.key_apart());
        pending
    }

    /// Adds the one that was settled last.
    pub(crate) fn push_settled(&mut self, activation: Activation) {
        self.settled.push(Arc::new(activation));
    }

    /// Adds settled ones of another id of the same person, each in the order of time.
    ///
    /// # Errors
    /// [`MissingPart`] where those that are known are not loaded.
    pub(crate) fn fold_settled(
        &mut self,
        theirs: impl Iterator<Item = Activation>,
    ) -> Result<(), MissingPart> {
        let mut all = self.settled.all()?;
        all.extend(theirs.filter(|it| !self.knows(it.id)).map(Arc::new));
        all.sort_by_key(|it| it.update_time);
        self.gone.extend(self.settled.replace(all));
        Ok(())
    }

    /// Takes out the settled ones of fragments that leave, each under the ordinal that it has there.
    ///
    /// # Errors
    /// [`MissingPart`] where a block is not loaded.
    pub(crate) fn split_settled(
        &mut self,
        ordinal_of: impl Fn(u16) -> Option<u16>,
    ) -> Result<Vec<Activation>, MissingPart> {
        let (mut theirs, mut own) = (Vec::new(), Vec::new());
        for activation in self.settled.all()? {
            match ordinal_of(activation.ordinal) {
                Some(ordinal) => theirs.push(Activation {
                    ordinal,
                    ..Activation::clone(&activation)
                }),
                None => own.push(activation),
            }
        }
        if !theirs.is_empty() {
            self.gone.extend(self.settled.replace(own));
        }
        Ok(theirs)
    }

    /// Takes out parts of fragments that leave and that only a newer version knows.
    pub(crate) fn split_others(&mut self, ordinal_of: impl Fn(u16) -> Option<u16>) -> Self {
        Self {
            others: self.others.split_off(ordinal_of),
            ..Self::default()
        }
    }

    /// Takes in parts that only a newer version knows.
    pub(crate) fn fold_others(&mut self, other: &Self, first_ordinal: u16) {
        self.others.take_in(&other.others, first_ordinal);
    }

    /// Forgets the oldest settled activations, down to [`limits::ACTIVATIONS`] with those that are
    /// pending.
    pub(crate) fn forget(&mut self) {
        while self.activation_count() > limits::ACTIVATIONS && !self.settled.is_empty() {
            self.gone.extend(self.settled.forget_oldest());
        }
    }
}

/// Cuts a detail to its bound, at a character.
pub(crate) fn detail(text: &str) -> Box<str> {
    cut(text, limits::DETAIL_BYTES)
}

/// The beginning of a text, up to a number of bytes, at a character.
pub(crate) fn cut(text: &str, bytes: usize) -> Box<str> {
    text[..text.floor_char_boundary(bytes)].into()
}
