//! What was consumed of each writer outlives the store: streams are made anew in another order, and
//! entries come twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hot::{
    Cursor, Gate, GateAnswer, GateClaim, HotError, HotStore, MemoryStore, Origin, RestorableStore,
    SharedHotStore, StreamName, StreamRestore, Writer,
};
use kernel::PartitionId;
use messages::stream::v1::Batch;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use prost::Message;

use super::counting::{Counting, counter};
use super::driver::{Bench, event, memory, settle, slot, stream};
use super::faulty::{Fault, Faulty};
use crate::shared::ALL_LANES;
use crate::worker::{TickOutcome, Worker};
use crate::{EngineConfig, TimeSource};

const EVENTS: StreamName = StreamName::Events;

fn origin(writer: u8, seq: u64) -> Origin {
    Origin {
        writer: Writer::process(writer.into()),
        seq,
    }
}

/// What writers have written: the journal of a test. Each writer writes of one customer, so that
/// the order of what it wrote can be told.
#[derive(Debug, Default)]
struct Log {
    entries: BTreeMap<Origin, Bytes>,
    written: BTreeMap<u8, usize>,
    last: BTreeMap<u8, u64>,
}

impl Log {
    async fn append(&mut self, bench: &Bench, writer: u8, records: usize) {
        let seq = self.last.entry(writer).or_default();
        *seq += 1;
        let origin = origin(writer, *seq);
        let written = self.written.entry(writer).or_default();
        let numbers = *written..*written + records;
        *written = numbers.end;
        let records: Vec<_> = numbers
            .map(|number| event(writer, &number.to_string(), "add", 0))
            .collect();
        let payload = Batch {
            records: records.clone(),
            ..Batch::default()
        };
        self.entries.insert(origin, payload.encode_to_vec().into());
        bench.append_from(0, EVENTS, Some(origin), records).await;
    }

    /// Makes the stream anew from the marks of its reader: first what is in effect in part, then
    /// writer by writer what is not; `repeats` entries before that come again, and so does the
    /// part.
    async fn restore(&self, memory: &MemoryStore, repeats: u64) {
        let marks = memory.head(slot(0)).await.expect("a head").marks(EVENTS);
        let part = marks.part.map(|part| part.origin.expect("all have one"));
        let rest = self.entries.keys().copied().filter(|origin| {
            let seen = marks.seen.get(&origin.writer).copied().unwrap_or(0);
            origin.seq + repeats > seen && (repeats > 0 || Some(*origin) != part)
        });
        let entries = part.into_iter().chain(rest);
        let restore = StreamRestore {
            is_first: true,
            entries: entries
                .map(|origin| (origin, self.entries[&origin].clone()))
                .collect(),
            origins: self
                .last
                .iter()
                .map(|(writer, seq)| origin(*writer, *seq))
                .collect(),
            sources: Vec::new(),
        };
        let (partition, gate) = (PartitionId::new(0), Gate(7));
        let gates = memory.gates(partition).await.expect("its gates");
        let claim = GateClaim {
            gate,
            ttl: hot::limits::GATE_TTL,
            opened: gates.opened,
        };
        let closed = memory.close_gate(partition, claim).await;
        assert_eq!(closed.expect("an answer"), GateAnswer::Closed);
        memory
            .restore_stream(stream(0, EVENTS), gate, &restore)
            .await
            .expect("it is made anew");
        let opened = memory.open_gate(partition, gate, &[]).await;
        opened.expect("it opens");
        let head = memory.head(slot(0)).await.expect("a head");
        assert!(head.cursors.iter().all(|(name, _)| *name != EVENTS));
    }

    /// Checks that every record took effect once, in the order of its writer.
    async fn check(&self, bench: &Bench) {
        for (writer, written) in &self.written {
            let log = bench.log(0, *writer).await;
            let expected: Vec<_> = (0..*written).map(|number| number.to_string()).collect();
            assert_eq!(log, expected, "writer {writer}");
        }
        let head = bench.hot.head(slot(0)).await.expect("a head");
        let marks = head.marks(EVENTS);
        assert_eq!(marks.part, None);
        for (writer, seq) in &self.last {
            let seen = marks.seen.get(&Writer::process((*writer).into()));
            assert_eq!(seen, Some(seq), "writer {writer}");
        }
    }
}

/// What happens to the partition.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A writer appends an entry of so many records.
    Append(u8, usize),
    /// The worker does one batch.
    Tick,
    /// Another worker takes over.
    TakeOver,
    /// The stream is made anew, with so many entries of each writer twice.
    Restore(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1_u8..4, prop_oneof![Just(1_usize), Just(3), Just(400), Just(1_500)])
            .prop_map(|(writer, records)| Step::Append(writer, records)),
        4 => Just(Step::Tick),
        1 => Just(Step::TakeOver),
        2 => (0_u64..3).prop_map(Step::Restore),
    ]
}

async fn check(bench: &Bench, steps: &[Step]) {
    let memory = memory();
    let bench = bench.over(Arc::new(memory.clone()));
    let mut log = Log::default();
    let mut epoch = 1;
    let mut worker = bench.worker(0, epoch, TimeSource::Stream).await;
    for step in steps.iter().copied().chain([Step::Restore(0)]) {
        match step {
            Step::Append(writer, records) => log.append(&bench, writer, records).await,
            Step::Tick => {
                worker.hint(ALL_LANES);
                worker.tick().await;
                continue;
            }
            Step::Restore(repeats) => log.restore(&memory, repeats).await,
            Step::TakeOver => {}
        }
        if !matches!(step, Step::Append(..)) {
            epoch += 1;
            worker = bench.worker(0, epoch, TimeSource::Stream).await;
        }
    }
    settle(&mut worker).await;
    log.check(&bench).await;
}

#[test]
fn every_record_takes_effect_once_however_often_its_stream_is_made_anew() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let bench = runtime.block_on(Bench::new());
    let config = Config {
        cases: 60,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&proptest::collection::vec(step(), 1..30), |steps| {
            runtime.block_on(check(&bench, &steps));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

async fn open(config: &EngineConfig<Counting>, epoch: &mut u64) -> Worker<Counting> {
    loop {
        *epoch += 1;
        match Worker::open(config.clone(), PartitionId::new(0), *epoch).await {
            Ok(worker) => return worker,
            Err(HotError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_worker_that_dies_at_any_call_leaves_marks_that_are_enough() {
    let bench = Bench::new().await;
    let mut calls = u64::MAX;
    let mut fails_at = 0;
    while fails_at < calls {
        fails_at += 1;
        for fault in [Fault::Before, Fault::After] {
            let memory = memory();
            let bench = bench.over(Arc::new(memory.clone()));
            let faulty = Faulty::new(Arc::clone(&bench.hot), fails_at, fault);
            let config = bench.config(Arc::clone(&faulty) as SharedHotStore, TimeSource::Stream);
            let mut log = Log::default();
            for (writer, records) in [(1, 3), (2, 1_500), (1, 2), (3, 800), (2, 1)] {
                log.append(&bench, writer, records).await;
            }
            let mut epoch = 0;
            let mut worker = open(&config, &mut epoch).await;
            let mut died = false;
            loop {
                worker.hint(ALL_LANES);
                match worker.tick().await {
                    TickOutcome::Worked => {}
                    TickOutcome::Idle { .. } => break,
                    TickOutcome::Unavailable(_) => {
                        died = true;
                        log.restore(&memory, fails_at % 2).await;
                        worker = open(&config, &mut epoch).await;
                    }
                    other => panic!("call {fails_at} {fault:?}: {other:?}"),
                }
            }
            log.check(&bench).await;
            if !died && faulty.calls() < fails_at {
                calls = faulty.calls();
            }
        }
    }
    assert!(calls > 10, "only {calls} calls");
}

#[tokio::test]
async fn entries_without_an_origin_cost_no_marks() {
    let bench = Bench::new().await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    for _ in 0..3 {
        let records = vec![event(1, "a", "add", 0)];
        bench.append(0, EVENTS, records).await;
        settle(&mut worker).await;
    }
    let head = bench.hot.head(slot(0)).await.expect("a head");
    assert!(head.marks.is_empty(), "{:?}", head.marks);
}

#[tokio::test]
async fn marks_are_no_business_of_services() {
    let memory = memory();
    let bench = Bench::new().await.over(Arc::new(memory.clone()));
    let mut log = Log::default();
    log.append(&bench, 1, 2_000).await;
    let mut worker = bench.worker(0, 1, TimeSource::Stream).await;
    assert!(matches!(worker.tick().await, TickOutcome::Worked));
    let head = memory.head(slot(0)).await.expect("a head");
    let part = head.marks(EVENTS).part.expect("it was taken in part");
    assert_eq!((part.origin, part.index), (Some(origin(1, 1)), 1_024));
    let totals = crate::counters::totals(&memory, slot(0).owner, "").await;
    let totals = totals.expect("totals");
    assert_eq!(totals, BTreeMap::from([(counter("seen"), 1_024)]));
    let cursor = head
        .cursors
        .first()
        .map_or(Cursor::START, |(_, cursor)| *cursor);
    assert_eq!(cursor, Cursor::START, "the entry is not passed");
}
