//! What the tasks of an engine share: hints for each partition, and how each is doing.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hot::{Cursor, StreamId, StreamName, Wake};
use kernel::{PartitionCount, PartitionId, Timestamp};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::Standing;

/// What the tasks of an engine share.
#[derive(Debug)]
pub(crate) struct Shared {
    partitions: Vec<Partition>,
    inputs: Vec<StreamName>,
    /// The partitions that this process should own; absent until placement has looked for the first
    /// time.
    assigned: Mutex<Option<BTreeSet<PartitionId>>>,
    /// The number of partitions that this process works on now: they share the cache.
    owned: AtomicUsize,
    /// Grows whenever a partition begins or ends to be idle.
    changes: watch::Sender<u64>,
    standing: watch::Sender<Standing>,
    /// Cancelled where a live process has the name of this one.
    pub(crate) refused: CancellationToken,
    pub(crate) stop: CancellationToken,
    /// Cancelled when every task has ended.
    pub(crate) stopped: CancellationToken,
}

#[derive(Debug, Default)]
struct Partition {
    news: AtomicU32,
    wake: Notify,
    progress: Mutex<Option<Progress>>,
}

/// How a partition that is open here is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) commit_seq: u64,
    /// Present while nothing is left to do.
    pub(crate) idle: Option<Idle>,
}

/// Where an idle partition stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Idle {
    pub(crate) cursors: Vec<(StreamId, Cursor)>,
    /// No timer is due before it; absent where there is none.
    pub(crate) next_due: Option<Timestamp>,
}

/// News that is not of a lane: the store may be another one, and the partition is to be opened
/// again.
pub(crate) const REOPEN: u32 = 1 << 31;
/// Every lane.
pub(crate) const ALL_LANES: u32 = REOPEN - 1;

impl Shared {
    pub(crate) fn new(count: PartitionCount, inputs: Vec<StreamName>) -> Self {
        Self {
            partitions: count.iter().map(|_| Partition::default()).collect(),
            inputs,
            assigned: Mutex::new(None),
            owned: AtomicUsize::new(0),
            changes: watch::Sender::new(0),
            standing: watch::Sender::new(Standing::Unknown),
            refused: CancellationToken::new(),
            stop: CancellationToken::new(),
            stopped: CancellationToken::new(),
        }
    }

    fn partition(&self, id: PartitionId) -> &Partition {
        &self.partitions[usize::from(id.number())]
    }

    /// Passes a hint of the store on to the workers concerned.
    pub(crate) fn hint(&self, wake: Wake) {
        match wake {
            Wake::Stream(stream) => {
                let lane = self.inputs.iter().position(|name| *name == stream.name);
                let known = usize::from(stream.partition.number()) < self.partitions.len();
                if let (Some(lane), true) = (lane, known) {
                    self.nudge(stream.partition, 1 << lane);
                }
            }
            // Nothing came in.
            Wake::Committed(_) => {}
            Wake::All => self.nudge_all(ALL_LANES),
            Wake::Reopen => self.nudge_all(REOPEN | ALL_LANES),
        }
    }

    fn nudge_all(&self, news: u32) {
        for number in 0..self.partitions.len() {
            let number = u16::try_from(number).expect("partitions are numbered so");
            self.nudge(PartitionId::new(number), news);
        }
    }

    /// Wakes all workers, without news of any lane.
    pub(crate) fn wake_all(&self) {
        self.nudge_all(0);
    }

    /// Makes a worker look at lanes.
    pub(crate) fn nudge(&self, id: PartitionId, news: u32) {
        let partition = self.partition(id);
        partition.news.fetch_or(news, Ordering::AcqRel);
        partition.wake.notify_one();
    }

    /// The lanes that may have news since the last call, and [`REOPEN`] where that was said.
    pub(crate) fn take_news(&self, id: PartitionId) -> u32 {
        self.partition(id).news.swap(0, Ordering::AcqRel)
    }

    /// Waits for a hint.
    pub(crate) async fn woken(&self, id: PartitionId) {
        self.partition(id).wake.notified().await;
    }

    pub(crate) fn progress(&self, id: PartitionId) -> Option<Progress> {
        lock(&self.partition(id).progress).clone()
    }

    /// Says how a partition is doing; absent where it is not open here.
    pub(crate) fn report(&self, id: PartitionId, progress: Option<Progress>) {
        *lock(&self.partition(id).progress) = progress;
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Says that a partition has something to do.
    pub(crate) fn report_busy(&self, id: PartitionId) {
        if let Some(progress) = lock(&self.partition(id).progress).as_mut() {
            progress.idle = None;
        }
    }

    pub(crate) fn assign(&self, partitions: BTreeSet<PartitionId>) {
        let mut assigned = lock(&self.assigned);
        if assigned.as_ref() != Some(&partitions) {
            *assigned = Some(partitions);
            drop(assigned);
            self.changes.send_modify(|changes| *changes += 1);
        }
    }

    pub(crate) fn assigned(&self) -> Option<BTreeSet<PartitionId>> {
        lock(&self.assigned).clone()
    }

    /// Says how many partitions this process works on.
    pub(crate) fn set_owned(&self, partitions: usize) {
        self.owned.store(partitions, Ordering::Relaxed);
    }

    /// Returns the number of partitions that share the cache, at least one.
    pub(crate) fn owned(&self) -> usize {
        self.owned.load(Ordering::Relaxed).max(1)
    }

    /// Returns whether this process takes part.
    pub(crate) fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    /// Says whether this process takes part.
    pub(crate) fn stand(&self, standing: Standing) {
        self.standing.send_replace(standing);
    }

    /// Says that a live process has the name of this one. Returns whether that is news.
    pub(crate) fn refuse(&self) -> bool {
        let is_news = !self.refused.is_cancelled();
        self.refused.cancel();
        is_news
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
