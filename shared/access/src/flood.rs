//! Bounds what a flood of one kind of event writes into the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Admits some events a second, and counts the others.
#[derive(Debug)]
pub struct Flood {
    most: u64,
    window: Mutex<Window>,
}

/// The events of one second.
#[derive(Debug, Default)]
struct Window {
    begun: Option<Instant>,
    count: u64,
}

impl Flood {
    /// Admits so many events a second.
    pub fn new(most: u64) -> Self {
        Self {
            most,
            window: Mutex::default(),
        }
    }

    /// Returns whether the next event is one of those that are admitted, and how many of an earlier
    /// second were not.
    pub fn admit(&self, now: Instant) -> (bool, u64) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |begun: Instant| now.duration_since(begun) >= Duration::from_secs(1);
        let mut omitted = 0;
        if window.begun.is_none_or(is_over) {
            omitted = window.count.saturating_sub(self.most);
            *window = Window {
                begun: Some(now),
                count: 0,
            };
        }
        window.count += 1;
        (window.count <= self.most, omitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_admitted() {
        let flood = Flood::new(20);
        let begun = Instant::now();
        let admitted = (0..27).filter(|_| flood.admit(begun).0);
        assert_eq!(admitted.count(), 20);
        let later = begun + Duration::from_secs(2);
        assert_eq!(flood.admit(later), (true, 7));
        assert_eq!(flood.admit(later + Duration::from_secs(2)), (true, 0));
    }
}
