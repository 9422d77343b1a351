//! A sealed block: its sums, which stay with the history, and its body, which is a part of its own.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{Block, MissingBlocks, Sums, Twofold};
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
    /// The sums from each [`Sealed::STRIDE`]th run on, once somebody asked.
    tails: OnceLock<Box<[Sums]>>,
}

impl Body {
    const fn new(block: Block, bytes: OnceLock<usize>) -> Self {
        Self {
            block,
            bytes,
            tails: OnceLock::new(),
        }
    }

    fn tails(&self) -> &[Sums] {
        self.tails.get_or_init(|| {
            let mut newer = Sums::NONE;
            let runs = self.block.len();
            let starts = (0..runs).step_by(Sealed::STRIDE).rev();
            let tail = |start: usize| {
                let mut sums = self.block.sums_of(start..runs.min(start + Sealed::STRIDE));
                sums.join(&newer);
                newer = sums;
                sums
            };
            let mut tails: Vec<Sums> = starts.map(tail).collect();
            tails.reverse();
            tails.into()
        })
    }
}

impl Sealed {
    /// The number of runs between those from which on sums are kept in memory: a window that begins
    /// within the block adds up no more than these, and the sums take a tenth to a half of what the
    /// runs take.
    const STRIDE: usize = 8;

    /// A block that the store does not have yet.
    pub(crate) fn new(number: u32, block: Block) -> Self {
        let body = Body::new(block, OnceLock::new());
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
        self.body
            .get_or_init(|| Body::new(block, OnceLock::from(bytes.len())));
        true
    }

    /// Tells whether its runs are at hand.
    pub(crate) fn is_loaded(&self) -> bool {
        self.body.get().is_some()
    }

    /// Its runs.
    pub(crate) fn block(&self) -> Result<&Block, MissingBlocks> {
        Ok(&self.body()?.block)
    }

    /// Returns the sums of its runs from a place on.
    ///
    /// # Errors
    /// [`MissingBlocks`] where they are not loaded.
    pub(crate) fn sums_from(&self, from: usize) -> Result<Sums, MissingBlocks> {
        let body = self.body()?;
        let next = from.div_ceil(Self::STRIDE);
        let until = body.block.len().min(next * Self::STRIDE);
        let mut sums = body.block.sums_of(from..until);
        if let Some(tail) = body.tails().get(next) {
            sums.join(tail);
        }
        Ok(sums)
    }

    /// Returns the newest run, from a place on, with which and all that is newer the sum is surely
    /// above a level. `None` where no run takes it there.
    ///
    /// # Errors
    /// [`MissingBlocks`] where its runs are not loaded.
    pub(crate) fn rise(
        &self,
        from: usize,
        newer: Twofold,
        level: f64,
    ) -> Result<Option<usize>, MissingBlocks> {
        let body = self.body()?;
        let tails = body.tails();
        let first = from.div_ceil(Self::STRIDE);
        let above = |tail: &Sums| tail.sum.add(newer).least() > level;
        let after = first + tails[first..].partition_point(above);
        let newer = tails.get(after).map_or(newer, |tail| tail.sum.add(newer));
        let until = body.block.len().min(after * Self::STRIDE);
        Ok(body.block.rise(from..until, newer, level))
    }

    fn body(&self) -> Result<&Body, MissingBlocks> {
        let body = self.body.get();
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
