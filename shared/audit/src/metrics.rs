//! The metrics of the audit log: every one that it has, with unit and meaning.
//!
//! Where nobody reads metrics these are no-ops of the API. The meters are those that the process
//! has when its log is opened. Labels are words from short lists: never callers, customers, actions
//! or objects.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};

use crate::append::Told;
use crate::{AuditError, Class};

/// Seconds that an act waits until it is in SQL: what is written at once, what is gathered, and
/// outages.
const WAIT_SECONDS: [f64; 12] = [
    0.001, 0.005, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 5.0, 30.0, 300.0,
];

struct Instruments {
    entries: Counter<u64>,
    wait: Histogram<f64>,
    write_failures: Counter<u64>,
    refusals: Counter<u64>,
    pruned: Counter<u64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = global::meter("happypath.audit");
    let counter = |name, unit, about| {
        let counter = meter.u64_counter(name).with_unit(unit);
        counter.with_description(about).build()
    };
    Instruments {
        entries: counter(
            "happypath.audit.entries",
            "{entry}",
            "Entries of the audit log by class of what they tell of, and by outcome; those of transactions that were rolled back included",
        ),
        wait: meter
            .f64_histogram("happypath.audit.wait.duration")
            .with_unit("s")
            .with_description("How long the oldest act of a write had waited when it was in SQL")
            .with_boundaries(WAIT_SECONDS.to_vec())
            .build(),
        write_failures: counter(
            "happypath.audit.write.failures",
            "{failure}",
            "Times that the database did not take the acts that wait, which are tried again",
        ),
        refusals: counter(
            "happypath.audit.refusals",
            "{call}",
            "Calls that were refused because their acts found no place, by reason: full, away, closed",
        ),
        pruned: counter(
            "happypath.audit.pruned.entries",
            "{entry}",
            "Entries that were removed because they are old",
        ),
    }
});

/// The acts that wait to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backlog {
    /// The number of them.
    pub(crate) acts: u64,
    /// The time that the oldest has waited.
    pub(crate) age: Duration,
}

/// Shows every counter from zero on, so that the first that it counts is seen as one more.
pub(crate) fn begin() {
    INSTRUMENTS.write_failures.add(0, &[]);
    INSTRUMENTS.pruned.add(0, &[]);
    for reason in ["full", "away", "closed"] {
        let labels = [KeyValue::new("reason", reason)];
        INSTRUMENTS.refusals.add(0, &labels);
    }
    for class in ["read", "change", "order", "process"] {
        let outcome = KeyValue::new("outcome", crate::Outcome::OK.as_str());
        let labels = [KeyValue::new("class", class), outcome];
        INSTRUMENTS.entries.add(0, &labels);
    }
}

/// Shows the acts that wait. `backlog` returns `None` once the log is gone.
pub(crate) fn watch(backlog: impl Fn() -> Option<Backlog> + Clone + Send + Sync + 'static) {
    let meter = global::meter("happypath.audit");
    let own = backlog.clone();
    // They stay with the meter.
    let _gauge = meter
        .u64_observable_gauge("happypath.audit.waiting.entries")
        .with_unit("{entry}")
        .with_description("Acts that wait to be written to the audit log")
        .with_callback(move |observer| {
            if let Some(backlog) = own() {
                observer.observe(backlog.acts, &[]);
            }
        })
        .build();
    let _gauge = meter
        .f64_observable_gauge("happypath.audit.waiting.age")
        .with_unit("s")
        .with_description("How long the oldest act that is not in SQL yet has waited")
        .with_callback(move |observer| {
            if let Some(backlog) = backlog() {
                observer.observe(backlog.age.as_secs_f64(), &[]);
            }
        })
        .build();
}

/// Acts became entries.
pub(crate) fn written(acts: &[Told]) {
    for told in acts {
        let class = match told.class {
            Class::PersonalRead => "read",
            Class::Change => "change",
            Class::Order => "order",
            Class::Event | Class::Other => "process",
        };
        let labels = [
            KeyValue::new("class", class),
            KeyValue::new("outcome", told.act.outcome.as_str()),
        ];
        INSTRUMENTS.entries.add(1, &labels);
    }
}

/// A write is in SQL, whose oldest act had waited so long.
pub(crate) fn waited(time: Duration) {
    INSTRUMENTS.wait.record(time.as_secs_f64(), &[]);
}

/// The database did not take a write.
pub(crate) fn write_failed() {
    INSTRUMENTS.write_failures.add(1, &[]);
}

/// A call was refused since its acts found no place.
pub(crate) fn refused(error: &AuditError) {
    let reason = match error {
        AuditError::Full => "full",
        AuditError::Closed => "closed",
        _ => "away",
    };
    INSTRUMENTS
        .refusals
        .add(1, &[KeyValue::new("reason", reason)]);
}

/// Entries were removed because they are old.
pub(crate) fn pruned(entries: u64) {
    INSTRUMENTS.pruned.add(entries, &[]);
}
