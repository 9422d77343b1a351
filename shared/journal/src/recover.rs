//! Recovery of a partition: what the hot store has lost of it is written again, of all services and
//! streams at once.
//!
//! Behind a closed gate, every slot gets the commits that the store has not seen, or its snapshot
//! and those after it; then every stream is made anew with what its reader has not consumed, by the
//! marks that the reader keeps in its commits. Nothing is decided again, and running it twice
//! changes nothing. It does not decide whether a partition needs it: whoever asks has looked.

mod entries;
mod order;
mod outputs;
mod progress;
mod run;
mod slot;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use hot::{
    Cursor, Gate, GateAnswer, GateClaim, Gates, HotError, Origin, Owner, RestorableStore, Slot,
    StreamId, StreamName, StreamRestore, marks::Marks,
};
use kernel::PartitionId;

pub(crate) use self::entries::{Surveyed, read_entry, survey};
pub(crate) use self::outputs::{consumed_upto, is_needed, read_output};
pub(crate) use self::progress::Progress;
use self::slot::{Plan, Restored};
use crate::error::hot_error;
use crate::readers::reader_of;
use crate::{Log, limits};

/// What a recovery did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// The partition.
    pub partition: PartitionId,
    /// Commits that were applied again.
    pub commits: u64,
    /// States that were written from snapshots.
    pub states: u64,
    /// Those of them with a timer.
    pub timers: u64,
    /// Entries that are in its streams now.
    pub entries: u64,
    /// How long it took.
    pub took: Duration,
}

/// The outcome of an attempt to recover a partition.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// It is recovered.
    Recovered(Recovered),
    /// Another claimant holds the gate, and is taken to be alive: wait.
    Held,
    /// Another claimant has recovered it: look again whether anything is lost.
    Passed,
}

/// Brings a partition of the hot store up to date with the log, unless somebody else does or has
/// since the claimant looked. `gates` are those that the store had a moment ago.
///
/// Workers of the partition are fenced, in this process and in others: they acquire their leases
/// again.
///
/// # Errors
/// [`HotError::Unavailable`] where a store does not answer: try again.
/// [`HotError::Mismatch`] where the hot store is a copy from before what the log still has,
/// [`HotError::Damaged`] where it is ahead of the log.
pub(crate) async fn recover(
    hot: &dyn RestorableStore,
    log: &dyn Log,
    partition: PartitionId,
    claim: GateClaim,
    gates: Gates,
) -> Result<Attempt, HotError> {
    let mut recovery = Recovery {
        hot,
        log,
        partition,
        gate: claim.gate,
        progress: Progress::new(partition),
        written: BTreeMap::new(),
    };
    // What cannot be restored is found before anything is closed: whoever works there may go on
    // until they find out themselves. Behind the gate of another claimant nobody works.
    if gates.closed.is_none_or(|closed| closed == claim.gate) {
        recovery.compare().await?;
    }
    match hot.close_gate(partition, claim).await? {
        GateAnswer::Closed => {}
        GateAnswer::Passed => return Ok(Attempt::Passed),
        GateAnswer::Held => return Ok(Attempt::Held),
    }
    tokio::select! {
        biased;
        recovered = Box::pin(recovery.restore()) => recovered.map(Attempt::Recovered),
        never = hold(hot, partition, claim) => match never {},
    }
}

/// Says that the holder of a gate is alive for as long as this is polled.
async fn hold(hot: &dyn RestorableStore, partition: PartitionId, claim: GateClaim) -> Infallible {
    loop {
        tokio::time::sleep(claim.ttl / limits::HOLDS_PER_TTL).await;
        if let Err(error) = hot.hold_gate(partition, claim.gate).await {
            // A restore learns the same from its own calls.
            tracing::debug!(
                partition = partition.number(),
                error = &error as &dyn std::error::Error,
                "a gate was not held"
            );
        }
    }
}

struct Recovery<'a> {
    hot: &'a dyn RestorableStore,
    log: &'a dyn Log,
    partition: PartitionId,
    gate: Gate,
    progress: Progress,
    /// How many entries were written to each stream, behind the gate that is closed now.
    written: BTreeMap<StreamName, u64>,
}

impl Recovery<'_> {
    /// Restores everything behind the gate, and opens it.
    async fn restore(&mut self) -> Result<Recovered, HotError> {
        for _ in 0..limits::RECOVERY_ROUNDS {
            let restored = Box::pin(self.run()).await?;
            if self.is_there(&restored).await? {
                self.open(&restored).await?;
                return Ok(self.progress.done());
            }
        }
        Err(HotError::unavailable(
            "the hot store keeps going back while the partition is recovered",
        ))
    }

    /// Restores everything behind the gate.
    async fn run(&mut self) -> Result<Vec<Restored>, HotError> {
        self.log
            .fence(self.partition, limits::FENCED_EPOCHS)
            .await
            .map_err(failed(self.partition))?;
        // Where this fails the gate stays closed: an attempt before this one may have emptied
        // streams.
        let plans = self.compare().await?;
        let mut restored = Vec::with_capacity(plans.len());
        for plan in plans {
            restored.push(self.restore_slot(plan).await?);
        }
        let marks = self.read_marks().await?;
        let mut refills = BTreeMap::new();
        for (name, marks) in &marks {
            self.begin_stream(*name, marks).await?;
            let reader = &restored[reader_of(*name) as usize];
            let refill = self.refill(self.stream(*name), marks, reader).await?;
            refills.insert(*name, refill);
        }
        self.restore_outputs(&restored, &marks, &mut refills)
            .await?;
        for refill in refills.into_values() {
            self.complete(refill).await?;
        }
        Ok(restored)
    }

    /// Compares every slot with the log, changing nothing.
    async fn compare(&self) -> Result<Vec<Plan>, HotError> {
        let mut plans = Vec::with_capacity(Owner::ALL.len());
        for owner in Owner::ALL {
            plans.push(slot::plan(self.hot, self.log, self.slot(owner)).await?);
        }
        Ok(plans)
    }

    /// What every reader has consumed, by stream, now that its slot is restored.
    async fn read_marks(&self) -> Result<BTreeMap<StreamName, Marks>, HotError> {
        let mut marks = BTreeMap::new();
        for owner in Owner::ALL {
            let head = self.hot.head(self.slot(owner)).await?;
            for name in crate::readers::inputs_of(owner) {
                marks.insert(name, head.marks(name));
            }
        }
        Ok(marks)
    }

    /// Empties a stream; the entry that its reader has in effect in part comes first again.
    async fn begin_stream(&mut self, name: StreamName, marks: &Marks) -> Result<(), HotError> {
        let part = match marks.part {
            None => None,
            Some(part) => {
                let origin = part.origin.ok_or_else(|| {
                    HotError::Damaged(format!(
                        "partition {} has an entry of {} in effect in part that is in no journal",
                        self.partition,
                        name.name()
                    ))
                })?;
                Some(self.read_entry(self.stream(name), origin).await?)
            }
        };
        let part = StreamRestore {
            is_first: true,
            entries: part.into_iter().collect(),
            ..StreamRestore::default()
        };
        self.write_stream(name, &part).await
    }

    /// Reads one entry, whoever wrote it.
    async fn read_entry(
        &self,
        stream: StreamId,
        origin: Origin,
    ) -> Result<(Origin, bytes::Bytes), HotError> {
        let payload = match origin.writer.owner() {
            Some(owner) => read_output(self.log, self.slot(owner), origin.seq, stream.name).await?,
            None => read_entry(self.log, stream, origin).await?,
        };
        let payload = payload.ok_or_else(|| {
            HotError::Damaged(format!(
                "entry {origin} of {} in partition {} is half consumed and no longer in the journal",
                stream.name.name(),
                stream.partition
            ))
        })?;
        Ok((origin, payload))
    }

    async fn write_stream(
        &mut self,
        name: StreamName,
        part: &StreamRestore,
    ) -> Result<(), HotError> {
        self.progress.tell();
        self.hot
            .restore_stream(self.stream(name), self.gate, part)
            .await?;
        let entries = part.entries.len() as u64;
        self.progress.entries += entries;
        let written = self.written.entry(name).or_default();
        *written = entries + if part.is_first { 0 } else { *written };
        Ok(())
    }

    /// Whether everything is there that was written: the store may have gone back once more
    /// meanwhile, to a copy in which this very gate is closed. Nobody else can have changed it
    /// behind the gate.
    async fn is_there(&self, restored: &[Restored]) -> Result<bool, HotError> {
        for restored in restored {
            if self.hot.head(restored.slot).await?.commit_seq != restored.seq {
                return Ok(false);
            }
        }
        for (name, written) in &self.written {
            if self.hot.lag(self.stream(*name), Cursor::START).await? != *written {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Opens the gate, and fences every worker that has not noticed: what it has read ahead is of
    /// streams that are no more.
    async fn open(&self, restored: &[Restored]) -> Result<(), HotError> {
        let fences = restored.iter();
        let fences: Vec<_> = fences
            .filter_map(|it| Some((it.slot.owner, it.fence?)))
            .collect();
        self.hot
            .open_gate(self.partition, self.gate, &fences)
            .await?;
        for restored in restored {
            if self.hot.head(restored.slot).await?.commit_seq < restored.seq {
                return Err(HotError::unavailable(
                    "the hot store went back while the partition was opened",
                ));
            }
        }
        Ok(())
    }

    const fn slot(&self, owner: Owner) -> Slot {
        Slot {
            owner,
            partition: self.partition,
        }
    }

    const fn stream(&self, name: StreamName) -> StreamId {
        StreamId {
            name,
            partition: self.partition,
        }
    }

    async fn restore_slot(&mut self, plan: Plan) -> Result<Restored, HotError> {
        let gated = (self.hot, self.gate);
        slot::restore(gated, self.log, plan, &mut self.progress).await
    }
}

/// Waits between attempts that double.
pub(crate) async fn pause(wait: &mut Duration) {
    tokio::time::sleep(*wait).await;
    *wait *= 2;
}

/// A log's failure as the hot store tells it.
pub(crate) fn failed(partition: PartitionId) -> impl Fn(crate::LogError) -> HotError + Copy {
    move |error| hot_error(partition, error)
}
