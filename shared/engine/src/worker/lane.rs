//! One input stream of a partition, read ahead.
//!
//! What took effect is told in two ways. The cursor is a place in this incarnation of the store.
//! Where entries have an origin, the marks of [`hot::marks`] are the truth: what they say was
//! consumed is passed over, wherever it stands.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use hot::marks::{Marks, Part};
use hot::{Cursor, Head, HotError, HotStore, Origin, Standing, StreamId, Writer};
use kernel::Timestamp;
use messages::stream::v1::{Batch, Record};
use prost::Message;

use crate::limits;

/// One input stream.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) stream: StreamId,
    /// Whether it is a low-priority lane.
    pub(crate) bulk: bool,
    /// The place of the live lane that a low-priority one belongs to.
    pub(crate) live: Option<usize>,
    committed: Place,
    read_to: Cursor,
    entries: VecDeque<ReadEntry>,
    /// Of each writer, its last entry that is in effect or was read.
    taken: HashMap<Writer, u64>,
    /// True where services before this one write to it.
    has_causes: bool,
    /// When the last entry that was read was accepted, or the cause of its last record.
    read_time: Timestamp,
    /// The number of the last commit of which an entry was read.
    last_commit: u64,
    waiting: usize,
    may_have_more: bool,
    records_per_entry: usize,
    /// True where a program before this one may have left entries that are in effect.
    may_have_old: bool,
}

/// How far a stream took effect: all entries up to the cursor, and some records of one after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) cursor: Cursor,
    pub(crate) part: Option<Part>,
}

#[derive(Debug)]
struct ReadEntry {
    cursor: Cursor,
    /// Absent where it has none, and where the marks have it already.
    origin: Option<Origin>,
    /// The number of the commit that wrote it; 0 where it was appended from outside.
    commit_seq: u64,
    accept_time: Option<Timestamp>,
    /// When the cause of each record was accepted; empty where all were accepted with the entry.
    cause_times_ms: Vec<i64>,
    /// How many of its records are in effect.
    done: usize,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Records(Vec<Record>),
    /// Nothing that can be read; taken as one record.
    Damaged(Bytes),
    /// No record, or none that is not in effect; taken as one that does nothing, so that the cursor
    /// passes it.
    Empty,
}

/// When a record was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Absent where that is not known.
    pub(crate) time: Option<Timestamp>,
    /// True where it is the time of what caused it, in the services before.
    pub(crate) is_of_cause: bool,
}

/// What is at one place of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Item<'a> {
    Record(&'a Record),
    Damaged(&'a Bytes),
    Empty,
}

impl ReadEntry {
    fn len(&self) -> usize {
        match &self.content {
            Content::Records(records) => records.len(),
            Content::Damaged(_) | Content::Empty => 1,
        }
    }

    fn waiting(&self) -> usize {
        self.len() - self.done
    }

    fn accepted(&self, index: usize) -> Accepted {
        let cause = self.cause_times_ms.get(index);
        Accepted {
            time: cause.map_or(self.accept_time, |ms| Some(Timestamp::from_millis(*ms))),
            is_of_cause: cause.is_some(),
        }
    }
}

impl Lane {
    pub(crate) fn open(stream: StreamId, live: Option<usize>, head: &Head) -> Self {
        let cursor = head
            .cursors
            .iter()
            .find(|(name, _)| *name == stream.name)
            .map_or(Cursor::START, |(_, cursor)| *cursor);
        let Marks { seen, part } = head.marks(stream.name);
        Self {
            stream,
            bulk: live.is_some(),
            live,
            committed: Place { cursor, part },
            read_to: cursor,
            entries: VecDeque::new(),
            taken: seen.into_iter().collect(),
            has_causes: false,
            read_time: Timestamp::MIN,
            last_commit: 0,
            waiting: 0,
            may_have_more: true,
            records_per_entry: 1,
            may_have_old: cursor > Cursor::START,
        }
    }

    /// Returns whether it carries what operators decide, and nothing of customers.
    pub(crate) const fn is_commands(&self) -> bool {
        self.stream.name.is_commands()
    }

    /// Returns whether it is a live lane of records.
    pub(crate) const fn is_live(&self) -> bool {
        !self.bulk && !self.is_commands()
    }

    /// Says that the stream may have news.
    pub(crate) fn hint(&mut self) {
        self.may_have_more = true;
    }

    /// Records read and not yet in effect.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(crate) fn committed(&self) -> Place {
        self.committed
    }

    /// Reads on, unless `want` records wait already or there is nothing more. Returns the number of
    /// entries that it read.
    pub(crate) async fn read(
        &mut self,
        hot: &dyn HotStore,
        want: usize,
    ) -> Result<usize, HotError> {
        if !self.may_have_more || self.waiting >= want {
            return Ok(0);
        }
        let max =
            ((want - self.waiting) / self.records_per_entry).clamp(1, limits::ENTRIES_PER_POLL);
        let entries = hot.poll(self.stream, self.read_to, max).await?;
        self.may_have_more = entries.len() >= max;
        let before = self.waiting;
        let read = entries.len();
        for entry in entries {
            self.push(entry);
        }
        if let Some(average) = (self.waiting - before).checked_div(read) {
            self.records_per_entry = average.max(1);
        }
        Ok(read)
    }

    fn push(&mut self, entry: hot::Entry) {
        self.read_to = entry.cursor;
        let mut read = ReadEntry {
            cursor: entry.cursor,
            origin: None,
            commit_seq: 0,
            accept_time: entry.accept_time,
            cause_times_ms: Vec::new(),
            done: 0,
            content: Content::Empty,
        };
        if !entry.origin.is_some_and(|origin| self.is_taken(origin)) {
            match Batch::decode(entry.payload.clone()) {
                Ok(batch) if batch.records.is_empty() => {}
                Ok(batch) => {
                    read.commit_seq = batch.commit_seq;
                    read.cause_times_ms = batch.accept_times_ms;
                    read.content = Content::Records(batch.records);
                }
                Err(_) => read.content = Content::Damaged(entry.payload),
            }
            self.last_commit = self.last_commit.max(read.commit_seq);
            // Between what services pass on, in order, others write what is newer.
            let causes = read.cause_times_ms.last();
            let time = causes.map(|ms| Timestamp::from_millis(*ms));
            if time.is_some() || !self.has_causes {
                self.read_time = time.or(entry.accept_time).unwrap_or(Timestamp::MIN);
            }
            self.has_causes |= time.is_some();
            read.origin = entry.origin;
            read.done = self.done_of(entry.origin);
            if read.done >= read.len() {
                (read.done, read.content) = (0, Content::Empty);
            }
            if let Some(origin) = entry.origin {
                self.taken.insert(origin.writer, origin.seq);
            }
        }
        self.waiting += read.waiting();
        self.entries.push_back(read);
    }

    fn is_taken(&self, origin: Origin) -> bool {
        self.taken
            .get(&origin.writer)
            .is_some_and(|taken| origin.seq <= *taken)
    }

    /// How many records of an entry that was just read are in effect.
    fn done_of(&self, origin: Option<Origin>) -> usize {
        let Some(part) = self.committed.part else {
            return 0;
        };
        let is_it = match part.origin {
            Some(_) => part.origin == origin,
            // It is the first after the cursor, and stays in `entries` until it is wholly in
            // effect.
            None => self.entries.is_empty(),
        };
        if is_it { index_of(part) } else { 0 }
    }

    /// The places from the next one on.
    pub(crate) fn places(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.entries
            .iter()
            .enumerate()
            .flat_map(|(entry, read)| (read.done..read.len()).map(move |index| (entry, index)))
    }

    pub(crate) fn item(&self, (entry, index): (usize, usize)) -> Item<'_> {
        match &self.entries[entry].content {
            Content::Records(records) => Item::Record(&records[index]),
            Content::Damaged(bytes) => Item::Damaged(bytes),
            Content::Empty => Item::Empty,
        }
    }

    pub(crate) fn cursor_of(&self, entry: usize) -> Cursor {
        self.entries[entry].cursor
    }

    /// Returns the number of the commit that wrote an entry; 0 where it was appended from outside.
    pub(crate) fn commit_of(&self, entry: usize) -> u64 {
        self.entries[entry].commit_seq
    }

    /// Returns the number of the first commit of which something is left once so many records were
    /// taken. What was not read yet may be of any commit after the last one that was.
    pub(crate) fn next_commit(&self, taken: usize) -> u64 {
        let mut taken = taken;
        let left = self.entries.iter().filter(|entry| {
            let is_left = entry.waiting() > taken;
            taken = taken.saturating_sub(entry.waiting());
            is_left
        });
        let unread = if self.may_have_more {
            self.last_commit + 1
        } else {
            u64::MAX
        };
        left.map(|entry| entry.commit_seq)
            .find(|commit| *commit > 0)
            .unwrap_or(unread)
    }

    /// Returns when the record at a place was accepted.
    pub(crate) fn accepted(&self, (entry, index): (usize, usize)) -> Accepted {
        self.entries[entry].accepted(index)
    }

    /// Returns when the oldest record was accepted that is left once so many were taken, those
    /// among them that were not read; the latest time there is where nothing is left.
    pub(crate) fn oldest_after(&self, taken: usize) -> Timestamp {
        let unread = if self.may_have_more {
            self.read_time
        } else {
            Timestamp::MAX
        };
        let mut taken = taken;
        let left = self.entries.iter().filter_map(|entry| {
            let first = entry.done + taken;
            taken = taken.saturating_sub(entry.waiting());
            // The causes of one entry are in order.
            let accepted = (first < entry.len()).then(|| entry.accepted(first))?;
            Some(accepted.time.unwrap_or(Timestamp::MIN))
        });
        left.fold(unread, Timestamp::min)
    }

    /// Where the stream is once everything up to and with a place is in effect.
    pub(crate) fn after(&self, (entry, index): (usize, usize)) -> Place {
        let read = &self.entries[entry];
        if index + 1 < read.len() {
            let cursor = match entry {
                0 => self.committed.cursor,
                _ => self.entries[entry - 1].cursor,
            };
            let part = Part {
                origin: read.origin,
                index: u64::try_from(index + 1).unwrap_or(u64::MAX),
            };
            return Place {
                cursor,
                part: Some(part),
            };
        }
        // What is in effect of an entry that still is to come stays on record.
        let passed = |part: &Part| {
            part.origin.is_none()
                || self
                    .entries
                    .iter()
                    .take(entry + 1)
                    .any(|read| read.origin == part.origin)
        };
        Place {
            cursor: read.cursor,
            part: self.committed.part.filter(|part| !passed(part)),
        }
    }

    /// Of each writer, its last entry that is wholly in effect once the cursor is at a place, as
    /// far as that is news.
    pub(crate) fn seen_by(&self, cursor: Cursor) -> BTreeMap<Writer, u64> {
        let passed = self.entries.iter().take_while(|read| read.cursor <= cursor);
        let origins = passed.filter_map(|read| read.origin);
        origins.map(|origin| (origin.writer, origin.seq)).collect()
    }

    /// Takes note that everything up to a place is in effect.
    pub(crate) fn settle(&mut self, place: Place) {
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.cursor <= place.cursor)
        {
            let entry = self.entries.pop_front().expect("there is a front");
            self.waiting -= entry.waiting();
        }
        if let (Some(part), Some(front)) = (place.part, self.entries.front_mut())
            && front.origin == part.origin
        {
            self.waiting -= front.waiting();
            front.done = index_of(part);
            self.waiting += front.waiting();
        }
        self.committed = place;
    }

    /// Removes from the stream what a program before this one left of what is in effect.
    pub(crate) async fn trim_old(
        &mut self,
        hot: &dyn HotStore,
        at: Standing,
    ) -> Result<(), HotError> {
        if self.may_have_old {
            hot.trim(at, self.stream.name, self.committed.cursor)
                .await?;
            self.may_have_old = false;
        }
        Ok(())
    }
}

fn index_of(part: Part) -> usize {
    usize::try_from(part.index).unwrap_or(usize::MAX)
}
