//! Checks that all that was sent was counted, by every service.
//!
//! Without a journal, a store that goes back in time loses its tail. What a service has read of
//! that tail it may apply all the same, and again where the writer decides it anew: so after such a
//! loss there may be more downstream than upstream, and never less.

use std::collections::{BTreeMap, BTreeSet};

use engine::Head;
use kernel::{CustomerId, Reason};

use super::Run;
use crate::simulator::picture::Picture;

const NAMES: [&str; 4] = ["ordered", "paid", "promised", "visited"];
/// The counters of arrivals at steps that send, each behind its journey.
const SENDS: [(&str, &str); 3] = [
    ("order", "in/confirm"),
    ("order", "in/remind"),
    ("win_back", "in/miss"),
];
/// The ends of what was decided by definitions that lacked what others had.
const UNDEFINED: [Reason; 4] = [
    Reason::StepRemoved,
    Reason::JourneyDeleted,
    Reason::UnknownChannel,
    Reason::UnknownTemplate,
];

impl Run {
    /// No acknowledged event is lost or applied twice.
    pub(super) fn count(&self, picture: &Picture) {
        for name in NAMES {
            self.count_events(picture, name);
        }
        self.count_twice(picture);
        let of = |name: &str| picture.counters.get(name).copied().unwrap_or(0);
        // A customer with too many runs is not given another one.
        let runs = of_versions(picture, "order", "entered")
            + of_versions(picture, "order", "refused/RUN_LIMIT");
        self.compare("orders", of("event/seen/ordered"), "runs", runs);
        let asked = SENDS.map(|(journey, what)| of_versions(picture, journey, what));
        let asked = asked.iter().sum();
        let decided = picture.counters.iter();
        let decided =
            decided.filter(|(name, _)| name.starts_with(activation_core::Counter::GROUPS));
        let decided = decided.map(|(_, value)| value).sum();
        self.compare("effects asked for", asked, "effects decided", decided);
        for reason in UNDEFINED {
            let mut counters = picture.counters.keys();
            let by_older = counters.find(|name| name.ends_with(reason.code()));
            if let Some(name) = by_older {
                let world = self.on.world();
                world.violate(format!("{name}: decided where something was not defined"));
            }
        }
    }

    /// Returns whether what may be lost was lost at all.
    fn has_losses(&self) -> bool {
        !self.is_journaled() && !self.losses.is_empty()
    }

    /// Returns whether the state of a merged customer was on its way when the store lost its newest
    /// writes, and is lost with them: what it had counted is gone too. The survivor goes on without
    /// it, and says so.
    pub(super) fn has_lost_state(&self, picture: &Picture) -> bool {
        self.has_losses() && picture.heads().any(Head::lacks_state)
    }

    /// Returns whether an event was stored while the store lost what is stored.
    fn may_be_lost(&self, number: u64) -> bool {
        if !self.has_losses() {
            return false;
        }
        let times = self.on.post.ledger.times();
        times.get(&number).is_none_or(|(sent, acknowledged)| {
            let mut losses = self.losses.iter();
            losses.any(|(from, to)| from <= acknowledged && sent <= to)
        })
    }

    /// The customers who were joined by an event that may be lost.
    pub(super) fn may_be_doubled(&self) -> BTreeSet<CustomerId> {
        self.people.joined_by(|by| self.may_be_lost(by))
    }

    /// The events that identity took for customers who went on without a state that took too long:
    /// one that was sent again meanwhile is known to neither as a repetition.
    fn may_be_repeated(&self) -> BTreeSet<u64> {
        let alone = self.on.shared.watch.went_on_alone();
        let answers = self.on.post.ledger.answers().into_iter();
        let theirs = answers.filter(|(_, answer)| alone.contains(&answer.customer));
        theirs.map(|(number, _)| number).collect()
    }

    /// What is downstream is what is upstream.
    fn compare(&self, cause: &str, causes: i64, effect: &str, effects: i64) {
        let is_right = if self.has_losses() {
            effects >= causes
        } else {
            effects == causes
        };
        if !is_right {
            let world = self.on.world();
            world.violate(format!("{causes} {cause} and {effects} {effect}"));
        }
    }

    fn count_events(&self, picture: &Picture, name: &str) {
        let numbers = (1_u64..).zip(&self.events);
        let remembered = if name == "visited" {
            self.remembered
        } else {
            0
        };
        let remembered = i64::try_from(remembered).unwrap_or(i64::MAX);
        let (mut least, mut most) = (remembered, remembered);
        let repeated = self.may_be_repeated();
        for (number, _) in numbers.filter(|(_, it)| **it == name) {
            let may_be_lost = self.may_be_lost(number);
            least += i64::from(!may_be_lost);
            // One that was read before it was lost is sent again.
            most += 1 + i64::from(may_be_lost || repeated.contains(&number));
        }
        let counter = format!("event/seen/{name}");
        let counted = picture.counters.get(counter.as_str()).copied().unwrap_or(0);
        if counted < least || counted > most {
            let world = self.on.world();
            world.violate(format!(
                "{name}: {counted} counted, and it must be {least} to {most}"
            ));
        }
    }

    /// Events carry no ids that services could tell them by, but each a number of its own.
    fn count_twice(&self, picture: &Picture) {
        let mut counts: BTreeMap<u64, u32> = BTreeMap::new();
        for event in picture
            .profiles
            .values()
            .flat_map(|(_, state)| state.recent())
        {
            if let Some(kernel::Value::Number(number)) = event.properties.value("n") {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "small whole numbers"
                )]
                let number = *number as u64;
                *counts.entry(number).or_default() += 1;
            }
        }
        let repeated = self.may_be_repeated();
        for (number, count) in counts {
            // A state that moves to a survivor may outlive, on its way, the word that it moves:
            // then both have it.
            let mut moves = self.people.moves(number);
            let is_repeated = repeated.contains(&number);
            let most = 1 + u32::from(is_repeated || moves.any(|by| self.may_be_lost(by)));
            if count > most && !self.may_be_lost(number) {
                let world = self.on.world();
                world.violate(format!("event {number} was applied {count} times"));
            }
        }
    }
}

/// Adds up a counter of a journey over all of its versions.
fn of_versions(picture: &Picture, journey: &str, what: &str) -> i64 {
    let all = picture.counters.iter();
    let versions = all.filter(|(name, _)| {
        let version = name.strip_prefix("journey/");
        let version = version.and_then(|rest| rest.strip_prefix(journey)?.strip_prefix('/'));
        let behind = version.and_then(|rest| rest.split_once('/'));
        behind.is_some_and(|(_, of)| of == what)
    });
    versions.map(|(_, value)| value).sum()
}
