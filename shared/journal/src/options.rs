//! The options of a journaled store: how snapshots are made, and how long gates are respected.

use std::time::Duration;

use crate::{FoldOptions, limits};

/// The options of a journaled store.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// The options of folds, which make snapshots.
    pub fold: FoldOptions,
    /// The time that the gate of a partition that is recovered is respected after its holder was
    /// heard of last: for so long others wait for a process that died meanwhile.
    pub gate_ttl: Duration,
}

impl JournalOptions {
    /// Options with a gate that is respected for half of the time of a lease, so that within that
    /// time the partition of a process that died serves again, and for a second at least.
    pub fn new(fold: FoldOptions, lease_ttl: kernel::Duration) -> Self {
        let half_ms = u64::try_from(lease_ttl.as_millis() / 2).unwrap_or(0);
        Self {
            fold,
            gate_ttl: Duration::from_millis(half_ms).max(limits::GATE_TTL_LEAST),
        }
    }
}

impl Default for JournalOptions {
    fn default() -> Self {
        FoldOptions::default().into()
    }
}

impl From<FoldOptions> for JournalOptions {
    fn from(fold: FoldOptions) -> Self {
        Self {
            fold,
            gate_ttl: hot::limits::GATE_TTL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_of_a_lease_as_it_is_by_default_is_the_one_by_default() {
        let options = JournalOptions::new(FoldOptions::default(), kernel::limits::LEASE_TTL);
        assert_eq!(options.gate_ttl, JournalOptions::default().gate_ttl);
    }

    #[test]
    fn a_gate_is_respected_for_half_of_a_lease_but_not_for_less_than_a_busy_machine_is_late() {
        for (lease_ms, expected_ms) in
            [(10_000, 5_000), (9_001, 4_500), (1_000, 1_000), (-1, 1_000)]
        {
            let lease = kernel::Duration::from_millis(lease_ms);
            let options = JournalOptions::new(FoldOptions::default(), lease);
            assert_eq!(options.gate_ttl, Duration::from_millis(expected_ms));
        }
    }
}
