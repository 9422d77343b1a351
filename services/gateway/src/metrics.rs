//! The metrics of the gateway: every one that it has, with unit and meaning. Labels are from
//! enumerations only.

use gateway_core::{Reason, Unit};
use opentelemetry::KeyValue;
use opentelemetry::global;
use opentelemetry::metrics::Counter;

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
