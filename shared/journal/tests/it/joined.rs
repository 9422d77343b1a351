//! Appends of several callers that share a row of the log and an entry of the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hot::limits::STREAM_ENTRIES;
use hot::memory::MemoryOptions;
use hot::{
    Append, Appended, Cursor, HotError, HotStore, MemoryStore, RestorableStore as _, SourceRange,
    StreamId, StreamName,
};
use journal::{Fault, FoldOptions, JournalOptions, JournaledStore, Log, MemoryLog, SharedLog};
use kernel::{PartitionCount, PartitionId};
use proptest::prelude::*;
use tokio::task::JoinSet;

use crate::chance::Chance;

const TO: StreamId = StreamId {
    name: StreamName::Events,
    partition: PartitionId::new(0),
};
const ELSEWHERE: StreamId = StreamId {
    name: StreamName::Events,
    partition: PartitionId::new(1),
};

/// Faults of the calls of both stores, by a seed.
fn chance(seed: u64, fault_percent: u64) -> Arc<Chance> {
    Arc::new(Chance {
        state: AtomicU64::new(seed),
        fault_percent,
        is_calm: AtomicBool::new(false),
    })
}

/// A store with a journal whose log takes 10 ms for a row.
struct Site {
    hot: MemoryStore,
    log: Arc<MemoryLog>,
    store: JournaledStore,
}

impl Site {
    async fn new(chance: Arc<Chance>) -> Self {
        let count = PartitionCount::try_new(2).expect("a count");
        let hot = MemoryStore::new(count, MemoryOptions { origins: true });
        let faults = Arc::clone(&chance);
        let log = Arc::new(MemoryLog::new().with_faults(move |call| {
            if !matches!(call, journal::Call::Entry(_)) {
                return None;
            }
            Some(match faults.fails() {
                true if faults.next().is_multiple_of(2) => Fault::Refused,
                true => Fault::AnswerLost,
                false => Fault::Delayed(Duration::from_millis(10)),
            })
        }));
        let writer = log.register("joined").await.expect("a writer");
        let options = JournalOptions::new(FoldOptions::default(), kernel::limits::LEASE_TTL);
        let store = JournaledStore::new(
            Arc::new(hot.with_hook(chance)),
            Arc::clone(&log) as SharedLog,
            writer,
            options,
        );
        Self { hot, log, store }
    }

    /// The numbers in each entry of a stream, in order.
    async fn entries(&self, stream: StreamId) -> Vec<Vec<u64>> {
        let entries = self.hot.poll(stream, Cursor::START, 10_000).await;
        let entries = entries.expect("entries").into_iter();
        entries.map(|entry| numbers(&entry.payload)).collect()
    }

    /// Rows of the log of a stream.
    async fn rows(&self, stream: StreamId) -> u64 {
        let last = self.log.last_entries(stream).await.expect("reads");
        last.iter().map(|origin| origin.seq).sum()
    }
}

/// An append of one number. Numbers of eight bytes, one after the other, are what all of them are.
fn append(to: StreamId, number: u64) -> Append {
    Append {
        to,
        payload: Bytes::copy_from_slice(&number.to_be_bytes()),
        source: None,
        origin: None,
    }
}

fn numbers(payload: &[u8]) -> Vec<u64> {
    let numbers = payload.chunks_exact(8);
    assert!(numbers.remainder().is_empty());
    numbers
        .map(|bytes| u64::from_be_bytes(bytes.try_into().expect("eight")))
        .collect()
}

/// Begins appends one after the other and returns their outcomes.
async fn all(store: &JournaledStore, appends: Vec<Append>) -> Vec<Result<Appended, HotError>> {
    let calls = appends.iter().map(|append| store.append(append));
    futures::future::join_all(calls).await
}

#[tokio::test(start_paused = true)]
async fn appends_that_wait_together_share_a_row_in_their_order() {
    let site = Site::new(chance(1, 0)).await;
    let appends = (0..6).map(|number| append(TO, number)).collect();
    for outcome in all(&site.store, appends).await {
        assert_eq!(outcome.expect("appends"), Appended::Applied);
    }
    // Nobody waits for company: the first goes at once, and the others wait for it.
    assert_eq!(site.entries(TO).await, [vec![0], vec![1, 2, 3, 4, 5]]);
    assert_eq!(site.rows(TO).await, 2);
}

#[tokio::test(start_paused = true)]
async fn an_append_with_a_source_shares_nothing() {
    let site = Site::new(chance(1, 0)).await;
    let mut appends: Vec<Append> = (0..6).map(|number| append(TO, number)).collect();
    appends[2].source = Some(SourceRange {
        source: "file".into(),
        first: 1,
        last: 1,
    });
    for outcome in all(&site.store, appends).await {
        assert_eq!(outcome.expect("appends"), Appended::Applied);
    }
    assert_eq!(
        site.entries(TO).await,
        [vec![0], vec![1], vec![2], vec![3, 4, 5]]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_joined_is_bounded() {
    let site = Site::new(chance(1, 0)).await;
    let appends = (0..1_000).map(|number| append(TO, number)).collect();
    for outcome in all(&site.store, appends).await {
        assert_eq!(outcome.expect("appends"), Appended::Applied);
    }
    let entries = site.entries(TO).await;
    assert!(entries.iter().all(|entry| entry.len() <= 64), "{entries:?}");
    assert_eq!(entries.concat(), (0..1_000).collect::<Vec<_>>());
    let large = |number: u64| Append {
        payload: number.to_be_bytes().repeat(6_000).into(),
        ..append(ELSEWHERE, number)
    };
    for outcome in all(&site.store, (0..4).map(large).collect()).await {
        assert_eq!(outcome.expect("appends"), Appended::Applied);
    }
    assert_eq!(site.entries(ELSEWHERE).await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_fails_nobody_and_leaves_nothing_half_done() {
    // Whoever of the first three gives up, and however far the row is by then.
    for gone in 0..3 {
        for after in [0, 5, 10, 15, 20] {
            let site = Site::new(chance(1, 0)).await;
            let mut calls: Vec<_> = (0..6)
                .map(|number| {
                    let store = site.store.clone();
                    tokio::spawn(async move { store.append(&append(TO, number)).await })
                })
                .collect();
            tokio::time::sleep(Duration::from_millis(after)).await;
            let cancelled = calls.remove(gone);
            cancelled.abort();
            for call in calls {
                let outcome = call.await.expect("no panic").expect("appends");
                assert_eq!(outcome, Appended::Applied);
            }
            let taken = site.entries(TO).await.concat();
            let own = u64::try_from(gone).expect("small");
            let mut sorted: Vec<u64> = taken.iter().copied().filter(|it| *it != own).collect();
            sorted.sort_unstable();
            let others: Vec<u64> = (0..6).filter(|number| *number != own).collect();
            assert_eq!(sorted, others, "{gone} gone after {after} ms: {taken:?}");
            assert!(taken.len() <= 6, "{taken:?}");
            let known = site.log.last_entries(TO).await.expect("reads");
            let origins = site.hot.origins(TO).await.expect("reads");
            assert_eq!(known, origins, "what is logged is in the store");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_stream_refuses_only_its_own_callers() {
    let site = Site::new(chance(1, 0)).await;
    for number in 0..STREAM_ENTRIES {
        let append = append(TO, number);
        site.store.append(&append).await.expect("appends");
    }
    let appends = (0..6).map(|number| append(if number % 2 == 0 { TO } else { ELSEWHERE }, number));
    let outcomes = all(&site.store, appends.collect()).await;
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let expected = if number % 2 == 0 {
            Appended::Full
        } else {
            Appended::Applied
        };
        assert_eq!(outcome.expect("an answer"), expected, "{number}");
    }
    assert_eq!(site.entries(ELSEWHERE).await.concat(), [1, 3, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_bad_append_fails_alone() {
    let site = Site::new(chance(1, 0)).await;
    let mut appends: Vec<Append> = (0..4).map(|number| append(TO, number)).collect();
    appends[2].payload = vec![0; hot::limits::COMMIT_BYTES + 1].into();
    let outcomes = all(&site.store, appends).await;
    for (number, outcome) in outcomes.into_iter().enumerate() {
        match (number, outcome) {
            (2, Err(HotError::TooLarge { .. })) => {}
            (2, other) => panic!("{other:?}"),
            (_, outcome) => assert_eq!(outcome.expect("appends"), Appended::Applied),
        }
    }
    assert_eq!(site.entries(TO).await.concat(), [0, 1, 3]);
}

#[tokio::test(start_paused = true)]
async fn callers_that_are_told_to_try_again_find_what_was_accepted() {
    let chance = chance(1, 100);
    chance.is_calm.store(true, Ordering::Relaxed);
    let site = Site::new(Arc::clone(&chance)).await;
    chance.is_calm.store(false, Ordering::Relaxed);
    let appends: Vec<Append> = (0..6).map(|number| append(TO, number)).collect();
    for outcome in all(&site.store, appends.clone()).await {
        let error = outcome.expect_err("nothing answers");
        assert!(matches!(error, HotError::Unavailable(_)), "{error}");
    }
    chance.is_calm.store(true, Ordering::Relaxed);
    for outcome in all(&site.store, appends).await {
        assert_eq!(outcome.expect("appends"), Appended::Applied);
    }
    let mut taken = site.entries(TO).await.concat();
    taken.sort_unstable();
    assert_eq!(taken, [0, 1, 2, 3, 4, 5]);
}

/// Callers that append their numbers in order, some again and again, some until they lose patience.
async fn crowd(seed: u64, percent: u64) {
    let chance = chance(seed, percent);
    let site = Site::new(Arc::clone(&chance)).await;
    let told: Arc<Mutex<BTreeSet<u64>>> = Arc::default();
    let mut callers = JoinSet::new();
    for caller in 0..8_u64 {
        let (store, told) = (site.store.clone(), Arc::clone(&told));
        let chance = Arc::clone(&chance);
        callers.spawn(async move {
            for round in 0..12_u64 {
                let number = caller * 1_000 + round;
                let mut append = append(if caller < 6 { TO } else { ELSEWHERE }, number);
                append.source = (caller % 4 == 3).then(|| SourceRange {
                    source: caller.to_string().into(),
                    first: round + 1,
                    last: round + 1,
                });
                let patience = Duration::from_millis(chance.next() % 40);
                let is_patient = !chance.next().is_multiple_of(4) || append.source.is_some();
                loop {
                    let answer = if is_patient {
                        Ok(store.append(&append).await)
                    } else {
                        tokio::time::timeout(patience, store.append(&append)).await
                    };
                    match answer {
                        Ok(Ok(Appended::Applied | Appended::Replayed)) => {
                            told.lock().expect("whole").insert(number);
                        }
                        Ok(Ok(other)) => panic!("{other:?}"),
                        Ok(Err(HotError::Unavailable(_))) => {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                            continue;
                        }
                        Ok(Err(other)) => panic!("{other}"),
                        // It gives up, and never asks again.
                        Err(_) => {}
                    }
                    break;
                }
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.expect("no panic");
    }
    chance.is_calm.store(true, Ordering::Relaxed);
    while site.store.redeliver().await > 0 {}
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    for stream in [TO, ELSEWHERE] {
        for number in site.entries(stream).await.concat() {
            *counts.entry(number).or_default() += 1;
            let (caller, round) = (number / 1_000, number % 1_000);
            if let Some(before) = last.insert(caller, round) {
                assert!(before < round, "{caller} said {before} after {round}");
            }
        }
        let known = site.log.last_entries(stream).await.expect("reads");
        assert_eq!(known, site.hot.origins(stream).await.expect("reads"));
    }
    for number in told.lock().expect("whole").iter() {
        assert_eq!(counts.get(number), Some(&1), "{number} was acknowledged");
    }
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_acknowledged_append_is_there_once_and_in_order(seed: u64, percent in 0_u64..30) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(crowd(seed, percent));
    }
}
