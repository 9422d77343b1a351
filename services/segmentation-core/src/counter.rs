//! The counters that change in the commit of what they count.
//!
//! Groups are `segment/<name>`, `event` for the names of all events, and `trait`. Names of segments
//! hold no slash; those of events may.

use decision::BoundedCounters;
use kernel::CounterKey;

use crate::limits;

/// One counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter<'a> {
    /// Customers in a segment.
    Members {
        /// The segment.
        segment: &'a str,
    },
    /// Events of a name.
    Seen {
        /// The name of the event.
        event: &'a str,
    },
    /// Events of all names beyond [`EVENT_NAMES`](crate::limits::EVENT_NAMES).
    OtherSeen,
    /// Traits that events set and that found no room at their customers.
    TraitsLeftOut,
}

/// The name of the counter of members.
const MEMBERS: &str = "members";
/// The beginning of the names of counters of events.
const SEEN: &str = "seen/";
/// The name of the counter of traits that found no room.
const LEFT_OUT: &str = "left_out";
/// The name of the counter of events of further names.
const OTHER: &str = "other";

impl<'a> Counter<'a> {
    /// The beginning of the groups of all segments.
    pub const SEGMENT_GROUPS: &'static str = "segment/";
    /// The group of the names of events.
    pub const EVENT_GROUP: &'static str = "event";
    /// The group of what is counted of traits.
    pub const TRAIT_GROUP: &'static str = "trait";
    /// The group of the names of events, as it is bounded.
    pub(crate) const BOUNDED: BoundedCounters = BoundedCounters {
        group: Self::EVENT_GROUP,
        names: limits::EVENT_NAMES,
        other: OTHER,
    };

    /// The group of a segment.
    pub fn segment_group(segment: &str) -> String {
        [Self::SEGMENT_GROUPS, segment].concat()
    }

    /// Names the counter in the store.
    pub fn key(&self) -> CounterKey {
        match self {
            Self::Members { segment } => CounterKey::new(Self::segment_group(segment), MEMBERS),
            Self::OtherSeen => CounterKey::new(Self::EVENT_GROUP, OTHER),
            Self::TraitsLeftOut => CounterKey::new(Self::TRAIT_GROUP, LEFT_OUT),
            Self::Seen { event } => CounterKey::new(Self::EVENT_GROUP, [SEEN, event].concat()),
        }
    }

    /// Reads a counter back; none where it is not one of these, as a newer version may write.
    pub fn parse(key: &'a CounterKey) -> Option<Self> {
        if let Some(segment) = key.group.strip_prefix(Self::SEGMENT_GROUPS) {
            return (&*key.name == MEMBERS).then_some(Self::Members { segment });
        }
        if &*key.group == Self::TRAIT_GROUP {
            return (&*key.name == LEFT_OUT).then_some(Self::TraitsLeftOut);
        }
        if &*key.group != Self::EVENT_GROUP {
            return None;
        }
        match key.name.strip_prefix(SEEN) {
            Some(event) => Some(Self::Seen { event }),
            None => (&*key.name == OTHER).then_some(Self::OtherSeen),
        }
    }

    /// Returns whether it says how many are there now, and not how many ever were.
    pub(crate) const fn counts_presence(&self) -> bool {
        match self {
            Self::Members { .. } => true,
            Self::Seen { .. } | Self::OtherSeen | Self::TraitsLeftOut => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_read_back_from_its_key() {
        for counter in [
            Counter::Members { segment: "vip" },
            Counter::Seen { event: "order" },
            Counter::Seen {
                event: "order/paid.v2",
            },
            Counter::Seen { event: "" },
            Counter::Seen { event: "other" },
            Counter::OtherSeen,
            Counter::TraitsLeftOut,
        ] {
            assert_eq!(Counter::parse(&counter.key()), Some(counter));
        }
        for (group, name) in [
            ("segment/vip", "unheard_of"),
            ("event", "unheard_of"),
            ("trait", "unheard_of"),
            ("other", "seen/a"),
            ("", "members"),
        ] {
            let key = CounterKey::new(group, name);
            assert_eq!(Counter::parse(&key), None, "{key}");
        }
    }
}
