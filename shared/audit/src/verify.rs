//! Verifies chains: finds every entry that was changed, removed, moved or put in since it was
//! written. Pure.
//!
//! The order of an export is assumed: chains from the newest to the oldest, each with its head
//! before its entries, and entries by number. Memory grows with the number of chains alone. A chain
//! can be made anew by whoever can write to the database, with all of its hashes and its head. That
//! is found by heads that were kept elsewhere, and by nothing else.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use crate::chain::{Hash, NO_HASH};
use crate::{ChainId, Entry, Head, limits};

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
}

impl Verdict {
    /// Returns whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    fn add(&mut self, chain: ChainId, sequence: u64, kind: FaultKind) {
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

/// Reads an export and finds its faults.
#[derive(Debug, Default)]
pub struct Verifier {
    verdict: Verdict,
    /// The entries of chains not read yet that others remember.
    remembered: HashMap<ChainId, BTreeMap<u64, HashSet<Hash>>>,
    seen: HashSet<ChainId>,
    current: Option<Current>,
}

/// The chain that is read.
#[derive(Debug)]
struct Current {
    chain: ChainId,
    head: Option<Head>,
    sequence: u64,
    hash: Hash,
    remembered: BTreeMap<u64, HashSet<Hash>>,
    /// True once an entry behind the head was told of.
    is_beyond: bool,
}

impl Verifier {
    /// Verifies against heads that were kept elsewhere, too.
    pub fn new(kept: &[Head]) -> Self {
        let mut verifier = Self::default();
        for head in kept {
            verifier.remember(head);
        }
        verifier
    }

    /// Reads the head of a chain, before its entries.
    pub fn head(&mut self, head: Head) {
        self.finish_chain();
        self.begin(head.chain, Some(head));
        self.verdict.heads.push(head);
    }

    /// Reads the next entry.
    pub fn entry(&mut self, entry: &Entry) {
        let is_other = self
            .current
            .as_ref()
            .is_none_or(|it| it.chain != entry.chain);
        if is_other {
            self.finish_chain();
            self.begin(entry.chain, None);
            self.verdict
                .add(entry.chain, entry.sequence, FaultKind::NoHead);
        }
        let Some(mut current) = self.current.take() else {
            return;
        };
        self.verdict.entries += 1;
        for kind in current.read(entry) {
            self.verdict.add(entry.chain, entry.sequence, kind);
        }
        if let Some(before) = head_before(entry) {
            self.remember(&before);
        }
        self.current = Some(current);
    }

    /// Returns what was found, once everything was read.
    pub fn finish(mut self) -> Verdict {
        self.finish_chain();
        let mut missing: Vec<_> = std::mem::take(&mut self.remembered).into_iter().collect();
        missing.sort_by_key(|(chain, _)| *chain);
        for (chain, places) in missing {
            let last = places.keys().next_back().copied().unwrap_or_default();
            self.verdict.add(chain, last, FaultKind::ChainMissing);
        }
        self.verdict
    }

    fn begin(&mut self, chain: ChainId, head: Option<Head>) {
        if !self.seen.insert(chain) {
            self.verdict.add(chain, 0, FaultKind::OutOfOrder);
        }
        self.verdict.chains += 1;
        self.current = Some(Current {
            chain,
            head,
            sequence: 0,
            hash: NO_HASH,
            remembered: self.remembered.remove(&chain).unwrap_or_default(),
            is_beyond: false,
        });
    }

    fn finish_chain(&mut self) {
        let Some(current) = self.current.take() else {
            return;
        };
        for (sequence, kind) in current.finish() {
            self.verdict.add(current.chain, sequence, kind);
        }
    }

    fn remember(&mut self, head: &Head) {
        // Chains come from the newest to the oldest, so that one that was read is no older one.
        if self.seen.contains(&head.chain) {
            self.verdict
                .add(head.chain, head.sequence, FaultKind::OtherPast);
            return;
        }
        let places = self.remembered.entry(head.chain).or_default();
        places.entry(head.sequence).or_default().insert(head.hash);
    }
}

impl Current {
    fn read(&mut self, entry: &Entry) -> Vec<FaultKind> {
        let mut faults = Vec::new();
        if entry.sequence <= self.sequence {
            return vec![FaultKind::OutOfOrder];
        }
        if entry.sequence > self.sequence + 1 {
            faults.push(FaultKind::Missing);
        } else if entry.previous != self.hash {
            faults.push(FaultKind::Unlinked);
        }
        if !entry.is_intact() {
            faults.push(FaultKind::Changed);
        }
        if let Some(head) = &self.head {
            if entry.sequence == head.sequence && entry.hash != head.hash {
                faults.push(FaultKind::OtherHead);
            }
            if entry.sequence > head.sequence && !self.is_beyond {
                self.is_beyond = true;
                faults.push(FaultKind::BeyondHead);
            }
        }
        if let Some(hashes) = self.remembered.remove(&entry.sequence)
            && hashes.iter().any(|hash| *hash != entry.hash)
        {
            faults.push(FaultKind::OtherPast);
        }
        (self.sequence, self.hash) = (entry.sequence, entry.hash);
        faults
    }

    fn finish(&self) -> Vec<(u64, FaultKind)> {
        let mut faults = Vec::new();
        if let Some(head) = &self.head
            && (head.sequence > self.sequence || head.sequence == 0)
        {
            faults.push((head.sequence, FaultKind::Truncated));
        }
        let missing = self.remembered.keys().next_back();
        faults.extend(missing.map(|sequence| (*sequence, FaultKind::OtherPast)));
        faults
    }
}

/// Returns the head that the first entry of a chain names: that of the chain which began before.
fn head_before(entry: &Entry) -> Option<Head> {
    let named = entry.object.strip_prefix("after ")?;
    if entry.sequence != 1 {
        return None;
    }
    let mut words = named.split(' ');
    let (chain, sequence, hash) = (words.next()?, words.next()?, words.next()?);
    Some(Head {
        chain: chain.parse().ok()?,
        sequence: sequence.parse().ok()?,
        hash: read_hash(hash)?,
    })
}

fn read_hash(hex: &str) -> Option<Hash> {
    let mut hash = NO_HASH;
    if hex.len() != 2 * hash.len() || !hex.is_ascii() {
        return None;
    }
    for (place, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests;
