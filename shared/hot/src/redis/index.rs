//! The index of timers of one slot, as its owner knows it: which lists there are, and what is in those whose time has come.
//!
//! The lists in Redis are the truth; this is read from them when a slot is opened and moves on with each commit that took
//! effect. It does no reading itself.

use std::collections::{BTreeMap, BTreeSet};

use kernel::Timestamp;

use super::record;
use crate::{Commit, Due, StateKey};

/// The index of timers of a slot.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Whether the buckets are all that there are: nobody knows before the slot is opened.
    is_known: bool,
    /// Raised each time the buckets are read anew, so that what was asked for before is not mixed up with it.
    generation: u64,
    /// Every bucket of which there is a list.
    buckets: BTreeMap<i64, Bucket>,
    /// Buckets that were read and found empty: their lists go with the next commit.
    empty: BTreeSet<i64>,
    /// How long before its time a list is read.
    lead_ms: i64,
    /// Up to when lists have been asked for.
    horizon_ms: Option<i64>,
}

/// One list.
#[derive(Debug)]
enum Bucket {
    /// It has not been read.
    Unread,
    /// It is being read; what was added meanwhile.
    Reading(BTreeSet<(i64, StateKey)>),
    /// What is in it and has not fired.
    Read(BTreeSet<(i64, StateKey)>),
}

/// What has to be read before an answer can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Which buckets there are.
    Buckets,
    /// One bucket.
    Bucket(i64),
}

/// What a commit does to the lists.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Moves {
    /// What is added to each bucket.
    pub(super) pushes: BTreeMap<i64, Vec<u8>>,
    /// Buckets whose lists are removed, before anything is added.
    pub(super) ends: Vec<i64>,
    /// Buckets that are new.
    pub(super) begins: Vec<i64>,
    /// Buckets that are no longer there.
    pub(super) closes: Vec<i64>,
}

/// The entries that a commit adds.
pub(super) fn added(commit: &Commit) -> impl Iterator<Item = (i64, &StateKey)> {
    let adding = commit.states.iter().filter(|state| state.adds_entry);
    adding.filter_map(|state| Some((state.timer.entry?.as_millis(), &state.key)))
}

impl Index {
    /// An index that knows nothing, and reads lists so long before their time.
    pub(super) fn new(lead_ms: i64) -> Self {
        Self {
            lead_ms,
            ..Self::default()
        }
    }

    /// Forgets everything but which buckets there are.
    pub(super) fn reset(&mut self, buckets: impl IntoIterator<Item = i64>) {
        *self = Self {
            is_known: true,
            generation: self.generation + 1,
            buckets: buckets
                .into_iter()
                .map(|bucket| (bucket, Bucket::Unread))
                .collect(),
            ..Self::new(self.lead_ms)
        };
    }

    /// Forgets everything, because nobody knows what became of a commit: it is read again when it is asked for.
    pub(super) fn forget(&mut self) {
        *self = Self {
            generation: self.generation + 1,
            ..Self::new(self.lead_ms)
        };
    }

    /// What a commit does to the lists.
    pub(super) fn moves(&self, commit: &Commit) -> Moves {
        let mut moves = Moves::default();
        for (time_ms, key) in added(commit) {
            let bucket = record::bucket(time_ms);
            record::push(moves.pushes.entry(bucket).or_default(), time_ms, key);
        }
        moves.ends = self.ends(commit);
        moves.begins = moves
            .pushes
            .keys()
            .copied()
            .filter(|bucket| !self.is_known || !self.buckets.contains_key(bucket))
            .collect();
        let is_left = |bucket: &i64| !moves.pushes.contains_key(bucket);
        moves.closes = moves.ends.iter().copied().filter(is_left).collect();
        moves
    }

    /// The buckets whose entries have all fired after a commit, but for those that it adds.
    fn ends(&self, commit: &Commit) -> Vec<i64> {
        let mut fired: BTreeMap<i64, BTreeSet<(i64, StateKey)>> = BTreeMap::new();
        for (key, time) in &commit.fired {
            let entry = (time.as_millis(), key.clone());
            let bucket = record::bucket(entry.0);
            if let Some(Bucket::Read(entries)) = self.buckets.get(&bucket)
                && entries.contains(&entry)
            {
                fired.entry(bucket).or_default().insert(entry);
            }
        }
        let all_fired = |(bucket, fired): &(i64, BTreeSet<_>)| match self.buckets.get(bucket) {
            Some(Bucket::Read(entries)) => entries.len() == fired.len(),
            _ => false,
        };
        let ended = fired
            .into_iter()
            .filter(all_fired)
            .map(|(bucket, _)| bucket);
        ended.chain(self.empty.iter().copied()).collect()
    }

    /// Moves on with a commit that took effect, with the moves that were made for it.
    pub(super) fn apply(&mut self, commit: &Commit, moves: &Moves) {
        if !self.is_known {
            return;
        }
        for (key, time) in &commit.fired {
            let entry = (time.as_millis(), key.clone());
            let bucket = record::bucket(entry.0);
            if let Some(Bucket::Read(entries)) = self.buckets.get_mut(&bucket) {
                entries.remove(&entry);
                if entries.is_empty() {
                    self.empty.insert(bucket);
                }
            }
        }
        for bucket in &moves.ends {
            self.buckets.remove(bucket);
            self.empty.remove(bucket);
        }
        for (time_ms, key) in added(commit) {
            let bucket = record::bucket(time_ms);
            let is_near = self
                .horizon_ms
                .is_some_and(|horizon| record::start_ms(bucket) <= horizon);
            let found = self.buckets.entry(bucket).or_insert_with(|| {
                // A list that this commit began: all of it is known, and worth keeping where its time has come.
                if is_near {
                    Bucket::Read(BTreeSet::new())
                } else {
                    Bucket::Unread
                }
            });
            if let Bucket::Reading(entries) | Bucket::Read(entries) = found {
                // A copy: the caller's key may be a slice of a large buffer.
                entries.insert((time_ms, StateKey::copy_from_slice(key)));
                self.empty.remove(&bucket);
            }
        }
    }

    /// Notes that a list is being read; returns the generation to hand in with what is read.
    pub(super) fn begin_reading(&mut self, bucket: i64) -> u64 {
        if let Some(found @ Bucket::Unread) = self.buckets.get_mut(&bucket) {
            *found = Bucket::Reading(BTreeSet::new());
        }
        self.generation
    }

    /// Takes what was read from a list; absent where it could not be read.
    pub(super) fn end_reading(
        &mut self,
        bucket: i64,
        generation: u64,
        read: Option<Vec<(i64, StateKey)>>,
    ) {
        if generation != self.generation {
            return;
        }
        let Some(found) = self.buckets.get_mut(&bucket) else {
            return;
        };
        let Bucket::Reading(added) = found else {
            return;
        };
        let Some(read) = read else {
            *found = Bucket::Unread;
            return;
        };
        // Built at once from everything: much cheaper than one by one.
        let entries: BTreeSet<_> = read.into_iter().chain(std::mem::take(added)).collect();
        if entries.is_empty() {
            self.empty.insert(bucket);
        }
        *found = Bucket::Read(entries);
    }

    /// The first entries up to a time, or what has to be read first.
    pub(super) fn due(&mut self, until: Timestamp, max: usize) -> Result<Due, Missing> {
        if !self.is_known {
            return Err(Missing::Buckets);
        }
        let until_ms = until.as_millis();
        let horizon_ms = until_ms.saturating_add(self.lead_ms);
        self.horizon_ms = self.horizon_ms.max(Some(horizon_ms));
        let mut due = Due::default();
        for (bucket, found) in &self.buckets {
            let start_ms = record::start_ms(*bucket);
            let Bucket::Read(entries) = found else {
                if start_ms <= horizon_ms && due.timers.len() < max {
                    return Err(Missing::Bucket(*bucket));
                }
                due.next = Some(Timestamp::from_millis(start_ms));
                return Ok(due);
            };
            for (time_ms, key) in entries {
                let time = Timestamp::from_millis(*time_ms);
                if *time_ms > until_ms || due.timers.len() == max {
                    due.next = Some(time);
                    return Ok(due);
                }
                due.timers.push((key.clone(), time));
            }
        }
        Ok(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{StateWrite, Timer};

    const HOUR_MS: i64 = 3_600_000;

    fn commit(added: &[i64], fired: &[i64]) -> Commit {
        let key = StateKey::from_static(b"key");
        let states = added.iter().map(|time_ms| {
            let (timer, adds_entry) = Timer::NONE.set(Some(Timestamp::from_millis(*time_ms)));
            StateWrite {
                key: key.clone(),
                value: Some(StateKey::new()),
                timer,
                adds_entry,
            }
        });
        let fired = fired
            .iter()
            .map(|time_ms| (key.clone(), Timestamp::from_millis(*time_ms)));
        Commit {
            states: states.collect(),
            fired: fired.collect(),
            ..Commit::default()
        }
    }

    fn apply(index: &mut Index, added: &[i64], fired: &[i64]) -> Moves {
        let commit = commit(added, fired);
        let moves = index.moves(&commit);
        index.apply(&commit, &moves);
        moves
    }

    fn due(index: &mut Index, until_ms: i64) -> Result<Vec<i64>, Missing> {
        let due = index.due(Timestamp::from_millis(until_ms), 99)?;
        Ok(due
            .timers
            .iter()
            .map(|(_, time)| time.as_millis())
            .collect())
    }

    #[test]
    fn a_list_begins_once_and_ends_when_all_of_it_has_fired() {
        let mut index = Index::default();
        index.reset([]);
        assert_eq!(apply(&mut index, &[1, HOUR_MS], &[]).begins, [0, 1]);
        assert_eq!(apply(&mut index, &[2], &[]).begins, []);
        assert_eq!(due(&mut index, 9), Err(Missing::Bucket(0)));
        let generation = index.begin_reading(0);
        // Added while it is being read, and not in what is read.
        apply(&mut index, &[3], &[]);
        let key = StateKey::from_static(b"key");
        let read = Some(vec![(2, key.clone()), (1, key.clone()), (1, key)]);
        index.end_reading(0, generation, read);
        assert_eq!(due(&mut index, 9), Ok(vec![1, 2, 3]));
        assert_eq!(apply(&mut index, &[], &[1, 3]).ends, []);
        let again = apply(&mut index, &[4], &[2]);
        assert_eq!((&again.ends[..], &again.closes[..]), (&[0][..], &[][..]));
        let last = apply(&mut index, &[], &[4, 4, 77]);
        assert_eq!((&last.ends[..], &last.closes[..]), (&[0][..], &[0][..]));
        assert_eq!(apply(&mut index, &[5], &[]).begins, [0]);
        assert_eq!(
            due(&mut index, 9),
            Ok(vec![5]),
            "nothing is read that is known"
        );
    }

    #[test]
    fn after_a_commit_in_doubt_everything_is_read_again() {
        let mut index = Index::default();
        index.reset([]);
        apply(&mut index, &[1], &[]);
        index.forget();
        assert_eq!(due(&mut index, 9), Err(Missing::Buckets));
        let moves = apply(&mut index, &[2], &[1]);
        assert_eq!((&moves.begins[..], &moves.ends[..]), (&[0][..], &[][..]));
        index.reset([0]);
        let stale = index.begin_reading(0);
        index.reset([0]);
        index.end_reading(0, stale, Some(Vec::new()));
        assert_eq!(
            due(&mut index, 9),
            Err(Missing::Bucket(0)),
            "what was asked for before does not count"
        );
        let generation = index.begin_reading(0);
        index.end_reading(0, generation, Some(Vec::new()));
        assert_eq!(due(&mut index, 9), Ok(Vec::new()));
        assert_eq!(
            apply(&mut index, &[], &[]).closes,
            [0],
            "an empty list goes with the next commit"
        );
    }
}
