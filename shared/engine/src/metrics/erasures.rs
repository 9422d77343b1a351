//! The counts of customers who are erased.

use std::sync::LazyLock;

use hot::Owner;
use opentelemetry::global;
use opentelemetry::metrics::Counter;

use super::{counter, service};
use crate::worker::erase::ErasedCounts;

struct Erasures {
    customers: Counter<u64>,
    records: Counter<u64>,
}

static ERASURES: LazyLock<Erasures> = LazyLock::new(|| {
    let meter = global::meter("happypath.engine");
    Erasures {
        customers: counter(
            &meter,
            "happypath.engine.erased.customers",
            "{customer}",
            "Customers whose states were removed because they are erased",
        ),
        records: counter(
            &meter,
            "happypath.engine.erased.records",
            "{record}",
            "Records that were dropped because their customer is erased",
        ),
    }
});

/// Customers were erased, and records of such were dropped.
pub(crate) fn erased(owner: Owner, counts: ErasedCounts) {
    let labels = [service(owner)];
    ERASURES.customers.add(counts.customers, &labels);
    ERASURES.records.add(counts.records, &labels);
}
