//! Steps of the core: each is taken on the whole state, and again on what is stored of it.

use decision::{Effects, Input, Moved, Outcome, Poison, fold_in_once, step_once, take_leave_once};
use journey_core::state::State;
use journey_core::{Definitions, JourneyCore};
use kernel::{CustomerId, Timestamp};

use super::World;
use crate::invariants;

impl World {
    /// Joins a customer into another, as the engine does: what one said is said once.
    pub(super) fn merge(&mut self, who: CustomerId, into: CustomerId, time: Timestamp) {
        let (who, into) = (self.root(who), self.root(into));
        if who == into {
            return;
        }
        self.redirects.insert(who, into);
        let mut state = self.states.remove(&who).unwrap_or_default();
        let stored = self.stored.remove(&who).unwrap_or_default();
        let mut effects = Effects::default();
        let times = (time, self.now);
        let leave = |state: &mut State, effects: &mut Effects| {
            take_leave_once::<JourneyCore>(&self.definitions, state, who, times, effects)
        };
        let moved = leave(&mut state, &mut effects);
        let again = stored.call(&self.definitions, (None, self.now), leave);
        assert_eq!((&moved, &effects.counts), (&again.0, &again.2.counts));
        assert_eq!(effects.changes, again.2.changes);
        assert!(effects.records.is_empty(), "who leaves asks for nothing");
        assert_eq!(state, State::default(), "all of it moves in one piece");
        self.count(effects);
        let theirs = self.fragments.remove(&who).unwrap_or_default();
        let own = self.fragments.entry(into).or_default();
        let ordinal = *own + 1;
        *own = ordinal + theirs;
        if let Some(state) = moved {
            let moved = Moved {
                ordinal,
                ..Moved::whole(who, &state)
            };
            self.change(into, None, |definitions, after, effects| {
                fold_in_once::<JourneyCore>(definitions, after, (into, moved), times, effects)
            });
        }
        invariants::check(self);
    }

    /// One step of the core.
    pub(super) fn step(&mut self, who: CustomerId, input: Input<'_>) {
        let now = self.now;
        self.change(who, Some(input), |definitions, after, effects| {
            step_once::<JourneyCore>(definitions, after, who, input, now, effects)
        });
    }

    /// Lets the core change a customer, and takes what it caused.
    fn change(
        &mut self,
        who: CustomerId,
        input: Option<Input<'_>>,
        core: impl Fn(&Definitions, &mut State, &mut Effects) -> Result<Outcome, Poison>,
    ) {
        let before = self.states.get(&who).cloned().unwrap_or_default();
        let mut effects = Effects::default();
        let mut after = before.clone();
        let outcome = core(&self.definitions, &mut after, &mut effects)
            .expect("an input that can be processed");
        assert_eq!(effects.needs, [], "everything is loaded");
        let stored = self.stored.get(&who).cloned().unwrap_or_default();
        let times = (input, self.now);
        let definitions = &self.definitions;
        let (outcome_again, mut again, effects_again) =
            stored.call(definitions, times, |state, effects| {
                core(definitions, state, effects)
            });
        assert_eq!(outcome_again, Ok(outcome));
        let left = again.not_loaded();
        stored.load(&mut again, left);
        assert_eq!(again, after, "the same from what is stored");
        invariants::check_step(self, (&before, &after), (&effects, &effects_again));
        match outcome {
            Outcome::Keep { next_due } => {
                assert_eq!(next_due, after.open().next_due());
                self.stored.entry(who).or_default().write(&mut after);
            }
            Outcome::Unchanged => assert_eq!(after, before, "said to be unchanged"),
            Outcome::Remove => panic!("journeys never forget a customer"),
        }
        self.tell(who, &before.open(), &after.open());
        self.tell_actions(who, &effects.records);
        self.count(effects);
        self.states.insert(who, after);
    }
}
