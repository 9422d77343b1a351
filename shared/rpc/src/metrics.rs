//! Measures calls: the time that they took, their end, and the reasons of those that failed.

use std::sync::Arc;
use std::time::Instant;

use opentelemetry::KeyValue;
use opentelemetry::global;
use opentelemetry::metrics::{Counter, Histogram};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{DOMAIN, ErrorReason};

/// Seconds that a call takes: from an answer out of memory to the longest deadline of a person.
/// Streams go on for longer.
const CALL_SECONDS: [f64; 13] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// Measures calls.
#[derive(Debug, Clone)]
pub(crate) struct CallMeter {
    duration: Histogram<f64>,
    failures: Counter<u64>,
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
            failures: meter
                .u64_counter("happypath.rpc.failures")
                .with_unit("{call}")
                .with_description("Calls that failed, by method and reason")
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
    pub(crate) fn end(self, status: &Status) {
        let code = status.code();
        // Callers can make up any name of a method, so that of one that does not exist is not kept.
        let method = match code {
            Code::Unimplemented => "unknown".to_owned(),
            _ => self.method,
        };
        let method = KeyValue::new("method", method);
        if code != Code::Ok {
            let labels = [method.clone(), KeyValue::new("reason", reason_of(status))];
            self.meter.failures.add(1, &labels);
        }
        let labels = [method, KeyValue::new("code", code_name(code))];
        self.meter
            .duration
            .record(self.begun.elapsed().as_secs_f64(), &labels);
    }
}

/// Returns the reason of a status, from the one list of them. Those of the transport have none, nor
/// those of callers who went away.
fn reason_of(status: &Status) -> &'static str {
    let info = status.get_details_error_info();
    let info = info.filter(|info| info.domain == DOMAIN);
    let reason = info.and_then(|info| ErrorReason::from_text(&info.reason));
    reason.map_or("NONE", ErrorReason::as_str)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;

    #[test]
    fn a_reason_is_one_of_the_list_or_none() {
        let ours: Status = Failure::new(ErrorReason::StreamFull, "full").into();
        assert_eq!(reason_of(&ours), "STREAM_FULL");
        assert_eq!(reason_of(&Status::unavailable("away")), "NONE");
        for (reason, domain) in [("STREAM_FULL", "example.com"), ("MADE_UP", DOMAIN)] {
            let mut details = tonic_types::ErrorDetails::new();
            details.set_error_info(reason, domain, std::collections::HashMap::new());
            let theirs = Status::with_error_details(Code::Unavailable, "", details);
            assert_eq!(reason_of(&theirs), "NONE", "{reason} of {domain}");
        }
    }
}
