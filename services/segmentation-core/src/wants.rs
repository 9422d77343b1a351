//! The parts that an input is going to need, as far as the state tells without them.
//!
//! This looks where a step is going to look: at the histories that take the event, and at those
//! that the segments to be decided read, with the blocks at the edges of their windows. What it
//! does not name costs the step another round, nothing else.

use decision::{Input, PartKey};
use kernel::{CustomerId, Timestamp};
use messages::convert;
use messages::stream::v1::{Event, record::Body};

use crate::account;
use crate::definitions::Definitions;
use crate::evaluate::Worklist;
use crate::learn::accepting;
use crate::state::State;

/// Names the parts that are not loaded and that an input is going to need.
pub(crate) fn name_wanted(
    definitions: &Definitions,
    state: &State,
    input: Input<'_>,
    now: Timestamp,
    wanted: &mut Vec<PartKey>,
) {
    let definitions = match input {
        Input::Record(record) => {
            let subject = CustomerId::try_from_bytes(&record.customer_id);
            subject.map_or(definitions, |it| account::definitions_of(it, definitions))
        }
        Input::Timer { .. } => definitions,
    };
    if let Input::Record(record) = input
        && let Some(id) = account::repetition_id(record)
        && let Err(missing) = state.event_ids.is_repeated(id, now)
    {
        wanted.extend(missing.0);
    }
    want_fragments(definitions, state, wanted);
    if state.features.not_loaded().next().is_none() {
        return;
    }
    let mut work = Worklist::new(definitions);
    let time = match input {
        Input::Timer { .. } => now,
        Input::Record(record) => {
            if let Some(Body::Event(event)) = &record.body {
                want_event(definitions, state, event, &mut work, wanted);
            }
            Timestamp::from_millis(record.time_ms).min(now)
        }
    };
    if state.fingerprint == definitions.fingerprint {
        let due = state.dues.iter().filter(|(_, due)| *due <= now);
        work.add_all(due.map(|(place, _)| *place));
    } else {
        // Every history is fitted to the new set, and every segment that may hold is decided.
        let histories = state.features.iter();
        wanted.extend(
            histories
                .filter_map(|held| Some(held.feature().err()?.0))
                .flatten(),
        );
        work.add_possible(definitions, state);
    }
    let at = state.clock.map_or(time, |clock| clock.max(time));
    while let Some(place) = work.pop() {
        let segment = &definitions.segments[place as usize];
        let features = segment.condition.features().iter();
        for (id, feature) in segment.histories.iter().zip(features) {
            for held in state.features.of(*id) {
                wanted.extend(held.wanted(feature.window, at));
            }
        }
    }
    wanted.sort_unstable();
    wanted.dedup();
}

/// Names the fragments of a merged customer: all of them where the definitions are new, and where
/// there are few, since one of them is that of the input.
fn want_fragments(definitions: &Definitions, state: &State, wanted: &mut Vec<PartKey>) {
    const FEW: usize = 4;
    let is_new = state.fingerprint != definitions.fingerprint;
    if is_new || state.fragments.not_loaded().nth(FEW).is_none() {
        wanted.extend(state.fragments.not_loaded());
    }
}

/// Names the histories that take an event, and adds the segments that it may change.
fn want_event(
    definitions: &Definitions,
    state: &State,
    event: &Event,
    work: &mut Worklist,
    wanted: &mut Vec<PartKey>,
) {
    work.add_all(definitions.by_seen().iter().copied());
    for named in &event.traits {
        // Parts of an object that the event does not name go.
        let known = state.traits.names_under(&named.name);
        for name in known.chain([named.name.as_str()]) {
            work.add_all(definitions.by_trait(name));
        }
    }
    if definitions.table.groups(&event.name).is_none() {
        return;
    }
    let properties = convert::properties(&event.properties);
    for history in accepting(definitions, &event.name, &properties) {
        // The fragment of the event is known once it is taken.
        let own = state.features.of(history.id).iter();
        let own = own.filter_map(|held| Some(held.feature().err()?.0));
        wanted.extend(own.flatten());
        work.add_all(history.readers.iter().copied());
    }
}
