//! Changes the number of partitions of an installation that nobody runs: the record is written anew
//! for another number, in one transaction.
//!
//! Until that is committed the record is as it was, so that a process that dies in between changes
//! nothing. The new record is what a recovery reads: a snapshot of each slot, the event log, and
//! the entries that wait. It does not touch the hot store, which is made of the new record.
//!
//! | what is kept by partition | becomes |
//! |---|---|
//! | states and timers | those of the partition of their customer |
//! | counters | sums, each in one partition |
//! | what waits in streams and outboxes | entries that wait, in order, divided by customer |
//! | the event log | the same rows, divided by customer |
//! | marks of readers, sources and writers | marks of the new rows |
//! | numbers of commits, epochs | one beyond all that there were |
//! | changes that wait for the log of changes | rows of that log |
//! | the quarantine, commands of operators | refused: somebody decides about them first |

mod changes;
mod error;
mod events;
mod split;
mod states;
mod survey;

use std::fmt;
use std::time::{Duration, Instant};

use ::changes::ChangeLog;
use futures::future::BoxFuture;
use hot::marks::Marks;
use hot::{Owner, Slot, StreamId, Writer};
use kernel::{PartitionCount, PartitionId, StableHash};
use storage::{Database, Recount, RecountError};

use self::changes::PendingChanges;
pub use self::error::{Left, RepartitionError};
use self::events::Written;
use self::survey::Survey;
use crate::packed::Snapshot;
use crate::readers::inputs_of;
use crate::sql::{Rewrite, Statements, TABLES};
use crate::{SqlLog, limits};

/// The outcome of a change of the number of partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repartitioned {
    /// The number of partitions before.
    pub from: PartitionCount,
    /// The number of partitions from now on.
    pub to: PartitionCount,
    /// The services that have states, with the numbers of these.
    pub services: Vec<MovedStates>,
    /// Rows of the event log that were written.
    pub event_rows: u64,
    /// Entries that waited in streams or were on their way to one.
    pub waiting: u64,
    /// Changes of customers that waited for the log of changes.
    pub changes: u64,
    /// The time that it took.
    pub took: Duration,
}

/// The states of one service that were moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MovedStates {
    /// The service.
    pub owner: Owner,
    /// Customers of whom it has a state.
    pub customers: u64,
    /// Their states, with those of their parts.
    pub states: u64,
    /// Those of them with a timer.
    pub timers: u64,
}

/// The service that is moved, and to how many partitions.
#[derive(Debug, Clone, Copy)]
struct Target {
    owner: Owner,
    to: PartitionCount,
}

impl Target {
    const fn slot(self, partition: PartitionId) -> Slot {
        Slot {
            owner: self.owner,
            partition,
        }
    }
}

/// A change of the number of partitions that may be made: nobody runs, and everything that waits
/// can go on. Nobody starts meanwhile. Dropping it changes nothing.
pub struct Repartition {
    log: SqlLog,
    changes: ChangeLog,
    statements: Statements,
    recount: Recount,
    survey: Survey,
    to: PartitionCount,
    begun: Instant,
}

impl fmt::Debug for Repartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repartition")
            .field("from", &self.recount.from())
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

impl Repartition {
    /// Looks whether the number can be changed, and keeps others from starting. Absent where the
    /// record has that number already, so that an attempt after one whose answer was lost is no
    /// harm.
    ///
    /// # Errors
    /// [`RepartitionError`].
    pub fn begin(
        database: &Database,
        to: PartitionCount,
    ) -> BoxFuture<'_, Result<Option<Self>, RepartitionError>> {
        Box::pin(async move {
            let begun = Instant::now();
            // Before anything is locked: it brings the tables up to date.
            let log = SqlLog::open(database.clone()).await;
            let log = log.map_err(RecountError::from)?;
            let changes = ChangeLog::open(database.clone()).await;
            let changes = changes.map_err(RecountError::from)?;
            let statements = Statements::new(database.apart(1));
            let tables = [&TABLES[..], &::changes::TABLES].concat();
            let recount = database.begin_recount(&tables).await?;
            if recount.from() == to {
                return Ok(None);
            }
            let survey = survey::survey(&log, recount.from()).await?;
            Ok(Some(Self {
                log,
                changes,
                statements,
                recount,
                survey,
                to,
                begun,
            }))
        })
    }

    /// Writes the record anew. `id` becomes the id of the installation: a hot store of before is
    /// refused from then on.
    ///
    /// # Errors
    /// [`RepartitionError`], and the record is as it was; but for [`RepartitionError::Storage`],
    /// where that is not known: begin again to find out.
    pub fn write(self, id: &str) -> BoxFuture<'_, Result<Repartitioned, RepartitionError>> {
        Box::pin(async move {
            let new = NewRecord::of(&self.survey, &self.recount, id);
            let mut rewrite = Rewrite::new(self.recount.transaction());
            let work = Work {
                log: &self.log,
                statements: &self.statements,
                rewrite: &mut rewrite,
                counts: (self.recount.from(), self.to),
            };
            let (mut done, pending) = work.write(self.survey, &new).await?;
            let pending = pending.in_order();
            let pending = pending.map(|(slot, pending)| (slot.owner, slot.partition, pending));
            let transaction = self.recount.transaction();
            done.changes = self.changes.hand_over(transaction, pending).await?;
            let services: Vec<&str> = new.owners.iter().map(|owner| owner.name()).collect();
            self.recount
                .finish(self.to, new.epoch, id, &services)
                .await?;
            done.took = self.begun.elapsed();
            Ok(done)
        })
    }
}

/// The numbers of the new record.
#[derive(Debug)]
struct NewRecord {
    /// The commit with which every slot begins: beyond all that there were, and beyond the entries
    /// that their workers wrote to the event log.
    seq: u64,
    batch_id: u64,
    /// The epoch of that commit: beyond all that there were, so that names made of epochs are new.
    epoch: u64,
    /// The services that have slots.
    owners: Vec<Owner>,
}

impl NewRecord {
    fn of(survey: &Survey, recount: &Recount, id: &str) -> Self {
        let ends = || {
            survey
                .slots
                .iter()
                .map(|(slot, old)| (slot.owner, &old.end))
        };
        let commits: u64 = ends().map(|(_, end)| end.seq).sum();
        let owners = Owner::ALL.into_iter().filter(|owner| {
            let is_begun = ends().any(|(of, end)| of == *owner && end.seq > 0);
            // Each stream has a reader that knows which entries nobody reads again, or a recovery
            // would look for those of commits that are gone. Nothing may have run there yet.
            is_begun || inputs_of(*owner).next().is_some()
        });
        let epochs = ends().map(|(_, end)| end.epoch);
        let epoch = epochs.fold(recount.top_epoch(), u64::max);
        Self {
            seq: commits + survey.waiting.len() as u64 + u64::from(recount.from().get()) + 1,
            batch_id: StableHash::new().with(id.as_bytes()).finish(),
            epoch: epoch + limits::FENCED_EPOCHS,
            owners: owners.collect(),
        }
    }

    /// The head of the snapshot of a slot.
    fn head(&self, slot: Slot, survey: &Survey, written: &Written) -> Snapshot {
        let of_owner = survey
            .slots
            .iter()
            .filter(|(old, _)| old.owner == slot.owner);
        let watermark = of_owner.filter_map(|(_, old)| old.end.watermark).max();
        let marks = inputs_of(slot.owner).map(|name| {
            let partition = slot.partition;
            let mut seen = written.last(StreamId { name, partition });
            seen.extend(Owner::ALL.map(|owner| (Writer::worker(owner), self.seq)));
            (name, Marks { seen, part: None })
        });
        Snapshot {
            seq: self.seq,
            batch_id: self.batch_id,
            epoch: self.epoch,
            watermark,
            marks: marks.collect(),
            ..Snapshot::default()
        }
    }
}

/// The writer of the new record.
struct Work<'a, 't> {
    log: &'a SqlLog,
    statements: &'a Statements,
    rewrite: &'a mut Rewrite<'t>,
    counts: (PartitionCount, PartitionCount),
}

impl Work<'_, '_> {
    async fn write(
        self,
        mut survey: Survey,
        new: &NewRecord,
    ) -> Result<(Repartitioned, PendingChanges), RepartitionError> {
        let (from, to) = self.counts;
        let (mut left, mut pending) = (Vec::new(), PendingChanges::default());
        // Reads go by other connections, which see the old record until this is committed.
        self.rewrite.clear().await?;
        let mut scattered = Vec::with_capacity(new.owners.len());
        for owner in new.owners.iter().copied() {
            let target = Target { owner, to };
            let found = (&mut left, &mut pending);
            let scatter = states::scatter(self.log, self.rewrite, target, &survey, found);
            scattered.push((target, scatter.await?));
        }
        if pending.bytes() > limits::WAITING_BYTES {
            return Err(RepartitionError::TooManyChanges);
        }
        if !left.is_empty() {
            return Err(RepartitionError::Quarantine(left));
        }
        let waiting = std::mem::take(&mut survey.waiting);
        let entries = waiting.len() as u64;
        let (log, statements) = (self.log, self.statements);
        let written =
            events::move_events(log, statements, self.rewrite, self.counts, &waiting).await?;
        events::put_back(statements, self.rewrite, to, waiting).await?;
        let mut services = Vec::with_capacity(scattered.len());
        for (target, (runs, sums)) in scattered {
            let mut moved = MovedStates {
                owner: target.owner,
                customers: 0,
                states: 0,
                timers: 0,
            };
            for partition in to.iter() {
                let head = new.head(target.slot(partition), &survey, &written);
                let runs = runs.get(&partition).map_or(&[][..], Vec::as_slice);
                let gather = states::gather(self.rewrite, target, partition, (runs, &sums), head);
                moved.add(gather.await?);
            }
            self.rewrite.remove_chunks(target.owner, new.seq).await?;
            services.push(moved);
        }
        let done = Repartitioned {
            from,
            to,
            services,
            event_rows: written.rows,
            waiting: entries,
            changes: 0,
            took: Duration::ZERO,
        };
        Ok((done, pending))
    }
}

impl MovedStates {
    const fn add(&mut self, moved: states::Moved) {
        self.customers += moved.customers;
        self.states += moved.states;
        self.timers += moved.timers;
    }
}
