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
    /// From operators, about the quarantine of segmentation.
    SegmentationCommands,
    /// From operators, about the quarantine of journey.
    JourneyCommands,
    /// From operators, about the quarantine of activation.
    ActivationCommands,
}

impl StreamName {
    /// Every stream. Stores keep the place in this list: only ever add at the end.
    pub const ALL: [Self; 10] = [
        Self::Events,
        Self::EventsBulk,
        Self::Facts,
        Self::FactsBulk,
        Self::Actions,
        Self::ActionsBulk,
        Self::Outcomes,
        Self::SegmentationCommands,
        Self::JourneyCommands,
        Self::ActivationCommands,
    ];

    /// Its place in [`Self::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The only service that reads it.
    pub const fn reader(self) -> Owner {
        match self {
            Self::Events | Self::EventsBulk | Self::SegmentationCommands => Owner::Segmentation,
            Self::Facts | Self::FactsBulk | Self::JourneyCommands => Owner::Journey,
            Self::Actions | Self::ActionsBulk | Self::Outcomes | Self::ActivationCommands => {
                Owner::Activation
            }
        }
    }

    /// The stream with what operators decide about the quarantine of a service; absent where it has
    /// none.
    ///
    /// It is apart from what customers cause, so that a lane that waits for room in the quarantine
    /// does not hold up the command that makes room.
    pub const fn commands_of(owner: Owner) -> Option<Self> {
        match owner {
            Owner::Identity => None,
            Owner::Segmentation => Some(Self::SegmentationCommands),
            Owner::Journey => Some(Self::JourneyCommands),
            Owner::Activation => Some(Self::ActivationCommands),
        }
    }

    /// Returns whether it carries what operators decide, and nothing of customers.
    pub const fn is_commands(self) -> bool {
        matches!(
            self,
            Self::SegmentationCommands | Self::JourneyCommands | Self::ActivationCommands
        )
    }

    /// The name of its lane: `bulk` where it is of low priority, and `live` otherwise.
    pub const fn lane(self) -> &'static str {
        match self {
            Self::EventsBulk | Self::FactsBulk | Self::ActionsBulk => "bulk",
            _ => "live",
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
            Self::SegmentationCommands => "segmentation.commands",
            Self::JourneyCommands => "journey.commands",
            Self::ActivationCommands => "activation.commands",
        }
    }
}
