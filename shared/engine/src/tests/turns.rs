//! Steps of random histories: which customer is told what, when, and what the worker does then.

use messages::stream::v1::Record;
use proptest::prelude::*;

use super::driver::{event, tick};

/// The turn of things after a record was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The next one is of the same entry.
    Same,
    /// The entry ends.
    End,
    /// It ends, and the worker does one batch.
    Tick,
    /// It ends, and the worker does all there is.
    Settle,
    /// It ends, the worker does one batch, and another one takes over.
    TakeOver,
}

/// A record, and the turn of things after it.
#[derive(Debug, Clone)]
pub(super) struct Step {
    customer: u8,
    what: String,
    /// The time since the record before it; negative for one that comes late.
    moves_ms: i64,
    then: Then,
}

/// Steps of so many customers.
pub(super) fn step(
    customers: u8,
    what: impl Strategy<Value = String>,
    moves_ms: impl Strategy<Value = i64>,
) -> impl Strategy<Value = Step> {
    let then = prop_oneof![
        12 => Just(Then::Same),
        3 => Just(Then::End),
        2 => Just(Then::Tick),
        1 => Just(Then::Settle),
        1 => Just(Then::TakeOver),
    ];
    (0..customers, what, moves_ms, then).prop_map(|(customer, what, moves_ms, then)| Step {
        customer,
        what,
        moves_ms,
        then,
    })
}

/// The entries that steps append, each with the turn of things after it. The last one ends with a
/// tick some time later, after which the worker does all there is. `take` sees every record in
/// order.
pub(super) fn entries(steps: &[Step], mut take: impl FnMut(&Record)) -> Vec<(Vec<Record>, Then)> {
    let (mut entries, mut entry, mut time_ms) = (Vec::new(), Vec::new(), 0);
    for (number, step) in steps.iter().enumerate() {
        time_ms += step.moves_ms;
        let record = event(step.customer, &number.to_string(), &step.what, time_ms);
        take(&record);
        entry.push(record);
        if step.then != Then::Same {
            entries.push((std::mem::take(&mut entry), step.then));
        }
    }
    let last = tick(time_ms + 30);
    take(&last);
    entry.push(last);
    entries.push((entry, Then::Settle));
    entries
}
