//! The metrics of an engine: every one that it has, with unit and meaning.
//!
//! Where nobody reads metrics these are no-ops of the API. What is measured is summed up by batch,
//! so that an event costs nothing of its own; only how late a timer is gets measured one by one.
//! Labels are the service, and words from short lists; never partitions, customers, or names that
//! people choose. The meters are those that the process has when the first of its engines starts.

mod erasures;
mod words;

use std::sync::LazyLock;
use std::time::Duration;

use hot::{Commit, Owner, StreamName};
use kernel::Timestamp;
use opentelemetry::KeyValue;
use opentelemetry::global;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter};

use crate::worker::erase::ErasedCounts;

pub(crate) use self::erasures::erased;
pub(crate) use self::words::{LeaseChange, WaitEnd};

/// Seconds that a commit, or a call of a store, takes: from the fastest embedded one to what no
/// caller waits for.
const COMMIT_SECONDS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];
/// Seconds that a timer is late: fractions of what it promises, and outages.
const LATE_SECONDS: [f64; 13] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0, 300.0, 3_600.0,
];
/// How many are in a batch.
const BATCH_SIZES: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0,
];

/// What a service's partitions in this process have before them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Backlog {
    /// Partitions of the installation.
    pub(crate) partitions: u64,
    /// Leases held here.
    pub(crate) leases: u64,
    /// Entries that wait, by input stream.
    pub(crate) entries: Vec<(StreamName, u64)>,
    /// How long the oldest of them has waited, by lane.
    pub(crate) oldest_waits: Vec<(&'static str, Duration)>,
    /// Records in quarantine.
    pub(crate) quarantined: u64,
}

/// Everything that is measured.
struct Instruments {
    input_entries: Gauge<u64>,
    input_age: Gauge<f64>,
    batch_inputs: Histogram<u64>,
    batch_states: Histogram<u64>,
    inputs: Counter<u64>,
    commit_duration: Histogram<f64>,
    store_failures: Counter<u64>,
    quarantined: Counter<u64>,
    quarantine_records: Gauge<u64>,
    held: Counter<f64>,
    merge_waits: Counter<u64>,
}

/// Everything that is measured of whose partitions are.
struct Ownership {
    partitions: Gauge<u64>,
    clock_skew: Gauge<f64>,
    leases: Gauge<u64>,
    lease_changes: Counter<u64>,
    opens: Counter<u64>,
}

/// Everything that is measured of timers, on the wall clock.
struct Timers {
    lateness: Histogram<f64>,
    frontier: Histogram<f64>,
    behind: Counter<f64>,
    overtaking: Counter<u64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(Instruments::new);
static OWNERSHIP: LazyLock<Ownership> = LazyLock::new(Ownership::new);
static TIMERS: LazyLock<Timers> = LazyLock::new(Timers::new);

impl Timers {
    fn new() -> Self {
        let meter = global::meter("happypath.engine");
        Self {
            lateness: meter
                .f64_histogram("happypath.engine.timer.lateness")
                .with_unit("s")
                .with_boundaries(LATE_SECONDS.to_vec())
                .with_description("How long after its due time a timer fired, on the wall clock")
                .build(),
            frontier: meter
                .f64_histogram("happypath.engine.frontier.duration")
                .with_unit("s")
                .with_boundaries(COMMIT_SECONDS.to_vec())
                .with_description("Calls that ask how far the services before this one are, while a timer may be due")
                .build(),
            behind: meter
                .f64_counter("happypath.engine.behind.time")
                .with_unit("s")
                .with_description(
                    "Time that due timers waited for the services before this one, on the wall clock",
                )
                .build(),
            overtaking: meter
                .u64_counter("happypath.engine.overtaking.timers")
                .with_unit("{timer}")
                .with_description(
                    "Timers that fired after the grace, before all that was accepted before them was here",
                )
                .build(),
        }
    }
}

fn gauge(meter: &Meter, name: &'static str, unit: &'static str, about: &'static str) -> Gauge<u64> {
    let gauge = meter.u64_gauge(name).with_unit(unit);
    gauge.with_description(about).build()
}

fn counter(
    meter: &Meter,
    name: &'static str,
    unit: &'static str,
    about: &'static str,
) -> Counter<u64> {
    let counter = meter.u64_counter(name).with_unit(unit);
    counter.with_description(about).build()
}

impl Ownership {
    fn new() -> Self {
        let meter = global::meter("happypath.engine");
        let gauge = |name, unit, about| gauge(&meter, name, unit, about);
        let counter = |name, unit, about| counter(&meter, name, unit, about);
        Self {
            partitions: gauge(
                "happypath.engine.partitions",
                "{partition}",
                "Partitions of the installation",
            ),
            clock_skew: meter
                .f64_gauge("happypath.engine.clock.skew")
                .with_unit("s")
                .with_description("How far the clock here is ahead of the database's, or behind")
                .build(),
            leases: gauge(
                "happypath.engine.leases",
                "{lease}",
                "Leases of partitions held here",
            ),
            lease_changes: counter(
                "happypath.engine.lease.changes",
                "{change}",
                "Leases acquired, each with a new epoch, released and lost, by change",
            ),
            opens: counter(
                "happypath.engine.partition.opens",
                "{open}",
                "Partitions opened under a new lease, or again because their store may have changed",
            ),
        }
    }
}

impl Instruments {
    fn new() -> Self {
        let meter = global::meter("happypath.engine");
        let gauge = |name, unit, about| gauge(&meter, name, unit, about);
        let counter = |name, unit, about| counter(&meter, name, unit, about);
        let sizes = |name, unit, about| {
            let sizes = meter.u64_histogram(name).with_unit(unit);
            let sizes = sizes.with_boundaries(BATCH_SIZES.to_vec());
            sizes.with_description(about).build()
        };
        let seconds = |name, bounds: &[f64], about| {
            let seconds = meter.f64_histogram(name).with_unit("s");
            let seconds = seconds.with_boundaries(bounds.to_vec());
            seconds.with_description(about).build()
        };
        Self {
            input_entries: gauge(
                "happypath.engine.input.entries",
                "{entry}",
                "Entries of input streams that wait, in the partitions owned here, by stream",
            ),
            input_age: meter
                .f64_gauge("happypath.engine.input.age")
                .with_unit("s")
                .with_description(
                    "How long the oldest entry that waits has waited, in the partitions owned here, by lane",
                )
                .build(),
            batch_inputs: sizes(
                "happypath.engine.batch.inputs",
                "{input}",
                "Records and timers in a batch",
            ),
            batch_states: sizes(
                "happypath.engine.batch.states",
                "{state}",
                "States and parts that a batch wrote",
            ),
            inputs: counter(
                "happypath.engine.inputs",
                "{input}",
                "Records and timers that took effect",
            ),
            commit_duration: seconds(
                "happypath.engine.commit.duration",
                &COMMIT_SECONDS,
                "How long a commit took, the journal included",
            ),
            store_failures: counter(
                "happypath.engine.store.failures",
                "{failure}",
                "Times that a store did not answer a worker, which then tried again",
            ),
            quarantined: counter(
                "happypath.engine.quarantined",
                "{record}",
                "Records set aside because they could not be processed",
            ),
            quarantine_records: gauge(
                "happypath.engine.quarantine.records",
                "{record}",
                "Records in quarantine, in the partitions owned here",
            ),
            held: meter
                .f64_counter("happypath.engine.held.time")
                .with_unit("s")
                .with_description(
                    "Time that partitions waited for the reader of their output (back-pressure), or for room in the quarantine",
                )
                .build(),
            merge_waits: counter(
                "happypath.engine.merge.waits",
                "{wait}",
                "Waits of customers for the states of those joined into them, by how they ended",
            ),
        }
    }
}

fn service(owner: Owner) -> KeyValue {
    KeyValue::new("service", owner.name())
}

/// Shows every counter of a service from zero on, so that the first that it counts is seen as one
/// more.
pub(crate) fn begin(owner: Owner) {
    erased(owner, ErasedCounts::default());
    let labels = [service(owner)];
    for counter in [
        &OWNERSHIP.opens,
        &INSTRUMENTS.inputs,
        &INSTRUMENTS.store_failures,
        &INSTRUMENTS.quarantined,
        &TIMERS.overtaking,
    ] {
        counter.add(0, &labels);
    }
    for counter in [&INSTRUMENTS.held, &TIMERS.behind] {
        counter.add(0.0, &labels);
    }
    for change in LeaseChange::ALL {
        let labels = [service(owner), KeyValue::new("change", change.word())];
        OWNERSHIP.lease_changes.add(0, &labels);
    }
    for end in WaitEnd::ALL {
        let labels = [service(owner), KeyValue::new("result", end.word())];
        INSTRUMENTS.merge_waits.add(0, &labels);
    }
}

/// The clock here was held against that of the database.
pub(crate) fn clock_held(owner: Owner, skew_ms: i64) {
    #[expect(clippy::cast_precision_loss, reason = "a clock is not off by ages")]
    let seconds = skew_ms as f64 / 1_000.0;
    OWNERSHIP.clock_skew.record(seconds, &[service(owner)]);
}

/// A batch was committed.
pub(crate) fn committed(owner: Owner, took: Duration, inputs: usize, commit: &Commit) {
    let labels = [service(owner)];
    INSTRUMENTS.inputs.add(inputs as u64, &labels);
    INSTRUMENTS.batch_inputs.record(inputs as u64, &labels);
    INSTRUMENTS
        .batch_states
        .record(commit.states.len() as u64, &labels);
    INSTRUMENTS
        .commit_duration
        .record(took.as_secs_f64(), &labels);
    if !commit.quarantine.is_empty() {
        let count = commit.quarantine.len() as u64;
        INSTRUMENTS.quarantined.add(count, &labels);
    }
}

/// A timer fires, on a wall clock.
pub(crate) fn timer_fired(owner: Owner, due_time: Timestamp, now: Timestamp) {
    // A clock that went back makes nobody early.
    let late = u64::try_from(now.since(due_time).as_millis()).unwrap_or(0);
    let late = Duration::from_millis(late);
    TIMERS
        .lateness
        .record(late.as_secs_f64(), &[service(owner)]);
}

/// Waits of customers for the states of others ended.
pub(crate) fn waits_ended(owner: Owner, ends: &[WaitEnd]) {
    for end in ends {
        let labels = [service(owner), KeyValue::new("result", end.word())];
        INSTRUMENTS.merge_waits.add(1, &labels);
    }
}

/// A worker is going to wait for the reader of its output, for the target of its outbox, or for
/// room in the quarantine.
pub(crate) fn held(owner: Owner, wait: Duration) {
    INSTRUMENTS.held.add(wait.as_secs_f64(), &[service(owner)]);
}

/// The store told how far the services before a partition are.
pub(crate) fn asked_frontier(owner: Owner, took: Duration) {
    TIMERS
        .frontier
        .record(took.as_secs_f64(), &[service(owner)]);
}

/// A worker is going to wait for the services before it, with a timer that is due.
pub(crate) fn behind(owner: Owner, wait: Duration) {
    TIMERS.behind.add(wait.as_secs_f64(), &[service(owner)]);
}

/// Timers fired that had waited for the services before them as long as timers do.
pub(crate) fn overtook(owner: Owner, timers: u64) {
    TIMERS.overtaking.add(timers, &[service(owner)]);
}

/// A store did not answer a worker.
pub(crate) fn unavailable(owner: Owner) {
    INSTRUMENTS.store_failures.add(1, &[service(owner)]);
}

/// A partition was opened.
pub(crate) fn opened(owner: Owner) {
    OWNERSHIP.opens.add(1, &[service(owner)]);
}

/// Leases came or went.
pub(crate) fn leases_changed(owner: Owner, change: LeaseChange, count: usize) {
    if count == 0 {
        return;
    }
    let labels = [service(owner), KeyValue::new("change", change.word())];
    OWNERSHIP.lease_changes.add(count as u64, &labels);
}

/// What the partitions owned here have before them.
pub(crate) fn backlog(owner: Owner, backlog: &Backlog) {
    for (stream, entries) in &backlog.entries {
        let labels = [service(owner), KeyValue::new("stream", stream.name())];
        INSTRUMENTS.input_entries.record(*entries, &labels);
    }
    for (lane, wait) in &backlog.oldest_waits {
        let labels = [service(owner), KeyValue::new("lane", *lane)];
        INSTRUMENTS.input_age.record(wait.as_secs_f64(), &labels);
    }
    let labels = [service(owner)];
    OWNERSHIP.partitions.record(backlog.partitions, &labels);
    OWNERSHIP.leases.record(backlog.leases, &labels);
    INSTRUMENTS
        .quarantine_records
        .record(backlog.quarantined, &labels);
}
