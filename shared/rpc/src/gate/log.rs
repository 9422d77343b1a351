//! Logs calls that are not let in: each once, and of a flood only a few a second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use access::{Peer, Refused};

use crate::limits::REFUSALS_LOGGED;

/// The refusals of a process.
#[derive(Debug, Default)]
pub(super) struct RefusalLog(Mutex<Window>);

/// The refusals of one second.
#[derive(Debug, Default)]
struct Window {
    begun: Option<Instant>,
    count: u64,
}

impl RefusalLog {
    /// Logs a refusal. The credential is in no field of it.
    pub(super) fn tell(&self, refused: &Refused, peer: Option<&Peer>) {
        let (is_told, omitted) = self.count(Instant::now());
        if omitted > 0 {
            tracing::warn!(omitted, "more calls were refused than are logged");
        }
        if !is_told {
            return;
        }
        let caller = refused.caller.as_ref().map(tracing::field::display);
        let address = peer.and_then(Peer::address);
        tracing::warn!(
            reason = refused.refusal.word(),
            cause = %refused.refusal,
            caller,
            address = address.map(tracing::field::display),
            "call refused"
        );
    }

    /// Returns whether one more is told, and how many of the second before were not.
    fn count(&self, now: Instant) -> (bool, u64) {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |begun: Instant| now.duration_since(begun) >= Duration::from_secs(1);
        let mut omitted = 0;
        if window.begun.is_none_or(is_over) {
            omitted = window.count.saturating_sub(REFUSALS_LOGGED);
            *window = Window {
                begun: Some(now),
                count: 0,
            };
        }
        window.count += 1;
        (window.count <= REFUSALS_LOGGED, omitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_told() {
        let log = RefusalLog::default();
        let begun = Instant::now();
        let told = (0..REFUSALS_LOGGED + 7).filter(|_| log.count(begun).0);
        assert_eq!(told.count() as u64, REFUSALS_LOGGED);
        let later = begun + Duration::from_secs(2);
        assert_eq!(log.count(later), (true, 7));
        assert_eq!(log.count(later + Duration::from_secs(2)), (true, 0));
    }
}
