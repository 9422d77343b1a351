//! A sealed block: its sums, which stay with the history, and its body, which is a part of its own.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{Block, MissingBlocks, Sums};
use crate::codec;

/// A sealed block. It never changes: a late event replaces it.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    /// Names it within its history.
    pub(crate) number: u32,
    pub(crate) sums: Sums,
    /// The number of its runs.
    pub(crate) runs: u32,
    /// True where the store has it.
    pub(crate) is_stored: bool,
    /// Filled at once for all clones: what is loaded is the same for each of them.
    body: Arc<OnceLock<Body>>,
}

/// The runs of a sealed block.
#[derive(Debug)]
struct Body {
    block: Block,
    /// Its size in the store.
    bytes: OnceLock<usize>,
}

impl Sealed {
    /// A block that the store does not have yet.
    pub(crate) fn new(number: u32, block: Block) -> Self {
        let body = Body {
            block,
            bytes: OnceLock::new(),
        };
        Self {
            number,
            sums: body.block.sums(),
            runs: u32::try_from(body.block.len()).unwrap_or(u32::MAX),
            is_stored: false,
            body: Arc::new(OnceLock::from(body)),
        }
    }

    /// A block as its history lists it: the store has the runs.
    pub(crate) fn listed(number: u32, sums: Sums, runs: u32) -> Self {
        Self {
            number,
            sums,
            runs,
            is_stored: true,
            body: Arc::default(),
        }
    }

    /// Takes the runs as they are stored; false where they cannot be read.
    pub(crate) fn load(&self, bytes: &Bytes) -> bool {
        let Some(block) = codec::read_block(bytes) else {
            return false;
        };
        self.body.get_or_init(|| Body {
            block,
            bytes: OnceLock::from(bytes.len()),
        });
        true
    }

    /// Tells whether its runs are at hand.
    pub(crate) fn is_loaded(&self) -> bool {
        self.body.get().is_some()
    }

    /// Its runs.
    pub(crate) fn block(&self) -> Result<&Block, MissingBlocks> {
        let body = self.body.get().map(|body| &body.block);
        body.ok_or_else(|| MissingBlocks(vec![self.number]))
    }

    /// Its runs as they are stored; absent where they are not loaded.
    pub(crate) fn encoded(&self) -> Option<Bytes> {
        self.body.get().map(|body| codec::write_block(&body.block))
    }

    /// Bytes of its runs as they are stored; zero where they are not loaded.
    pub(crate) fn loaded_bytes(&self) -> usize {
        self.body.get().map_or(0, |body| {
            *body
                .bytes
                .get_or_init(|| codec::write_block(&body.block).len())
        })
    }
}
