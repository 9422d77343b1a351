//! The names, on rows, of the event or the request that made them.
//!
//! An event that is sent again finds its own name on what its first try changed. Nothing is kept
//! beside these rows, so nothing has to be removed.

use std::collections::HashMap;

use identity_core::{Changes, Identifier, Resolution};
use kernel::{CustomerId, StableHash};

/// Names what was sent, however often it is sent: an event by its source and its place there, a
/// request by its id. A hash of 64 bits, which is compared on rows of the same customer only: a
/// merge of others that has it by chance is not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SentAs(pub(super) i64);

impl SentAs {
    /// Names an event of a source.
    pub fn event(source: &str, sequence: u64) -> Self {
        Self::of(&[b"event", source.as_bytes(), &sequence.to_be_bytes()])
    }

    /// Names a request to join customers; absent where it has no id.
    pub fn merge(request_id: &str) -> Option<Self> {
        (!request_id.is_empty()).then(|| Self::of(&[b"merge", request_id.as_bytes()]))
    }

    fn of(words: &[&[u8]]) -> Self {
        let add = |hash: StableHash, word: &&[u8]| hash.with(word).with(&[0]);
        let hash = words.iter().fold(StableHash::new(), add);
        Self(hash.finish().cast_signed())
    }
}

/// Tells by what each change of a batch was made.
#[derive(Debug, Default)]
pub struct SentBy {
    identifiers: HashMap<Identifier, SentAs>,
    merges: HashMap<CustomerId, SentAs>,
}

impl SentBy {
    /// Tells that one request made all merges.
    pub fn request(sent: Option<SentAs>, changes: &Changes) -> Self {
        let merges = changes.merges.iter();
        Self {
            merges: merges.filter_map(|it| Some((it.from, sent?))).collect(),
            ..Self::default()
        }
    }

    /// Adds what an event changed.
    pub fn add(&mut self, sent: Option<SentAs>, resolution: &Resolution) {
        let Some(sent) = sent else { return };
        let attached = resolution.evidence.iter().filter(|it| it.is_attached);
        let attached = attached.map(|it| (it.identifier.clone(), sent));
        self.identifiers.extend(attached);
        let merged = resolution.merged.iter().map(|from| (*from, sent));
        self.merges.extend(merged);
    }

    /// Returns what attached an identifier.
    pub(crate) fn identifier(&self, identifier: &Identifier) -> Option<SentAs> {
        self.identifiers.get(identifier).copied()
    }

    /// Returns what joined a customer into another.
    pub(super) fn merge(&self, from: CustomerId) -> Option<SentAs> {
        self.merges.get(&from).copied()
    }
}
