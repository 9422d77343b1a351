//! Joins commits that follow each other, so that a store takes many of them in one call: of a state
//! that several wrote, only the last value is written.

use std::collections::BTreeMap;

use bytes::Bytes;
use hot::marks::{self, Marks};
use hot::{Commit, CounterKey, StateKey, StateWrite, StreamName};

use crate::limits;

/// Commits that are applied as one.
#[derive(Debug)]
pub(super) struct Joined {
    /// The number of the commit before the first of them.
    pub(super) before: u64,
    /// All that they changed, under the name of the last.
    pub(super) commit: Commit,
}

/// Commits of a slot that are being joined.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Everything but the fields below; absent where there is no commit.
    joined: Option<Joined>,
    states: BTreeMap<StateKey, StateWrite>,
    counters: BTreeMap<CounterKey, i64>,
    marks: BTreeMap<StreamName, Marks>,
    bytes: usize,
    /// True where no other commit may be joined.
    is_closed: bool,
}

impl Run {
    /// Adds the next commit. Returns those before it where it cannot be joined with them.
    pub(super) fn push(&mut self, commit: Commit) -> Option<Joined> {
        // The ids of what is set aside have the number of its commit, and what leaves the
        // quarantine or drops a group of counters may be of a commit before it.
        let is_alone = !commit.quarantine.is_empty()
            || !commit.released.is_empty()
            || !commit.dropped_groups.is_empty();
        let full = if is_alone || self.is_closed || !self.has_room(&commit) {
            self.take()
        } else {
            None
        };
        self.is_closed = is_alone;
        self.add(commit);
        full
    }

    /// Returns the commits that were joined, and begins anew.
    pub(super) fn take(&mut self) -> Option<Joined> {
        let run = std::mem::take(self);
        let mut joined = run.joined?;
        joined.commit.states = run.states.into_values().collect();
        joined.commit.counters = run.counters.into_iter().collect();
        joined.commit.marks = run.marks.into_iter().collect();
        Some(joined)
    }

    fn has_room(&self, commit: &Commit) -> bool {
        let joined = self.joined.as_ref().map(|it| &it.commit);
        let parts = self.states.len()
            + self.counters.len()
            + joined.map_or(0, |it| it.fired.len() + it.outbox.len())
            + commit.states.len()
            + commit.counters.len()
            + commit.fired.len()
            + commit.outbox.len();
        parts <= limits::RUN_PARTS && self.bytes + bytes_of(commit) <= limits::READ_BYTES / 2
    }

    fn add(&mut self, commit: Commit) {
        self.bytes += bytes_of(&commit);
        marks::merge(&mut self.marks, &commit.marks);
        for write in commit.states {
            if let Some(old) = self.states.insert(write.key.clone(), write) {
                self.bytes -= bytes_of_state(&old);
            }
        }
        for (key, change) in commit.counters {
            let sum = self.counters.entry(key).or_default();
            *sum = sum.saturating_add(change);
        }
        let rest = Commit {
            states: Vec::new(),
            counters: Vec::new(),
            marks: Vec::new(),
            outputs: Vec::new(),
            cursors: Vec::new(),
            ..commit
        };
        let Some(joined) = &mut self.joined else {
            self.joined = Some(Joined {
                before: rest.seq.saturating_sub(1),
                commit: rest,
            });
            return;
        };
        let before = std::mem::replace(&mut joined.commit, rest);
        let commit = &mut joined.commit;
        commit.watermark = commit.watermark.or(before.watermark);
        commit.fired.splice(..0, before.fired);
        commit.outbox.splice(..0, before.outbox);
    }
}

/// The bytes of a commit that count when it is restored.
fn bytes_of(commit: &Commit) -> usize {
    let states: usize = commit.states.iter().map(bytes_of_state).sum();
    let fired: usize = commit.fired.iter().map(|(key, _)| key.len()).sum();
    let outbox: usize = commit.outbox.iter().map(|it| it.payload.len()).sum();
    let counters = commit.counters.iter();
    let counters: usize = counters
        .map(|(key, _)| key.group.len() + key.name.len())
        .sum();
    states + fired + outbox + counters
}

fn bytes_of_state(write: &StateWrite) -> usize {
    write.key.len() + write.value.as_ref().map_or(0, Bytes::len)
}

#[cfg(test)]
mod tests {
    use hot::{Origin, OutboxMessage, QuarantineId, StreamId, Timer, Writer};
    use kernel::{PartitionId, Timestamp};

    use super::*;

    fn state(key: &'static str, value: &'static str) -> StateWrite {
        StateWrite {
            key: Bytes::from_static(key.as_bytes()),
            value: Some(Bytes::from_static(value.as_bytes())),
            timer: Timer::NONE,
            adds_entry: false,
        }
    }

    fn message(payload: &'static str) -> OutboxMessage {
        OutboxMessage {
            to: StreamId {
                name: StreamName::Events,
                partition: PartitionId::new(1),
            },
            payload: Bytes::from_static(payload.as_bytes()),
        }
    }

    fn counter(name: &str, change: i64) -> (CounterKey, i64) {
        let key = CounterKey {
            group: "group".into(),
            name: name.into(),
        };
        (key, change)
    }

    fn marks(writer: u32, seq: u64) -> Vec<(StreamName, Marks)> {
        let writer = Writer::process(writer);
        let part = marks::Part {
            origin: Some(Origin { writer, seq }),
            index: 1,
        };
        let marks = Marks {
            seen: [(writer, seq)].into(),
            part: (seq == 1).then_some(part),
        };
        vec![(StreamName::Events, marks)]
    }

    fn commit(seq: u64) -> Commit {
        Commit {
            epoch: 1,
            seq,
            batch_id: 100 + seq,
            ..Commit::default()
        }
    }

    /// Joins commits, and tells which of them are together.
    fn joined(commits: impl IntoIterator<Item = Commit>) -> Vec<Joined> {
        let mut run = Run::default();
        let mut joined: Vec<Joined> = Vec::new();
        for commit in commits {
            joined.extend(run.push(commit));
        }
        joined.extend(run.take());
        joined
    }

    fn ranges(commits: impl IntoIterator<Item = Commit>) -> Vec<(u64, u64)> {
        let joined = joined(commits).into_iter();
        joined.map(|it| (it.before, it.commit.seq)).collect()
    }

    #[test]
    fn the_last_word_on_each_state_counts_and_changes_add_up() {
        let at = |ms| Some(Timestamp::from_millis(ms));
        let fired = |key: &'static str| (Bytes::from_static(key.as_bytes()), Timestamp::MIN);
        let first = Commit {
            states: vec![state("a", "a1"), state("b", "b1")],
            fired: vec![fired("a")],
            outbox: vec![message("one")],
            counters: vec![counter("x", 2), counter("y", i64::MAX)],
            marks: marks(1, 1),
            watermark: at(5),
            outputs: vec![(StreamName::Facts, Bytes::new())],
            ..commit(8)
        };
        let second = Commit {
            states: vec![
                StateWrite {
                    value: None,
                    ..state("b", "")
                },
                state("c", "c2"),
            ],
            fired: vec![fired("b")],
            outbox: vec![message("two"), message("three")],
            counters: vec![counter("x", -5), counter("y", 1)],
            marks: marks(2, 4),
            epoch: 3,
            ..commit(9)
        };
        let mut expected = second.clone();
        expected.states.insert(0, state("a", "a1"));
        expected.fired.insert(0, fired("a"));
        expected.outbox.insert(0, message("one"));
        expected.counters = vec![counter("x", -3), counter("y", i64::MAX)];
        expected.marks[0].1.seen.insert(Writer::process(1), 1);
        expected.watermark = at(5);
        let joined = joined([first, second]);
        assert_eq!((joined.len(), joined[0].before), (1, 7));
        assert_eq!(joined[0].commit, expected);
    }

    #[test]
    fn what_has_to_do_with_the_quarantine_or_drops_counters_is_alone() {
        let aside = Commit {
            quarantine: vec![Bytes::new()],
            ..commit(3)
        };
        let released = Commit {
            released: vec![QuarantineId {
                commit_seq: 3,
                index: 0,
            }],
            ..commit(4)
        };
        let dropped = Commit {
            dropped_groups: vec!["group".into()],
            ..commit(7)
        };
        let commits = [
            commit(1),
            commit(2),
            aside,
            released,
            commit(5),
            commit(6),
            dropped,
            commit(8),
        ];
        let expected = [(0, 2), (2, 3), (3, 4), (4, 6), (6, 7), (7, 8)];
        assert_eq!(ranges(commits), expected);
        assert_eq!(ranges([]), []);
    }

    #[test]
    fn a_run_ends_where_a_call_would_be_too_large() {
        let large = |seq, bytes| Commit {
            states: vec![StateWrite {
                value: Some(Bytes::from(vec![0; bytes])),
                ..state("a", "")
            }],
            ..commit(seq)
        };
        let half = limits::READ_BYTES / 2;
        // A value that is overwritten does not count, and one that is too large alone is alone.
        let commits = [large(1, half - 1), commit(2), large(3, half), commit(4)];
        assert_eq!(ranges(commits), [(0, 2), (2, 3), (3, 4)]);
        let same = (1..=100).map(|seq| large(seq, half / 3));
        assert_eq!(ranges(same), [(0, 100)]);
        let many = (1..=3).map(|seq| Commit {
            outbox: vec![message("m"); limits::RUN_PARTS / 2],
            ..commit(seq)
        });
        assert_eq!(ranges(many), [(0, 2), (2, 3)]);
    }
}
