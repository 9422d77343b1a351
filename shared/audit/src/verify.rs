//! Verifies chains: finds every entry that was changed, removed, moved or put in since it was
//! written. Pure.
//!
//! The order of an export is assumed: chains from the newest to the oldest, each with its head
//! before its entries, and entries by number. Memory grows with the number of chains alone. A chain
//! can be made anew by whoever can write to the database, with all of its hashes and its head. That
//! is found by heads that were kept elsewhere, and by nothing else. A chain that was pruned is
//! verified from there on, where an entry of the log seals what was removed.

mod verdict;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use kernel::{Timestamp, from_hex};

pub use self::verdict::{Fault, FaultKind, PrunedTotal, Verdict};
use crate::chain::{Hash, NO_HASH};
use crate::pruned::{PRUNE, Pruned};
use crate::{ChainId, Entry, Head, Outcome};

/// Reads an export and finds its faults.
#[derive(Debug, Default)]
pub struct Verifier {
    verdict: Verdict,
    /// The entries of chains not read yet that others remember.
    remembered: HashMap<ChainId, BTreeMap<u64, HashSet<Hash>>>,
    seen: HashSet<ChainId>,
    current: Option<Current>,
    /// The entries that chains lack at their beginnings.
    removed: BTreeMap<ChainId, Pruned>,
    /// The entries that the log says were removed: of each chain the longest such word.
    sealed: BTreeMap<ChainId, Pruned>,
    /// The time and the caller of the last such word.
    last_seal: Option<(Timestamp, String)>,
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

    /// Reads the head of a chain, and what was pruned from its beginning, before its entries.
    pub fn head(&mut self, head: Head, pruned: Option<Pruned>) {
        self.finish_chain();
        self.begin(head.chain, Some(head), pruned);
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
            self.begin(entry.chain, None, None);
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
        if entry.action == PRUNE && entry.outcome == Outcome::OK.as_str() {
            self.read_seal(entry);
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
        self.finish_pruned();
        self.verdict
    }

    fn begin(&mut self, chain: ChainId, head: Option<Head>, pruned: Option<Pruned>) {
        if !self.seen.insert(chain) {
            self.verdict.add(chain, 0, FaultKind::OutOfOrder);
        }
        self.verdict.chains += 1;
        let mut remembered = self.remembered.remove(&chain).unwrap_or_default();
        let (mut sequence, mut hash) = (0, NO_HASH);
        if let Some(pruned) = pruned {
            (sequence, hash) = (pruned.sequence, pruned.hash);
            // Nobody can tell any more of entries before the last that was removed.
            remembered = remembered.split_off(&sequence);
            let is_other = |own: &Hash| *own != hash;
            let other = remembered.remove(&sequence);
            if other.is_some_and(|hashes| hashes.iter().any(is_other)) {
                self.verdict.add(chain, sequence, FaultKind::OtherPast);
            }
            // Where all entries were removed, the last of them is the head.
            let fits = |head: &Head| head.sequence > sequence || head.hash == hash;
            if head.is_some_and(|head| !fits(&head) || head.sequence < sequence) {
                self.verdict.add(chain, sequence, FaultKind::OtherHead);
            }
            self.removed.insert(chain, pruned);
        }
        self.current = Some(Current {
            chain,
            head,
            sequence,
            hash,
            remembered,
            is_beyond: false,
        });
    }

    /// Reads an entry that says what was pruned from a chain. A later one says more, or the same
    /// again.
    fn read_seal(&mut self, entry: &Entry) {
        let Some((chain, pruned)) = Pruned::parse(&entry.object) else {
            return;
        };
        let known = self.sealed.entry(chain).or_insert(pruned);
        if known.sequence < pruned.sequence {
            *known = pruned;
        } else if known.sequence == pruned.sequence && *known != pruned {
            self.verdict
                .add(chain, pruned.sequence, FaultKind::Unsealed);
        }
        if self
            .last_seal
            .as_ref()
            .is_none_or(|(time, _)| *time <= entry.time)
        {
            let caller = format!("{}:{}", entry.caller_kind, entry.caller);
            self.last_seal = Some((entry.time, caller));
        }
    }

    fn finish_pruned(&mut self) {
        let (removed, sealed) = (&self.removed, &self.sealed);
        let chains: BTreeSet<ChainId> = removed.keys().chain(sealed.keys()).copied().collect();
        for chain in chains {
            let (own, seal) = (removed.get(&chain), sealed.get(&chain));
            if own == seal {
                continue;
            }
            let kind = if self.seen.contains(&chain) {
                FaultKind::Unsealed
            } else {
                FaultKind::ChainMissing
            };
            let last = own.or(seal).map_or(0, |pruned| pruned.sequence);
            self.verdict.add(chain, last, kind);
        }
        let all = removed.values();
        let (Some(first_time), Some(last_time)) = (
            all.clone().map(|it| it.first_time).min(),
            all.clone().map(|it| it.last_time).max(),
        ) else {
            return;
        };
        let (time, caller) = self.last_seal.take().unwrap_or_default();
        self.verdict.pruned = Some(PrunedTotal {
            chains: removed.len() as u64,
            entries: all.fold(0, |all, it| u64::saturating_add(all, it.sequence)),
            first_time,
            last_time,
            caller,
            time,
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
        hash: from_hex(hash)?,
    })
}

#[cfg(test)]
mod tests;
