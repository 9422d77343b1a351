//! Sections: parts that a step reads and changes as values, with their stored form beside them, so
//! that what did not change is not encoded again.
//!
//! A section does not know its key: the state that it belongs to does.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{Lent, Part, PartKey, PartLoad, PartWrites, is_apart};
use crate::Poison;

/// The kind of a section: the value that it holds, and how that is stored.
pub trait Piece: 'static {
    /// The value.
    type Value: Clone + PartialEq + fmt::Debug + Send + Sync;

    /// Returns whether a value says nothing, so that nothing is stored of it.
    fn is_empty(value: &Self::Value) -> bool;

    /// Writes a value.
    fn encode(value: &Self::Value) -> Bytes;

    /// Returns bytes that a value surely does not exceed as it is stored, where that is sooner told
    /// than written: a step asks with every change, and a batch writes once.
    fn most_bytes(_value: &Self::Value) -> Option<usize> {
        None
    }

    /// Reads a value.
    ///
    /// # Errors
    /// [`Poison`] where the bytes are no such value.
    fn decode(bytes: &Bytes) -> Result<Self::Value, Poison>;
}

/// A piece of a state: in the head, or a part of its own. Cheap to clone.
pub struct Section<P: Piece> {
    part: Part<Kept<P>>,
}

/// A value, and its stored form once somebody asked.
struct Kept<P: Piece> {
    value: Arc<P::Value>,
    bytes: OnceLock<Bytes>,
}

impl<P: Piece> Kept<P> {
    fn new(value: P::Value) -> Self {
        Self {
            value: Arc::new(value),
            bytes: OnceLock::new(),
        }
    }

    fn bytes(&self) -> &Bytes {
        self.bytes.get_or_init(|| {
            let bytes = P::encode(&self.value);
            debug_assert!(
                P::most_bytes(&self.value).is_none_or(|most| bytes.len() <= most),
                "{} bytes are more than was said",
                bytes.len()
            );
            bytes
        })
    }

    fn size(&self) -> usize {
        self.bytes().len()
    }

    /// Bytes by which it is surely told whether it goes apart by its size: the most that it takes,
    /// unless that is too much.
    fn rough_size(&self) -> usize {
        let most = P::most_bytes(&self.value).filter(|_| self.bytes.get().is_none());
        most.filter(|most| !is_apart(false, *most))
            .unwrap_or_else(|| self.size())
    }
}

impl<P: Piece> Section<P> {
    /// A section that stands in the head.
    ///
    /// # Errors
    /// [`Poison`] where the bytes are no such value.
    pub fn inline(bytes: Bytes) -> Result<Self, Poison> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self::read(P::decode(&bytes)?, bytes))
    }

    /// A section that stands in the head and was read already, with the bytes that it was read
    /// from.
    pub fn read(value: P::Value, bytes: Bytes) -> Self {
        let value = Arc::new(value);
        let bytes = OnceLock::from(bytes);
        Self {
            part: Part::inline(Kept { value, bytes }),
        }
    }

    /// A section that the head lists as kept apart, with its size there.
    pub fn apart(bytes: u32) -> Self {
        Self {
            part: Part::apart(bytes),
        }
    }

    /// A section of which the store has nothing yet.
    pub fn new(value: P::Value) -> Self {
        let mut section = Self::default();
        section.replace(value);
        section
    }

    /// Returns the value; absent where it is not loaded, or there is none.
    pub fn value(&self) -> Option<&P::Value> {
        Some(&self.part.get().ok()??.value)
    }

    /// The measure by which it is surely told whether it goes apart. Where it is apart already, it
    /// comes back by its own bytes alone.
    fn rough(&self) -> fn(&Kept<P>) -> usize {
        if self.part.stored_bytes().is_some() {
            Kept::size
        } else {
            Kept::rough_size
        }
    }

    /// Lends the value to a step.
    pub fn lend(&self) -> Lent<P::Value>
    where
        P::Value: Default,
    {
        match self.part.get() {
            Ok(Some(kept)) => Lent::shared(Arc::clone(&kept.value)),
            Ok(None) => Lent::default(),
            Err(_) => Lent::not_loaded(),
        }
    }

    /// Takes back what was lent. It counts as changed where it is another value than before.
    pub fn take_back(&mut self, lent: Lent<P::Value>) {
        if let Some(value) = lent.into_changed() {
            self.replace(value);
        }
    }

    /// Replaces the value. It counts as changed where it is another one than before.
    pub fn replace(&mut self, value: P::Value) {
        if self.value() == Some(&value) {
            return;
        }
        if P::is_empty(&value) {
            self.part.remove();
        } else {
            self.part.set(Kept::new(value));
        }
    }
}

/// What all sections have in common, whatever they hold.
pub trait AnySection {
    /// Returns the stored form; absent where it is not loaded, or there is nothing.
    fn encoded(&self) -> Option<&Bytes>;

    /// Returns its size under its own key in the store; absent where the head itself has it. Right
    /// after [`drain`](Self::drain).
    fn stored_bytes(&self) -> Option<u32>;

    /// Returns whether it is kept apart and not loaded.
    fn is_not_loaded(&self) -> bool;

    /// Returns whether it has changed since it was written.
    fn is_dirty(&self) -> bool;

    /// Returns the bytes that it takes in the head after the next [`drain`](Self::drain).
    fn head_bytes(&self) -> usize;

    /// Returns the most bytes that it may take in the head then, without writing it where that can
    /// be told.
    fn most_head_bytes(&self) -> usize;

    /// Keeps it apart whatever its size: the head has no room for it.
    fn send_apart(&mut self);

    /// Takes what the store has under its key.
    ///
    /// # Errors
    /// [`Poison`] where the bytes are not what the section holds.
    fn load(&mut self, bytes: &Bytes) -> Result<(), Poison>;

    /// Writes it where it changed and is kept apart, and removes what the store has where it is not
    /// any more. It is clean afterwards.
    fn drain(&mut self, key: PartKey, writes: &mut PartWrites);

    /// Adds what it takes to a state's parts.
    fn measure(&self, load: &mut PartLoad);
}

impl<P: Piece> AnySection for Section<P> {
    fn encoded(&self) -> Option<&Bytes> {
        Some(self.part.get().ok()??.bytes())
    }

    fn stored_bytes(&self) -> Option<u32> {
        self.part.stored_bytes()
    }

    fn is_not_loaded(&self) -> bool {
        self.part.is_not_loaded()
    }

    fn is_dirty(&self) -> bool {
        self.part.is_dirty()
    }

    fn head_bytes(&self) -> usize {
        self.part.head_bytes(Kept::size)
    }

    fn most_head_bytes(&self) -> usize {
        self.part.head_bytes(self.rough())
    }

    fn send_apart(&mut self) {
        self.part.send_apart();
    }

    fn load(&mut self, bytes: &Bytes) -> Result<(), Poison> {
        self.part.load(Kept {
            value: Arc::new(P::decode(bytes)?),
            bytes: OnceLock::from(bytes.clone()),
        });
        Ok(())
    }

    fn drain(&mut self, key: PartKey, writes: &mut PartWrites) {
        let encode = |kept: &Kept<P>| kept.bytes().clone();
        self.part.drain(key, Kept::size, encode, writes);
    }

    fn measure(&self, load: &mut PartLoad) {
        self.part.measure(self.rough(), load);
    }
}

/// Sends the largest sections apart until those that stay take no more than so many bytes of the
/// head.
pub fn make_room(sections: Vec<&mut dyn AnySection>, most: usize) {
    let sized = sections.into_iter().map(|own| (own.head_bytes(), own));
    let mut sized: Vec<_> = sized.filter(|(bytes, _)| *bytes > 0).collect();
    let mut total: usize = sized.iter().map(|(bytes, _)| bytes).sum();
    if total <= most {
        return;
    }
    sized.sort_by_key(|(bytes, _)| *bytes);
    while total > most
        && let Some((bytes, section)) = sized.pop()
    {
        section.send_apart();
        total -= bytes;
    }
}

impl<P: Piece> Clone for Section<P> {
    fn clone(&self) -> Self {
        Self {
            part: self.part.clone(),
        }
    }
}

impl<P: Piece> Default for Section<P> {
    /// A section of which nothing is known, and nothing is stored.
    fn default() -> Self {
        Self {
            part: Part::default(),
        }
    }
}

impl<P: Piece> fmt::Debug for Section<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_not_loaded() {
            return f.write_str("not loaded");
        }
        self.value().fmt(f)
    }
}

impl<P: Piece> PartialEq for Section<P> {
    /// Sections are the same where they say the same, wherever they are stored. One that is not
    /// loaded says nothing.
    fn eq(&self, other: &Self) -> bool {
        self.is_not_loaded() == other.is_not_loaded() && self.value() == other.value()
    }
}

#[cfg(test)]
mod tests;
