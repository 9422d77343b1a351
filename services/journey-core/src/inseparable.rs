//! What an unmerge cannot take apart, for people who are about to undo a merge.

use std::fmt;

use decision::{Split, limits::FRAGMENTS};
use kernel::Reason;

use crate::state::{Name, State};

/// Something that stays as it is when fragments leave a customer, though it would be another way had
/// they never been joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inseparable {
    /// Whatever was decided while they were one.
    Decisions,
    /// A run that ended because the other customer had one of its journey and key.
    EndedRun {
        /// The journey.
        journey: Name,
        /// The key; empty for the only one.
        key: Name,
    },
    /// Maps and happy paths of fragments for whose trails there was no room.
    LostTrails {
        /// The number of these fragments.
        fragments: usize,
    },
    /// Ends of runs of a journey that were given up for want of room.
    ClosedJourney {
        /// The journey; empty for all that are not known by name.
        journey: Name,
    },
    /// The fragments beyond those that are told apart.
    SharedOrdinal,
}

impl Inseparable {
    /// Returns the code that names it, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Decisions => "JOURNEY_DECISIONS",
            Self::EndedRun { .. } => "JOURNEY_ENDED_RUN",
            Self::LostTrails { .. } => "JOURNEY_LOST_TRAILS",
            Self::ClosedJourney { .. } => "JOURNEY_CLOSED",
            Self::SharedOrdinal => "JOURNEY_SHARED_ORDINAL",
        }
    }
}

impl fmt::Display for Inseparable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decisions => f.write_str(
                "Steps that runs took while the customers were one, entries that were refused and arms that were given stay: each run goes on from where it is, with the customer whose event started it.",
            ),
            Self::EndedRun { journey, key } => {
                write!(f, "The run of the journey {journey}")?;
                if !key.is_empty() {
                    write!(f, " for the key {key}")?;
                }
                f.write_str(" that ended with MERGED_INTO stays ended.")
            }
            Self::LostTrails { fragments } => write!(
                f,
                "There was no room for the positions and milestones of {fragments} fragments by themselves: they get those that counted for the joined customer.",
            ),
            Self::ClosedJourney { journey } if journey.is_empty() => f.write_str(
                "Ends of runs were given up for want of room: journeys that are not known by name count as ended for both customers.",
            ),
            Self::ClosedJourney { journey } => write!(
                f,
                "Ends of runs of the journey {journey} were given up for want of room: every key counts as ended for both customers.",
            ),
            Self::SharedOrdinal => f.write_str(
                "The customer has more fragments than are told apart: what those beyond the 255th did goes with all of them.",
            ),
        }
    }
}

/// Lists what would stay joined in a customer whose ends and trails are loaded. Nothing where nothing is
/// known of those who leave.
#[must_use]
pub fn inseparable(state: &State, split: &Split<'_>) -> Vec<Inseparable> {
    if !state.is_known() {
        return Vec::new();
    }
    let customer = state.open();
    let mut all = vec![Inseparable::Decisions];
    let merged = customer.ended.iter();
    let merged = merged.filter(|run| run.reason == Reason::MergedInto);
    all.extend(merged.map(|run| Inseparable::EndedRun {
        journey: run.journey.clone(),
        key: run.key.clone(),
    }));
    let fragments = customer.trails.iter().filter(|own| own.is_lost).count();
    if fragments > 0 {
        all.push(Inseparable::LostTrails { fragments });
    }
    let closed = customer.endings.iter().filter(|own| own.closed.is_some());
    all.extend(closed.map(|own| Inseparable::ClosedJourney {
        journey: own.journey.clone(),
    }));
    if split.ordinal_of(FRAGMENTS - 1).is_some() {
        all.push(Inseparable::SharedOrdinal);
    }
    all
}
