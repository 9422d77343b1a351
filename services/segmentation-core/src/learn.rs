//! Takes what an event tells: traits, how often it happened, and a place in each history whose
//! filter accepts it.

use std::sync::Arc;

use expr::Subject;
use kernel::{Properties, Timestamp, Value};
use messages::convert;
use messages::stream::v1::Event;

use crate::core::Pass;
use crate::definitions::{Definitions, History};
use crate::evaluate::Worklist;
use crate::feature::{Feature, Sums};
use crate::profile::{Said, Stamp, TraitChanges};
use crate::state::{EventTotal, MissingParts};

/// An event as it arrives, whole, as filters see it.
struct Arriving<'a>(&'a Properties);

impl Subject for Arriving<'_> {
    fn profile(&self, _name: &str) -> Option<&Value> {
        None
    }

    fn event(&self, name: &str) -> Option<&Value> {
        self.0.value(name)
    }

    fn has_event(&self, name: &str) -> bool {
        self.0.has(name)
    }

    fn in_segment(&self, _name: &str) -> bool {
        false
    }
}

impl Pass<'_> {
    /// Takes what an event tells, and names the segments that it may change. Returns the traits
    /// that change. Nothing that is known of the customer is later than now, when the event was
    /// accepted.
    ///
    /// # Errors
    /// [`MissingParts`] where its place is in a part that is not there.
    pub(crate) fn learn(
        &mut self,
        event: &Event,
        time: Timestamp,
        at: Timestamp,
        work: &mut Worklist,
    ) -> Result<TraitChanges, MissingParts> {
        let properties = convert::properties(&event.properties);
        let known_time = time.min(self.now);
        let mut changes = TraitChanges::default();
        if !event.traits.is_empty() {
            let said = Said::by_event(&event.traits, Stamp::of(&event.event_id, known_time));
            changes = Arc::make_mut(&mut self.state.traits).take(said);
        }
        for name in changes.names() {
            work.add_all(self.definitions.by_trait(name));
        }
        self.state.see(known_time);
        work.add_all(self.definitions.by_seen().iter().copied());
        self.count(&event.name, time, at, &properties, work)?;
        self.state.recent.add(event, time);
        Ok(changes)
    }

    /// Counts an event, and adds it to the histories of its name that take it.
    fn count(
        &mut self,
        name: &str,
        time: Timestamp,
        at: Timestamp,
        properties: &Properties,
        work: &mut Worklist,
    ) -> Result<(), MissingParts> {
        let table = &self.definitions.table;
        let groups = table.groups(name);
        match self.state.total_place(name) {
            Ok(place) => self.state.totals[place].add(time),
            Err(_) if groups.is_none() && self.state.has_all_names() => return Ok(()),
            Err(place) => {
                // Where too many names are known, this one may have happened before.
                let is_first = !self.state.has_all_names();
                let total = EventTotal::of(name, time);
                self.state.totals.insert(place, total);
                for history in table.of_event(name) {
                    if self.state.features.has(history.id) {
                        continue;
                    }
                    if is_first {
                        self.state.features.begin_empty(history.id);
                    } else {
                        *self.state.features.own_mut(history.id)? = Feature::beginning(at);
                    }
                }
            }
        }
        let mut missing = MissingParts::default();
        for history in accepting(self.definitions, name, properties) {
            let value = history.property.as_deref();
            let value = value.and_then(|property| properties.value(property));
            let event = Sums::one(time, value.and_then(Value::as_number));
            let added = self.state.features.own_mut(history.id).and_then(|feature| {
                let added = feature.add(event, at, history.retention);
                added.map_err(|missing| missing.of(history.id, 0))
            });
            missing.note(added, ());
            work.add_all(history.readers.iter().copied());
        }
        missing.or(())
    }
}

/// The histories that take an event. Each filter is asked once.
pub(crate) fn accepting<'a>(
    definitions: &'a Definitions,
    name: &str,
    properties: &'a Properties,
) -> impl Iterator<Item = &'a History> {
    let table = &definitions.table;
    let groups = table.groups(name).unwrap_or_default().iter();
    let accepting = groups.filter(move |group| {
        let filter = group.filter.as_ref();
        filter.is_none_or(|filter| filter.accepts(&Arriving(properties)))
    });
    accepting.flat_map(move |group| table.of_group(group))
}
