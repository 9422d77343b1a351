//! The parts of a state: which there are, which a reader needs, and which leave a head that has no
//! room for them.

use bytes::Bytes;
use decision::{PartKey, PartLoad, PartWrites, Poison};

use super::{Pending, State, codec, key};
use crate::limits;

/// A piece of the head that can leave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Consents,
    Settled,
    Admitted(usize),
}

impl State {
    /// The parts that are not loaded and that show all that the customer said.
    pub fn missing_consents(&self) -> Vec<PartKey> {
        let is_missing = self.consents.is_not_loaded();
        is_missing.then_some(key::CONSENTS).into_iter().collect()
    }

    /// The parts that are not loaded and that show all activations.
    pub fn missing_activations(&self) -> Vec<PartKey> {
        let pending = self.pending.iter().filter_map(Pending::missing);
        pending.chain(self.settled.missing()).collect()
    }

    /// All parts that are not loaded.
    pub(crate) fn missing(&self) -> Vec<PartKey> {
        let mut all = self.missing_consents();
        all.extend(self.missing_activations());
        all.extend(self.others.not_loaded());
        all
    }

    /// Takes a part as it is stored.
    ///
    /// # Errors
    /// [`Poison`] where it is not listed, or cannot be read.
    pub(crate) fn load_part(&mut self, part: PartKey, bytes: Bytes) -> Result<(), Poison> {
        if let Some(other) = self.others.part_mut(part) {
            other.load(bytes);
        } else if part == key::CONSENTS {
            self.consents.load(codec::decode_consents(&bytes)?);
        } else if let Some(block) = self.settled.block_mut(part) {
            block.part.load(codec::decode_block(&bytes)?);
        } else {
            let mut pending = self.pending.iter_mut();
            let own = pending.find(|own| own.key() == part);
            own.ok_or_else(|| Poison::new("the state does not list it"))?
                .load(bytes)?;
        }
        Ok(())
    }

    /// Hands out what changed, and marks it clean.
    pub(crate) fn drain_parts(&mut self, writes: &mut PartWrites) {
        self.consents.drain(
            key::CONSENTS,
            codec::consents_bytes,
            codec::encode_consents,
            writes,
        );
        for pending in &mut self.pending {
            pending.drain(writes);
        }
        self.settled.drain(writes);
        self.others.drain(writes);
        for gone in self.gone.drain(..) {
            writes.remove_unless_written(gone);
        }
    }

    /// Returns whether the store keeps any part apart.
    pub(crate) fn has_parts_apart(&self) -> bool {
        self.settled.has_blocks()
            || self.consents.stored_bytes().is_some()
            || self.pending.iter().any(|own| own.key_apart().is_some())
            || !self.others.is_empty()
            || !self.gone.is_empty()
    }

    /// All parts that the store keeps apart.
    pub(crate) fn part_keys(&self) -> Vec<PartKey> {
        let consents = self.consents.stored_bytes().map(|_| key::CONSENTS);
        let pending = self.pending.iter().filter_map(Pending::key_apart);
        consents
            .into_iter()
            .chain(pending)
            .chain(self.settled.keys_apart())
            .chain(self.others.keys_apart())
            .chain(self.gone.iter().copied())
            .collect()
    }

    /// Measures the parts.
    pub(crate) fn measure_parts(&self) -> PartLoad {
        let mut load = PartLoad::default();
        self.consents.measure(codec::consents_bytes, &mut load);
        for pending in &self.pending {
            pending.measure(&mut load);
        }
        self.settled.measure(&mut load);
        self.others.measure(&mut load);
        load.dirty += self.gone.len();
        load.dirty_bytes += self.gone.len() * PartKey::STORE_BYTES;
        load
    }

    /// Keeps the head within its bound, after a step: settled activations go into a block when
    /// there are enough of them, and the largest pieces leave a head that has no room.
    pub(crate) fn fit_head(&mut self) {
        if self.settled.open_bytes() > limits::OPEN_BYTES {
            self.settled.seal();
        }
        let mut bytes = self.head_bytes();
        if bytes <= decision::limits::HEAD_BYTES {
            return;
        }
        let pending = self.pending.iter().enumerate();
        let mut pieces: Vec<(usize, Piece)> = pending
            .map(|(place, own)| (own.inline_bytes(), Piece::Admitted(place)))
            .chain([
                (self.inline_consents(), Piece::Consents),
                (self.settled.open_bytes(), Piece::Settled),
            ])
            .collect();
        pieces.sort_unstable();
        while bytes > decision::limits::HEAD_BYTES
            && let Some((largest, piece)) = pieces.pop()
            && largest > 0
        {
            match piece {
                Piece::Admitted(place) => self.pending[place].send_apart(),
                Piece::Consents => self.consents.send_apart(),
                Piece::Settled => self.settled.seal(),
            }
            bytes -= largest;
        }
    }

    /// Bytes of the head, at the most.
    fn head_bytes(&self) -> usize {
        let pending: usize = self.pending.iter().map(Pending::head_bytes).sum();
        pending
            + self.inline_consents()
            + self.send_times.stored_bytes()
            + self.settled.open_bytes()
            + self.settled.listing_bytes()
    }

    /// Bytes of the consents in the head.
    fn inline_consents(&self) -> usize {
        let bytes = match self.consents.get() {
            Ok(Some(consents)) if self.consents.stored_bytes().is_none() => {
                codec::consents_bytes(consents)
            }
            _ => 0,
        };
        // One that goes apart by its size takes no room.
        if decision::is_apart(false, bytes) {
            0
        } else {
            bytes
        }
    }
}
