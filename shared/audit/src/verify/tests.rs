//! Every kind of tampering is found, whichever entry it hits.

use kernel::{Timestamp, to_hex};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::limits;

/// A log as it is exported: chains from the newest to the oldest, and what was pruned from them.
#[derive(Debug, Clone)]
struct Log(Vec<(Option<Head>, Vec<Entry>)>, HashMap<ChainId, Pruned>);

fn entry(chain: ChainId, sequence: u64, object: String, previous: Hash) -> Entry {
    let entry = Entry {
        chain,
        sequence,
        time: Timestamp::from_millis(1_700_000_000_000 + i64::try_from(sequence).unwrap_or(0)),
        caller: "ann".to_owned(),
        caller_kind: "key".to_owned(),
        address: "10.0.0.1".to_owned(),
        action: "definition.update".to_owned(),
        object,
        subject: vec![7; 32],
        outcome: "OK".to_owned(),
        trace: String::new(),
        previous,
        hash: NO_HASH,
    };
    entry.sealed()
}

/// A chain of so many entries, after another one.
fn chain(number: u128, entries: u64, before: Option<&Head>) -> (Head, Vec<Entry>) {
    let id = ChainId(Uuid::from_u128(number));
    let mut all: Vec<Entry> = Vec::new();
    for sequence in 1..=entries {
        let previous = all.last().map_or(NO_HASH, |entry| entry.hash);
        let object = match (sequence, before) {
            (1, Some(before)) => {
                let hash = to_hex(&before.hash);
                format!("after {} {} {hash}", before.chain, before.sequence)
            }
            _ => format!("segment {sequence}"),
        };
        all.push(entry(id, sequence, object, previous));
    }
    (head_of(&all), all)
}

fn head_of(entries: &[Entry]) -> Head {
    let last = entries.last().expect("an entry");
    Head {
        chain: last.chain,
        sequence: last.sequence,
        hash: last.hash,
    }
}

impl Log {
    /// A log of chains with so many entries, oldest first.
    fn new(lengths: &[u64]) -> Self {
        let mut chains: Vec<(Option<Head>, Vec<Entry>)> = Vec::new();
        for (number, length) in (1..).zip(lengths) {
            let before = chains.last().and_then(|(head, _)| *head);
            let (head, entries) = chain(number, *length, before.as_ref());
            chains.push((Some(head), entries));
        }
        chains.reverse();
        Self(chains, HashMap::new())
    }

    /// Removes the first entries of a chain, and seals that in another one.
    fn prune(&mut self, chain: usize, count: usize, sealed_in: usize) {
        let removed: Vec<Entry> = self.0[chain].1.drain(..count).collect();
        let first = |pruned: Pruned, entry: &Entry| pruned.and(entry).expect("they follow");
        let pruned = removed.iter().fold(Pruned::NONE, first);
        let id = removed[0].chain;
        self.1.insert(id, pruned);
        self.seal(pruned.object(id), sealed_in);
    }

    fn seal(&mut self, object: String, sealed_in: usize) {
        let (head, entries) = &mut self.0[sealed_in];
        let before = head.expect("a head");
        let mut seal = entry(before.chain, before.sequence + 1, object, before.hash);
        seal.action = PRUNE.to_owned();
        entries.push(seal.sealed());
        *head = Some(head_of(entries));
    }

    fn verify_with(&self, kept: &[Head]) -> Verdict {
        let mut verifier = Verifier::new(kept);
        for (head, entries) in &self.0 {
            if let Some(head) = head {
                verifier.head(*head, self.1.get(&head.chain).copied());
            }
            entries.iter().for_each(|entry| verifier.entry(entry));
        }
        verifier.finish()
    }

    fn verify(&self) -> Verdict {
        self.verify_with(&[])
    }

    fn heads(&self) -> Vec<Head> {
        self.0.iter().filter_map(|(head, _)| *head).collect()
    }

    fn kinds(&self) -> Vec<FaultKind> {
        let mut kinds: Vec<_> = self.verify().faults.iter().map(|it| it.kind).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    }
}

/// Every field of an entry, changed.
fn changes() -> Vec<fn(&mut Entry)> {
    vec![
        |it| it.time = Timestamp::from_millis(it.time.as_millis() + 1),
        |it| it.caller.push('x'),
        |it| it.caller_kind.clear(),
        |it| it.address = "10.0.0.2".to_owned(),
        |it| it.action.push('x'),
        |it| it.object.push('x'),
        |it| it.subject[0] ^= 1,
        |it| it.outcome = "NOT_FOUND".to_owned(),
        |it| it.trace.push('x'),
        |it| it.previous[0] ^= 1,
        |it| it.hash[31] ^= 1,
        |it| it.subject.clear(),
        // From one field to the next: the same bytes, at other places.
        |it| it.action.push(it.object.remove(0)),
    ]
}

fn lengths() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(2_u64..12, 1..5)
}

/// A log, and the places of a chain and an entry in it.
fn place() -> impl Strategy<Value = (Log, usize, usize)> {
    (
        lengths(),
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(lengths, chain, entry)| {
            let log = Log::new(&lengths);
            let chain = chain.index(log.0.len());
            let entry = entry.index(log.0[chain].1.len());
            (log, chain, entry)
        })
}

proptest! {
    #[test]
    fn what_nobody_touched_is_clean(lengths in lengths()) {
        let log = Log::new(&lengths);
        let verdict = log.verify_with(&log.heads());
        prop_assert!(verdict.is_clean(), "{:?}", verdict.faults);
        prop_assert_eq!(verdict.entries, lengths.iter().sum::<u64>());
        prop_assert_eq!(verdict.heads, log.heads());
    }

    #[test]
    fn a_changed_entry_is_found((log, chain, entry) in place(), change in 0..13_usize) {
        let mut log = log;
        changes()[change](&mut log.0[chain].1[entry]);
        let verdict = log.verify();
        let own = &log.0[chain].1[entry];
        prop_assert!(
            verdict.faults.iter().any(|it| it.chain == own.chain && it.sequence == own.sequence),
            "{:?}", verdict.faults
        );
    }

    #[test]
    fn a_changed_entry_with_a_hash_that_fits_is_found((log, chain, entry) in place(), change in 0..9_usize) {
        let mut log = log;
        let own = &mut log.0[chain].1[entry];
        changes()[change](own);
        own.hash = hash_of_entry(own);
        prop_assert!(!log.verify().is_clean());
    }

    #[test]
    fn a_removed_entry_is_found((log, chain, entry) in place()) {
        let mut log = log;
        log.0[chain].1.remove(entry);
        let is_last = entry == log.0[chain].1.len();
        let expected = if is_last { FaultKind::Truncated } else { FaultKind::Missing };
        prop_assert!(log.kinds().contains(&expected), "{:?}", log.verify().faults);
    }

    #[test]
    fn swapped_entries_are_found((log, chain, entry) in place()) {
        let mut log = log;
        let entries = &mut log.0[chain].1;
        let other = (entry + 1) % entries.len();
        // As rows whose numbers were exchanged: they come in the order of their numbers.
        let (one, two) = (entries[entry].sequence, entries[other].sequence);
        (entries[entry].sequence, entries[other].sequence) = (two, one);
        entries.sort_by_key(|it| it.sequence);
        prop_assert!(log.kinds().contains(&FaultKind::Changed), "{:?}", log.verify().faults);
    }

    #[test]
    fn an_inserted_entry_is_found((log, chain, place) in place()) {
        let mut log = log;
        let entries = &mut log.0[chain].1;
        // As the database allows: behind the last one, with hashes that fit.
        let last = entries.last().expect("an entry").clone();
        entries.push(entry(last.chain, last.sequence + 1, "forged".to_owned(), last.hash));
        prop_assert_eq!(log.kinds(), [FaultKind::BeyondHead]);
        // And in between, by moving those behind it on.
        let entries = &mut log.0[chain].1;
        entries.pop();
        let forged = entry(last.chain, entries[place].sequence, "forged".to_owned(), entries[place].previous);
        entries[place..].iter_mut().for_each(|it| it.sequence += 1);
        entries.insert(place, forged);
        prop_assert!(!log.verify().is_clean());
    }

    #[test]
    fn a_truncated_chain_is_found_by_its_head((log, chain, entry) in place()) {
        let mut log = log;
        log.0[chain].1.truncate(entry);
        prop_assert!(log.kinds().contains(&FaultKind::Truncated), "{:?}", log.verify().faults);
    }

    #[test]
    fn a_chain_that_was_made_anew_is_found_by_heads_kept_elsewhere((log, chain, place) in place()) {
        let kept = log.heads();
        let mut log = log;
        let (head, entries) = &mut log.0[chain];
        entries[place].object.push_str(" forged");
        for index in place..entries.len() {
            entries[index].previous = index.checked_sub(1).map_or(NO_HASH, |it| entries[it].hash);
            let own = hash_of_entry(&entries[index]);
            entries[index].hash = own;
        }
        *head = Some(head_of(entries));
        let verdict = log.verify_with(&kept);
        prop_assert!(verdict.faults.iter().any(|it| it.kind == FaultKind::OtherPast), "{:?}", verdict.faults);
    }

    #[test]
    fn a_truncated_chain_with_another_head_is_found_by_heads_kept_elsewhere((log, chain, place) in place()) {
        prop_assume!(place > 0);
        let kept = log.heads();
        let mut log = log;
        let (head, entries) = &mut log.0[chain];
        entries.truncate(place);
        *head = Some(head_of(entries));
        let verdict = log.verify_with(&kept);
        prop_assert!(verdict.faults.iter().any(|it| it.kind == FaultKind::OtherPast), "{:?}", verdict.faults);
    }

    #[test]
    fn a_chain_that_is_gone_is_missed_by_the_next_one(lengths in lengths(), chain in any::<prop::sample::Index>()) {
        let mut log = Log::new(&lengths);
        let kept = log.heads();
        let chain = chain.index(log.0.len());
        log.0.remove(chain);
        let verdict = log.verify_with(&kept);
        prop_assert!(verdict.faults.iter().any(|it| it.kind == FaultKind::ChainMissing), "{:?}", verdict.faults);
        // The newest is missed by nobody but who kept its head.
        let is_newest = chain == 0;
        prop_assert_eq!(log.verify().is_clean(), is_newest);
    }

    #[test]
    fn entries_without_a_head_are_found((log, chain, _) in place()) {
        let mut log = log;
        log.0[chain].0 = None;
        prop_assert!(log.kinds().contains(&FaultKind::NoHead), "{:?}", log.verify().faults);
    }
}

proptest! {
    #[test]
    fn what_is_left_of_a_pruned_log_is_clean_and_says_what_was_pruned(
        (log, chain, entry) in place(), again in 1..4_usize
    ) {
        let mut log = log;
        let kept = log.heads();
        let newest = log.0.len() - 1 - chain;
        log.prune(chain, entry + 1, newest);
        // The rest may be pruned too, up to all that the chain has.
        let again = again.min(log.0[chain].1.len());
        if again > 0 {
            let (id, first) = (kept[chain].chain, log.1[&kept[chain].chain]);
            let removed: Vec<Entry> = log.0[chain].1.drain(..again).collect();
            let more = removed.iter().fold(first, |pruned, entry| pruned.and(entry).expect("they follow"));
            log.1.insert(id, more);
            let other = (chain + 1) % log.0.len();
            if log.0[other].0.is_some() && other != chain {
                log.seal(more.object(id), other);
            } else {
                return Ok(());
            }
        }
        let verdict = log.verify_with(&kept);
        prop_assert!(verdict.is_clean(), "{:?}", verdict.faults);
        let pruned = verdict.pruned.expect("it says so");
        prop_assert_eq!((pruned.chains, pruned.entries), (1, (entry + 1 + again) as u64));
        prop_assert_eq!(pruned.caller.as_str(), "key:ann");
    }

    #[test]
    fn entries_that_were_removed_without_a_seal_are_found((log, chain, entry) in place()) {
        let mut log = log;
        let other = log.0.len() - 1 - chain;
        log.prune(chain, entry + 1, other);
        let mut unsealed = log.clone();
        let (head, entries) = &mut unsealed.0[other];
        entries.pop();
        prop_assume!(!entries.is_empty());
        *head = Some(head_of(entries));
        prop_assert!(unsealed.kinds().contains(&FaultKind::Unsealed));
        // And so are those that were removed beyond what is sealed, or put back.
        let id = log.0[chain].1.first().map(|entry| entry.chain);
        if let Some(id) = id {
            let pruned = log.1[&id];
            let mut beyond = log.clone();
            let next = beyond.0[chain].1.remove(0);
            prop_assert!(beyond.kinds().contains(&FaultKind::Missing) || beyond.0[chain].1.is_empty());
            beyond.1.insert(id, pruned.and(&next).expect("it follows"));
            prop_assert!(beyond.kinds().contains(&FaultKind::Unsealed));
            log.1.remove(&id);
            prop_assert!(log.kinds().contains(&FaultKind::Unsealed));
        }
    }
}

#[test]
fn the_head_of_a_chain_of_which_nothing_is_left_is_looked_at() {
    let mut log = Log::new(&[3, 4]);
    log.prune(1, 3, 0);
    assert!(log.verify().is_clean(), "{:?}", log.verify().faults);
    let mut other = log.clone();
    other.0[1].0.as_mut().expect("a head").hash[0] ^= 1;
    assert_eq!(other.kinds(), [FaultKind::OtherHead]);
    log.0.remove(1);
    assert!(log.kinds().contains(&FaultKind::ChainMissing));
}

#[test]
fn faults_beyond_the_limit_are_counted() {
    let mut log = Log::new(&[300]);
    log.0[0].1.iter_mut().for_each(|it| it.object.push('x'));
    let verdict = log.verify();
    assert_eq!(verdict.faults.len(), limits::FAULTS);
    assert!(verdict.more_faults >= 200);
}

#[test]
fn a_fault_is_told_with_its_place() {
    let mut log = Log::new(&[3]);
    log.0[0].1[1].object.clear();
    let told = log.verify().faults[0].to_string();
    assert_eq!(
        told,
        "chain 00000000-0000-0000-0000-000000000001, entry 2: the entry was changed"
    );
}

fn hash_of_entry(entry: &Entry) -> Hash {
    crate::chain::hash_of(entry)
}
