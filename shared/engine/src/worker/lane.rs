//! One input stream of a partition, read ahead.

use std::collections::VecDeque;

use bytes::Bytes;
use hot::{Cursor, Head, HotError, HotStore, StreamId};
use prost::Message;
use proto::stream::v1::{Batch, Record};

use crate::counters::OWN_PREFIX;
use crate::limits;

/// One input stream.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) stream: StreamId,
    /// Whether it is a low-priority lane.
    pub(crate) bulk: bool,
    /// The counter that keeps how many records of the entry after the cursor took effect.
    pub(crate) index_counter: Box<str>,
    committed: Place,
    read_to: Cursor,
    entries: VecDeque<ReadEntry>,
    /// The entry (by its number in `entries`) and the record in it that come next.
    next: (usize, usize),
    waiting: usize,
    may_have_more: bool,
    records_per_entry: usize,
    untrimmed: u32,
}

/// How far a stream took effect: all entries up to the cursor, and `index` records of the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) cursor: Cursor,
    pub(crate) index: usize,
}

#[derive(Debug)]
struct ReadEntry {
    cursor: Cursor,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Records(Vec<Record>),
    /// Nothing that can be read; taken as one record.
    Damaged(Bytes),
    /// No record at all; taken as one that does nothing, so that the cursor passes it.
    Empty,
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
}

impl Lane {
    pub(crate) fn open(stream: StreamId, bulk: bool, head: &Head) -> Self {
        let index_counter = format!("{OWN_PREFIX}index:{}", stream.name.name()).into_boxed_str();
        let cursor = head
            .cursors
            .iter()
            .find(|(name, _)| *name == stream.name)
            .map_or(Cursor::START, |(_, cursor)| *cursor);
        let index = head
            .counters
            .iter()
            .find(|(name, _)| *name == index_counter)
            .map_or(0, |(_, index)| usize::try_from(*index).unwrap_or(0));
        Self {
            stream,
            bulk,
            index_counter,
            committed: Place { cursor, index },
            read_to: cursor,
            entries: VecDeque::new(),
            next: (0, index),
            waiting: 0,
            may_have_more: true,
            records_per_entry: 1,
            untrimmed: u32::from(cursor > Cursor::START),
        }
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

    /// Reads on, unless `want` records wait already or there is nothing more.
    pub(crate) async fn read(&mut self, hot: &dyn HotStore, want: usize) -> Result<(), HotError> {
        if !self.may_have_more || self.waiting >= want {
            return Ok(());
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
        Ok(())
    }

    fn push(&mut self, entry: hot::Entry) {
        self.read_to = entry.cursor;
        let content = match Batch::decode(entry.payload.clone()) {
            Ok(batch) if batch.records.is_empty() => Content::Empty,
            Ok(batch) => Content::Records(batch.records),
            Err(_) => Content::Damaged(entry.payload),
        };
        let entry = ReadEntry {
            cursor: entry.cursor,
            content,
        };
        // Of the first entry after opening, some may be in effect already.
        let done = if self.entries.is_empty() {
            self.next.1
        } else {
            0
        };
        self.waiting += entry.len().saturating_sub(done);
        self.entries.push_back(entry);
    }

    /// The places from the next one on.
    pub(crate) fn places(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let (first, skip) = self.next;
        self.entries
            .iter()
            .enumerate()
            .skip(first)
            .flat_map(move |(entry, read)| {
                let from = if entry == first { skip } else { 0 };
                (from..read.len()).map(move |index| (entry, index))
            })
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

    /// Where the stream is once everything up to and with a place is in effect.
    pub(crate) fn after(&self, (entry, index): (usize, usize)) -> Place {
        if index + 1 >= self.entries[entry].len() {
            return Place {
                cursor: self.entries[entry].cursor,
                index: 0,
            };
        }
        let cursor = match entry {
            0 => self.committed.cursor,
            _ => self.entries[entry - 1].cursor,
        };
        Place {
            cursor,
            index: index + 1,
        }
    }

    /// Takes note that everything up to a place is in effect.
    pub(crate) fn settle(&mut self, place: Place) {
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.cursor <= place.cursor)
        {
            let entry = self.entries.pop_front().expect("there is a front");
            self.waiting -= entry.len().saturating_sub(self.next.1);
            self.next = (0, 0);
            self.untrimmed += 1;
        }
        self.waiting -= place.index - self.next.1;
        self.next = (0, place.index);
        self.committed = place;
    }

    /// Removes from the stream what is in effect, if that is worth a call.
    pub(crate) async fn trim(&mut self, hot: &dyn HotStore, least: u32) -> Result<(), HotError> {
        if self.untrimmed >= least.max(1) {
            hot.trim(self.stream, self.committed.cursor).await?;
            self.untrimmed = 0;
        }
        Ok(())
    }
}
