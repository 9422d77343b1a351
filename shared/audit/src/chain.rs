//! Chains: their ids, and the hash that ties each entry to the one before. Pure.

use std::fmt;
use std::str::FromStr;

use proto::audit::v1 as api;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::Entry;

/// Keeps hashes of entries apart from hashes of anything else; the number is that of the layout.
const DOMAIN: &[u8] = b"happypath.audit.entry.1\0";

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The hash before the first entry of a chain.
pub const NO_HASH: Hash = [0; 32];

/// The id of a chain: a UUIDv7, so that chains sort by when they began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(pub Uuid);

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ChainId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

/// The newest entry of a chain, as its row or somebody else remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The chain.
    pub chain: ChainId,
    /// The number of its newest entry, from 1.
    pub sequence: u64,
    /// The hash of that entry.
    pub hash: Hash,
}

impl TryFrom<&api::Head> for Head {
    type Error = String;

    /// Reads a head that was exported. A hash of another length than hashes have fits no entry.
    fn try_from(head: &api::Head) -> Result<Self, String> {
        let chain = head.chain_id.parse();
        Ok(Self {
            chain: chain.map_err(|_| format!("`{}` is no id of a chain", head.chain_id))?,
            sequence: head.sequence,
            hash: Hash::try_from(head.hash.as_ref()).unwrap_or(NO_HASH),
        })
    }
}

/// Returns the hash of an entry, which covers everything else that it holds, the hash of the one
/// before included.
pub(crate) fn hash_of(entry: &Entry) -> Hash {
    let mut digest = Sha256::new();
    digest.update(DOMAIN);
    digest.update(entry.chain.0.as_bytes());
    digest.update(entry.sequence.to_be_bytes());
    digest.update(entry.previous);
    digest.update(entry.time.as_millis().to_be_bytes());
    // Lengths before texts, so that no two entries have the same bytes.
    for part in [
        entry.caller.as_bytes(),
        entry.caller_kind.as_bytes(),
        entry.address.as_bytes(),
        entry.action.as_bytes(),
        entry.object.as_bytes(),
        entry.subject.as_slice(),
        entry.outcome.as_bytes(),
        entry.trace.as_bytes(),
    ] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}
