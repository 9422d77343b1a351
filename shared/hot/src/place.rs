//! Names of places: services, their slots, streams, and how far into a stream.

use kernel::PartitionId;

/// A service as the hot store knows it: the first word of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// Identity.
    Identity,
    /// Segmentation.
    Segmentation,
    /// Journey.
    Journey,
    /// Activation.
    Activation,
}

impl Owner {
    /// Every service. Stores keep the place in this list: only ever add at the end.
    pub const ALL: [Self; 4] = [
        Self::Identity,
        Self::Segmentation,
        Self::Journey,
        Self::Activation,
    ];

    /// Its place in [`Self::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// Its name, as keys and answers carry it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Segmentation => "segmentation",
            Self::Journey => "journey",
            Self::Activation => "activation",
        }
    }
}

/// One partition of one service: what a worker owns and a commit changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The service.
    pub owner: Owner,
    /// The partition.
    pub partition: PartitionId,
}

/// Where a worker believes its partition to be: whatever it asks for on the strength of that must not be done where the
/// store has gone back since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its partition.
    pub slot: Slot,
    /// The epoch that it opened it under.
    pub epoch: u64,
    /// The last commit that took effect.
    pub commit_seq: u64,
}

/// The streams between and within services. Each has exactly one service that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamName {
    /// From identity (and receipts) to segmentation.
    Events,
    /// The low-priority lane of events.
    EventsBulk,
    /// From segmentation to journey.
    Facts,
    /// The low-priority lane of facts.
    FactsBulk,
    /// From journey (and consent changes) to activation.
    Actions,
    /// The low-priority lane of actions.
    ActionsBulk,
    /// What became of delivery attempts; written and read by activation.
    Outcomes,
}

impl StreamName {
    /// Every stream. Stores keep the place in this list: only ever add at the end.
    pub const ALL: [Self; 7] = [
        Self::Events,
        Self::EventsBulk,
        Self::Facts,
        Self::FactsBulk,
        Self::Actions,
        Self::ActionsBulk,
        Self::Outcomes,
    ];

    /// Its place in [`Self::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// The only service that reads it.
    pub const fn reader(self) -> Owner {
        match self {
            Self::Events | Self::EventsBulk => Owner::Segmentation,
            Self::Facts | Self::FactsBulk => Owner::Journey,
            Self::Actions | Self::ActionsBulk | Self::Outcomes => Owner::Activation,
        }
    }

    /// Its name, as keys carry it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::EventsBulk => "events.bulk",
            Self::Facts => "facts",
            Self::FactsBulk => "facts.bulk",
            Self::Actions => "actions",
            Self::ActionsBulk => "actions.bulk",
            Self::Outcomes => "outcomes",
        }
    }
}

/// One stream of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// The stream.
    pub name: StreamName,
    /// The partition.
    pub partition: PartitionId,
}

/// A place in a stream. A reader's cursor is the last entry that took effect; [`Cursor::START`] is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cursor {
    /// Milliseconds in Redis, 0 in the embedded store.
    pub major: u64,
    /// The number within.
    pub minor: u64,
}

impl Cursor {
    /// Before the first entry.
    pub const START: Self = Self { major: 0, minor: 0 };

    /// The first after this one.
    pub(crate) fn next(self) -> Self {
        Self {
            minor: self.minor.saturating_add(1),
            ..self
        }
    }
}
