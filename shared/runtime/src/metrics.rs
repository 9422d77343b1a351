//! The metrics of a process itself: every one that it has, with unit and meaning.
//!
//! Where nobody reads metrics these are no-ops of the API. What engines, calls and stores have to
//! tell is told by them.

use std::sync::LazyLock;

use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};

use crate::certificates::OwnCertificate;

/// The reason why spans that failed or were slow are not exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DroppedSpans {
    /// Their trace had more of them than are held until it is judged.
    Room,
    /// More of them came than are exported in a second.
    Rate,
}

impl DroppedSpans {
    const ALL: [Self; 2] = [Self::Room, Self::Rate];

    const fn word(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::Rate => "rate",
        }
    }
}

static DROPPED_SPANS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    let meter = global::meter("happypath.process");
    meter
        .u64_counter("happypath.process.dropped.spans")
        .with_unit("{span}")
        .with_description("Spans of traces that failed or were slow, and were not exported, by reason: room, rate")
        .build()
});

/// Shows every counter from zero on. Once the meters are those of the process.
pub(crate) fn begin() {
    for reason in DroppedSpans::ALL {
        DROPPED_SPANS.add(0, &[KeyValue::new("reason", reason.word())]);
    }
}

/// Spans are not exported that would be otherwise.
pub(crate) fn dropped_spans(reason: DroppedSpans, count: usize) {
    if count > 0 {
        let labels = [KeyValue::new("reason", reason.word())];
        DROPPED_SPANS.add(count as u64, &labels);
    }
}

/// Shows how long the certificates of this process are good for. One whose file cannot be read is
/// left out.
pub(crate) fn watch_certificates(certificates: Vec<OwnCertificate>) {
    let meter = global::meter("happypath.process");
    // It stays with the meter.
    let _gauge = meter
        .f64_observable_gauge("happypath.process.certificate.remaining")
        .with_unit("s")
        .with_description(
            "Seconds until a certificate of this process ends, by what it is shown to",
        )
        .with_callback(move |observer| {
            for certificate in &certificates {
                if let Some(seconds) = certificate.seconds_left(access::now()) {
                    observer.observe(seconds, &[KeyValue::new("use", certificate.usage)]);
                }
            }
        })
        .build();
}
