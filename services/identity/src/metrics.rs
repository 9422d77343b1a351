//! The metrics of identity: every one that it has, with unit and meaning.
//!
//! Counted once a request or batch. Where nobody reads metrics these are no-ops of the API.

mod accounts;

use std::time::Duration;

use hot::StreamName;
use identity_core::{DropReason, Dropped};
use opentelemetry::KeyValue;
use opentelemetry::global;
use opentelemetry::metrics::{Counter, Histogram};

use self::accounts::AccountMetrics;
use crate::resolve::Outcome;
use crate::store::News;

/// Seconds that an append takes; senders on a stream wait where it is full.
const APPEND_SECONDS: [f64; 12] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0,
];

/// Identifiers of a customer, up to the cap.
const SIZES: [f64; 10] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0,
];

/// The words for changes of who is who.
const CHANGES: [&str; 6] = ["merge", "split", "unmerge", "move", "contest", "quarantine"];

/// The reasons for which an event is resolved without an identifier.
const REASONS: [DropReason; 14] = [
    DropReason::BlockedValue,
    DropReason::MalformedValue,
    DropReason::LimitExceeded,
    DropReason::UnknownNamespace,
    DropReason::OtherSubject,
    DropReason::CustomerFull,
    DropReason::CannotLink,
    DropReason::KnownCustomer,
    DropReason::Contested,
    DropReason::Quarantined,
    DropReason::ConflictingValues,
    DropReason::TooMany,
    DropReason::Erased,
    DropReason::Suppressed,
];

/// The words for what became of events, in the order of [`Taken`].
const RESULTS: [&str; 3] = ["accepted", "replayed", "rejected"];

/// The outcomes of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Taken {
    /// New in the streams.
    pub(crate) accepted: usize,
    /// In the streams before.
    pub(crate) replayed: usize,
    /// Faulty.
    pub(crate) rejected: usize,
}

/// The metrics of the way in.
#[derive(Debug)]
pub(crate) struct IngestMetrics {
    events: Counter<u64>,
    refusals: Counter<u64>,
    append_duration: Histogram<f64>,
    demotions: Counter<u64>,
    changes: Counter<u64>,
    customer_size: Histogram<u64>,
    accounts: AccountMetrics,
}

impl IngestMetrics {
    /// Measures with the meters of the process, which must be there by now.
    pub(crate) fn new() -> Self {
        let meter = global::meter("happypath.identity");
        let own = Self {
            events: meter
                .u64_counter("happypath.identity.events")
                .with_unit("{event}")
                .with_description("Events by lane and by what became of them: accepted, replayed, rejected")
                .build(),
            refusals: meter
                .u64_counter("happypath.identity.refusals")
                .with_unit("{request}")
                .with_description("Requests refused because a stream was full, by lane")
                .build(),
            append_duration: meter
                .f64_histogram("happypath.identity.append.duration")
                .with_unit("s")
                .with_description("How long it took to append the events of a request or batch, waits for full streams and the journal included")
                .with_boundaries(APPEND_SECONDS.to_vec())
                .build(),
            demotions: meter
                .u64_counter("happypath.identity.demotions")
                .with_unit("{identifier}")
                .with_description("Identifiers that events were resolved without, by reason")
                .build(),
            changes: meter
                .u64_counter("happypath.identity.changes")
                .with_unit("{change}")
                .with_description("Changes of who is who, by kind: customers joined (merge) and taken apart (split, unmerge), identifiers that went to others (move), are nobody's since (contest), or are quarantined (quarantine)")
                .build(),
            customer_size: meter
                .u64_histogram("happypath.identity.customer.size")
                .with_unit("{identifier}")
                .with_description("Identifiers of the largest customer that a batch changed")
                .with_boundaries(SIZES.to_vec())
                .build(),
            accounts: AccountMetrics::new(&meter),
        };
        for reason in REASONS {
            own.demotions
                .add(0, &[KeyValue::new("reason", reason.code())]);
        }
        for kind in CHANGES {
            own.changes.add(0, &[KeyValue::new("kind", kind)]);
        }
        // From zero on, so that the first that a counter counts is seen as one more.
        for stream in [StreamName::Events, StreamName::EventsBulk] {
            own.refusals.add(0, &[lane(stream)]);
            for result in RESULTS {
                let labels = [lane(stream), KeyValue::new("result", result)];
                own.events.add(0, &labels);
            }
        }
        own
    }

    /// The events of a request or batch are through.
    pub(crate) fn taken(&self, stream: StreamName, taken: Taken) {
        let Taken {
            accepted,
            replayed,
            rejected,
        } = taken;
        for (result, count) in RESULTS.into_iter().zip([accepted, replayed, rejected]) {
            if count > 0 {
                let labels = [lane(stream), KeyValue::new("result", result)];
                self.events.add(count as u64, &labels);
            }
        }
    }

    /// An event was resolved, or refused, without identifiers.
    pub(crate) fn left_out(&self, dropped: &[Dropped]) {
        for dropped in dropped {
            let reason = KeyValue::new("reason", dropped.reason.code());
            self.demotions.add(1, &[reason]);
        }
    }

    /// A batch was resolved.
    pub(crate) fn resolved(&self, news: &[News], outcome: Outcome) {
        let merges = news.iter().filter(|it| it.merge().is_some()).count() as u64;
        let splits = news.len() as u64 - merges;
        let Outcome {
            contested,
            quarantined,
            moved,
            largest,
        } = outcome;
        let counts = [merges, splits, 0, moved, contested, quarantined];
        for (kind, count) in CHANGES.into_iter().zip(counts) {
            if count > 0 {
                self.changes.add(count, &[KeyValue::new("kind", kind)]);
            }
        }
        if largest > 0 {
            self.customer_size.record(u64::from(largest), &[]);
        }
    }

    /// A customer was taken apart.
    pub(crate) fn unmerged(&self) {
        self.changes.add(1, &[KeyValue::new("kind", "unmerge")]);
    }

    /// A request was refused because a stream was full.
    pub(crate) fn refused(&self, stream: StreamName) {
        self.refusals.add(1, &[lane(stream)]);
    }

    /// The events of a request or batch were appended, or not.
    pub(crate) fn appended(&self, took: Duration) {
        self.append_duration.record(took.as_secs_f64(), &[]);
    }
}

fn lane(stream: StreamName) -> KeyValue {
    KeyValue::new("lane", stream.lane())
}
