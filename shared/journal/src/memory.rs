//! A log in memory that loses, refuses and delays what it is told to: the exact model of the durable log, for simulations.
//!
//! It survives no process. What it needs to know of leases and of the time, it is told.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hot::{Origin, Slot, StreamId, Writer};
use kernel::Timestamp;

use crate::{CommitRow, EntryRow, Journaled, Log, LogError, LogHead, SnapshotHead};

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

#[derive(Debug, Default)]
struct State {
    writers: u32,
    commits: BTreeMap<(Slot, u64), (CommitRow, Timestamp)>,
    entries: BTreeMap<(StreamId, Writer, u64), (EntryRow, Timestamp)>,
    snapshots: BTreeMap<Slot, SnapshotHead>,
    chunks: BTreeMap<(Slot, u64, u32), Bytes>,
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
    LogError::Unavailable(why.into())
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

    async fn append_entry(&self, row: EntryRow) -> Result<(), LogError> {
        let now = (self.clock)(());
        self.call(Call::Entry(row.stream), |state| {
            let key = (row.stream, row.origin.writer, row.origin.seq);
            state.entries.entry(key).or_insert((row, now));
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
    ) -> Result<Vec<CommitRow>, LogError> {
        self.call(Call::Read, |state| {
            let rows = state.commits_of(slot).filter(|(row, _)| row.seq > after);
            Ok(within(rows.map(|(row, _)| row), max_bytes, |row| {
                row.payload.len()
            }))
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
    ) -> Result<Vec<EntryRow>, LogError> {
        self.call(Call::Read, |state| {
            let rows = state
                .entries_of(stream, after.writer)
                .filter(|(row, _)| row.origin.seq > after.seq);
            Ok(within(rows.map(|(row, _)| row), max_bytes, |row| {
                row.payload.len()
            }))
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
            let rows = state.commits_of(slot).map(|(row, time)| (row.seq, *time));
            let cut = to_cut(rows.collect(), seq, written_before);
            for seq in &cut {
                state.commits.remove(&(slot, *seq));
            }
            Ok(cut.len() as u64)
        })
        .await
    }

    async fn cut_entries(
        &self,
        stream: StreamId,
        upto: Origin,
        written_before: Timestamp,
    ) -> Result<u64, LogError> {
        self.call(Call::Cut, |state| {
            let rows = state
                .entries_of(stream, upto.writer)
                .map(|(row, time)| (row.origin.seq, *time));
            let cut = to_cut(rows.collect(), upto.seq, written_before);
            for seq in &cut {
                state.entries.remove(&(stream, upto.writer, *seq));
            }
            Ok(cut.len() as u64)
        })
        .await
    }
}

impl State {
    fn append_commit(&mut self, row: CommitRow, log: &MemoryLog) -> Result<Journaled, LogError> {
        let (slot, seq, epoch) = (row.slot, row.seq, row.epoch);
        let present = self.commits.get(&(slot, seq));
        if present.is_some_and(|(there, _)| there.batch_id == row.batch_id) {
            return Ok(Journaled::AlreadyWritten);
        }
        let partition = slot.partition;
        if log.epoch(slot) != epoch {
            return Err(LogError::Fenced { partition, epoch });
        }
        let follows = match seq {
            1 => !self.snapshots.contains_key(&slot),
            _ => self
                .commits
                .get(&(slot, seq.saturating_sub(1)))
                .is_some_and(|(before, _)| before.epoch <= epoch),
        };
        if present.is_some() || !follows {
            return Err(LogError::Gap { partition, seq });
        }
        self.commits.insert((slot, seq), (row, (log.clock)(())));
        Ok(Journaled::Written)
    }

    fn head(&self, slot: Slot) -> LogHead {
        let snapshot = self.snapshots.get(&slot);
        let snapshot_seq = snapshot.map_or(0, |head| head.seq);
        let last = self.commits_of(slot).last().map(|(row, _)| row);
        let (seq, batch_id) = match (last, snapshot) {
            (Some(row), _) if row.seq >= snapshot_seq => (row.seq, row.batch_id),
            (_, Some(head)) => (head.seq, head.batch_id),
            _ => (0, 0),
        };
        LogHead {
            seq,
            batch_id,
            snapshot_seq,
            first_seq: self.commits_of(slot).next().map_or(0, |(row, _)| row.seq),
            backlog_bytes: self
                .commits_of(slot)
                .filter(|(row, _)| row.seq > snapshot_seq)
                .map(|(row, _)| row.payload.len() as u64)
                .sum(),
        }
    }

    fn publish(&mut self, slot: Slot, head: SnapshotHead, replaces: u64) -> bool {
        let counts = self.snapshots.get(&slot);
        if counts == Some(&head) {
            return true;
        }
        let seq = head.seq;
        let is_whole =
            (0..head.chunks).all(|number| self.chunks.contains_key(&(slot, seq, number)));
        if counts.map_or(0, |head| head.seq) != replaces || !is_whole {
            return false;
        }
        let chunks = head.chunks;
        self.chunks
            .retain(|(of, at, number), _| *of != slot || (*at == seq && *number < chunks));
        self.snapshots.insert(slot, head);
        true
    }

    fn commits_of(&self, slot: Slot) -> impl DoubleEndedIterator<Item = &(CommitRow, Timestamp)> {
        self.commits
            .range((slot, 0)..=(slot, u64::MAX))
            .map(|(_, row)| row)
    }

    fn entries_of(
        &self,
        stream: StreamId,
        writer: Writer,
    ) -> impl DoubleEndedIterator<Item = &(EntryRow, Timestamp)> {
        self.entries
            .range((stream, writer, 0)..=(stream, writer, u64::MAX))
            .map(|(_, row)| row)
    }
}

/// The first rows that are at most so many bytes together, and the first in any case.
fn within<'a, T: Clone + 'a>(
    rows: impl Iterator<Item = &'a T>,
    max_bytes: usize,
    bytes: impl Fn(&T) -> usize,
) -> Vec<T> {
    let mut taken = Vec::new();
    let mut total = 0;
    for row in rows {
        total += bytes(row);
        if !taken.is_empty() && total > max_bytes {
            break;
        }
        taken.push(row.clone());
    }
    taken
}

/// Which numbers go: from the first, up to and with `seq`, before the first that is too young, and before the last.
fn to_cut(rows: Vec<(u64, Timestamp)>, seq: u64, written_before: Timestamp) -> Vec<u64> {
    let last = rows.last().map_or(0, |(last, _)| *last);
    rows.into_iter()
        .take_while(|(number, time)| *number <= seq && *number < last && *time < written_before)
        .map(|(number, _)| number)
        .collect()
}
