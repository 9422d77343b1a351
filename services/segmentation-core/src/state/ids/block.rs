//! A block of ids: a part of the state, always under a key of its own.

use bytes::Bytes;
use decision::{Part, PartKey, PartLoad, PartWrites, Poison};
use kernel::{AcceptMinute, EventIdHash};

use super::IdRun;
use crate::codec;
use crate::limits;
use crate::state::{MissingParts, PartKind};

/// A block of ids, with what the head lists of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct IdBlock {
    /// The fragment whose events these were; 0 is the customer's own.
    pub(crate) ordinal: u16,
    /// Tells the blocks of a fragment apart; it grows.
    pub(crate) number: u32,
    /// The number of its ids.
    pub(crate) count: u32,
    /// When the oldest was accepted.
    pub(crate) first: AcceptMinute,
    /// When the newest was accepted.
    pub(crate) last: AcceptMinute,
    part: Part<IdRun>,
}

impl IdBlock {
    /// A block of a fragment that has none so far.
    pub(super) fn new(ordinal: u16, number: u32) -> Self {
        let mut part = Part::default();
        part.set(IdRun::default());
        Self {
            ordinal,
            number,
            count: 0,
            first: AcceptMinute::from_number(i64::MAX),
            last: AcceptMinute::from_number(i64::MIN),
            part,
        }
    }

    /// A block that the store keeps, of so many ids and bytes, accepted from one minute to another.
    pub(crate) fn listed(
        (ordinal, number): (u16, u32),
        (count, bytes): (u32, u32),
        (first, last): (AcceptMinute, AcceptMinute),
    ) -> Self {
        Self {
            ordinal,
            number,
            count,
            first,
            last,
            part: Part::apart(bytes),
        }
    }

    /// The same block, of another fragment.
    pub(super) fn under(mut self, ordinal: u16) -> Self {
        self.ordinal = ordinal;
        self
    }

    /// Its place among the blocks of a customer.
    pub(super) const fn place(&self) -> (u16, u32) {
        (self.ordinal, self.number)
    }

    /// The number of its ids.
    pub(super) const fn len(&self) -> usize {
        self.count as usize
    }

    /// Returns whether it takes no more ids.
    pub(super) const fn is_full(&self) -> bool {
        self.len() >= limits::EVENT_IDS_IN_BLOCK
    }

    /// Returns whether all of its ids were surely taken after all of another's.
    pub(super) fn is_after(&self, other: &Self) -> bool {
        let is_next = self.ordinal == other.ordinal && self.number > other.number;
        self.first > other.last || (is_next && self.first >= other.last)
    }

    /// Bytes that it takes in the store; none before it was written.
    pub(crate) const fn stored_bytes(&self) -> Option<u32> {
        self.part.stored_bytes()
    }

    /// Its ids.
    ///
    /// # Errors
    /// [`MissingParts`] where it is not loaded.
    pub(super) fn run(&self) -> Result<&IdRun, MissingParts> {
        match self.part.get() {
            Ok(Some(run)) => Ok(run),
            Ok(None) | Err(_) => Err(self.missing()),
        }
    }

    /// Takes ids.
    ///
    /// # Errors
    /// [`MissingParts`] where it is not loaded.
    pub(super) fn insert(
        &mut self,
        ids: &[(EventIdHash, AcceptMinute)],
    ) -> Result<(), MissingParts> {
        let missing = self.missing();
        let Ok(Some(run)) = self.part.get_mut() else {
            return Err(missing);
        };
        for (id, minute) in ids {
            run.insert(*id, *minute);
            self.first = self.first.min(*minute);
            self.last = self.last.max(*minute);
        }
        self.count = u32::try_from(run.len()).unwrap_or(u32::MAX);
        self.part.send_apart();
        Ok(())
    }

    /// Takes it as it is stored.
    ///
    /// # Errors
    /// [`Poison`] where it cannot be read.
    pub(super) fn load(&mut self, bytes: &Bytes) -> Result<(), Poison> {
        self.part.load(codec::read_id_run(bytes)?);
        Ok(())
    }

    /// Writes it where it changed.
    pub(super) fn drain(&mut self, writes: &mut PartWrites) {
        let key = self.key();
        let write = |run: &IdRun| codec::write_id_run(run.iter());
        self.part.drain(key, IdRun::most_bytes, write, writes);
    }

    /// Adds what it takes to a state's parts.
    pub(super) fn measure(&self, load: &mut PartLoad) {
        self.part.measure(IdRun::most_bytes, load);
    }

    /// Its key, where the store has it.
    pub(super) fn stored_key(&self) -> Option<PartKey> {
        self.part.stored_bytes().map(|_| self.key())
    }

    pub(super) fn key(&self) -> PartKey {
        PartKey {
            ordinal: self.ordinal,
            kind: PartKind::EventIds as u8,
            name: self.number.into(),
        }
    }

    fn missing(&self) -> MissingParts {
        MissingParts(vec![self.key()])
    }
}
