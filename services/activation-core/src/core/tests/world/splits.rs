//! Steps of fragments, splits, and erasure.

use decision::{Split, erase_once, split_off_once, take_back_once};

use super::*;

/// One step, by something that happened to a fragment.
pub(super) fn step_of(
    definitions: &Definitions,
    state: &mut State,
    (customer, ordinal): (CustomerId, u16),
    input: Input<'_>,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<Outcome, Poison> {
    let (time, trace_parent) = match input {
        Input::Record(record) => (
            Timestamp::from_millis(record.time_ms),
            record.trace_parent.as_str(),
        ),
        Input::Timer { due_time } => (due_time, ""),
    };
    let key = Bytes::copy_from_slice(customer.as_bytes());
    let mut step = Step {
        customer,
        key: &key,
        time,
        now,
        ordinal: match input {
            Input::Record(_) => ordinal,
            Input::Timer { .. } => 0,
        },
        trace_parent,
        set_aside: &[],
        effects,
    };
    ActivationCore::step(definitions, state, input, &mut step)
}

impl World {
    /// Lets fragments go, and returns what is theirs.
    pub(in crate::core::tests) fn split(&mut self, ordinals: &[(u16, u16)]) -> Option<Bytes> {
        let now = Timestamp::from_millis(self.now);
        let mut stored = std::mem::take(&mut self.stored);
        let (definitions, customer) = (&self.definitions, self.customer);
        let split = Split {
            to: customer,
            ordinals,
            merge_time: None,
        };
        let call = |state: &mut State, effects: &mut Effects| {
            let (who, times) = ((customer, split), (now, now));
            split_off_once::<ActivationCore>(definitions, state, who, times, effects)
        };
        let mut state = self.state.clone();
        let input = (Input::Record(&everything()), now);
        let (gone, effects) = stored.call(definitions, &mut state, input, call);
        self.stored = stored;
        self.next_due = state.next_due();
        self.state = state;
        self.stored.write(&self.state);
        self.take_effects(effects);
        gone
    }

    /// Takes back what was split off.
    pub(in crate::core::tests) fn take_back(&mut self, head: &Bytes) {
        let now = Timestamp::from_millis(self.now);
        let mut stored = std::mem::take(&mut self.stored);
        let (definitions, customer) = (&self.definitions, self.customer);
        let call = |state: &mut State, effects: &mut Effects| {
            let (who, times) = ((customer, head), (now, now));
            take_back_once::<ActivationCore>(definitions, state, who, times, effects)
        };
        let mut state = self.state.clone();
        let input = (Input::Record(&everything()), now);
        let (outcome, effects) = stored.call(definitions, &mut state, input, call);
        self.stored = stored;
        let next_due = state.next_due();
        assert_eq!(outcome, Ok(Outcome::Keep { next_due }));
        (self.state, self.next_due) = (state, next_due);
        self.stored.write(&self.state);
        self.take_effects(effects);
    }

    /// Erases the customer.
    pub(in crate::core::tests) fn erase(&mut self) {
        let now = Timestamp::from_millis(self.now);
        let mut stored = std::mem::take(&mut self.stored);
        let (definitions, customer) = (&self.definitions, self.customer);
        let call = |state: &mut State, effects: &mut Effects| {
            erase_once::<ActivationCore>(definitions, state, customer, (now, now), effects);
        };
        let mut state = self.state.clone();
        let input = (Input::Record(&everything()), now);
        let ((), effects) = stored.call(definitions, &mut state, input, call);
        self.state = State::default();
        self.next_due = None;
        self.take_effects(effects);
    }
}

/// A record that touches all that there is.
fn everything() -> Record {
    Record {
        body: Some(Body::Merged(CustomerMerged::default())),
        ..Record::default()
    }
}
