//! The metrics of the journal: every one that it has, with unit and meaning.
//!
//! Where nobody reads metrics these are no-ops of the API. The meters are those that the process has when its journal is
//! written for the first time.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};

/// Seconds that an append takes: a database next door, and one whose disk is busy.
const APPEND_SECONDS: [f64; 11] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0,
];

/// What is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// A commit of an engine.
    Commit,
    /// An append from outside.
    Entry,
    /// An append of events from outside.
    Event,
}

impl Row {
    const ALL: [Self; 3] = [Self::Commit, Self::Entry, Self::Event];

    const fn label(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Entry => "entry",
            Self::Event => "event",
        }
    }
}

struct Instruments {
    append_duration: Histogram<f64>,
    append_failures: Counter<u64>,
    recoveries: Counter<u64>,
    removed_rows: Counter<u64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = global::meter("happypath.journal");
    Instruments {
        append_duration: meter
            .f64_histogram("happypath.journal.append.duration")
            .with_unit("s")
            .with_description("How long it took until a row was in the journal, waits for others in its statement included, by row")
            .with_boundaries(APPEND_SECONDS.to_vec())
            .build(),
        append_failures: meter
            .u64_counter("happypath.journal.append.failures")
            .with_unit("{row}")
            .with_description("Rows that the journal did not take, by row: refused, or no answer")
            .build(),
        recoveries: meter
            .u64_counter("happypath.journal.recoveries")
            .with_unit("{partition}")
            .with_description("Partitions whose hot store was brought up to the journal")
            .build(),
        removed_rows: meter
            .u64_counter("happypath.journal.removed.rows")
            .with_unit("{row}")
            .with_description("Rows that were removed because no recovery needs them and they are older than the retention, by row")
            .build(),
    }
});

/// Shows every counter from zero on, so that the first that it counts is seen as one more.
pub(crate) fn begin() {
    INSTRUMENTS.recoveries.add(0, &[]);
    for row in Row::ALL {
        let labels = [KeyValue::new("row", row.label())];
        INSTRUMENTS.append_failures.add(0, &labels);
        INSTRUMENTS.removed_rows.add(0, &labels);
    }
}

/// A row is in the journal, or was not taken.
pub(crate) fn appended(row: Row, is_in: bool, took: Duration) {
    let labels = [KeyValue::new("row", row.label())];
    if is_in {
        INSTRUMENTS
            .append_duration
            .record(took.as_secs_f64(), &labels);
    } else {
        INSTRUMENTS.append_failures.add(1, &labels);
    }
}

/// A partition was recovered.
pub(crate) fn recovered() {
    INSTRUMENTS.recoveries.add(1, &[]);
}

/// Rows were removed.
pub(crate) fn removed(row: Row, count: u64) {
    if count > 0 {
        let labels = [KeyValue::new("row", row.label())];
        INSTRUMENTS.removed_rows.add(count, &labels);
    }
}
