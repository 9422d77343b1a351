//! How long the event log keeps events, on a virtual clock: what is too old goes, and never what a
//! recovery needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hot::marks::Marks;
use hot::memory::MemoryOptions;
use hot::{
    Append, Appended, Commit, Cursor, HotStore, MemoryStore, Origin, Owner, Slot, SourceRange,
    Standing, StreamId, StreamName, Writer,
};
use journal::{Call, Fault, FoldOptions, JournaledStore, Log, MemoryLog, SharedLog};
use kernel::{PartitionCount, PartitionId, Timestamp};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

const PARTITION: PartitionId = PartitionId::new(0);
const EVENTS: StreamId = StreamId {
    name: StreamName::Events,
    partition: PARTITION,
};
const SLOT: Slot = Slot {
    owner: Owner::Segmentation,
    partition: PARTITION,
};
const MINUTE: Duration = Duration::from_secs(60);

/// A store and a log, and an event log that is kept for an hour.
struct World {
    hot: MemoryStore,
    log: Arc<MemoryLog>,
    options: FoldOptions,
    /// Which of the cuts to come is refused, from 1; 0 for none.
    cuts_to_fault: Arc<AtomicUsize>,
}

/// A process with its background tasks.
struct Process {
    store: JournaledStore,
    epoch: u64,
    seq: u64,
    marks: Marks,
    _tasks: DropGuard,
}

impl World {
    fn new() -> Self {
        let started = Instant::now();
        let now = move || {
            let millis = started.elapsed().as_millis();
            Timestamp::from_millis(i64::try_from(millis).expect("short"))
        };
        let cuts_to_fault = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&cuts_to_fault);
        let log = MemoryLog::new().with_clock(now).with_faults(move |call| {
            if call != Call::Cut {
                return None;
            }
            let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
            (before == Ok(1)).then_some(Fault::Refused)
        });
        let count = PartitionCount::try_new(1).expect("a count");
        Self {
            hot: MemoryStore::new(count, MemoryOptions { origins: true }),
            log: Arc::new(log),
            options: FoldOptions {
                retention: kernel::Duration::from_millis(600_000),
                event_retention: Some(kernel::Duration::from_millis(3_600_000)),
                now: Arc::new(now),
            },
            cuts_to_fault,
        }
    }

    /// Starts a process, which opens the slot under an epoch.
    async fn start(&self, epoch: u64) -> Process {
        let (hot, log) = (Arc::new(self.hot.clone()), Arc::clone(&self.log));
        let stop = CancellationToken::new();
        let fold = self.options.clone().into();
        let store = JournaledStore::start(hot, log as SharedLog, "test", fold, stop.clone());
        let store = store.await.expect("starts");
        self.log.set_epoch(SLOT, epoch);
        let head = store.open(SLOT, epoch).await.expect("opens");
        Process {
            store,
            epoch,
            seq: head.commit_seq,
            marks: head.marks(EVENTS.name),
            _tasks: stop.drop_guard(),
        }
    }

    /// The entries of a writer that the event log has, and their bytes.
    async fn kept(&self, writer: Writer) -> Vec<(u64, usize)> {
        let from_start = Origin { writer, seq: 0 };
        let rows = self.log.entries(EVENTS, from_start, usize::MAX).await;
        let rows = rows.expect("reads").into_iter();
        rows.map(|placed| (placed.row.origin.seq, placed.row.payload.len()))
            .collect()
    }
}

impl Process {
    /// Accepts events, of a source or of none.
    async fn accept(&self, numbers: std::ops::RangeInclusive<u64>, source: Option<&str>) {
        for number in numbers {
            let append = Append {
                to: EVENTS,
                payload: Bytes::from_static(b"event"),
                source: source.map(|source| SourceRange {
                    source: source.into(),
                    first: number,
                    last: number,
                }),
                origin: None,
            };
            let appended = self.store.append(&append).await.expect("appends");
            assert_eq!(appended, Appended::Applied);
        }
    }

    /// Consumes so many events of those that wait. Returns how many there were.
    async fn consume(&mut self, count: usize) -> usize {
        let entries = self.store.poll(EVENTS, Cursor::START, count).await;
        let entries = entries.expect("reads");
        self.seq += 1;
        let mut commit = Commit {
            epoch: self.epoch,
            seq: self.seq,
            batch_id: self.seq,
            ..Commit::default()
        };
        for entry in &entries {
            let origin = entry.origin.expect("a journal gives one");
            self.marks.seen.insert(origin.writer, origin.seq);
            commit.cursors = vec![(EVENTS.name, entry.cursor)];
        }
        commit.marks = vec![(EVENTS.name, self.marks.clone())];
        self.store.commit(SLOT, &commit).await.expect("commits");
        for (_, cursor) in commit.cursors {
            let at = Standing {
                slot: SLOT,
                epoch: self.epoch,
                commit_seq: self.seq,
            };
            let trimmed = self.store.trim(at, EVENTS.name, cursor).await;
            trimmed.expect("trims");
        }
        entries.len()
    }
}

fn all(numbers: std::ops::RangeInclusive<u64>) -> Vec<(u64, usize)> {
    numbers.map(|number| (number, 5)).collect()
}

#[tokio::test(start_paused = true)]
async fn events_go_when_they_are_too_old_and_a_snapshot_has_what_became_of_them() {
    let world = World::new();
    let mut process = world.start(1).await;
    let writer = process.store.writer();
    process.accept(1..=5, None).await;
    assert_eq!(process.consume(3).await, 3);
    sleep(MINUTE * 50).await;
    process.accept(6..=8, None).await;
    assert_eq!(world.kept(writer).await, all(1..=8), "young");
    sleep(MINUTE * 20).await;
    assert_eq!(world.kept(writer).await, all(4..=8), "4 and 5 still wait");
    sleep(MINUTE * 1_000).await;
    assert_eq!(world.kept(writer).await, all(4..=8), "however old");

    // What waits is there after a loss, and once.
    world.hot.clear();
    process.store.recover(PARTITION).await.expect("recovers");
    let mut process = world.start(1_000).await;
    process.accept(1..=1, None).await;
    assert_eq!(process.consume(99).await, 6);
    sleep(MINUTE * 30).await;
    let newer = process.store.writer();
    let erased = vec![(8, 0)];
    assert_eq!(world.kept(writer).await, erased, "its number stays");
    assert_eq!(world.kept(newer).await, all(1..=1), "young");
    sleep(MINUTE * 40).await;
    assert_eq!(world.kept(newer).await, [(1, 0)]);

    // And nothing comes back without them.
    world.hot.clear();
    let recovered = process.store.recover(PARTITION).await.expect("recovers");
    assert_eq!(recovered.entries, 0);
    let head = world.hot.head(SLOT).await.expect("a head");
    assert_eq!(head.marks(EVENTS.name), process.marks);
}

#[tokio::test(start_paused = true)]
async fn events_that_tell_whether_a_waiting_one_was_taken_stay_until_that_is_known() {
    let world = World::new();
    let mut process = world.start(1).await;
    let writer = process.store.writer();
    process.accept(1..=300, Some("client")).await;
    assert_eq!(process.consume(299).await, 299);
    sleep(MINUTE * 200).await;
    assert_eq!(world.kept(writer).await, all(44..=300));
    assert_eq!(process.consume(9).await, 1);
    sleep(MINUTE * 30).await;
    assert_eq!(world.kept(writer).await, [(300, 0)]);
}

#[tokio::test(start_paused = true)]
async fn events_of_a_partition_in_which_nothing_happens_any_more_go_as_well() {
    let world = World::new();
    let mut process = world.start(1).await;
    let writer = process.store.writer();
    process.accept(1..=5, None).await;
    process.consume(9).await;
    // Before a snapshot was made.
    drop(process);
    let _next = world.start(2).await;
    sleep(MINUTE * 59).await;
    assert_eq!(world.kept(writer).await, all(1..=5));
    sleep(MINUTE * 10).await;
    assert_eq!(world.kept(writer).await, [(5, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_cut_that_ended_in_the_middle_is_gone_on_with() {
    let world = World::new();
    let mut process = world.start(1).await;
    let writer = process.store.writer();
    process.accept(1..=1_200, None).await;
    assert_eq!(process.consume(9_999).await, 1_200);
    process.store.fold(SLOT).await.expect("a snapshot");
    drop(process);
    sleep(MINUTE * 61).await;
    let store = {
        let (hot, log) = (Arc::new(world.hot.clone()), Arc::clone(&world.log));
        let number = log.register("test").await.expect("a number");
        JournaledStore::new(hot, log as SharedLog, number, world.options.clone().into())
    };
    // The first is of commits.
    world.cuts_to_fault.store(3, Ordering::Relaxed);
    store.fold(SLOT).await.expect_err("the second batch fails");
    assert_eq!(world.kept(writer).await, all(501..=1_200));
    let folded = store.fold(SLOT).await.expect("cuts");
    assert_eq!(folded.cut, 700);
    assert_eq!(world.kept(writer).await, [(1_200, 0)]);
}
