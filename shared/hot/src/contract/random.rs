//! Random sequences of operations, on the store and on the model: everything that can be seen is
//! the same.

mod compare;

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use kernel::{PartitionId, Timestamp};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::Runtime;

use self::compare::{compare, compare_writers, same};
use super::model::Model;
use super::{Subject, at, text};
use crate::marks::{Marks, Part};
use crate::{
    Append, Commit, Committed, CounterKey, Cursor, HotError, Origin, OutboxMessage, Owner,
    QuarantineId, SharedHotStore, Slot, SourceRange, StateKey, StateWrite, StreamId, StreamName,
    Timer, Writer,
};

/// Sequences that are tried.
const CASES: u32 = 48;
const KEYS: [&str; 4] = ["", "a", "b", "\u{ff}"];
const STREAMS: [StreamName; 2] = [StreamName::Events, StreamName::Facts];

#[derive(Debug, Clone)]
enum Operation {
    Open(Slot, u64),
    Commit(Slot, Box<Change>),
    /// The slot's last commit once more.
    Retry(Slot),
    Append(Append),
    /// Removes so many entries.
    Trim(StreamId, usize),
    TrimOutbox(Slot, u64),
    Reopen,
}

/// A value and a due time.
type Written = (Option<Bytes>, Option<Timestamp>);

/// A commit but for its states and timers, which count from what the slot has.
#[derive(Debug, Clone)]
struct Change {
    commit: Commit,
    states: Vec<(StateKey, Written)>,
    /// Fires what is due then.
    fires: Option<Timestamp>,
}

/// Runs random sequences; a failing one is cut down and shown.
///
/// # Panics
/// Where the store and the model differ.
pub fn agrees_with_the_model(runtime: &Runtime, subject: &mut impl Subject) {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let is_restorable = runtime.block_on(subject.restorable()).is_some();
    let operations = vec(operation(is_restorable), 1..40);
    let subject = Mutex::new(subject);
    let outcome = TestRunner::new(config).run(&operations, |operations| {
        let mut subject = subject.lock().expect("one sequence at a time");
        runtime
            .block_on(run(&mut **subject, operations))
            .map_err(TestCaseError::fail)
    });
    assert!(outcome.is_ok(), "{}", outcome.expect_err("it failed"));
}

fn slot() -> impl Strategy<Value = Slot> {
    let owner = prop_oneof![Just(Owner::Journey), Just(Owner::Segmentation)];
    (owner, 0..2_u16).prop_map(|(owner, partition)| Slot {
        owner,
        partition: PartitionId::new(partition),
    })
}

fn stream() -> impl Strategy<Value = StreamId> {
    (0..STREAMS.len(), 0..2_u16).prop_map(|(name, partition)| StreamId {
        name: STREAMS[name],
        partition: PartitionId::new(partition),
    })
}

fn payload() -> impl Strategy<Value = StateKey> {
    vec(any::<u8>(), 0..20).prop_map(StateKey::from)
}

/// A subset of the keys, each with something.
fn keyed<T: std::fmt::Debug + Clone>(
    of: impl Strategy<Value = T>,
) -> impl Strategy<Value = Vec<(StateKey, T)>> {
    vec(option::of(of), KEYS.len()).prop_map(|values| {
        let keyed = KEYS.into_iter().zip(values);
        keyed
            .filter_map(|(key, value)| Some((text(key), value?)))
            .collect()
    })
}

/// A subset of the streams, each with something.
fn streamed<T: std::fmt::Debug + Clone>(
    of: impl Strategy<Value = T>,
) -> impl Strategy<Value = Vec<(StreamName, T)>> {
    vec(option::of(of), STREAMS.len()).prop_map(|values| {
        let named = STREAMS.into_iter().zip(values);
        named
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    })
}

/// Times in and around a few buckets of any store, and at the ends of time.
fn time() -> impl Strategy<Value = Timestamp> {
    let near = (-3..3_i64, -2..3_i64).prop_map(|(bucket, millis)| (bucket << 21) + millis);
    prop_oneof![12 => near, 1 => Just(i64::MAX), 1 => Just(i64::MIN)].prop_map(at)
}

fn group() -> impl Strategy<Value = Box<str>> {
    prop_oneof![Just("a"), Just("a/1"), Just("b")].prop_map(Box::from)
}

/// Marks of a few writers.
fn marks() -> impl Strategy<Value = Marks> {
    let origin = (0..30_u32, 1..9_u64).prop_map(|(writer, seq)| Origin {
        writer: Writer::from_number(writer),
        seq,
    });
    let part = (option::of(origin), 1..5_u64).prop_map(|(origin, index)| Part { origin, index });
    let seen = btree_map((0..3_u32).prop_map(Writer::process), 1..9_u64, 0..3);
    (seen, option::of(part)).prop_map(|(seen, part)| Marks { seen, part })
}

/// A change whose number and epoch count from what the slot has, where mostly 1 and 0 are right.
fn change() -> impl Strategy<Value = Change> {
    let number = prop_oneof![8 => Just(1_u64), 1 => Just(0), 1 => Just(2)];
    let epoch = prop_oneof![8 => Just(0_u64), 1 => Just(1)];
    let message = (stream(), payload()).prop_map(|(to, payload)| OutboxMessage { to, payload });
    let cursor = (0..9_u64, 0..9_u64).prop_map(|(major, minor)| Cursor { major, minor });
    let counter = (group(), prop_oneof![Just("in"), Just("out")])
        .prop_map(|(group, name)| CounterKey::new(group, name));
    let aside =
        (0..5_u64, 0..3_u32).prop_map(|(commit_seq, index)| QuarantineId { commit_seq, index });
    let moved = (
        keyed((option::of(payload()), option::of(time()))),
        option::of(time()),
        streamed(payload()),
        vec(message, 0..3),
    );
    let kept = (
        (vec(group(), 0..2), vec((counter, -9..9_i64), 0..4)),
        streamed(marks()),
        streamed(cursor),
        (
            option::of((-9..9_i64).prop_map(at)),
            option::of((-9..9_i64).prop_map(at)),
        ),
        vec(payload(), 0..3),
        vec(aside, 0..3),
    );
    (epoch, number, any::<u64>(), moved, kept).prop_map(
        |(epoch, seq, batch_id, (states, fires, outputs, outbox), kept)| {
            let (counts, marks, cursors, watermark, quarantine, released) = kept;
            let (dropped_groups, counters) = counts;
            let (watermark, next_due) = watermark;
            let commit = Commit {
                epoch,
                seq,
                batch_id,
                states: Vec::new(),
                fired: Vec::new(),
                outputs,
                outbox,
                dropped_groups,
                counters,
                marks,
                cursors,
                watermark,
                next_due,
                quarantine,
                released,
            };
            Change {
                commit,
                states,
                fires,
            }
        },
    )
}

fn operation(takes_origins: bool) -> impl Strategy<Value = Operation> {
    let source = (0..2_u8, 1..9_u64, 0..3_u64).prop_map(|(source, first, more)| SourceRange {
        source: format!("source {source}").into(),
        first,
        last: first + more,
    });
    let origin = (0..2_u32, 1..6_u64).prop_map(|(process, seq)| Origin {
        writer: Writer::process(process),
        seq,
    });
    let append = (stream(), payload(), option::of(source), option::of(origin)).prop_map(
        move |(to, payload, source, origin)| Append {
            to,
            payload,
            source,
            origin: origin.filter(|_| takes_origins),
        },
    );
    prop_oneof![
        2 => (slot(), 0..4_u64).prop_map(|(slot, epoch)| Operation::Open(slot, epoch)),
        6 => (slot(), change()).prop_map(|(slot, it)| Operation::Commit(slot, Box::new(it))),
        1 => slot().prop_map(Operation::Retry),
        4 => append.prop_map(Operation::Append),
        1 => (stream(), 0..5_usize).prop_map(|(stream, count)| Operation::Trim(stream, count)),
        1 => (slot(), 0..5_u64).prop_map(|(slot, seq)| Operation::TrimOutbox(slot, seq)),
        1 => Just(Operation::Reopen),
    ]
}

async fn run(subject: &mut impl Subject, operations: Vec<Operation>) -> Result<(), String> {
    let mut store = subject.empty().await;
    let restorable = subject.restorable().await;
    let mut model = Model::new(subject.has_origins());
    let mut commits = BTreeMap::new();
    for operation in operations {
        match operation {
            Operation::Open(slot, epoch) => {
                let expected = model.open(slot, epoch);
                same("open", store.open(slot, epoch).await, expected)?;
            }
            Operation::Commit(slot, change) => {
                let commit = change.complete(&store, slot).await;
                let (commit, mut read) = commit.map_err(|error| error.to_string())?;
                for (stream, upto) in &mut read {
                    *upto += model.trimmed(*stream);
                }
                let expected = commit_to(&mut model, slot, (&commit, &read));
                same("commit", store.commit(slot, &commit).await, expected)?;
                commits.insert(slot, (commit, read));
            }
            Operation::Retry(slot) => {
                if let Some((commit, read)) = commits.get(&slot) {
                    let expected = commit_to(&mut model, slot, (commit, read));
                    same("retry", store.commit(slot, commit).await, expected)?;
                }
            }
            Operation::Append(append) => {
                let expected = Ok(model.append(&append));
                same("append", store.append(&append).await, expected)?;
            }
            Operation::Trim(stream, count) => {
                let read = store.poll(stream, Cursor::START, count).await;
                let read = read.map_err(|error| error.to_string())?;
                if let Some(last) = read.last() {
                    let slot = Slot {
                        owner: Owner::Journey,
                        partition: stream.partition,
                    };
                    let at = model.standing(slot);
                    model.trim(stream, read.len());
                    let trimmed = store.trim(at, stream.name, last.cursor).await;
                    same("trim", trimmed, Ok(()))?;
                }
            }
            Operation::TrimOutbox(slot, seq) => {
                let at = model.standing(slot);
                model.trim_outbox(slot, seq);
                same("trim", store.trim_outbox(at, seq).await, Ok(()))?;
            }
            Operation::Reopen => store = subject.reopen(store).await,
        }
        compare(&store, &model).await?;
        if let Some(restorable) = &restorable {
            compare_writers(restorable, &model).await?;
        }
    }
    Ok(())
}

/// Commits to the model. What the commit read of streams, so many entries since their beginning,
/// is gone then.
fn commit_to(
    model: &mut Model,
    slot: Slot,
    (commit, read): (&Commit, &[(StreamId, usize)]),
) -> Result<Committed, HotError> {
    let committed = model.commit(slot, commit)?;
    if committed == Committed::Applied {
        for (stream, upto) in read {
            let entries = upto.saturating_sub(model.trimmed(*stream));
            model.trim(*stream, entries);
        }
    }
    Ok(committed)
}

impl Change {
    /// Makes a commit that follows what the slot has, as an engine would: an entry that counts
    /// fires only where its state is written, and a cursor is that of an entry. Returns with it how
    /// many entries of streams its cursors pass.
    async fn complete(
        self,
        store: &SharedHotStore,
        slot: Slot,
    ) -> Result<(Commit, Vec<(StreamId, usize)>), HotError> {
        let head = store.head(slot).await?;
        let mut commit = self.commit;
        commit.epoch += head.epoch;
        commit.seq += head.commit_seq;
        let mut read = Vec::new();
        for (name, cursor) in &mut commit.cursors {
            let stream = StreamId {
                name: *name,
                partition: slot.partition,
            };
            let count = usize::try_from(cursor.minor).expect("small");
            let entries = store.poll(stream, Cursor::START, count).await?;
            *cursor = entries.last().map_or(Cursor::START, |it| it.cursor);
            read.push((stream, entries.len()));
        }
        let due = match self.fires {
            Some(until) => store.due(slot, until, 5).await?.timers,
            None => Vec::new(),
        };
        let mut timers: BTreeMap<StateKey, Timer> = BTreeMap::new();
        let keys = KEYS.map(text);
        for (key, stored) in keys.iter().zip(store.load(slot, &keys).await?) {
            timers.insert(key.clone(), stored.map_or(Timer::NONE, |it| it.timer));
        }
        for (key, time) in due {
            let timer = timers.entry(key.clone()).or_default();
            let is_written = self.states.iter().any(|(written, _)| *written == key);
            if timer.entry != Some(time) || is_written {
                commit.fired.push((key, time));
            }
        }
        for (key, (value, due)) in self.states {
            let mut timer = timers.remove(&key).unwrap_or_default();
            let entry = timer.entry.map(|entry| (key.clone(), entry));
            if entry.is_some_and(|entry| commit.fired.contains(&entry)) {
                timer = timer.fired();
            }
            let (timer, adds_entry) = timer.set(due);
            let (timer, adds_entry) = match value {
                Some(_) => (timer, adds_entry),
                None => (Timer::NONE, false),
            };
            commit.states.push(StateWrite {
                key,
                value,
                timer,
                adds_entry,
            });
        }
        Ok((commit, read))
    }
}
