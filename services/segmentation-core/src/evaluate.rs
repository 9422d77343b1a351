//! Decides memberships: evaluates the segments that something touched, in the order of what they
//! read, once each.

use std::sync::Arc;

use kernel::Timestamp;
use messages::stream::v1::{ChangeReason, SegmentChange};

use decision::Effects;

use crate::counter::Counter;
use crate::customer::Customer;
use crate::definitions::Definitions;
use crate::limits;
use crate::state::{Membership, MissingParts, State};

/// The segments to evaluate: a set of places that is emptied in their order.
#[derive(Debug)]
pub(crate) struct Worklist {
    words: Vec<u64>,
    /// No word before this one has any.
    first: usize,
}

impl Worklist {
    /// An empty set of the places of a set of definitions.
    pub(crate) fn new(definitions: &Definitions) -> Self {
        let words = definitions.segments.len().div_ceil(64);
        Self {
            words: vec![0; words],
            first: words,
        }
    }

    pub(crate) fn add(&mut self, place: u32) {
        let word = place as usize / 64;
        self.words[word] |= 1 << (place % 64);
        self.first = self.first.min(word);
    }

    pub(crate) fn add_all(&mut self, places: impl IntoIterator<Item = u32>) {
        places.into_iter().for_each(|place| self.add(place));
    }

    /// Adds every segment that can hold, or begin to hold by time alone. The others are left out:
    /// they read nothing that is known of the customer, and would not hold for one of whom nothing
    /// is known. So a customer costs what concerns them, however many segments there are.
    pub(crate) fn add_possible(&mut self, definitions: &Definitions, state: &State) {
        self.add_all(definitions.needing_nothing().iter().copied());
        if state.is_known() {
            self.add_all(definitions.by_seen().iter().copied());
        }
        for total in &state.totals {
            self.add_all(definitions.by_event(&total.name).iter().copied());
        }
        for history in state
            .features
            .iter()
            .filter_map(|it| definitions.table.history(it.id))
        {
            self.add_all(history.readers.iter().copied());
        }
        for (name, _, _) in state.traits.values() {
            self.add_all(definitions.by_trait(name));
        }
        for membership in &state.memberships {
            if let Some(place) = definitions.place(&membership.segment) {
                self.add(place);
                self.add_all(definitions.readers(place).iter().copied());
            }
        }
    }

    fn has(&self, place: u32) -> bool {
        self.words[place as usize / 64] & (1 << (place % 64)) != 0
    }

    /// Returns whether what is left out neither holds nor has a time to be looked at: what
    /// [`Self::add_possible`] promises.
    fn is_complete(&self, definitions: &Definitions, state: &State, now: Timestamp) -> bool {
        (0..).zip(&definitions.segments).all(|(place, segment)| {
            let customer = Customer::new(state, now, &segment.histories);
            self.has(place)
                || state.membership_place(&segment.name).is_err()
                    && !segment.condition.holds(&customer)
                    && segment.condition.next_look(&customer).is_none()
        })
    }

    pub(crate) fn pop(&mut self) -> Option<u32> {
        while let Some(word) = self.words.get_mut(self.first) {
            if *word != 0 {
                let bit = word.trailing_zeros();
                *word &= *word - 1;
                let base = u32::try_from(self.first * 64).expect("far fewer segments");
                return Some(base + bit);
            }
            self.first += 1;
        }
        None
    }
}

/// The reason for which memberships are decided anew.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cause<'a> {
    /// An event that happened at this instant, which may be before now.
    Event(Timestamp),
    /// Time alone.
    Time,
    /// Another customer was joined into this one, who was in these segments.
    Merge(&'a [Membership]),
    /// The customer was taken apart, or came out of another one, and was in these segments then.
    Unmerge(&'a [Membership]),
    /// The definitions are new.
    Definition,
}

impl Cause<'_> {
    const fn reason(self) -> ChangeReason {
        match self {
            Self::Event(_) => ChangeReason::Event,
            Self::Time => ChangeReason::Time,
            Self::Merge(_) => ChangeReason::Merge,
            Self::Unmerge(_) => ChangeReason::Unmerge,
            Self::Definition => ChangeReason::Definition,
        }
    }
}

/// Evaluates all segments that may concern a customer, as of an instant. Returns what changed.
///
/// # Errors
/// [`MissingParts`] where a history cannot be read.
pub(crate) fn evaluate_all(
    definitions: &Definitions,
    state: &mut State,
    mut work: Worklist,
    now: Timestamp,
    cause: Cause<'_>,
    effects: &mut Effects,
) -> Result<Vec<SegmentChange>, MissingParts> {
    work.add_possible(definitions, state);
    debug_assert!(
        work.is_complete(definitions, state, now),
        "a segment was left out that concerns the customer"
    );
    evaluate(definitions, state, work, now, cause, effects)
}

/// Evaluates segments, and those that read the ones that change, as of an instant. Returns what
/// changed.
///
/// # Errors
/// [`MissingParts`] where a history cannot be read.
pub(crate) fn evaluate(
    definitions: &Definitions,
    state: &mut State,
    mut work: Worklist,
    now: Timestamp,
    cause: Cause<'_>,
    effects: &mut Effects,
) -> Result<Vec<SegmentChange>, MissingParts> {
    let mut changes = Vec::new();
    let mut missing = MissingParts::default();
    let mut near = 0;
    while let Some(number) = work.pop() {
        let segment = &definitions.segments[number as usize];
        let customer = Customer::new(state, now, &segment.histories);
        let decided = customer.found(segment.condition.decide(&customer));
        // The others tell what they miss too.
        let Some((holds, due)) = missing.note(decided.map(Some), None) else {
            continue;
        };
        let place = state.membership_place_near(near, &segment.name);
        near = place.unwrap_or_else(|place| place);
        if place.is_ok() == holds {
            if let Ok(place) = place {
                state.memberships[place].version = segment.version;
            }
            state.set_due(number, due);
            continue;
        }
        let time = effective_time(definitions, state, number, now, cause, &changes);
        let time = missing.note(time, now);
        state.set_due(number, due);
        match place {
            Ok(place) => drop(state.memberships.remove(place)),
            Err(place) => state.memberships.insert(
                place,
                Membership {
                    segment: Arc::clone(&segment.name),
                    version: segment.version,
                    enter_time: time,
                },
            ),
        }
        effects.count(segment.counter.clone(), if holds { 1 } else { -1 });
        work.add_all(definitions.readers(number).iter().copied());
        changes.push(SegmentChange {
            segment: segment.name.to_string(),
            version: segment.version,
            entered: holds,
            reason: cause.reason().into(),
            time_ms: time.as_millis(),
        });
    }
    missing.or(changes)
}

/// When a change became true, which is before now where the event came late.
fn effective_time(
    definitions: &Definitions,
    state: &State,
    number: u32,
    now: Timestamp,
    cause: Cause<'_>,
    changes: &[SegmentChange],
) -> Result<Timestamp, MissingParts> {
    let segment = &definitions.segments[number as usize];
    Ok(match cause {
        Cause::Event(at) if at < now => {
            // What it reads of other segments became true with their changes.
            let read = changes
                .iter()
                .filter(|change| {
                    segment
                        .condition
                        .reads()
                        .segments
                        .contains(change.segment.as_str())
                })
                .map(|change| Timestamp::from_millis(change.time_ms));
            let from = read.fold(at.max(now - limits::LATE_HORIZON), Timestamp::max);
            let customer = Customer::new(state, now, &segment.histories);
            let since = segment
                .condition
                .since(&customer, from, limits::LATE_INSTANTS);
            customer.found(since)?
        }
        Cause::Merge(known) | Cause::Unmerge(known) => known
            .iter()
            .find(|membership| membership.segment == segment.name)
            .map_or(now, |membership| membership.enter_time),
        Cause::Event(_) | Cause::Time | Cause::Definition => now,
    })
}

/// Says where newer definitions decided these memberships than are known here.
pub(crate) fn compare(
    definitions: &Definitions,
    memberships: &[Membership],
    effects: &mut Effects,
) {
    let is_newer = |membership: &Membership| {
        definitions
            .place(&membership.segment)
            .is_none_or(|place| definitions.segments[place as usize].version < membership.version)
    };
    if memberships.iter().any(is_newer) {
        effects.lack_definition();
    }
}

/// Removes the memberships of segments that are no longer defined. Returns what changed.
pub(crate) fn leave_deleted(
    definitions: &Definitions,
    state: &mut State,
    now: Timestamp,
    effects: &mut Effects,
) -> Vec<SegmentChange> {
    let mut changes = Vec::new();
    state.memberships.retain(|membership| {
        let is_defined = definitions.place(&membership.segment).is_some();
        if !is_defined {
            let counter = Counter::Members {
                segment: &membership.segment,
            };
            effects.count(counter.key(), -1);
            changes.push(SegmentChange {
                segment: membership.segment.to_string(),
                version: membership.version,
                entered: false,
                reason: ChangeReason::Definition.into(),
                time_ms: now.as_millis(),
            });
        }
        is_defined
    });
    changes
}

#[cfg(test)]
mod tests {
    use decision::{Names, Source};
    use messages::definition::v1::definition::Kind;
    use messages::segmentation::v1 as api;

    use super::*;
    use crate::state::EventTotal;

    fn definitions() -> Definitions {
        let about = (0..200).map(|number| {
            let expression = format!("events(\"e{number}\").count() >= 2");
            (format!("about{number}"), expression)
        });
        let others = [
            ("absent", "events(\"gone\").count() == 0"),
            ("later", "now > timestamp(\"2030-01-01T00:00:00Z\")"),
            ("old", "now - last_seen > duration(\"30d\")"),
            ("paying", "profile.plan == \"pro\""),
            (
                "nested",
                "segments.has(\"about7\") && profile.plan != \"x\"",
            ),
        ];
        let others = others.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let kinds: Vec<Kind> = about
            .chain(others)
            .map(|(name, expression)| {
                Kind::Segment(api::Segment {
                    name,
                    expression,
                    ..api::Segment::default()
                })
            })
            .collect();
        let sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
        Definitions::compile(&sources, &Names::default()).expect("valid segments")
    }

    #[test]
    fn only_what_may_concern_a_customer_is_looked_at() {
        let definitions = definitions();
        let state = State {
            first_seen: Some(Timestamp::from_millis(1)),
            totals: vec![EventTotal::of("e3", Timestamp::from_millis(1))],
            memberships: vec![Membership {
                segment: "about7".into(),
                version: 1,
                enter_time: Timestamp::from_millis(1),
            }],
            ..State::default()
        };
        let mut work = Worklist::new(&definitions);
        work.add_possible(&definitions, &state);
        assert!(work.is_complete(&definitions, &state, Timestamp::from_millis(2)));
        let mut names = Vec::new();
        while let Some(place) = work.pop() {
            names.push(definitions.segments[place as usize].name.to_string());
        }
        names.sort_unstable();
        assert_eq!(
            names,
            ["about3", "about7", "absent", "later", "nested", "old"]
        );
    }
}
