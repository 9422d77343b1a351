//! The metrics of identity: every one that it has, with unit and meaning.
//!
//! Counted once a request or batch. Where nobody reads metrics these are no-ops of the API.

use std::time::Duration;

use hot::StreamName;
use opentelemetry::KeyValue;
use opentelemetry::global;
use opentelemetry::metrics::{Counter, Histogram};

/// Seconds that an append takes; senders on a stream wait where it is full.
const APPEND_SECONDS: [f64; 12] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0,
];

/// The words for what became of events, in the order of [`Taken`].
const RESULTS: [&str; 3] = ["accepted", "replayed", "rejected"];

/// What became of events.
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
        };
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
