//! Fills the chunks of a snapshot to come, wherever they are written to.

use bytes::Bytes;

use super::Chunk;
use crate::limits;

/// The chunk that is being filled, and how much was taken before it.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    pub(crate) current: Chunk,
    /// Chunks that were taken.
    pub(crate) number: u32,
    /// Bytes of these.
    pub(crate) bytes: u64,
}

impl Filling {
    /// Takes the chunk, packed, with its number, where it is full.
    pub(crate) fn take_full(&mut self) -> Option<(u32, Bytes)> {
        if self.current.bytes() < limits::CHUNK_BYTES {
            return None;
        }
        self.take()
    }

    /// Takes the chunk, packed, with its number, where anything is in it.
    pub(crate) fn take(&mut self) -> Option<(u32, Bytes)> {
        if self.current.bytes() == 0 {
            return None;
        }
        let payload = std::mem::take(&mut self.current).pack();
        let number = self.number;
        self.bytes += payload.len() as u64;
        self.number += 1;
        Some((number, payload))
    }
}
