//! Two services, one behind the other, on a clock that is moved by hand.

use std::sync::Arc;

use hot::{Owner, Slot, StreamName};
use kernel::{Duration, PartitionId, Timestamp};
use messages::stream::v1::Record;

use super::counting::Counting;
use super::driver::{Bench, describe, key, memory_at};
use crate::worker::Worker;
use crate::{Clock, TimeSource, VirtualClock, head};

/// Two services, one behind the other, on a clock that is moved by hand.
pub(super) struct Pair {
    pub(super) bench: Bench,
    pub(super) clock: Arc<VirtualClock>,
    pub(super) first: Worker<Counting<0>>,
    pub(super) second: Worker<Counting<1>>,
    epoch: u64,
}

impl Pair {
    /// Both, before anything happened, at 1,000 ms.
    pub(super) async fn new() -> Self {
        let clock = Arc::new(VirtualClock::new(Timestamp::from_millis(1_000)));
        let bench = Bench::of(1).await.over(Arc::new(memory_at(&clock)));
        let first = open(&bench, &clock, 1).await;
        let second = open(&bench, &clock, 1).await;
        Self {
            bench,
            clock,
            first,
            second,
            epoch: 1,
        }
    }

    /// Both processes die, and others go on.
    pub(super) async fn restart(&mut self) {
        self.epoch += 1;
        self.first = open(&self.bench, &self.clock, self.epoch).await;
        self.second = open(&self.bench, &self.clock, self.epoch).await;
    }

    /// Lets time pass.
    pub(super) fn pass(&self, millis: i64) {
        let now = self.clock.now();
        self.clock.advance_to(now + Duration::from_millis(millis));
    }

    /// The names of the facts in a stream.
    pub(super) async fn names(&self, stream: StreamName) -> Vec<String> {
        let records = self.bench.records(0, stream).await;
        let name = |record: &Record| {
            let text = describe(record);
            text.split('@').next().unwrap_or_default().to_owned()
        };
        records.iter().map(name).collect()
    }

    /// Returns what happened to a customer in both services.
    pub(super) async fn logs(&self, customer: u8) -> [Vec<String>; 2] {
        logs(&self.bench, customer).await
    }
}

/// Returns what happened to a customer in the first two services of partition 0.
pub(super) async fn logs(bench: &Bench, customer: u8) -> [Vec<String>; 2] {
    let mut logs = [Vec::new(), Vec::new()];
    for (owner, log) in [Owner::Segmentation, Owner::Journey]
        .into_iter()
        .zip(&mut logs)
    {
        let slot = Slot {
            owner,
            partition: PartitionId::new(0),
        };
        let stored = bench.hot.load(slot, &[key(customer)]).await;
        let stored = stored.expect("it loads").into_iter().next().flatten();
        if let Some(stored) = stored {
            let (_, state) = head::read::<Counting>(&stored.value).expect("a state");
            *log = state.log;
        }
    }
    logs
}

async fn open<const STAGE: usize>(
    bench: &Bench,
    clock: &Arc<VirtualClock>,
    epoch: u64,
) -> Worker<Counting<STAGE>> {
    let time = TimeSource::Wall(Arc::clone(clock) as Arc<dyn Clock>);
    let config = bench.config_of(Arc::clone(&bench.hot), time);
    let worker = Worker::open(config, PartitionId::new(0), epoch).await;
    worker.expect("it opens")
}

/// Returns what happened, without when.
pub(super) fn words(log: &[String]) -> Vec<String> {
    let word = |entry: &String| entry.split('@').next().unwrap_or_default().to_owned();
    log.iter().map(word).collect()
}
