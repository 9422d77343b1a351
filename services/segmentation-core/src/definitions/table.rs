//! The histories that a set of segments needs, by what feeds them and by who reads them.

use std::collections::HashMap;

use expr::{Feature, FeatureId, Filter};
use kernel::{Duration, StableHash};

use crate::limits;

/// The histories that a set of segments needs.
#[derive(Debug, Default)]
pub(crate) struct Table {
    histories: Vec<History>,
    places: HashMap<FeatureId, usize>,
    by_event: HashMap<Box<str>, Vec<Group>>,
}

/// A history that is kept of each customer.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) id: FeatureId,
    /// The property whose numbers are kept; absent where events are only counted.
    pub(crate) property: Option<Box<str>>,
    /// True where it has all events of its name, and no numbers.
    pub(crate) is_plain: bool,
    /// The time that runs are kept: the longest window over it, and time for late events.
    pub(crate) retention: Duration,
    /// The segments that read it.
    pub(crate) readers: Vec<u32>,
}

/// The histories of one event name that one filter feeds.
#[derive(Debug)]
pub(crate) struct Group {
    /// The filter of the events that they take; absent for all.
    pub(crate) filter: Option<Filter>,
    histories: Vec<usize>,
}

impl Table {
    /// The table of features, each with the segment that reads it; absent for one that only was
    /// read until lately.
    pub(crate) fn of<'a>(features: impl Iterator<Item = (&'a Feature, Option<u32>)>) -> Self {
        let mut table = Self::default();
        let mut groups: HashMap<(Box<str>, Box<str>), usize> = HashMap::new();
        for (feature, reader) in features {
            let place = table.track(feature, &mut groups);
            let history = &mut table.histories[place];
            let window = feature.window.unwrap_or_default().as_millis();
            let kept = Duration::from_millis(window + limits::LATE_HORIZON.as_millis());
            history.retention = history.retention.max(kept);
            // Segments come in their order, so that the last reader is the one at hand or another.
            if let Some(reader) = reader.filter(|reader| history.readers.last() != Some(reader)) {
                history.readers.push(reader);
            }
        }
        table
    }

    fn track(
        &mut self,
        feature: &Feature,
        groups: &mut HashMap<(Box<str>, Box<str>), usize>,
    ) -> usize {
        let id = feature.id();
        if let Some(place) = self.places.get(&id) {
            return *place;
        }
        let place = self.histories.len();
        let property = feature.aggregate.property();
        self.histories.push(History {
            id,
            property: property.map(Into::into),
            is_plain: property.is_none() && feature.filter.is_none(),
            retention: Duration::ZERO,
            readers: Vec::new(),
        });
        self.places.insert(id, place);
        let filter = feature.filter.as_ref().map_or("", Filter::canonical);
        let of_event = self.by_event.entry(feature.event.clone()).or_default();
        let group = groups
            .entry((feature.event.clone(), filter.into()))
            .or_insert_with(|| {
                of_event.push(Group {
                    filter: feature.filter.clone(),
                    histories: Vec::new(),
                });
                of_event.len() - 1
            });
        of_event[*group].histories.push(place);
        place
    }

    /// A history by its id; none where no segment needs it.
    pub(crate) fn history(&self, id: FeatureId) -> Option<&History> {
        self.places.get(&id).map(|place| &self.histories[*place])
    }

    /// The groups of histories that events of a name feed; none where no segment reads it.
    pub(crate) fn groups(&self, event: &str) -> Option<&[Group]> {
        self.by_event.get(event).map(Vec::as_slice)
    }

    /// The histories of a group.
    pub(crate) fn of_group(&self, group: &Group) -> impl Iterator<Item = &History> {
        group.histories.iter().map(|place| &self.histories[*place])
    }

    /// The histories that events of a name may feed.
    pub(crate) fn of_event(&self, event: &str) -> impl Iterator<Item = &History> {
        let groups = self.groups(event).unwrap_or_default();
        groups.iter().flat_map(|group| self.of_group(group))
    }

    /// Adds what is kept to the hash that names a set of definitions.
    pub(crate) fn add_to(&self, hash: StableHash) -> StableHash {
        let mut ids: Vec<u64> = self.places.keys().map(|id| id.number()).collect();
        ids.sort_unstable();
        ids.iter()
            .fold(hash, |hash, id| hash.with(&id.to_le_bytes()))
    }
}
