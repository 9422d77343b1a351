//! What a service plugs into the engine: `step(definitions, state, input, now) -> (state, effects)`, pure.

use std::fmt;

use bytes::Bytes;
use hot::{Owner, StateKey, StreamName};
use kernel::{PartitionId, Timestamp};
use proto::stream::v1::Record;

/// A service's decisions.
///
/// # Contract
/// Pure: the same arguments give the same answer, on any machine, at any time. No clock, randomness, IO or logging.
/// A step that fails or panics has changed nothing.
pub trait Core: Send + Sync + 'static {
    /// What was published: compiled, immutable, replaced as a whole.
    type Definitions: Send + Sync + 'static;
    /// The state of one customer. `Default` is a customer of whom nothing is known.
    type State: Clone + Default + Send + Sync + 'static;

    /// Which service this is.
    const OWNER: Owner;
    /// The live streams that it reads, most urgent first, each with its low-priority lane if it has one.
    const INPUTS: &'static [(StreamName, Option<StreamName>)];
    /// Where [`Effects::emit`] goes, for live and for low-priority causes; absent where it emits nothing downstream.
    const OUTPUT: Option<(StreamName, StreamName)>;

    /// Reads a stored state.
    ///
    /// # Errors
    /// [`Poison`] where the bytes are not a state of this service.
    fn decode(bytes: &[u8]) -> Result<Self::State, Poison>;

    /// Writes a state.
    fn encode(state: &Self::State) -> Bytes;

    /// Takes one record, or one due timer, of one customer.
    ///
    /// # Errors
    /// [`Poison`] where the input can never be processed; it is quarantined and nothing of it takes effect.
    fn step(
        definitions: &Self::Definitions,
        state: &mut Self::State,
        input: Input<'_>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Outcome, Poison>;
}

/// The state of a core.
pub type StateOf<C> = <C as Core>::State;

/// What a step takes.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A record of the customer.
    Record {
        /// The customer: the key of the state.
        key: &'a StateKey,
        /// The record; never a tick, which the engine handles.
        record: &'a Record,
    },
    /// The customer's timer is due. It may be stale: the deadline of record is the one in the state.
    Timer {
        /// The customer: the key of the state.
        key: &'a StateKey,
        /// When it was due.
        due_time: Timestamp,
    },
}

/// What a step leaves behind in the state's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The state is kept; its timer is set to the next deadline, or cleared where there is none.
    Keep {
        /// When the state wants to be looked at again, whatever happens. From a timer: after `now`, or it counts as a
        /// millisecond after it.
        next_due: Option<Timestamp>,
    },
    /// Nothing changed: the state is not written. A record leaves the timer as it is; a timer that fired is gone.
    Unchanged,
    /// The state is removed, its timer with it.
    Remove,
}

/// Why an input can never be processed. Bounded text for operators; never personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Poison {
    /// The reason.
    pub reason: String,
}

impl Poison {
    /// Says why.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

/// What a step causes beyond its state. All of it takes effect in the commit, or none.
#[derive(Debug, Default)]
pub struct Effects {
    pub(crate) records: Vec<Record>,
    pub(crate) to_streams: Vec<(StreamName, Record)>,
    pub(crate) forwards: Vec<(PartitionId, StreamName, Record)>,
    pub(crate) counts: Vec<(Box<str>, i64)>,
    pub(crate) dispatches: Vec<Record>,
    pub(crate) lacks_definition: bool,
}

impl Effects {
    /// Appends a record to the core's output stream, in the lane of the cause.
    pub fn emit(&mut self, record: Record) {
        self.records.push(record);
    }

    /// Appends a record to a named stream of the same partition, such as a receipt to `events`.
    pub fn emit_to(&mut self, stream: StreamName, record: Record) {
        self.to_streams.push((stream, record));
    }

    /// Sends a record to a stream of another partition (or of this one), delivered once.
    pub fn forward(&mut self, partition: PartitionId, stream: StreamName, record: Record) {
        self.forwards.push((partition, stream, record));
    }

    /// Adds to a counter of the partition.
    pub fn count(&mut self, name: impl Into<Box<str>>, change: i64) {
        self.counts.push((name.into(), change));
    }

    /// Hands a record to the service's dispatcher after the commit. Lost in a crash: the state must hold a timer that
    /// asks again.
    pub fn dispatch(&mut self, record: Record) {
        self.dispatches.push(record);
    }

    /// Says that the step went as it did because something that the state or the record names is not defined. Where that
    /// may only be so because this process knows less than others, the step is taken again with what they know.
    pub fn lack_definition(&mut self) {
        self.lacks_definition = true;
    }

    /// Forgets everything, for the next step.
    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.to_streams.clear();
        self.forwards.clear();
        self.counts.clear();
        self.dispatches.clear();
        self.lacks_definition = false;
    }

    /// The records emitted so far, for tests of cores.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The records sent to named streams so far, for tests of cores.
    pub fn records_to(&self) -> &[(StreamName, Record)] {
        &self.to_streams
    }

    /// The records forwarded so far, for tests of cores.
    pub fn forwarded(&self) -> &[(PartitionId, StreamName, Record)] {
        &self.forwards
    }

    /// The changes of counters so far, for tests of cores.
    pub fn counted(&self) -> &[(Box<str>, i64)] {
        &self.counts
    }

    /// The records handed to the dispatcher so far, for tests of cores.
    pub fn dispatched(&self) -> &[Record] {
        &self.dispatches
    }

    /// Whether a step so far said that something is not defined, for tests of cores.
    pub fn does_lack_definition(&self) -> bool {
        self.lacks_definition
    }

    /// Whether nothing was caused.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.to_streams.is_empty()
            && self.forwards.is_empty()
            && self.counts.is_empty()
            && self.dispatches.is_empty()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep {
                next_due: Some(due),
            } => write!(f, "keep until {due}"),
            Self::Keep { next_due: None } => f.write_str("keep"),
            Self::Unchanged => f.write_str("unchanged"),
            Self::Remove => f.write_str("remove"),
        }
    }
}
