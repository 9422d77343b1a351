//! Removes the events of some customers from the log, and all else that was put on the streams of
//! the log about them: copies that followed a merge, and pieces of states on their way.
//!
//! A row that has some is written again without them. The records keep their places in it, so that
//! readers in the middle of it go on where they were: one that is removed becomes a tick, which
//! says nothing. Rows that their reader has not taken stay as they are until it has.

use std::collections::HashSet;

use bytes::Bytes;
use hot::{StreamId, StreamName, Writer};
use kernel::{CustomerId, PartitionId};
use messages::stream::v1::record::Body;
use messages::stream::v1::{Record, Tick};
use prost::Message;

use super::{EventLog, EventsBy};
use crate::events::{EventIndex, has_any, hash_of, is_event_log};
use crate::packed::Snapshot;
use crate::readers::reader_of;
use crate::sql::{ErasableHeader, Rewritten, RowPlace, unsigned};
use crate::{LogError, limits};

/// Where an erasure goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasePlace {
    /// The stream, by its place among those of the customers' partitions.
    stream: usize,
    after: RowPlace,
}

/// The outcome of one call of an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventsErased {
    /// Events that were removed, or found.
    pub events: u64,
    /// Rows that had some of them, or something else about the customers.
    pub rows: u64,
    /// Rows that were left because their reader has not taken them: begin again later.
    pub waiting_rows: u64,
    /// Where the next call goes on; absent at the end.
    pub next: Option<ErasePlace>,
}

/// Before all rows of a stream.
const FIRST: RowPlace = (i32::MIN, i64::MIN);

impl EventLog {
    /// Removes the events of some customers, by their own id and those of all fragments, from some
    /// rows of the log, beginning at a place that an earlier call for the same customers returned.
    /// They are taken away atomically, row by row; a second run finds nothing.
    ///
    /// An event is of the fragment that it names: where that came apart from the customer for whom
    /// the event was accepted, it stays.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]: repeat it. [`LogError::Damaged`] where a row cannot be read.
    pub async fn erase(
        &self,
        customers: &[CustomerId],
        place: Option<ErasePlace>,
    ) -> Result<EventsErased, LogError> {
        self.walk((customers, &[]), place, true).await
    }

    /// The same, also among the events of customers whom these were part of for some time: those
    /// were accepted for them.
    ///
    /// # Errors
    /// As [`Self::erase`].
    pub async fn erase_among(
        &self,
        customers: &[CustomerId],
        others: &[CustomerId],
        place: Option<ErasePlace>,
    ) -> Result<EventsErased, LogError> {
        self.walk((customers, others), place, true).await
    }

    /// Counts what [`Self::erase_among`] would remove, and changes nothing.
    ///
    /// # Errors
    /// As [`Self::erase`].
    pub async fn count_among(
        &self,
        customers: &[CustomerId],
        others: &[CustomerId],
        place: Option<ErasePlace>,
    ) -> Result<EventsErased, LogError> {
        self.walk((customers, others), place, false).await
    }

    /// Counts what [`Self::erase`] would remove, and changes nothing.
    ///
    /// # Errors
    /// As [`Self::erase`].
    pub async fn count(
        &self,
        customers: &[CustomerId],
        place: Option<ErasePlace>,
    ) -> Result<EventsErased, LogError> {
        self.walk((customers, &[]), place, false).await
    }

    async fn walk(
        &self,
        (customers, others): (&[CustomerId], &[CustomerId]),
        place: Option<ErasePlace>,
        erases: bool,
    ) -> Result<EventsErased, LogError> {
        let all = [customers, others].concat();
        let wanted = Erased {
            customers: customers.iter().copied().collect(),
            hashes: all.iter().map(|it| hash_of(*it)).collect(),
        };
        let mut found = EventsErased::default();
        let (mut headers_left, mut rows_left) = (limits::ERASED_HEADERS, limits::ERASED_ROWS);
        let begin = place.unwrap_or(ErasePlace {
            stream: 0,
            after: FIRST,
        });
        let streams = self.streams_of(all);
        for (number, stream) in streams.into_iter().enumerate().skip(begin.stream) {
            let consumed = self.consumed(stream).await?;
            let mut after = if number == begin.stream {
                begin.after
            } else {
                FIRST
            };
            loop {
                let most = limits::ERASED_HEADERS_PER_READ;
                let headers = self.statements.erasable_headers(stream, after, most);
                let headers = headers.await?;
                let is_last = headers.len() < most;
                for header in headers {
                    after = header.place;
                    headers_left = headers_left.saturating_sub(1);
                    if wanted.may_have(&header) {
                        let is_consumed = !erases || consumed.has(header.place);
                        self.visit(stream, &header, &wanted, (erases, is_consumed), &mut found)
                            .await?;
                        rows_left = rows_left.saturating_sub(1);
                    }
                    if rows_left == 0 {
                        break;
                    }
                }
                if headers_left == 0 || rows_left == 0 {
                    found.next = Some(ErasePlace {
                        stream: number,
                        after,
                    });
                    return Ok(found);
                }
                if is_last {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Looks into a row, and removes what is of the customers.
    async fn visit(
        &self,
        stream: StreamId,
        header: &ErasableHeader,
        wanted: &Erased,
        (erases, is_consumed): (bool, bool),
        found: &mut EventsErased,
    ) -> Result<(), LogError> {
        let place = header.place;
        let Some(payload) = self.statements.payload_at(stream, place).await? else {
            return Ok(());
        };
        let Some(without) = wanted.without(payload)? else {
            return Ok(());
        };
        if !is_consumed {
            found.waiting_rows += 1;
            return Ok(());
        }
        let mut events = without.removed_events;
        if erases {
            events = 0;
            let rewrite = |payload: Bytes| {
                let without = wanted.without(payload)?;
                events = without.as_ref().map_or(0, |it| it.removed_events);
                Ok(without.map(Without::rewritten))
            };
            if !self.statements.rewrite_row(stream, place, rewrite).await? {
                return Ok(());
            }
        }
        found.rows += 1;
        found.events += events;
        Ok(())
    }

    fn streams_of(&self, customers: Vec<CustomerId>) -> Vec<StreamId> {
        let partitions = self.partitions_of(&EventsBy::Customers(customers));
        let names = || StreamName::ALL.into_iter().filter(|it| is_event_log(*it));
        let streams = partitions.into_iter().flat_map(|partition| {
            let partition = PartitionId::new(partition);
            names().map(move |name| StreamId { name, partition })
        });
        streams.collect()
    }

    /// Returns the entries that the reader of a stream has taken, as its snapshot says.
    async fn consumed(&self, stream: StreamId) -> Result<Consumed, LogError> {
        let slot = hot::Slot {
            owner: reader_of(stream.name),
            partition: stream.partition,
        };
        let snapshot = match self.statements.snapshot(slot).await? {
            Some(head) => Snapshot::unpack(&head)?,
            None => Snapshot::default(),
        };
        Ok(Consumed {
            stream: stream.name,
            snapshot,
        })
    }
}

/// The entries of each writer that a reader has taken.
struct Consumed {
    stream: StreamName,
    snapshot: Snapshot,
}

impl Consumed {
    fn has(&self, (writer, seq): RowPlace) -> bool {
        let writer = Writer::from_number(writer.cast_unsigned());
        let seen = self.snapshot.marks.get(&self.stream);
        let seen = seen.and_then(|marks| marks.seen.get(&writer)).copied();
        let settled = self.snapshot.settled(self.stream, writer);
        unsigned(seq) <= seen.unwrap_or(0).max(settled)
    }
}

/// Those who are erased, and the hashes of all among whose events there may be some of theirs.
struct Erased {
    customers: HashSet<CustomerId>,
    hashes: Vec<u32>,
}

impl Erased {
    /// Returns whether a row may have something of them: by the index of its events, or because it
    /// has none, and so something that is not in the index.
    fn may_have(&self, header: &ErasableHeader) -> bool {
        match &header.customers {
            Some(customers) => has_any(customers, &self.hashes),
            // One byte is a payload that is gone.
            None => header.bytes > 1,
        }
    }

    /// Returns a batch without what is of them; absent where it has nothing of them.
    fn without(&self, payload: Bytes) -> Result<Option<Without>, LogError> {
        let damaged = |error: prost::DecodeError| {
            LogError::Damaged(format!("an entry of the event log: {error}"))
        };
        let mut batch = Packed::decode(payload).map_err(damaged)?;
        let (mut removed, mut removed_events) = (0_usize, 0);
        for bytes in &mut batch.records {
            // Nobody can tell whose a record is that cannot be read.
            let Ok(record) = Record::decode(bytes.clone()) else {
                continue;
            };
            if !self.has_record(&record) {
                continue;
            }
            let is_copy = !record.forwarded_from_id.is_empty();
            removed += 1;
            removed_events += u64::from(matches!(record.body, Some(Body::Event(_))) && !is_copy);
            *bytes = nothing();
        }
        Ok((removed > 0).then_some(Without {
            batch,
            removed_events,
        }))
    }

    fn has_record(&self, record: &Record) -> bool {
        if let Some(Body::Event(event)) = &record.body
            && !event.fragment_id.is_empty()
        {
            return self.has(&event.fragment_id);
        }
        if self.has(&record.customer_id) || self.has(&record.forwarded_from_id) {
            // A word about where somebody is has nothing of them, and ticks have nobody.
            return !matches!(record.body, None | Some(Body::Tick(_) | Body::Erased(_)));
        }
        match &record.body {
            Some(Body::Moved(moved)) => self.has(&moved.from_customer_id),
            Some(Body::Carried(carried)) => {
                let inner = carried.record.as_deref();
                inner.is_some_and(|inner| self.has_record(inner))
            }
            _ => false,
        }
    }

    fn has(&self, id: &[u8]) -> bool {
        let id = CustomerId::try_from_bytes(id);
        id.is_ok_and(|id| self.customers.contains(&id))
    }
}

/// A record that says nothing.
fn nothing() -> Bytes {
    let record = Record {
        body: Some(Body::Tick(Tick {})),
        ..Record::default()
    };
    record.encode_to_vec().into()
}

/// A batch without some records.
struct Without {
    batch: Packed,
    removed_events: u64,
}

impl Without {
    fn rewritten(self) -> Rewritten {
        let payload = self.batch.encode_to_vec();
        let index = EventIndex::read(&payload);
        Rewritten {
            events: index.map(|index| (index.count, index.customers)),
            payload,
        }
    }
}

/// A batch of records, but for what they are.
#[derive(Clone, PartialEq, prost::Message)]
struct Packed {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    records: Vec<Bytes>,
    #[prost(uint64, tag = "2")]
    commit_seq: u64,
    #[prost(int64, repeated, tag = "3")]
    accept_times_ms: Vec<i64>,
    #[prost(uint64, tag = "4")]
    message_number: u64,
}
