//! A sealed block: its sums, which stay with the history, and its body, which is a part of its own.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{Block, MissingBlock, Sums};
use crate::codec;

/// A sealed block.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    /// Names it within its history.
    pub(crate) number: u32,
    pub(crate) sums: Sums,
    /// How many runs it has.
    pub(crate) runs: u32,
    pub(crate) body: Arc<Body>,
}

/// The runs of a sealed block, read when they are needed.
#[derive(Debug, Default)]
pub(crate) struct Body {
    block: OnceLock<Option<Block>>,
    bytes: OnceLock<Bytes>,
}

impl Sealed {
    pub(crate) fn new(number: u32, block: Block) -> Self {
        Self {
            number,
            sums: block.sums(),
            runs: u32::try_from(block.len()).unwrap_or(u32::MAX),
            body: Arc::new(Body {
                block: OnceLock::from(Some(block)),
                bytes: OnceLock::new(),
            }),
        }
    }

    /// Its runs.
    pub(crate) fn block(&self) -> Result<&Block, MissingBlock> {
        self.body.block().ok_or(MissingBlock(self.number))
    }
}

impl Body {
    /// As it was stored.
    pub(crate) fn stored(bytes: Bytes) -> Self {
        Self {
            block: OnceLock::new(),
            bytes: OnceLock::from(bytes),
        }
    }

    fn block(&self) -> Option<&Block> {
        let read = || codec::read_block(self.bytes.get()?);
        self.block.get_or_init(read).as_ref()
    }

    /// How it is stored; none where it is not loaded.
    pub(crate) fn encoded(&self) -> Option<Bytes> {
        if self.bytes.get().is_none() {
            let block = self.block.get()?.as_ref()?;
            self.bytes.get_or_init(|| codec::write_block(block));
        }
        self.bytes.get().cloned()
    }

    /// Whether it changed since it was stored.
    pub(crate) fn is_dirty(&self) -> bool {
        self.bytes.get().is_none() && self.block.get().is_some_and(Option::is_some)
    }
}
