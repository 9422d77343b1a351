//! The way to the log of changes, with the log itself in memory: it writes when it is told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use changes::{ChangeSink, Pending, Place};
use hot::{Owner, Slot};
use kernel::PartitionId;
use messages::stream::v1::{ChangeBatch, change_record::Kind};
use prost::Message as _;

use crate::tests::driver::slot;

/// The log of all processes. Of each partition, what it has, oldest first.
pub(super) type Log = Arc<Mutex<BTreeMap<Slot, Vec<Pending>>>>;

/// The desk of one process.
#[derive(Debug)]
pub(super) struct Desk {
    log: Log,
    queues: Mutex<BTreeMap<Slot, Queue>>,
}

#[derive(Debug)]
struct Queue {
    epoch: u64,
    waiting: Vec<Pending>,
    logged: Place,
    is_open: bool,
}

impl Desk {
    /// A process that writes to a log.
    pub(super) fn new(log: &Log) -> Arc<Self> {
        Arc::new(Self {
            log: Arc::clone(log),
            queues: Mutex::default(),
        })
    }

    fn queues(&self) -> MutexGuard<'_, BTreeMap<Slot, Queue>> {
        self.queues.lock().expect("nobody panics")
    }

    /// Writes everything that waits; where its answer is lost, nobody hears of it.
    pub(super) fn write(&self, is_answered: bool) {
        let mut log = self.log.lock().expect("nobody panics");
        for (slot, queue) in self.queues().iter_mut() {
            let rows = log.entry(*slot).or_default();
            for pending in &queue.waiting {
                if rows.last().is_none_or(|last| last.place < pending.place) {
                    rows.push(pending.clone());
                }
            }
            if is_answered {
                let mark = rows.last().map_or_else(Place::default, |last| last.place);
                queue.waiting.clear();
                queue.logged = mark;
            }
        }
    }

    /// Returns the number of entries that wait.
    pub(super) fn waiting(&self) -> usize {
        let queues = self.queues();
        queues.values().map(|queue| queue.waiting.len()).sum()
    }

    /// Returns whether a worker of the process owns a partition.
    pub(super) fn is_open(&self) -> bool {
        self.queues().values().any(|queue| queue.is_open)
    }
}

/// The names of the changes of partition 0 that a log has.
pub(super) fn names(log: &Log) -> Vec<String> {
    let log = log.lock().expect("nobody panics");
    let rows = log.get(&slot(0)).into_iter().flatten();
    rows.flat_map(names_of).collect()
}

fn names_of(pending: &Pending) -> Vec<String> {
    let batch = ChangeBatch::decode(pending.changes.clone()).expect("a batch");
    let name = |kind: Option<Kind>| match kind {
        Some(Kind::Position(position)) => position.journey_map,
        other => panic!("not a position: {other:?}"),
    };
    let changes = batch.changes.into_iter();
    changes.map(|change| name(change.kind)).collect()
}

impl ChangeSink for Desk {
    fn open(&self, owner: Owner, partition: PartitionId, epoch: u64, pending: Vec<Pending>) {
        assert!(
            pending.is_sorted_by(|one, next| one.place < next.place),
            "oldest first"
        );
        let queue = Queue {
            epoch,
            waiting: pending,
            logged: Place::default(),
            is_open: true,
        };
        self.queues().insert(Slot { owner, partition }, queue);
    }

    fn push(&self, owner: Owner, partition: PartitionId, pending: Pending) {
        let mut queues = self.queues();
        let queue = queues.get_mut(&Slot { owner, partition });
        let queue = queue.expect("it was opened");
        assert_eq!(pending.place.epoch, queue.epoch);
        let last = queue.waiting.last().map(|last| last.place);
        assert!(last.max(Some(queue.logged)) < Some(pending.place));
        queue.waiting.push(pending);
    }

    fn logged(&self, owner: Owner, partition: PartitionId) -> Place {
        self.queues()[&Slot { owner, partition }].logged
    }

    fn close(&self, owner: Owner, partition: PartitionId, epoch: u64) {
        let mut queues = self.queues();
        let queue = queues.get_mut(&Slot { owner, partition });
        let queue = queue.expect("it was opened");
        if queue.epoch == epoch {
            queue.is_open = false;
        }
    }
}
