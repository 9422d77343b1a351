//! The metrics of erasures.

use std::time::Duration;

use kernel::Timestamp;
use opentelemetry::global;
use opentelemetry::metrics::Gauge;

/// The erasures that are not done, as every process counts them.
#[derive(Debug)]
pub(crate) struct ErasureMetrics {
    running: Gauge<u64>,
    overdue: Gauge<u64>,
    oldest: Gauge<f64>,
}

impl ErasureMetrics {
    /// Measures with the meters of the process, which must be there by now.
    pub(crate) fn new() -> Self {
        let meter = global::meter("happypath.identity");
        let own = Self {
            running: meter
                .u64_gauge("happypath.identity.erasures.running")
                .with_unit("{erasure}")
                .with_description("Erasures that are not done in every store, the same at every process")
                .build(),
            overdue: meter
                .u64_gauge("happypath.identity.erasures.overdue")
                .with_unit("{erasure}")
                .with_description("Erasures past their deadline that are not done in every store, the same at every process")
                .build(),
            oldest: meter
                .f64_gauge("happypath.identity.erasures.oldest")
                .with_unit("s")
                .with_description("How long ago the oldest erasure was asked for that is not done")
                .build(),
        };
        own.open(&[], Timestamp::MIN);
        own
    }

    /// These are not done: when each was asked for, and its deadline.
    pub(crate) fn open(&self, all: &[(Timestamp, Timestamp)], now: Timestamp) {
        let overdue = all.iter().filter(|(_, deadline)| *deadline < now).count();
        let oldest = all.iter().map(|(create_time, _)| *create_time).min();
        let age_ms = oldest.map_or(0, |it| now.as_millis().saturating_sub(it.as_millis()));
        self.running.record(all.len() as u64, &[]);
        self.overdue.record(overdue as u64, &[]);
        let age = Duration::from_millis(age_ms.max(0).unsigned_abs());
        self.oldest.record(age.as_secs_f64(), &[]);
    }
}
