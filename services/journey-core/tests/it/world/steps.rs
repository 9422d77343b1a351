//! Steps of the core: each is taken on the whole state, and again on what is stored of it.

use std::cell::RefCell;

use bytes::Bytes;
use decision::{
    Core as _, Effects, Input, Moved, Outcome, Poison, Split, Step, erase_once, fold_in_once,
    split_off_once, take_back_once, take_leave_once,
};
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
        for (fragment, theirs) in self.let_go(who) {
            self.ordinals.insert((into, fragment), ordinal + theirs);
        }
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

    /// Lets a customer come out of the one that they were joined into, with fragments of theirs.
    pub(super) fn split(&mut self, who: CustomerId, others: &[CustomerId], time: Timestamp) {
        let from = self.root(who);
        if from == who {
            return;
        }
        let leaving = [&[who], others].concat();
        let mut ordinals: Vec<(u16, u16)> = (0..)
            .zip(&leaving)
            .map(|(there, fragment)| (self.ordinals[&(from, *fragment)], there))
            .collect();
        ordinals.sort_unstable();
        let split = Split {
            to: who,
            ordinals: &ordinals,
            merge_time: None,
        };
        let times = (time, self.now);
        let returned: RefCell<Vec<Option<Bytes>>> = RefCell::default();
        self.change(from, None, |definitions, after, effects| {
            let told = (from, split);
            let head = split_off_once::<JourneyCore>(definitions, after, told, times, effects);
            if effects.needs.is_empty() {
                returned.borrow_mut().push(head);
            }
            Ok(match after.is_known() {
                true => Outcome::Keep {
                    next_due: after.open().next_due(),
                },
                false => Outcome::Unchanged,
            })
        });
        let returned = returned.into_inner();
        assert_eq!(returned[0], returned[1], "the same from what is stored");
        for (fragment, own) in self.let_go(from) {
            let place = leaving.iter().position(|it| *it == fragment);
            let (root, ordinal) = match place.and_then(|place| u16::try_from(place).ok()) {
                Some(there) => (who, there),
                None => (from, own),
            };
            self.redirects.remove(&fragment);
            if fragment != root {
                self.redirects.insert(fragment, root);
                self.ordinals.insert((root, fragment), ordinal);
            }
        }
        let others = u16::try_from(others.len()).expect("a few");
        self.fragments.insert(who, others);
        if let Some(Some(head)) = returned.first() {
            self.change(who, None, |definitions, after, effects| {
                take_back_once::<JourneyCore>(definitions, after, (who, head), times, effects)
            });
        }
        invariants::check(self);
    }

    /// Erases a customer.
    pub(super) fn erase(&mut self, who: CustomerId, time: Timestamp) {
        let who = self.root(who);
        let mut state = self.states.remove(&who).unwrap_or_default();
        let stored = self.stored.remove(&who).unwrap_or_default();
        let times = (time, self.now);
        let erase = |state: &mut State, effects: &mut Effects| {
            erase_once::<JourneyCore>(&self.definitions, state, who, times, effects);
        };
        let mut effects = Effects::default();
        erase(&mut state, &mut effects);
        let ((), _, again) = stored.call(&self.definitions, (None, self.now), erase);
        assert_eq!(effects.counts, again.counts);
        assert_eq!(effects.changes, again.changes);
        assert!(effects.records.is_empty(), "nothing is sent any more");
        self.count(effects);
        self.replay.forget_ends();
        invariants::check(self);
    }

    /// Takes a customer's fragments out of the list, the own one included.
    fn let_go(&mut self, who: CustomerId) -> Vec<(CustomerId, u16)> {
        let all = std::mem::take(&mut self.ordinals);
        let (theirs, rest): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|((root, _), _)| *root == who);
        self.ordinals = rest.into_iter().collect();
        let theirs = theirs
            .into_iter()
            .map(|((_, fragment), own)| (fragment, own));
        theirs.chain([(who, 0)]).collect()
    }

    /// One step of the core.
    pub(super) fn step(&mut self, who: CustomerId, input: Input<'_>) {
        self.step_of((who, 0), input);
    }

    /// One step of the core, by something that happened to a fragment.
    pub(super) fn step_of(&mut self, (who, ordinal): (CustomerId, u16), input: Input<'_>) {
        let now = self.now;
        let key = Bytes::copy_from_slice(who.as_bytes());
        let (time, trace_parent) = match input {
            Input::Record(record) => (
                Timestamp::from_millis(record.time_ms),
                record.trace_parent.as_str(),
            ),
            Input::Timer { due_time } => (due_time, ""),
        };
        self.change(who, Some(input), |definitions, after, effects| {
            let mut step = Step {
                customer: who,
                key: &key,
                time,
                now,
                ordinal,
                trace_parent,
                set_aside: &[],
                effects,
            };
            JourneyCore::step(definitions, after, input, &mut step)
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
