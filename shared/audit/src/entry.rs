//! An entry of a chain, as it is kept, exported and verified.

use kernel::Timestamp;
use proto::audit::v1 as api;
use proto::convert::{instant, timestamp};

use crate::chain::{Hash, NO_HASH, hash_of};
use crate::{ChainId, limits};

/// An entry of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The chain.
    pub chain: ChainId,
    /// Its number in the chain, from 1.
    pub sequence: u64,
    /// When it happened, by the clock of the process.
    pub time: Timestamp,
    /// The id of the caller.
    pub caller: String,
    /// The kind of the caller.
    pub caller_kind: String,
    /// The address that the call came from; empty where there is none.
    pub address: String,
    /// The name of what was done.
    pub action: String,
    /// The thing it was done to.
    pub object: String,
    /// The keyed hash of the customer it is about; empty for none.
    pub subject: Vec<u8>,
    /// The outcome.
    pub outcome: String,
    /// The W3C trace context of the call; empty for none.
    pub trace: String,
    /// The hash of the entry before; zeros for the first.
    pub previous: Hash,
    /// The hash of all of this.
    pub hash: Hash,
}

impl Entry {
    /// Gives the entry its hash.
    #[must_use]
    pub(crate) fn sealed(mut self) -> Self {
        self.hash = hash_of(&self);
        self
    }

    /// Returns whether the hash is that of what the entry holds.
    pub fn is_intact(&self) -> bool {
        self.hash == hash_of(self)
    }
}

/// Cuts a text to what an entry holds, between two letters.
pub(crate) fn cut(text: &str) -> String {
    let mut end = text.len().min(limits::TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    // PostgreSQL keeps no text with a NUL.
    text[..end].replace('\0', "\u{fffd}")
}

impl From<Entry> for api::Entry {
    fn from(entry: Entry) -> Self {
        Self {
            chain_id: entry.chain.to_string(),
            sequence: entry.sequence,
            time: Some(timestamp(entry.time)),
            caller_id: entry.caller,
            caller_kind: entry.caller_kind,
            address: entry.address,
            action: entry.action,
            object: entry.object,
            subject: entry.subject.into(),
            outcome: entry.outcome,
            trace_parent: entry.trace,
            previous_hash: entry.previous.to_vec().into(),
            hash: entry.hash.to_vec().into(),
        }
    }
}

impl TryFrom<api::Entry> for Entry {
    type Error = String;

    /// Reads an entry that was exported. One whose hashes have another length than hashes have is
    /// read as one without, so that it is found to be changed.
    fn try_from(entry: api::Entry) -> Result<Self, String> {
        let hash = |bytes: &[u8]| Hash::try_from(bytes).unwrap_or(NO_HASH);
        let chain = entry.chain_id.parse();
        let (previous, own) = (hash(&entry.previous_hash), hash(&entry.hash));
        Ok(Self {
            chain: chain.map_err(|_| format!("`{}` is no id of a chain", entry.chain_id))?,
            sequence: entry.sequence,
            time: instant(&entry.time.unwrap_or_default()),
            caller: entry.caller_id,
            caller_kind: entry.caller_kind,
            address: entry.address,
            action: entry.action,
            object: entry.object,
            subject: entry.subject.to_vec(),
            outcome: entry.outcome,
            trace: entry.trace_parent,
            previous,
            hash: own,
        })
    }
}
