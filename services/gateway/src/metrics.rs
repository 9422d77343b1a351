//! The metrics of the gateway: every one that it has, with unit and meaning. Labels are from
//! enumerations only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gateway_core::{Reason, Unit};
use opentelemetry::KeyValue;
use opentelemetry::global;
use opentelemetry::metrics::{Counter, Histogram, UpDownCounter};
use outbound::Verdict;
use proto::gateway::v1::SubscriptionState;

/// The end of a dead letter, and its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was kept.
    Kept,
    /// It was taken in a replay.
    Replayed,
    /// It was removed by an order.
    Discarded,
    /// It gave way to newer ones.
    Dropped,
    /// It was kept for as long as any.
    Expired,
}

impl Ending {
    const ALL: [Self; 5] = [
        Self::Kept,
        Self::Replayed,
        Self::Discarded,
        Self::Dropped,
        Self::Expired,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Replayed => "replayed",
            Self::Discarded => "discarded",
            Self::Dropped => "dropped",
            Self::Expired => "expired",
        }
    }
}

/// The metrics of dead letters.
#[derive(Debug)]
pub(crate) struct LetterMetrics {
    letters: Counter<u64>,
}

impl LetterMetrics {
    /// Measures with the meters of the process, which must be there by now.
    pub(crate) fn new() -> Self {
        let meter = global::meter("happypath.gateway");
        let letters = meter
            .u64_counter("happypath.gateway.dead_letters")
            .with_unit("{event}")
            .with_description(
                "Dead letters by what became of them: kept, replayed, discarded, dropped, expired",
            )
            .build();
        // From zero on, so that the first that a counter counts is seen as one more.
        for ending in Ending::ALL {
            letters.add(0, &[KeyValue::new("result", ending.name())]);
        }
        Self { letters }
    }

    /// So many dead letters came to this.
    pub(crate) fn ended(&self, ending: Ending, number: u64) {
        if number > 0 {
            let label = KeyValue::new("result", ending.name());
            self.letters.add(number, &[label]);
        }
    }
}

/// The metrics of the intake.
#[derive(Debug)]
pub(crate) struct IntakeMetrics {
    events: Counter<u64>,
    calls: Counter<u64>,
}

impl IntakeMetrics {
    /// Measures with the meters of the process, which must be there by now.
    pub(crate) fn new() -> Self {
        let meter = global::meter("happypath.gateway");
        let own = Self {
            events: meter
                .u64_counter("happypath.gateway.events")
                .with_unit("{event}")
                .with_description("Events of the tracking API by what became of them: accepted, or the reason why not")
                .build(),
            calls: meter
                .u64_counter("happypath.gateway.refused_calls")
                .with_unit("{call}")
                .with_description("Calls of the tracking API of which no event was taken, by reason")
                .build(),
        };
        // From zero on, so that the first that a counter counts is seen as one more.
        for reason in Reason::ALL {
            own.counted(*reason, 0);
        }
        own
    }

    /// So many more came to this.
    pub(crate) fn counted(&self, reason: Reason, number: u64) {
        let label = KeyValue::new("reason", reason.code().to_ascii_lowercase());
        match reason.unit() {
            Unit::Event => self.events.add(number, &[label]),
            Unit::Call => self.calls.add(number, &[label]),
        }
    }
}

/// Seconds that a post takes: a receiver next door, and the timeout.
const POST_SECONDS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 20.0];

/// The states of subscriptions, with their labels.
const STATES: [(SubscriptionState, &str); 5] = [
    (SubscriptionState::Active, "active"),
    (SubscriptionState::Paused, "paused"),
    (SubscriptionState::Retrying, "retrying"),
    (SubscriptionState::Stopped, "stopped"),
    (SubscriptionState::OutOfRange, "out_of_range"),
];

/// The subscriptions when they were last looked at.
#[derive(Debug, Default)]
struct SeenSubscriptions {
    /// Their number by state, in the order of [`STATES`].
    states: [AtomicU64; STATES.len()],
    lag: AtomicU64,
}

/// The metrics of subscriptions.
#[derive(Debug)]
pub(crate) struct PostMetrics {
    posts: Counter<u64>,
    changes: Counter<u64>,
    duration: Histogram<f64>,
    seen: Arc<SeenSubscriptions>,
}

impl PostMetrics {
    /// Measures with the meters of the process, which must be there by now.
    pub(crate) fn new() -> Self {
        let meter = global::meter("happypath.gateway");
        let seen: Arc<SeenSubscriptions> = Arc::default();
        let (states, lag) = (Arc::clone(&seen), Arc::clone(&seen));
        // Gauges stay with the meter.
        let _states = meter
            .u64_observable_gauge("happypath.gateway.subscriptions")
            .with_unit("{subscription}")
            .with_description("Subscriptions by state, the same at every process: active, paused, retrying, stopped, out_of_range")
            .with_callback(move |observer| {
                for ((_, label), number) in STATES.iter().zip(&states.states) {
                    let number = number.load(Ordering::Relaxed);
                    observer.observe(number, &[KeyValue::new("state", *label)]);
                }
            })
            .build();
        let _lag = meter
            .u64_observable_gauge("happypath.gateway.subscription.lag")
            .with_unit("{batch}")
            .with_description("Batches in the log of changes that the subscription furthest behind has still to look through, paused ones left out")
            .with_callback(move |observer| observer.observe(lag.lag.load(Ordering::Relaxed), &[]))
            .build();
        let own = Self {
            posts: meter
                .u64_counter("happypath.gateway.subscription.posts")
                .with_unit("{post}")
                .with_description(
                    "Posts to subscribers by what came of them: taken, refused, retry",
                )
                .build(),
            changes: meter
                .u64_counter("happypath.gateway.subscription.changes")
                .with_unit("{change}")
                .with_description("Changes that subscribers took")
                .build(),
            duration: meter
                .f64_histogram("happypath.gateway.subscription.post.duration")
                .with_unit("s")
                .with_description("How long a post to a subscriber took, by what came of it")
                .with_boundaries(POST_SECONDS.to_vec())
                .build(),
            seen,
        };
        // From zero on, so that the first that a counter counts is seen as one more.
        own.changes.add(0, &[]);
        for verdict in [Verdict::Taken, Verdict::Refused, Verdict::Retry] {
            own.posts.add(0, &[result_label(verdict)]);
        }
        own
    }

    /// A post of so many changes came to its end.
    pub(crate) fn posted(&self, verdict: Verdict, changes: usize, took: Duration) {
        let label = [result_label(verdict)];
        self.posts.add(1, &label);
        self.duration.record(took.as_secs_f64(), &label);
        if verdict == Verdict::Taken {
            let changes = u64::try_from(changes).unwrap_or(u64::MAX);
            self.changes.add(changes, &[]);
        }
    }

    /// Subscriptions are in these states, and the one furthest behind has so much to look through.
    pub(crate) fn seen(&self, states: &[SubscriptionState], lag: u64) {
        for ((state, _), number) in STATES.iter().zip(&self.seen.states) {
            let of_state = states.iter().filter(|it| *it == state).count();
            let of_state = u64::try_from(of_state).unwrap_or(u64::MAX);
            number.store(of_state, Ordering::Relaxed);
        }
        self.seen.lag.store(lag, Ordering::Relaxed);
    }
}

fn result_label(verdict: Verdict) -> KeyValue {
    let result = match verdict {
        Verdict::Taken => "taken",
        Verdict::Refused => "refused",
        Verdict::Retry => "retry",
    };
    KeyValue::new("result", result)
}

/// The metrics of streams of changes.
#[derive(Debug)]
pub(crate) struct WatchMetrics {
    watches: UpDownCounter<i64>,
    changes: Counter<u64>,
}

impl WatchMetrics {
    /// Measures with the meters of the process, which must be there by now.
    pub(crate) fn new() -> Self {
        let meter = global::meter("happypath.gateway");
        let own = Self {
            watches: meter
                .i64_up_down_counter("happypath.gateway.watches")
                .with_unit("{stream}")
                .with_description("Streams of changes that are open")
                .build(),
            changes: meter
                .u64_counter("happypath.gateway.watched_changes")
                .with_unit("{change}")
                .with_description("Changes that were sent in streams, to each consumer")
                .build(),
        };
        // From zero on, so that the first that a counter counts is seen as one more.
        own.watches.add(0, &[]);
        own.changes.add(0, &[]);
        own
    }

    /// A stream was opened.
    pub(crate) fn opened(&self) {
        self.watches.add(1, &[]);
    }

    /// A stream ended.
    pub(crate) fn ended(&self) {
        self.watches.add(-1, &[]);
    }

    /// A consumer got so many changes.
    pub(crate) fn sent(&self, changes: usize) {
        if changes > 0 {
            self.changes.add(changes as u64, &[]);
        }
    }
}
