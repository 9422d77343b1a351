//! The histories that a set of segments needs, by what feeds them and by who reads them.

use std::collections::HashMap;
use std::sync::Arc;

use expr::{Condition, Feature, FeatureId, Filter};
use kernel::{Duration, StableHash};

use super::Segment;
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

/// The places of groups among those of their event, by the event and the canonical filter.
type Groups<'a> = HashMap<(&'a str, &'a str), usize>;

impl Table {
    /// Returns the table of what segments read, and of what the conditions of others read until
    /// lately. It has room for as much as the last one.
    pub(super) fn of(segments: &[Arc<Segment>], gone: &[Arc<Condition>], last: &Self) -> Self {
        let mut table = Self {
            histories: Vec::with_capacity(last.histories.len()),
            places: HashMap::with_capacity(last.places.len()),
            by_event: HashMap::with_capacity(last.by_event.len()),
        };
        let mut groups = HashMap::with_capacity(last.histories.len());
        for (number, segment) in (0..).zip(segments) {
            let features = segment.condition.features().iter();
            for (feature, id) in features.zip(&segment.histories) {
                let history = table.track(feature, *id, &mut groups);
                // The last reader is the segment at hand or one before it.
                if history.readers.last() != Some(&number) {
                    history.readers.push(number);
                }
            }
        }
        for feature in gone.iter().flat_map(|condition| condition.features()) {
            table.track(feature, feature.id(), &mut groups);
        }
        table
    }

    /// Returns the history of a feature, kept for as long as the feature needs it.
    fn track<'a>(
        &mut self,
        feature: &'a Feature,
        id: FeatureId,
        groups: &mut Groups<'a>,
    ) -> &mut History {
        let place = match self.places.get(&id) {
            Some(place) => *place,
            None => self.add(feature, id, groups),
        };
        let history = &mut self.histories[place];
        let window = feature.window.unwrap_or_default().as_millis();
        let kept = Duration::from_millis(window + limits::LATE_HORIZON.as_millis());
        history.retention = history.retention.max(kept);
        history
    }

    /// Adds a history, and returns its place.
    fn add<'a>(&mut self, feature: &'a Feature, id: FeatureId, groups: &mut Groups<'a>) -> usize {
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
        let group = groups.entry((&*feature.event, filter)).or_insert_with(|| {
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
