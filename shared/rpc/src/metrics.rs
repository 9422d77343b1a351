//! Measures calls: the time that they took, and their end.

use std::sync::Arc;
use std::time::Instant;

use opentelemetry::KeyValue;
use opentelemetry::global;
use opentelemetry::metrics::Histogram;
use tonic::Code;

/// Seconds that a call takes: from an answer out of memory to the longest deadline of a person.
/// Streams go on for longer.
const CALL_SECONDS: [f64; 13] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// Measures calls.
#[derive(Debug, Clone)]
pub(crate) struct CallMeter {
    duration: Histogram<f64>,
}

impl CallMeter {
    /// Measures with the meters of the process, which must be there by now.
    pub(crate) fn new() -> Self {
        let meter = global::meter("happypath.rpc");
        Self {
            duration: meter
                .f64_histogram("happypath.rpc.duration")
                .with_unit("s")
                .with_description("How long calls took until their last byte, by method and code")
                .with_boundaries(CALL_SECONDS.to_vec())
                .build(),
        }
    }
}

/// Measures how many replicas of a service are known, and how many of them are connected, for as
/// long as somebody counts them.
pub(crate) fn observe_replicas(
    peer: &'static str,
    counts: impl Fn() -> Option<(usize, usize)> + Send + Sync + 'static,
) {
    let _gauge = global::meter("happypath.rpc")
        .u64_observable_gauge("happypath.rpc.replicas")
        .with_unit("{replica}")
        .with_description("Replicas of a service that this process calls, known and connected")
        .with_callback(move |observer| {
            let Some((known, connected)) = counts() else {
                return;
            };
            for (state, count) in [("known", known), ("connected", connected)] {
                let labels = [KeyValue::new("peer", peer), KeyValue::new("state", state)];
                observer.observe(u64::try_from(count).unwrap_or(u64::MAX), &labels);
            }
        })
        .build();
}

/// A call that is being measured.
#[derive(Debug)]
pub(crate) struct MeasuredCall {
    meter: Arc<CallMeter>,
    method: String,
    begun: Instant,
}

impl MeasuredCall {
    /// A call begins.
    pub(crate) fn begin(meter: &Arc<CallMeter>, method: String) -> Self {
        Self {
            meter: Arc::clone(meter),
            method,
            begun: Instant::now(),
        }
    }

    /// It ended.
    pub(crate) fn end(self, code: Code) {
        // Callers can make up any name of a method, so that of one that does not exist is not kept.
        let method = match code {
            Code::Unimplemented => "unknown".to_owned(),
            _ => self.method,
        };
        let labels = [
            KeyValue::new("method", method),
            KeyValue::new("code", code_name(code)),
        ];
        self.meter
            .duration
            .record(self.begun.elapsed().as_secs_f64(), &labels);
    }
}

/// Returns the name of a code, as the gRPC documentation writes it.
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
