//! The streams between services, each with its one reader. It does not say what they carry.

use crate::Owner;

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
    /// Results of delivery attempts; written and read by activation.
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
    pub const fn index(self) -> usize {
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
