//! The removal of erased customers from all that a store keeps beside its states: the record of a
//! partition, and files with bytes of what was removed.
//!
//! It does not decide who is erased: the states are gone before, in commits like all others.

/// The progress of a partition's record towards having nothing of what its states were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// True where nothing of the commits up to those that were named is there any more.
    pub is_done: bool,
    /// True where a slot has to make another commit before its last one can go.
    pub needs_commit: bool,
    /// Rows that went with this call.
    pub rows: u64,
}

impl Forgotten {
    /// A store without a record has nothing to forget.
    pub const DONE: Self = Self {
        is_done: true,
        needs_commit: false,
        rows: 0,
    };
}

/// The progress of a store's files towards having nothing of what was removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scrubbed {
    /// True where they have nothing of it.
    pub is_done: bool,
    /// Names what is waited for; the next call takes it.
    pub ticket: String,
    /// The state of it, for people; empty for nothing to tell.
    pub detail: String,
}

impl Scrubbed {
    /// A store without files has nothing to scrub.
    pub fn done() -> Self {
        Self {
            is_done: true,
            ..Self::default()
        }
    }
}
