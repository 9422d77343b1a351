//! When the addresses behind a name are looked for.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::replica::spread;
use crate::limits::{LOOKUP_INTERVAL, LOOKUP_PAUSE};

/// The looks for the addresses behind a name.
#[derive(Debug)]
pub(super) struct Lookup {
    /// False where there is an address in its place, which never changes.
    has_name: bool,
    is_under_way: bool,
    due_time: Instant,
    /// The end of the last one.
    done_time: Option<Instant>,
    /// The reason why the last one found nothing.
    error: Option<io::Error>,
}

impl Lookup {
    /// Of an address that is no name.
    pub(super) fn never(now: Instant) -> Self {
        Self {
            has_name: false,
            ..Self::due(now)
        }
    }

    /// The first is due.
    pub(super) fn due(now: Instant) -> Self {
        Self {
            has_name: true,
            is_under_way: false,
            due_time: now,
            done_time: None,
            error: None,
        }
    }

    /// Returns whether one is to begin, which is under way from now on.
    pub(super) fn begin_if_due(&mut self, now: Instant) -> bool {
        let begins = self.has_name && !self.is_under_way && self.due_time <= now;
        self.is_under_way |= begins;
        begins
    }

    /// Returns whether one is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    /// Makes the next one due as soon as the last one is a moment ago: addresses may have changed.
    pub(super) fn hasten(&mut self, now: Instant) {
        let soon = self
            .done_time
            .map_or(now, |done| now.max(done + LOOKUP_PAUSE));
        self.due_time = self.due_time.min(soon);
    }

    /// Somebody has nobody to ask. Where there is no address at all, that cannot wait.
    pub(super) fn want(&mut self, now: Instant, is_urgent: bool) {
        if is_urgent {
            self.due_time = now;
        } else {
            self.hasten(now);
        }
    }

    /// It found addresses. The next one is due at a time that is spread, so that the clients of a
    /// service do not ask all at once.
    pub(super) fn succeeded(&mut self, now: Instant, jitter: u64) {
        self.end(now, spread(LOOKUP_INTERVAL, jitter));
        self.error = None;
    }

    /// It found none. Returns whether the one before had found some, or there was none.
    pub(super) fn failed(&mut self, now: Instant, error: io::Error) -> bool {
        self.end(now, LOOKUP_PAUSE);
        self.error.replace(error).is_none()
    }

    /// Says why the last one found nothing.
    pub(super) fn failure(&self) -> String {
        let error = self.error.as_ref().map(ToString::to_string);
        error.unwrap_or_else(|| "its name has no address".to_owned())
    }

    /// Returns whether there is no name.
    pub(super) fn is_never(&self) -> bool {
        !self.has_name
    }

    fn end(&mut self, now: Instant, pause: Duration) {
        self.is_under_way = false;
        self.done_time = Some(now);
        self.due_time = now + pause;
    }
}
