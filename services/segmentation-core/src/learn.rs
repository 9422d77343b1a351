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
use crate::state::{Counted, Fragment, MissingParts, count_event};

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
        let mut alone = self.begin_alone()?;
        let mut changes = TraitChanges::default();
        if !event.traits.is_empty() {
            let said = Said::by_event(&event.traits, Stamp::of(&event.event_id, known_time));
            if let Some(alone) = &mut alone {
                Arc::make_mut(&mut alone.traits).take(said.clone());
            }
            changes = Arc::make_mut(&mut self.state.traits).take(said);
        }
        for name in changes.names() {
            work.add_all(self.definitions.by_trait(name));
        }
        self.state.see(known_time);
        work.add_all(self.definitions.by_seen().iter().copied());
        self.count(&event.name, (time, at), &mut alone)?;
        self.add_to_histories(&event.name, (time, at), &properties, work)?;
        if let Some(mut alone) = alone {
            alone.see(known_time);
            self.state.fragments.put(self.ordinal, alone);
        }
        self.state.recent.add(event, time, self.ordinal);
        self.state.bound_recent()?;
        Ok(changes)
    }

    /// The fragment of the event, where the customer's fragments are told apart.
    fn begin_alone(&mut self) -> Result<Option<Fragment>, MissingParts> {
        if !self.state.tells_apart(self.ordinal) {
            return Ok(None);
        }
        self.state.begin_fragments();
        self.state.fragments.of(self.ordinal).map(Some)
    }

    /// Counts an event, and begins the histories of its name with the first.
    fn count(
        &mut self,
        name: &str,
        (time, at): (Timestamp, Timestamp),
        alone: &mut Option<Fragment>,
    ) -> Result<(), MissingParts> {
        let table = &self.definitions.table;
        let is_read = table.groups(name).is_some();
        let mut counted = count_event(&mut self.state.totals, name, time, is_read);
        if let Some(alone) = alone {
            counted = count_event(&mut alone.totals, name, time, is_read);
        }
        let features = &mut self.state.features;
        for history in table.of_event(name) {
            match counted {
                Counted::Again | Counted::Not => return Ok(()),
                Counted::First if features.has(history.id) => {}
                Counted::First => features.begin_empty(history.id),
                Counted::Late if alone.is_none() && features.has(history.id) => {}
                Counted::Late if features.has_of(history.id, self.ordinal) => {}
                Counted::Late => {
                    *features.of_mut(history.id, self.ordinal)? = Feature::beginning(at);
                }
            }
        }
        Ok(())
    }

    /// Adds an event to the histories of its name that take it, as its fragment's.
    fn add_to_histories(
        &mut self,
        name: &str,
        (time, at): (Timestamp, Timestamp),
        properties: &Properties,
        work: &mut Worklist,
    ) -> Result<(), MissingParts> {
        let ordinal = self.ordinal;
        let mut missing = MissingParts::default();
        for history in accepting(self.definitions, name, properties) {
            let value = history.property.as_deref();
            let value = value.and_then(|property| properties.value(property));
            let event = Sums::one(time, value.and_then(Value::as_number));
            let feature = self.state.features.of_mut(history.id, ordinal);
            let added = feature.and_then(|feature| {
                let added = feature.add(event, at, history.retention);
                added.map_err(|missing| missing.of(history.id, ordinal))
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
