//! The metrics of the log of changes: every one that it has, with unit and meaning.
//!
//! With no reader of metrics these are no-ops of the API. The meters are those that the process
//! has when its log is written for the first time. Labels are names of services.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use kernel::Owner;
use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};

use crate::scribe::Backlog;

/// Seconds that a transaction takes: a database next door, one whose disk is busy, and the wait for
/// other processes.
const WRITE_SECONDS: [f64; 10] = [
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0,
];

struct Instruments {
    changes: Counter<u64>,
    rows: Counter<u64>,
    write_duration: Histogram<f64>,
    write_failures: Counter<u64>,
    pruned: Counter<u64>,
    erased: Counter<u64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = global::meter("happypath.changes");
    let counter = |name, unit, about| {
        let counter = meter.u64_counter(name).with_unit(unit);
        counter.with_description(about).build()
    };
    Instruments {
        changes: counter(
            "happypath.changes.written.changes",
            "{change}",
            "Changes that came into the log of changes, by service",
        ),
        rows: counter(
            "happypath.changes.written.rows",
            "{row}",
            "Rows that were added to the log of changes",
        ),
        write_duration: meter
            .f64_histogram("happypath.changes.write.duration")
            .with_unit("s")
            .with_description("How long a transaction took that brought changes to the log, the wait for other processes included")
            .with_boundaries(WRITE_SECONDS.to_vec())
            .build(),
        write_failures: counter(
            "happypath.changes.write.failures",
            "{failure}",
            "Times that the database did not take the changes that wait, which are tried again",
        ),
        pruned: counter(
            "happypath.changes.pruned.changes",
            "{change}",
            "Changes that were removed from the log because they are old",
        ),
        erased: counter(
            "happypath.changes.erased.changes",
            "{change}",
            "Changes that were blanked in the log because their customers were erased",
        ),
    }
});

/// Shows every counter from zero on, so that the first that it counts is seen as one more.
pub(crate) fn begin() {
    for counter in [
        &INSTRUMENTS.rows,
        &INSTRUMENTS.write_failures,
        &INSTRUMENTS.pruned,
        &INSTRUMENTS.erased,
    ] {
        counter.add(0, &[]);
    }
    for owner in Owner::ALL {
        INSTRUMENTS.changes.add(0, &[of(owner)]);
    }
}

/// Shows the commits that wait for the log. `backlog` returns `None` once nobody writes any more.
pub(crate) fn watch(backlog: impl Fn() -> Option<Backlog> + Clone + Send + Sync + 'static) {
    let meter = global::meter("happypath.changes");
    let gauge = |name, unit, about, value: fn(Backlog) -> usize| {
        let backlog = backlog.clone();
        let gauge = meter.u64_observable_gauge(name).with_unit(unit);
        // It stays with the meter.
        let _gauge = gauge
            .with_description(about)
            .with_callback(move |observer| {
                if let Some(backlog) = backlog() {
                    observer.observe(u64::try_from(value(backlog)).unwrap_or(u64::MAX), &[]);
                }
            })
            .build();
    };
    gauge(
        "happypath.changes.waiting.commits",
        "{commit}",
        "Commits whose changes wait to be written to the log",
        |backlog| backlog.commits,
    );
    gauge(
        "happypath.changes.waiting.bytes",
        "{byte}",
        "Bytes of changes that wait to be written to the log",
        |backlog| backlog.bytes,
    );
    let _gauge = meter
        .f64_observable_gauge("happypath.changes.waiting.age")
        .with_unit("s")
        .with_description(
            "How long the oldest commit has waited whose changes are not in the log yet",
        )
        .with_callback(move |observer| {
            if let Some(backlog) = backlog() {
                observer.observe(backlog.age.as_secs_f64(), &[]);
            }
        })
        .build();
}

/// A transaction brought changes to the log.
pub(crate) fn written(took: Duration, rows: usize, changes: &BTreeMap<Owner, u64>) {
    INSTRUMENTS.write_duration.record(took.as_secs_f64(), &[]);
    INSTRUMENTS
        .rows
        .add(u64::try_from(rows).unwrap_or(u64::MAX), &[]);
    for (owner, changes) in changes {
        INSTRUMENTS.changes.add(*changes, &[of(*owner)]);
    }
}

/// The database did not take what waits.
pub(crate) fn write_failed() {
    INSTRUMENTS.write_failures.add(1, &[]);
}

/// Changes were removed because they are old.
pub(crate) fn pruned(changes: u64) {
    INSTRUMENTS.pruned.add(changes, &[]);
}

/// Changes were blanked.
pub(crate) fn erased(changes: u64) {
    INSTRUMENTS.erased.add(changes, &[]);
}

fn of(owner: Owner) -> KeyValue {
    KeyValue::new("service", owner.name())
}
