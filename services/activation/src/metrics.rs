//! The metrics of the deliverer: every one that it has, with unit and meaning.
//!
//! Where nobody reads metrics these are no-ops of the API. What engines and calls have to tell is told by them.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::global;
use opentelemetry::metrics::{Counter, Histogram};
use proto::stream::v1::DeliveryResult;

/// Seconds that an attempt takes: a destination next door, and the timeout.
const ATTEMPT_SECONDS: [f64; 12] = [
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0,
];

/// The metrics of the deliverer.
#[derive(Debug)]
pub(crate) struct DeliveryMetrics {
    deliveries: Counter<u64>,
    deferrals: Counter<u64>,
    duration: Histogram<f64>,
}

impl DeliveryMetrics {
    /// Measures with the meters of the process, which must be there by now. `under_way` is asked how many deliveries were
    /// taken and are not done; it answers nothing once there is no deliverer any more.
    pub(crate) fn new(under_way: impl Fn() -> Option<u64> + Send + Sync + 'static) -> Self {
        let meter = global::meter("happypath.activation");
        // It stays with the meter.
        let _gauge = meter
            .u64_observable_gauge("happypath.activation.deliveries.under_way")
            .with_unit("{delivery}")
            .with_description("Deliveries taken whose outcome is not in its stream yet, those that wait in queues included")
            .with_callback(move |observer| {
                if let Some(count) = under_way() {
                    observer.observe(count, &[]);
                }
            })
            .build();
        let own = Self {
            deliveries: meter
                .u64_counter("happypath.activation.deliveries")
                .with_unit("{delivery}")
                .with_description("Attempts to deliver by what came of them: delivered, rejected, retry")
                .build(),
            deferrals: meter
                .u64_counter("happypath.activation.deferrals")
                .with_unit("{delivery}")
                .with_description("Deliveries left to their leases because the queue of their destination was full")
                .build(),
            duration: meter
                .f64_histogram("happypath.activation.delivery.duration")
                .with_unit("s")
                .with_description("How long an attempt to deliver to a webhook took, by what came of it")
                .with_boundaries(ATTEMPT_SECONDS.to_vec())
                .build(),
        };
        // From zero on, so that the first that a counter counts is seen as one more.
        own.deferrals.add(0, &[]);
        for result in ["delivered", "rejected", "retry"] {
            own.deliveries.add(0, &[KeyValue::new("result", result)]);
        }
        own
    }

    /// An attempt came to its end; `took` is absent where nobody was asked.
    pub(crate) fn attempted(&self, result: DeliveryResult, took: Option<Duration>) {
        let result = match result {
            DeliveryResult::Delivered => "delivered",
            DeliveryResult::Rejected => "rejected",
            DeliveryResult::Retry | DeliveryResult::Unspecified => "retry",
        };
        let labels = [KeyValue::new("result", result)];
        self.deliveries.add(1, &labels);
        if let Some(took) = took {
            self.duration.record(took.as_secs_f64(), &labels);
        }
    }

    /// A delivery found the queue of its destination full.
    pub(crate) fn deferred(&self) {
        self.deferrals.add(1, &[]);
    }
}
