//! Names what an unmerge does not give back, because it cannot be told apart.

use std::fmt;

use decision::Split;

use crate::state::{LAST, State};

/// Something that was learned under fragments that leave and does not go with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Inseparable {
    /// The fragments beyond those that are told apart.
    SharedOrdinal,
    /// Histories that were joined with those of others, because so many customers were joined.
    JoinedHistories,
    /// All but the histories of customers who were joined by a version that did not tell fragments
    /// apart.
    OlderMerge,
}

impl Inseparable {
    /// Returns the code that names it, for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::SharedOrdinal => "SEGMENTATION_SHARED_ORDINAL",
            Self::JoinedHistories => "SEGMENTATION_JOINED_HISTORIES",
            Self::OlderMerge => "SEGMENTATION_OLDER_MERGE",
        }
    }
}

impl fmt::Display for Inseparable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SharedOrdinal => {
                "More than 255 customers were joined: all that is known of those beyond stays."
            }
            Self::JoinedHistories => {
                "So many customers were joined that small histories were put together: these stay, \
                 and begin anew for who leaves. Counts and traits are given back."
            }
            Self::OlderMerge => {
                "They were joined by a version that kept only histories apart: traits, counts and \
                 recent events from before stay."
            }
        })
    }
}

/// Lists what fragments that leave do not take along, in order; nothing where all of it goes. It
/// needs no part to be loaded.
#[must_use]
pub fn inseparable(state: &State, split: &Split<'_>) -> Vec<Inseparable> {
    let leaving = || split.ordinals.iter().map(|(own, _)| *own);
    let has_history = |own: u16| {
        let mut held = state.features.iter().filter(|held| !held.is_empty());
        held.any(|held| held.ordinal == own)
    };
    let fragments = &state.fragments;
    let is_older = |own: u16| {
        let is_untold = (1..LAST).contains(&own) && !fragments.has(own);
        fragments.older.contains(&own) || (is_untold && has_history(own))
    };
    let found = [
        (Inseparable::SharedOrdinal, leaving().any(|own| own >= LAST)),
        (
            Inseparable::JoinedHistories,
            leaving().any(|own| fragments.joined.contains(&own)),
        ),
        (Inseparable::OlderMerge, leaving().any(is_older)),
    ];
    let found = found.into_iter().filter(|(_, is_so)| *is_so);
    found.map(|(it, _)| it).collect()
}
