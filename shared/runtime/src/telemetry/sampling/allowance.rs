//! A bound on what is exported beyond the share: an outage, in which everything fails, crowds
//! nothing out. Pure.

use std::time::Instant;

use crate::limits::{TELLING_SPANS, TELLING_SPANS_A_SECOND};

/// Spans that may be exported at this moment. It fills again as time passes.
#[derive(Debug)]
pub(super) struct Allowance {
    left: f64,
    filled: Instant,
}

impl Allowance {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            left: f64::from(TELLING_SPANS),
            filled: now,
        }
    }

    /// Takes so many spans, all or none, and returns whether they may be exported.
    pub(super) fn take(&mut self, spans: usize, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        let more = self.left + passed * f64::from(TELLING_SPANS_A_SECOND);
        self.left = more.min(f64::from(TELLING_SPANS));
        self.filled = now;
        // A part has no more spans than its limit, so that this loses nothing.
        let spans = f64::from(u32::try_from(spans).unwrap_or(u32::MAX));
        let is_allowed = spans <= self.left;
        if is_allowed {
            self.left -= spans;
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_so_many_a_second() {
        let begun = Instant::now();
        let mut allowance = Allowance::new(begun);
        let burst = usize::try_from(TELLING_SPANS).expect("few");
        assert!(allowance.take(burst, begun));
        assert!(!allowance.take(1, begun));
        let later = begun + Duration::from_secs(1);
        let second = usize::try_from(TELLING_SPANS_A_SECOND).expect("few");
        assert!(!allowance.take(second + 1, later), "all or none");
        assert!(allowance.take(second, later));
        assert!(!allowance.take(1, later));
    }

    #[test]
    fn time_that_passes_fills_it_no_further_than_a_burst() {
        let begun = Instant::now();
        let mut allowance = Allowance::new(begun);
        let later = begun + Duration::from_secs(3_600);
        let burst = usize::try_from(TELLING_SPANS).expect("few");
        assert!(!allowance.take(burst + 1, later));
        assert!(allowance.take(burst, later));
    }
}
