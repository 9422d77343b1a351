//! The reasons for which a world is not changed.

use bytes::Bytes;
use hot::{Append, Commit, HotStore as _, Owner, Slot, StreamId, StreamName};
use journal::{Repartition, RepartitionError};
use kernel::{Duration, PartitionCount, PartitionId, Timestamp};
use messages::stream::v1::Record;
use storage::{Database, Heartbeat, LeaseStore, MemberId, RecountError};

use super::{World, batch, started};

const MEMBER: MemberId<'_> = MemberId {
    service: "journey",
    worker: "w",
    incarnation: "i",
};

impl World {
    /// Says that a process is alive.
    pub(in super::super) async fn beat(&self) {
        let beat = Heartbeat {
            member: MEMBER,
            ttl: Duration::from_millis(600_000),
            takes_part: true,
            clock_skew_ms: None,
        };
        let leases = LeaseStore::new(self.sql.database());
        leases.heartbeat(beat).await.expect("is heard");
    }

    /// The process ends.
    pub(in super::super) async fn stop_beating(&self) {
        let leases = LeaseStore::new(self.sql.database());
        leases.leave(MEMBER).await.expect("leaves");
    }

    /// Begins once the sessions of others are gone.
    pub(in super::super) async fn begin_once_alone(&self, to: PartitionCount) -> Repartition {
        let database: Database = self.sql.database();
        loop {
            match Repartition::begin(&database, to).await {
                Err(RepartitionError::Recount(RecountError::Alive(_))) => {
                    tokio::task::yield_now().await;
                }
                begun => return begun.expect("may be").expect("another number"),
            }
        }
    }

    /// Sets a record aside.
    pub(in super::super) async fn set_aside(&mut self) {
        let slot = Slot {
            owner: Owner::Journey,
            partition: PartitionId::new(1),
        };
        self.open(slot).await;
        let commit = Commit {
            quarantine: vec![Bytes::from_static(b"bad")],
            ..self.commit(slot)
        };
        self.store.commit(slot, &commit).await.expect("commits");
    }

    /// Logs a command of an operator, which nobody carries out; and takes back what was set aside.
    pub(in super::super) async fn command(&mut self) {
        let partition = PartitionId::new(1);
        let append = Append {
            to: StreamId {
                name: StreamName::JourneyCommands,
                partition,
            },
            payload: batch(vec![Record::default()], 0, 0),
            source: None,
            origin: None,
        };
        self.store.append(&append).await.expect("is accepted");
    }

    /// Commits a time of a partition, on stream time.
    pub(in super::super) async fn pass_time(&mut self, partition: u16, millis: i64) {
        let slot = Slot {
            owner: Owner::Journey,
            partition: PartitionId::new(partition),
        };
        self.open(slot).await;
        let commit = Commit {
            watermark: Some(Timestamp::from_millis(millis)),
            ..self.commit(slot)
        };
        self.store.commit(slot, &commit).await.expect("commits");
    }

    /// The times of all partitions, on stream time, as a recovery finds them.
    pub(in super::super) async fn times(&self) -> Vec<Option<Timestamp>> {
        let (store, hot) = started(&self.log, self.count).await;
        let mut times = Vec::new();
        for partition in self.count.iter() {
            store.recover(partition).await.expect("recovers");
            let slot = Slot {
                owner: Owner::Journey,
                partition,
            };
            times.push(hot.head(slot).await.expect("reads").watermark);
        }
        times
    }
}
