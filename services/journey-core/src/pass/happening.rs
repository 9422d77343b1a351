//! The news of a fact, as triggers and conditions see it.

use std::cell::OnceCell;

use expr::Subject;
use kernel::{Properties, Value};
use messages::convert::properties;
use messages::stream::v1::{ChangeReason, Event, Fact, SegmentChange};

use crate::definition::{Definitions, Readers, ReadersOf, Trigger, TriggerKind};
use crate::state::{Customer, Name};

/// The news of a fact. The properties of its event are read when first asked for: most facts
/// concern no definition.
pub(crate) struct Happening<'a> {
    event: Option<&'a Event>,
    changes: Vec<&'a SegmentChange>,
    properties: OnceCell<Properties>,
}

/// The answer to a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    /// Nothing that it listens to happened.
    No,
    /// It happened, and the condition does not hold.
    Filtered,
    /// It happened.
    Yes,
}

impl<'a> Happening<'a> {
    /// Of a fact. A membership that an unmerge gives back is no news: the customer was in the segment
    /// before, and did nothing to enter it again.
    pub(crate) fn of(fact: &'a Fact) -> Self {
        let is_returned =
            |change: &SegmentChange| change.entered && change.reason() == ChangeReason::Unmerge;
        let changes = fact.changes.iter();
        Self {
            event: fact.event.as_ref(),
            changes: changes.filter(|it| !is_returned(it)).collect(),
            properties: OnceCell::new(),
        }
    }

    /// The event's properties; none where there is no event.
    pub(crate) fn properties(&self) -> &Properties {
        self.properties.get_or_init(|| {
            self.event
                .map(|event| properties(&event.properties))
                .unwrap_or_default()
        })
    }

    /// The event's id; empty where there is no event.
    pub(crate) fn event_id(&self) -> &str {
        self.event.map_or("", |event| event.event_id.as_str())
    }

    /// Returns the readers of the event, and then those of each change in order.
    pub(crate) fn readers<'d>(&self, definitions: &'d Definitions) -> Vec<&'d Readers> {
        let event = self.event.map(|event| ReadersOf::Event(&event.name));
        let changes = self.changes.iter().map(|change| ReadersOf::Change {
            segment: &change.segment,
            entered: change.entered,
        });
        event
            .into_iter()
            .chain(changes)
            .filter_map(|lookup| definitions.readers_of(lookup))
            .collect()
    }

    fn happened(&self, kind: &TriggerKind) -> bool {
        let changed = |segment: &Name, entered: bool| {
            self.changes
                .iter()
                .any(|change| change.entered == entered && change.segment == segment.as_ref())
        };
        match kind {
            TriggerKind::Event(name) => self.event.is_some_and(|event| event.name == name.as_ref()),
            TriggerKind::Entered(segment) => changed(segment, true),
            TriggerKind::Left(segment) => changed(segment, false),
        }
    }

    /// Returns whether a trigger was met.
    pub(crate) fn matches(&self, trigger: &Trigger, state: &Customer) -> Match {
        if !self.happened(&trigger.kind) {
            return Match::No;
        }
        match &trigger.condition {
            Some(condition) if !condition.holds(&View::new(state, self.properties())) => {
                Match::Filtered
            }
            _ => Match::Yes,
        }
    }
}

/// The customer and the event at hand.
pub(crate) struct View<'a> {
    state: &'a Customer,
    event: &'a Properties,
}

impl<'a> View<'a> {
    pub(crate) const fn new(state: &'a Customer, event: &'a Properties) -> Self {
        Self { state, event }
    }
}

impl Subject for View<'_> {
    fn profile(&self, name: &str) -> Option<&Value> {
        self.state.traits.value(name)
    }

    fn event(&self, name: &str) -> Option<&Value> {
        self.event.value(name)
    }

    fn has_profile(&self, name: &str) -> bool {
        self.state.traits.has(name)
    }

    fn has_event(&self, name: &str) -> bool {
        self.event.has(name)
    }

    fn in_segment(&self, name: &str) -> bool {
        self.state.is_in_segment(name)
    }
}

impl Trigger {
    /// The name that it listens to, for people: of the event or of the segment.
    pub(crate) const fn subject(&self) -> &Name {
        match &self.kind {
            TriggerKind::Event(name) | TriggerKind::Entered(name) | TriggerKind::Left(name) => name,
        }
    }
}
