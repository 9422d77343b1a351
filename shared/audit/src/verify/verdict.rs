//! The result of a verification: faults, and what is not there any more.

use std::fmt;

use kernel::Timestamp;

use crate::{ChainId, Head, limits};

/// The kind of a fault of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The hash of an entry is not that of what it holds.
    Changed,
    /// The hash before an entry is not that of the entry before.
    Unlinked,
    /// Entries are missing between two others, or before the first.
    Missing,
    /// An entry has the number of another, or comes after a later one.
    OutOfOrder,
    /// The chain ends before its head, or has no entry.
    Truncated,
    /// The chain goes on behind its head.
    BeyondHead,
    /// The entry that the head names has another hash.
    OtherHead,
    /// There are entries of a chain without a head.
    NoHead,
    /// A chain is gone that somebody remembers: a later one, or who keeps heads elsewhere.
    ChainMissing,
    /// A chain has another hash where somebody remembers one, or ends before it.
    OtherPast,
    /// Entries were removed from the beginning of a chain, and no entry says so, or one says
    /// something else.
    Unsealed,
}

impl FaultKind {
    /// Says it to people.
    const fn text(self) -> &'static str {
        match self {
            Self::Changed => "the entry was changed",
            Self::Unlinked => "the entry does not follow the one before it",
            Self::Missing => "entries before this one are missing",
            Self::OutOfOrder => "the number of the entry was there before",
            Self::Truncated => "the last entries are missing",
            Self::BeyondHead => "the entry was put in behind the head of the chain",
            Self::OtherHead => "the newest entry is not the one that the head of the chain names",
            Self::NoHead => "the chain has entries and no head",
            Self::ChainMissing => "the chain is gone",
            Self::OtherPast => "the chain is not the one that is remembered here",
            Self::Unsealed => {
                "what was removed up to here is not what the log says was pruned; verify again where somebody prunes at this moment"
            }
        }
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The chain.
    pub chain: ChainId,
    /// The number of the entry.
    pub sequence: u64,
    /// The kind of the fault.
    pub kind: FaultKind,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            chain,
            sequence,
            kind,
        } = self;
        write!(f, "chain {chain}, entry {sequence}: {}", kind.text())
    }
}

/// Everything that was pruned, in all chains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrunedTotal {
    /// The chains that lost entries.
    pub chains: u64,
    /// The entries that were removed.
    pub entries: u64,
    /// The time of the earliest of them.
    pub first_time: Timestamp,
    /// The time of the latest of them.
    pub last_time: Timestamp,
    /// The kind and the id of the caller that pruned last, as the log says.
    pub caller: String,
    /// The time of that; the epoch where the log does not say.
    pub time: Timestamp,
}

/// The result of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The chains.
    pub chains: u64,
    /// The entries of all of them.
    pub entries: u64,
    /// The faults, at most [`limits::FAULTS`].
    pub faults: Vec<Fault>,
    /// The faults beyond those.
    pub more_faults: u64,
    /// The heads, from the newest chain to the oldest: keep them elsewhere for the next time.
    pub heads: Vec<Head>,
    /// The entries that are not there because they were pruned; absent for none.
    pub pruned: Option<PrunedTotal>,
}

impl Verdict {
    /// Returns whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    pub(super) fn add(&mut self, chain: ChainId, sequence: u64, kind: FaultKind) {
        if self.faults.len() < limits::FAULTS {
            self.faults.push(Fault {
                chain,
                sequence,
                kind,
            });
        } else {
            self.more_faults += 1;
        }
    }
}
