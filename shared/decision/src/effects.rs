//! The effects of a step beyond its state.

use kernel::{CounterKey, PartitionId, StreamName};
use messages::stream::v1::{ChangeRecord, Record};

use crate::{PartKey, WaitKey};

/// A record for a stream of a partition, which may be another than the one at hand.
pub type Forward = (PartitionId, StreamName, Record);

/// Everything that a step causes beyond its state. All of it takes effect in the commit, or none.
#[derive(Debug, Default)]
pub struct Effects {
    /// Records for the core's output stream, in the lane of the cause.
    pub records: Vec<Record>,
    /// Records for named streams of the same partition.
    pub to_streams: Vec<(StreamName, Record)>,
    /// Records for streams of any partition, delivered once.
    pub forwards: Vec<Forward>,
    /// Changes of the customer, for consumers outside.
    pub changes: Vec<ChangeRecord>,
    /// Changes of the partition's counters.
    pub counts: Vec<(CounterKey, i64)>,
    /// Groups of counters to drop.
    pub dropped_groups: Vec<Box<str>>,
    /// Records for the service's dispatcher, after the commit.
    pub dispatches: Vec<Record>,
    /// Says that the step went as it did because something is not defined.
    pub lacks_definition: bool,
    /// Parts of the state that are kept apart and that the step has to have. Where there are any,
    /// all else is void.
    pub needs: Vec<PartKey>,
    /// The wait that is being processed: it is at fault where the step fails now.
    pub wait: Option<WaitKey>,
    /// The ordinal of the fragment that what is emitted from now on is of: see
    /// [`of_fragment`](Self::of_fragment).
    fragment: u16,
    /// Of which fragments records are, by their places; those that are not listed are of the
    /// customer's own.
    pub record_fragments: Vec<(usize, u16)>,
    /// The same for records for named streams.
    pub stream_fragments: Vec<(usize, u16)>,
}

impl Effects {
    /// Says of which fragment of the customer all is that is emitted from now on, by its ordinal:
    /// where that one becomes a customer of their own again, it goes there. A step begins with
    /// [`Step::ordinal`](crate::Step::ordinal).
    pub const fn of_fragment(&mut self, ordinal: u16) {
        self.fragment = ordinal;
    }

    /// Appends a record to the core's output stream, in the lane of the cause.
    pub fn emit(&mut self, record: Record) {
        if self.fragment != 0 {
            self.record_fragments
                .push((self.records.len(), self.fragment));
        }
        self.records.push(record);
    }

    /// Appends a record to a named stream of the same partition, such as a receipt to `events`.
    pub fn emit_to(&mut self, stream: StreamName, record: Record) {
        if self.fragment != 0 {
            self.stream_fragments
                .push((self.to_streams.len(), self.fragment));
        }
        self.to_streams.push((stream, record));
    }

    /// Sends a record to a stream of another partition (or of this one), delivered once.
    pub fn forward(&mut self, partition: PartitionId, stream: StreamName, record: Record) {
        self.forwards.push((partition, stream, record));
    }

    /// Tells consumers outside that something changed for the customer.
    pub fn change(&mut self, change: ChangeRecord) {
        self.changes.push(change);
    }

    /// Adds to a counter of the partition.
    pub fn count(&mut self, key: CounterKey, change: i64) {
        self.counts.push((key, change));
    }

    /// Drops a group of counters of the partition, once the step has counted: what it counted is
    /// for a definition that is gone.
    pub fn drop_counters(&mut self, group: impl Into<Box<str>>) {
        self.dropped_groups.push(group.into());
    }

    /// Hands a record to the service's dispatcher after the commit. Lost in a crash: the state must
    /// hold a timer that asks again.
    pub fn dispatch(&mut self, record: Record) {
        self.dispatches.push(record);
    }

    /// Says that the step went as it did because something that the state or the record names is
    /// not defined. Where that may only be so because this process knows less than others, the step
    /// is taken again with what they know.
    pub fn lack_definition(&mut self) {
        self.lacks_definition = true;
    }

    /// Says that the step needs a part that is not loaded. It may end at once, in whatever way: all
    /// else that it does is void, and it is taken again with the part. Asking for all parts at once
    /// saves rounds.
    pub fn need(&mut self, part: PartKey) {
        self.needs.push(part);
    }

    /// Says that the step begins with a wait that is due: until it begins with another, or ends
    /// this one, that wait is at fault where it fails.
    pub fn begin_wait(&mut self, wait: WaitKey) {
        self.wait = Some(wait);
    }

    /// Says that the step is done with the wait that it began.
    pub fn end_wait(&mut self) {
        self.wait = None;
    }

    /// Forgets everything, for the next step.
    pub fn clear(&mut self) {
        self.records.clear();
        self.to_streams.clear();
        self.forwards.clear();
        self.changes.clear();
        self.counts.clear();
        self.dropped_groups.clear();
        self.dispatches.clear();
        self.lacks_definition = false;
        self.needs.clear();
        self.wait = None;
        self.fragment = 0;
        self.record_fragments.clear();
        self.stream_fragments.clear();
    }

    /// Returns whether nothing was caused.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.to_streams.is_empty()
            && self.forwards.is_empty()
            && self.changes.is_empty()
            && self.counts.is_empty()
            && self.dropped_groups.is_empty()
            && self.dispatches.is_empty()
            && self.needs.is_empty()
    }
}
