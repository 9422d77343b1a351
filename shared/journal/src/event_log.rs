//! Reads the event log: by customer, by partition, or all of it, in a range of time. Receipts are
//! part of it; copies that followed a merged customer are passed over, and so are repetitions.
//!
//! Within a page, events are in the order of time. Pages follow the rows, by the earliest event of
//! each: events that arrived together in a wide range of times, such as an import, can be on a
//! later page than younger ones. It does not know of merges: whoever asks names every customer that
//! the events were accepted for.

mod erase;
mod repeated;

use futures::future::BoxFuture;
use std::collections::{HashSet, VecDeque};

use kernel::{CustomerId, PartitionCount, PartitionId, Timestamp};
use messages::json::object_text;
use messages::stream::v1::record::Body;
use messages::stream::v1::{Batch, Event};
use prost::Message;
use storage::Database;

pub use self::erase::{ErasePlace, EventsErased};
pub use crate::events::EventPlace;
use crate::events::limits::{EVENT_BYTES_PER_PAGE, PARTITIONS_AT_ONCE};
use crate::events::{Budget, Row, RowKey, Scan, Step, hash_of};
use crate::sql::Statements;
use crate::{LogError, SqlLog};

use repeated::{Look, Place};

/// Which events are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventsBy {
    /// Those of one customer, by the ids that it had when the events were accepted.
    Customers(Vec<CustomerId>),
    /// Those of a partition.
    Partition(PartitionId),
    /// All of them.
    All,
}

/// A search of the event log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventQuery {
    /// Whose events.
    pub by: EventsBy,
    /// Events at or after this instant.
    pub from: Timestamp,
    /// And before this one.
    pub to: Timestamp,
    /// True where time is that of the events: repetitions are told by it then, and by the time of
    /// acceptance otherwise.
    pub is_on_stream_time: bool,
}

/// An event of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedEvent {
    /// The customer, as known when the event was accepted.
    pub customer: CustomerId,
    /// When it happened.
    pub time: Timestamp,
    /// When it was accepted, by the clock of the process that logged it.
    pub accept_time: Timestamp,
    /// Whether it came by the low-priority lane.
    pub is_bulk: bool,
    /// The event.
    pub event: Event,
}

/// A page of events.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventPage {
    /// The events, in the order of time. There may be fewer than asked for, and none, before the
    /// last page.
    pub events: Vec<LoggedEvent>,
    /// The repetitions that were left out, in the order of time, each by the events of its own
    /// customer id where the search is not for one customer. Whoever knows that such a customer has
    /// had other ids knows too that one of them may have counted.
    pub left_out: Vec<LoggedEvent>,
    /// Where the next page begins; absent on the last.
    pub next: Option<EventPlace>,
}

/// The event log of a deployment that keeps one. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventLog {
    statements: Statements,
    partitions: PartitionCount,
}

impl EventLog {
    /// Opens the event log; its tables are brought up to date.
    ///
    /// # Errors
    /// [`storage::StorageError`] where the database does not answer.
    pub fn open(
        database: Database,
        partitions: PartitionCount,
    ) -> BoxFuture<'static, Result<Self, storage::StorageError>> {
        Box::pin(async move {
            SqlLog::migrate(&database).await?;
            Ok(Self {
                statements: Statements::new(database),
                partitions,
            })
        })
    }

    /// Reads a page of up to `size` events after a place. The work for a page is bounded: a search
    /// for a customer with few events can take several pages, some of them empty.
    ///
    /// Events that repeat others are left out, as far as they can be told: see [`kernel`]'s rule.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]; [`LogError::Damaged`] where a row cannot be read.
    pub fn read<'a>(
        &'a self,
        query: &'a EventQuery,
        after: Option<EventPlace>,
        size: usize,
    ) -> BoxFuture<'a, Result<EventPage, LogError>> {
        Box::pin(async move {
            let (page, next) = self.read_all(query, after, size).await?;
            let repeated = Look::new(self, query, &page).repeated(&page).await?;
            let (left_out, events): (Vec<Found>, Vec<Found>) = page
                .into_iter()
                .partition(|found| repeated.contains(&found.place));
            let in_order = |found: Vec<Found>| {
                let mut events: Vec<LoggedEvent> = found.into_iter().map(|it| it.logged).collect();
                // Stable: what happened at the same time stays in the order in which it was accepted.
                events.sort_by_key(|logged| logged.time);
                events
            };
            Ok(EventPage {
                events: in_order(events),
                left_out: in_order(left_out),
                next,
            })
        })
    }

    /// Reads a page with its repetitions, in the order of the rows.
    async fn read_all(
        &self,
        query: &EventQuery,
        after: Option<EventPlace>,
        size: usize,
    ) -> Result<(Vec<Found>, Option<EventPlace>), LogError> {
        let wanted = Wanted::new(query);
        let partitions = self.partitions_of(&query.by);
        let groups = partitions.chunks(PARTITIONS_AT_ONCE).zip(0_u16..);
        let mut after = after;
        let mut budget = Budget::PAGE;
        let mut page = Page {
            events: Vec::new(),
            size: size.max(1),
            bytes: 0,
        };
        let start = after.map_or(0, |place| place.group);
        for (partitions, group) in groups {
            if group < start {
                continue;
            }
            let place = after.take();
            let mut scan = Scan {
                statements: &self.statements,
                partitions,
                hashes: wanted.hashes.as_deref(),
                from: query.from.as_millis(),
                to: query.to.as_millis(),
                headers: VecDeque::new(),
                after: place.map(|place| (place.row, place.records.is_none())),
                budget,
            };
            let mut begun = place.and_then(|place| Some((place.row, place.records?)));
            while let Step::Rows(rows) = scan.step().await? {
                for row in rows {
                    let key = row.key;
                    let skip = begun.take_if(|(row, _)| *row == key);
                    let skip = skip.map_or(0, |(_, records)| records);
                    if let Some(records) = page.take(row, skip, &wanted)? {
                        return Ok(page.end(group, key, Some(records)));
                    }
                }
                if let (true, Some((key, _))) =
                    (page.is_full() || scan.budget.is_spent(), scan.after)
                {
                    return Ok(page.end(group, key, None));
                }
            }
            budget = scan.budget;
        }
        Ok((page.events, None))
    }

    /// The partitions to search, in order.
    fn partitions_of(&self, by: &EventsBy) -> Vec<u16> {
        let mut partitions: Vec<u16> = match by {
            EventsBy::Customers(customers) => customers
                .iter()
                .map(|customer| self.partitions.partition_of(customer.fragment()).number())
                .collect(),
            EventsBy::Partition(partition) => vec![partition.number()],
            EventsBy::All => self.partitions.iter().map(PartitionId::number).collect(),
        };
        partitions.sort_unstable();
        partitions.dedup();
        partitions
    }
}

/// What a search is for, as it is looked up.
struct Wanted {
    customers: Option<HashSet<CustomerId>>,
    hashes: Option<Vec<u32>>,
    from: Timestamp,
    to: Timestamp,
}

impl Wanted {
    fn new(query: &EventQuery) -> Self {
        let customers = match &query.by {
            EventsBy::Customers(customers) => {
                Some(customers.iter().copied().collect::<HashSet<CustomerId>>())
            }
            EventsBy::Partition(_) | EventsBy::All => None,
        };
        Self {
            hashes: customers
                .as_ref()
                .map(|customers| customers.iter().map(|id| hash_of(*id)).collect()),
            customers,
            from: query.from,
            to: query.to,
        }
    }

    fn has(&self, customer: CustomerId, time: Timestamp) -> bool {
        let customers = self.customers.as_ref();
        self.from <= time
            && time < self.to
            && customers.is_none_or(|customers| customers.contains(&customer))
    }
}

/// An event of the log, and where it stands.
struct Found {
    place: Place,
    logged: LoggedEvent,
}

/// Reads the events of a row, without copies.
fn read_events(row: Row) -> Result<Vec<Found>, LogError> {
    let Row {
        key,
        accept_time,
        payload,
    } = row;
    let damaged =
        |why: String| LogError::Damaged(format!("entry {} of the event log {why}", key.seq));
    let batch = Batch::decode(payload).map_err(|error| damaged(error.to_string()))?;
    let mut events = Vec::with_capacity(batch.records.len());
    for (record, number) in batch.records.into_iter().zip(0_u32..) {
        let Some(Body::Event(event)) = record.body else {
            continue;
        };
        if !record.forwarded_from_id.is_empty() {
            continue;
        }
        let customer = CustomerId::try_from_bytes(&record.customer_id)
            .map_err(|error| damaged(error.to_string()))?;
        events.push(Found {
            place: (key, number),
            logged: LoggedEvent {
                customer,
                time: Timestamp::from_millis(record.time_ms),
                accept_time,
                is_bulk: key.is_bulk(),
                event,
            },
        });
    }
    Ok(events)
}

/// Returns the bytes of an event in an answer, where objects are JSON: a control character takes
/// six there, and a number up to 39.
fn shown_bytes(event: &Event) -> usize {
    let objects = [&event.properties, &event.traits];
    let objects = objects.into_iter().map(|values| object_text(values).len());
    let shown = objects.sum::<usize>() + event.context_json.len();
    event.encoded_len().max(shown)
}

/// The page that is being filled.
struct Page {
    events: Vec<Found>,
    size: usize,
    /// Bytes of the events, as they are stored or as they are shown, whichever are more.
    bytes: usize,
}

impl Page {
    fn is_full(&self) -> bool {
        self.events.len() >= self.size || self.bytes >= EVENT_BYTES_PER_PAGE
    }

    /// Takes what is wanted of a row after some of its records. Where the page is full before its
    /// end, returns how many records are done with.
    fn take(&mut self, row: Row, skip: u32, wanted: &Wanted) -> Result<Option<u32>, LogError> {
        for found in read_events(row)? {
            let (_, number) = found.place;
            if number < skip || !wanted.has(found.logged.customer, found.logged.time) {
                continue;
            }
            if self.is_full() {
                return Ok(Some(number));
            }
            self.bytes += shown_bytes(&found.logged.event);
            self.events.push(found);
        }
        Ok(None)
    }

    fn end(
        self,
        group: u16,
        row: RowKey,
        records: Option<u32>,
    ) -> (Vec<Found>, Option<EventPlace>) {
        let next = EventPlace {
            group,
            row,
            records,
        };
        (self.events, Some(next))
    }
}
