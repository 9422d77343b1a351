//! The sealed blocks of a history, oldest first, with what is told of all of them together: the
//! sums from each on, and their index as it is stored.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{Sealed, Sums};
use crate::{codec, limits};

/// The sealed blocks of a history, oldest first. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blocks(Arc<Inner>);

#[derive(Debug, Clone, Default)]
struct Inner {
    sealed: Vec<Sealed>,
    /// True where the store does not have them as they are.
    is_changed: bool,
    /// The sums of the blocks from each place on, and of none at the end; once somebody asked.
    tails: OnceLock<Box<[Sums]>>,
    /// The index as it is stored, once somebody asked.
    index: OnceLock<Bytes>,
}

impl Deref for Blocks {
    type Target = [Sealed];

    fn deref(&self) -> &[Sealed] {
        &self.0.sealed
    }
}

impl Blocks {
    /// Blocks as the store has them.
    pub(crate) fn listed(sealed: Vec<Sealed>) -> Self {
        Self(Arc::new(Inner {
            sealed,
            ..Inner::default()
        }))
    }

    /// Returns the blocks to be changed. The store does not have them any more.
    pub(crate) fn change(&mut self) -> &mut Vec<Sealed> {
        let inner = Arc::make_mut(&mut self.0);
        inner.is_changed = true;
        inner.tails = OnceLock::new();
        inner.index = OnceLock::new();
        &mut inner.sealed
    }

    /// Returns whether the store does not have them as they are.
    pub(crate) fn is_changed(&self) -> bool {
        self.0.is_changed
    }

    /// Returns whether their index, and with it the head of the history, is kept apart.
    pub(crate) fn is_indexed(&self) -> bool {
        self.len() > limits::LISTED_BLOCKS
    }

    /// Returns their index as it is stored.
    pub(crate) fn index(&self) -> &Bytes {
        self.0.index.get_or_init(|| codec::write_index(self))
    }

    /// Hands out the blocks that the store does not have. It has all of them afterwards, and their
    /// index.
    pub(crate) fn drain(&mut self, mut write: impl FnMut(u32, Bytes)) {
        if !self.0.is_changed {
            return;
        }
        let inner = Arc::make_mut(&mut self.0);
        inner.is_changed = false;
        for sealed in inner.sealed.iter_mut().filter(|sealed| !sealed.is_stored) {
            if let Some(bytes) = sealed.encoded() {
                write(sealed.number, bytes);
            }
            sealed.is_stored = true;
        }
    }

    /// Returns the sums of the blocks from each place on, and at the end those of none.
    pub(crate) fn tails(&self) -> &[Sums] {
        self.0.tails.get_or_init(|| {
            let mut tails = vec![Sums::NONE; self.len() + 1];
            for (place, sealed) in self.iter().enumerate().rev() {
                tails[place] = sealed.sums;
                let newer = tails[place + 1];
                tails[place].join(&newer);
            }
            tails.into()
        })
    }
}
