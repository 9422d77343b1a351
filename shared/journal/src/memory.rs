//! A log in memory that loses, refuses and delays what it is told to: the exact model of the durable log, for simulations.
//!
//! It survives no process. What it needs to know of leases and of the time, it is told.

mod state;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hot::{Origin, Owner, Slot, StreamId, Writer};
use kernel::{PartitionId, Timestamp};

use self::state::{State, within};
use crate::cut::{AgedRow, CUT_ROWS, ERASED_BYTES, plan};
use crate::{CommitRow, Cut, EntryRow, Journaled, Log, LogError, LogHead, Placed, SnapshotHead};

/// A call of the log, as faults are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// [`Log::register`].
    Register,
    /// [`Log::append_commit`].
    Commit(Slot),
    /// [`Log::append_entry`].
    Entry(StreamId),
    /// Anything that reads.
    Read,
    /// Writing a chunk or publishing a snapshot.
    Snapshot(Slot),
    /// Removing commits or entries.
    Cut,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens, and the caller is told that the log is unavailable.
    Refused,
    /// It happens, and the caller is told that the log is unavailable.
    AnswerLost,
    /// It happens so much later.
    Delayed(Duration),
}

/// A function that answers for the simulation.
type Ask<Q, A> = Arc<dyn Fn(Q) -> A + Send + Sync>;

/// A log in memory.
pub struct MemoryLog {
    state: Mutex<State>,
    leases: Mutex<BTreeMap<Slot, u64>>,
    ask_lease: Option<Ask<Slot, u64>>,
    clock: Ask<(), Timestamp>,
    faults: Ask<Call, Option<Fault>>,
}

impl fmt::Debug for MemoryLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("MemoryLog")
            .field("commits", &state.commits.len())
            .field("entries", &state.entries.len())
            .finish_non_exhaustive()
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            leases: Mutex::default(),
            ask_lease: None,
            clock: Arc::new(|()| Timestamp::from_millis(0)),
            faults: Arc::new(|_| None),
        }
    }
}

impl MemoryLog {
    /// An empty log without faults, in which every lease is at epoch 0 until [`Self::set_epoch`], and it is always 1970.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the epochs of leases instead of being told.
    #[must_use]
    pub fn with_leases(mut self, epoch: impl Fn(Slot) -> u64 + Send + Sync + 'static) -> Self {
        self.ask_lease = Some(Arc::new(epoch));
        self
    }

    /// Tells the time by this clock.
    #[must_use]
    pub fn with_clock(mut self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(move |()| now());
        self
    }

    /// Asks before every call what goes wrong with it.
    #[must_use]
    pub fn with_faults(
        mut self,
        next: impl Fn(Call) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        self.faults = Arc::new(next);
        self
    }

    /// Sets the epoch of the lease of a slot.
    pub fn set_epoch(&self, slot: Slot, epoch: u64) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.insert(slot, epoch);
    }

    fn epoch(&self, slot: Slot) -> u64 {
        if let Some(ask) = &self.ask_lease {
            return ask(slot);
        }
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.get(&slot).copied().unwrap_or(0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a call, or what is left of it.
    async fn call<T>(
        &self,
        call: Call,
        work: impl FnOnce(&mut State) -> Result<T, LogError> + Send,
    ) -> Result<T, LogError> {
        match (self.faults)(call) {
            None => {}
            Some(Fault::Delayed(delay)) => tokio::time::sleep(delay).await,
            Some(Fault::Refused) => return Err(unavailable("it was told to refuse")),
            Some(Fault::AnswerLost) => {
                let _lost = work(&mut self.state());
                return Err(unavailable("the answer was lost"));
            }
        }
        work(&mut self.state())
    }
}

fn unavailable(why: &'static str) -> LogError {
    LogError::unavailable(why)
}

#[async_trait]
impl Log for MemoryLog {
    async fn register(&self, _worker: &str) -> Result<Writer, LogError> {
        self.call(Call::Register, |state| {
            state.writers += 1;
            Ok(Writer::process(state.writers))
        })
        .await
    }

    async fn append_commit(&self, row: CommitRow) -> Result<Journaled, LogError> {
        let call = Call::Commit(row.slot);
        self.call(call, |state| state.append_commit(row, self))
            .await
    }

    async fn fence(&self, partition: PartitionId, raise: u64) -> Result<(), LogError> {
        self.call(Call::Read, |state| {
            for owner in Owner::ALL {
                let slot = Slot { owner, partition };
                // Leases are kept elsewhere: who has one under the present epoch has to acquire it again.
                state.fences.insert(slot, self.epoch(slot) + raise.min(1));
            }
            Ok(())
        })
        .await
    }

    async fn append_entry(&self, row: EntryRow) -> Result<(), LogError> {
        let now = (self.clock)(());
        self.call(Call::Entry(row.stream), |state| {
            let key = (row.stream, row.origin.writer, row.origin.seq);
            if !state.entries.contains_key(&key) {
                let placed = state.placed(row);
                state.entries.insert(key, (placed, now));
            }
            Ok(())
        })
        .await
    }

    async fn head(&self, slot: Slot) -> Result<LogHead, LogError> {
        self.call(Call::Read, |state| Ok(state.head(slot))).await
    }

    async fn commits(
        &self,
        slot: Slot,
        after: u64,
        max_bytes: usize,
    ) -> Result<Vec<Placed<CommitRow>>, LogError> {
        self.call(Call::Read, |state| {
            let rows = state.commits_of(slot).map(|(placed, _)| placed);
            let rows = rows.filter(|placed| placed.row.seq > after);
            Ok(within(rows, max_bytes, |placed| placed.row.payload.len()))
        })
        .await
    }

    async fn last_entries(&self, stream: StreamId) -> Result<Vec<Origin>, LogError> {
        self.call(Call::Read, |state| {
            let mut last = BTreeMap::new();
            for (of, writer, seq) in state.entries.keys() {
                if *of == stream {
                    last.insert(*writer, *seq);
                }
            }
            Ok(last
                .into_iter()
                .map(|(writer, seq)| Origin { writer, seq })
                .collect())
        })
        .await
    }

    async fn entries(
        &self,
        stream: StreamId,
        after: Origin,
        max_bytes: usize,
    ) -> Result<Vec<Placed<EntryRow>>, LogError> {
        self.call(Call::Read, |state| {
            let rows = state.entries_of(stream, after.writer);
            let rows = rows.map(|(placed, _)| placed);
            let rows = rows.filter(|placed| placed.row.origin.seq > after.seq);
            Ok(within(rows, max_bytes, |placed| placed.row.payload.len()))
        })
        .await
    }

    async fn snapshot(&self, slot: Slot) -> Result<Option<SnapshotHead>, LogError> {
        self.call(Call::Read, |state| Ok(state.snapshots.get(&slot).cloned()))
            .await
    }

    async fn read_chunk(&self, slot: Slot, seq: u64, number: u32) -> Result<Bytes, LogError> {
        self.call(Call::Read, |state| {
            let counts = state.snapshots.get(&slot).map(|head| head.seq);
            let chunk = state.chunks.get(&(slot, seq, number)).cloned();
            chunk.ok_or_else(|| LogError::no_chunk(slot, seq, number, counts))
        })
        .await
    }

    async fn write_chunk(
        &self,
        slot: Slot,
        seq: u64,
        number: u32,
        payload: Bytes,
    ) -> Result<(), LogError> {
        self.call(Call::Snapshot(slot), |state| {
            let counts = state.snapshots.get(&slot);
            if counts.is_none_or(|head| head.seq < seq) {
                state.chunks.insert((slot, seq, number), payload);
            }
            Ok(())
        })
        .await
    }

    async fn publish_snapshot(
        &self,
        slot: Slot,
        head: SnapshotHead,
        replaces: u64,
    ) -> Result<bool, LogError> {
        self.call(Call::Snapshot(slot), |state| {
            Ok(state.publish(slot, head, replaces))
        })
        .await
    }

    async fn cut_commits(
        &self,
        slot: Slot,
        seq: u64,
        written_before: Timestamp,
    ) -> Result<u64, LogError> {
        self.call(Call::Cut, |state| {
            let rows = state
                .commits_of(slot)
                .map(|(Placed { row, .. }, create_time)| AgedRow {
                    seq: row.seq,
                    create_time: *create_time,
                    bytes: row.payload.len() as u64,
                });
            let rows: Vec<AgedRow> = rows.take(CUT_ROWS + 1).collect();
            let Some(upto) = plan(&rows, seq, written_before).remove_upto else {
                return Ok(0);
            };
            let before = state.commits.len();
            state
                .commits
                .retain(|(of, seq), _| *of != slot || *seq > upto);
            Ok((before - state.commits.len()) as u64)
        })
        .await
    }

    async fn cut_entries(
        &self,
        stream: StreamId,
        upto: Origin,
        written_before: Timestamp,
    ) -> Result<Cut, LogError> {
        self.call(Call::Cut, |state| {
            let rows = state.entries_of(stream, upto.writer);
            let rows = rows.map(|(Placed { row, .. }, create_time)| {
                let source = row.source.as_ref().map_or(0, |range| range.source.len());
                AgedRow {
                    seq: row.origin.seq,
                    create_time: *create_time,
                    bytes: (row.payload.len() + source) as u64 + ERASED_BYTES,
                }
            });
            let rows: Vec<AgedRow> = rows.take(CUT_ROWS + 1).collect();
            let plan = plan(&rows, upto.seq, written_before);
            let before = state.entries.len();
            if let Some(last) = plan.remove_upto {
                state.entries.retain(|(of, writer, seq), _| {
                    (*of, *writer) != (stream, upto.writer) || *seq > last
                });
            }
            let mut removed = (before - state.entries.len()) as u64;
            if let Some(last) = plan.erase
                && let Some((Placed { row, .. }, _)) =
                    state.entries.get_mut(&(stream, upto.writer, last))
            {
                row.source = None;
                row.payload = Bytes::new();
                removed += 1;
            }
            Ok(Cut {
                removed,
                is_held: plan.is_held,
            })
        })
        .await
    }
}
