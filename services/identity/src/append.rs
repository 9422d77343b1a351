//! Appends records to the streams of their partitions.
//!
//! One append a partition and batch, all partitions at once; within a partition the order is kept.
//! Events that a source sent before are skipped.

mod error;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use engine::Written;
use futures::future::join_all;
use hot::limits::{COMMIT_BYTES, STREAM_ENTRIES};
use hot::{
    Append, AppendAnswer, Appended, Cursor, HotError, SharedHotStore, SourceRange, StreamId,
    StreamName,
};
use kernel::{PartitionId, Timestamp};
use prost::Message;
use proto::stream::v1::{Batch, Record};
use runtime::{PositionScope, position_of};
use tokio::time::{Instant, sleep};

pub use self::error::AppendError;
use crate::limits::{APPEND_PATIENCE, APPEND_PAUSE};

/// A record and its place in its source; 0 where it has none.
#[derive(Debug, Clone)]
pub struct Sequenced {
    /// The place, growing within a group.
    pub sequence: u64,
    /// Tells the stretch of the source that it belongs to; absent where its customer has never
    /// been joined into another. See `stretch.rs`.
    pub stretch: Option<Arc<str>>,
    /// The record.
    pub record: Record,
}

/// The records of one partition, in order.
#[derive(Debug, Clone)]
pub struct Group {
    /// The partition.
    pub partition: PartitionId,
    /// The records.
    pub records: Vec<Sequenced>,
}

/// The outcome of an append of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Took {
    /// The number of events that are there now.
    pub events: usize,
    /// The number of those that were there before.
    pub replayed: usize,
    /// When the newest entry with one of them was accepted; [`Timestamp::MIN`] for no records.
    pub newest: Timestamp,
}

impl Took {
    /// The outcome for no records.
    pub(crate) const NOTHING: Self = Self {
        events: 0,
        replayed: 0,
        newest: Timestamp::MIN,
    };

    /// Returns the position of what a stream took; empty where it took nothing.
    pub(crate) fn position(self, scope: PositionScope, stream: StreamName) -> String {
        let time = self.newest;
        position_of(scope, Written { stream, time })
    }

    /// Adds what became of others.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            replayed: self.replayed + other.replayed,
            newest: self.newest.max(other.newest),
        }
    }
}

/// Appends to the hot store.
#[derive(Debug)]
pub struct Appender {
    hot: SharedHotStore,
    /// Streams that were full when last tried; mostly none.
    full: Mutex<HashSet<StreamId>>,
    is_any_full: AtomicBool,
}

/// Bytes of one append: half of what the store takes, so that the last record always fits.
const APPEND_BYTES: usize = COMMIT_BYTES / 2;

impl Appender {
    /// Appends to this store.
    pub fn new(hot: SharedHotStore) -> Self {
        Self {
            hot,
            full: Mutex::default(),
            is_any_full: AtomicBool::new(false),
        }
    }

    /// Returns a stream of these groups that was full when last tried, and still is. Costs nothing
    /// while none is.
    ///
    /// # Errors
    /// As the hot store says.
    pub async fn full_stream(
        &self,
        name: StreamName,
        groups: &[Group],
    ) -> Result<Option<StreamId>, HotError> {
        if !self.is_any_full.load(Ordering::Acquire) {
            return Ok(None);
        }
        for group in groups {
            let partition = group.partition;
            let stream = StreamId { name, partition };
            if !self.lock().contains(&stream) {
                continue;
            }
            if self.hot.lag(stream, Cursor::START).await? >= STREAM_ENTRIES {
                return Ok(Some(stream));
            }
            self.note(stream, false);
        }
        Ok(None)
    }

    /// Returns the reason that a stream is full.
    pub async fn refusal(&self, stream: StreamId) -> AppendError {
        match engine::full_quarantine(self.hot.as_ref(), stream).await {
            Ok(Some(owner)) => AppendError::QuarantineFull { stream, owner },
            // It is full all the same where that cannot be told.
            Ok(None) | Err(_) => AppendError::Full(stream),
        }
    }

    /// Appends all groups and tells how many events of the source were there before, and when the
    /// newest was accepted. Waits while streams are full, until the deadline if there is one.
    ///
    /// # Errors
    /// [`AppendError`]; it tells how many events were appended all the same, and a source makes it
    /// safe to send all again.
    pub async fn append(
        &self,
        name: StreamName,
        groups: Vec<Group>,
        source: Option<&str>,
        deadline: Option<Instant>,
    ) -> Result<Took, AppendError> {
        let appends = groups
            .into_iter()
            .map(|group| self.append_group(name, group, source, deadline));
        let (mut took, mut failed) = (Took::NOTHING, None);
        for done in join_all(appends).await {
            match (done, failed) {
                (Ok(own), before) => (took, failed) = (took.and(own), before),
                (Err(AppendError::Partly { taken, cause }), before) => {
                    took.events += taken;
                    failed = before.or(Some(*cause));
                }
                (Err(error), before) => failed = before.or(Some(error)),
            }
        }
        match failed {
            None => Ok(took),
            Some(error) => Err(error.after(took.events)),
        }
    }

    async fn append_group(
        &self,
        name: StreamName,
        group: Group,
        source: Option<&str>,
        deadline: Option<Instant>,
    ) -> Result<Took, AppendError> {
        let to = StreamId {
            name,
            partition: group.partition,
        };
        let mut took = Took::NOTHING;
        for records in split(group.records, source.is_some()) {
            let appended = self.append_records(to, records, source, deadline).await;
            took = took.and(appended.map_err(|error| error.after(took.events))?);
        }
        Ok(took)
    }

    async fn append_records(
        &self,
        to: StreamId,
        mut records: Vec<Sequenced>,
        source: Option<&str>,
        deadline: Option<Instant>,
    ) -> Result<Took, AppendError> {
        let (events_in_all, mut replayed) = (events(&records), 0);
        let took = |replayed, newest| Took {
            events: events_in_all,
            replayed,
            newest,
        };
        let mut append = pack(to, &mut records, source);
        let mut wait = APPEND_PAUSE.0;
        let mut look = Instant::now() + APPEND_PATIENCE;
        loop {
            let AppendAnswer { appended, newest } = self.hot.append_stamped(&append).await?;
            match appended {
                Appended::Applied => {
                    if self.is_any_full.load(Ordering::Acquire) {
                        self.note(to, false);
                    }
                    return Ok(took(replayed, newest));
                }
                Appended::Replayed => {
                    replayed += events(&records);
                    return Ok(took(replayed, newest));
                }
                Appended::Overlaps { mark } => {
                    let before = events(&records);
                    records.retain(|record| record.sequence > mark);
                    replayed += before - events(&records);
                    if records.is_empty() {
                        return Ok(took(replayed, newest));
                    }
                    append = pack(to, &mut records, source);
                }
                Appended::Gap { .. } => return Err(lost().into()),
                Appended::Full => {
                    self.note(to, true);
                    let until = Instant::now() + wait;
                    if deadline.is_some_and(|deadline| until > deadline) {
                        return Err(self.refusal(to).await);
                    }
                    // Without a deadline a reader is waited for, and not an operator.
                    if until > look {
                        look = until + APPEND_PATIENCE;
                        if let error @ AppendError::QuarantineFull { .. } = self.refusal(to).await {
                            return Err(error);
                        }
                    }
                    sleep(wait).await;
                    wait = (wait * 2).min(APPEND_PAUSE.1);
                }
            }
        }
    }

    fn note(&self, stream: StreamId, is_full: bool) {
        let mut full = self.lock();
        if is_full {
            full.insert(stream);
        } else {
            full.remove(&stream);
        }
        self.is_any_full.store(!full.is_empty(), Ordering::Release);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<StreamId>> {
        self.full.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of records that are events: merges ride along and do not count, nor do those of
/// events of customers for their accounts.
pub(crate) fn events(records: &[Sequenced]) -> usize {
    use proto::stream::v1::record::Body;
    let is_event = |own: &&Sequenced| match &own.record.body {
        // No event of a customer has a member.
        Some(Body::Event(event)) => event.member_id.is_empty(),
        _ => false,
    };
    records.iter().filter(is_event).count()
}

/// Cuts records to appends that the store takes, each of one stretch where a source tells what was
/// there before. The records of one event stay together.
fn split(records: Vec<Sequenced>, has_source: bool) -> Vec<Vec<Sequenced>> {
    let mut parts = Vec::with_capacity(1);
    let mut part: Vec<Sequenced> = Vec::with_capacity(records.len());
    let mut bytes = 0;
    for sequenced in records {
        let size = sequenced.record.encoded_len() + 8;
        let begins = part
            .last()
            .is_none_or(|last| last.sequence == 0 || last.sequence != sequenced.sequence);
        let is_other = |last: &Sequenced| has_source && last.stretch != sequenced.stretch;
        let ends = bytes + size > APPEND_BYTES || part.last().is_some_and(is_other);
        if ends && begins && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += size;
        part.push(sequenced);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// Only a journal counts appends, and it recovers what is missing itself.
fn lost() -> HotError {
    HotError::unavailable("the stream has lost entries that are being written again")
}

/// Packs records without copying them: they are lent to the batch and given back.
fn pack(to: StreamId, records: &mut [Sequenced], source: Option<&str>) -> Append {
    let batch = Batch {
        records: records
            .iter_mut()
            .map(|sequenced| std::mem::take(&mut sequenced.record))
            .collect(),
        ..Batch::default()
    };
    let payload = Bytes::from(batch.encode_to_vec());
    for (sequenced, record) in records.iter_mut().zip(batch.records) {
        sequenced.record = record;
    }
    let stretch = records.first().and_then(|record| record.stretch.as_deref());
    let source = source.map(|source| SourceRange {
        source: match stretch {
            Some(stretch) => format!("{source}/{stretch}").into(),
            None => source.into(),
        },
        first: records.first().map_or(1, |record| record.sequence),
        last: records.last().map_or(1, |record| record.sequence),
    });
    Append {
        to,
        payload,
        source,
        origin: None,
    }
}
