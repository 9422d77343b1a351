//! Calls of a core outside an engine, for simulations and tests.

use bytes::Bytes;
use kernel::{CustomerId, Timestamp};

use crate::{Core, Effects, Input, Moved, Outcome, Poison, Split, Step, WaitKey};

/// Takes one step of one customer.
///
/// # Errors
/// As [`Core::step`].
pub fn step_once<C: Core>(
    definitions: &C::Definitions,
    state: &mut C::State,
    customer: CustomerId,
    input: Input<'_>,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<Outcome, Poison> {
    step_without::<C>(definitions, state, (customer, &[]), input, now, effects)
}

/// Takes one step of one customer, and passes over waits that are set aside.
///
/// # Errors
/// As [`Core::step`].
pub fn step_without<C: Core>(
    definitions: &C::Definitions,
    state: &mut C::State,
    (customer, set_aside): (CustomerId, &[WaitKey]),
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
        trace_parent,
        set_aside,
        ..plain_step((customer, &key), (time, now), effects)
    };
    C::step(definitions, state, input, &mut step)
}

/// Lets a customer leave by a merge. `time` and `now` are those of [`Step`].
pub fn take_leave_once<C: Core>(
    definitions: &C::Definitions,
    state: &mut C::State,
    customer: CustomerId,
    (time, now): (Timestamp, Timestamp),
    effects: &mut Effects,
) -> Option<Bytes> {
    let key = Bytes::copy_from_slice(customer.as_bytes());
    let mut step = plain_step((customer, &key), (time, now), effects);
    C::take_leave(definitions, state, &mut step)
}

/// Folds another customer in. `time` and `now` are those of [`Step`].
///
/// # Errors
/// As [`Core::fold_in`].
pub fn fold_in_once<C: Core>(
    definitions: &C::Definitions,
    state: &mut C::State,
    (customer, moved): (CustomerId, Moved<'_>),
    (time, now): (Timestamp, Timestamp),
    effects: &mut Effects,
) -> Result<Outcome, Poison> {
    let key = Bytes::copy_from_slice(customer.as_bytes());
    let mut step = plain_step((customer, &key), (time, now), effects);
    C::fold_in(definitions, state, moved, &mut step)
}

/// Takes out of a customer what fragments that leave taught. `time` and `now` are those of
/// [`Step`].
pub fn split_off_once<C: Core>(
    definitions: &C::Definitions,
    state: &mut C::State,
    (customer, split): (CustomerId, Split<'_>),
    (time, now): (Timestamp, Timestamp),
    effects: &mut Effects,
) -> Option<Bytes> {
    let key = Bytes::copy_from_slice(customer.as_bytes());
    let mut step = plain_step((customer, &key), (time, now), effects);
    C::split_off(definitions, state, split, &mut step)
}

/// Gives a customer back what [`split_off_once`] took out. `time` and `now` are those of [`Step`].
///
/// # Errors
/// As [`Core::take_back`].
pub fn take_back_once<C: Core>(
    definitions: &C::Definitions,
    state: &mut C::State,
    (customer, head): (CustomerId, &Bytes),
    (time, now): (Timestamp, Timestamp),
    effects: &mut Effects,
) -> Result<Outcome, Poison> {
    let key = Bytes::copy_from_slice(customer.as_bytes());
    let mut step = plain_step((customer, &key), (time, now), effects);
    C::take_back(definitions, state, head, &mut step)
}

/// Erases a customer. `time` and `now` are those of [`Step`].
pub fn erase_once<C: Core>(
    definitions: &C::Definitions,
    state: &mut C::State,
    customer: CustomerId,
    (time, now): (Timestamp, Timestamp),
    effects: &mut Effects,
) {
    let key = Bytes::copy_from_slice(customer.as_bytes());
    let mut step = plain_step((customer, &key), (time, now), effects);
    C::erase(definitions, state, &mut step);
}

/// A step whose cause is in no trace.
fn plain_step<'a>(
    (customer, key): (CustomerId, &'a Bytes),
    (time, now): (Timestamp, Timestamp),
    effects: &'a mut Effects,
) -> Step<'a> {
    Step {
        customer,
        key,
        time,
        now,
        trace_parent: "",
        ordinal: 0,
        set_aside: &[],
        effects,
    }
}
