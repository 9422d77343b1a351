//! Buckets of tokens, one for each caller, as many as are worth remembering.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::RATE_CALLERS;

/// Seconds of calls that fit into a bucket: who was quiet may catch up a little.
const SECONDS: f64 = 2.0;

/// The buckets of all callers.
#[derive(Debug)]
pub(super) struct Buckets {
    rate: u32,
    all: Mutex<All>,
}

#[derive(Debug)]
struct All {
    of_callers: HashMap<Arc<str>, Bucket>,
    /// The bucket of those who come when there are as many as may be.
    of_others: Bucket,
    /// When full buckets were last looked for.
    swept: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    /// When it had so many.
    time: Instant,
}

impl Buckets {
    pub(super) fn new(rate: u32, now: Instant) -> Self {
        let rate = rate.max(1);
        Self {
            rate,
            all: Mutex::new(All {
                of_callers: HashMap::new(),
                of_others: Bucket::full(rate, now),
                swept: now,
            }),
        }
    }

    pub(super) const fn rate(&self) -> u32 {
        self.rate
    }

    /// Takes a token of a caller.
    ///
    /// # Errors
    /// The time until there is one.
    pub(super) fn take(&self, caller: &Arc<str>, now: Instant) -> Result<(), Duration> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.bucket(caller, self.rate, now).take(self.rate, now)
    }
}

impl All {
    fn bucket(&mut self, caller: &Arc<str>, rate: u32, now: Instant) -> &mut Bucket {
        if !self.of_callers.contains_key(caller) {
            if self.of_callers.len() >= RATE_CALLERS {
                self.sweep(rate, now);
            }
            if self.of_callers.len() >= RATE_CALLERS {
                return &mut self.of_others;
            }
        }
        let bucket = self.of_callers.entry(Arc::clone(caller));
        bucket.or_insert_with(|| Bucket::full(rate, now))
    }

    /// Forgets the buckets that are full again, which are as good as new ones. That is looked for
    /// once in the time that fills a bucket, so that many callers do not make every call slow.
    fn sweep(&mut self, rate: u32, now: Instant) {
        if now.saturating_duration_since(self.swept).as_secs_f64() < SECONDS {
            return;
        }
        self.swept = now;
        self.of_callers
            .retain(|_, bucket| bucket.filled(rate, now).tokens < capacity(rate));
    }
}

impl Bucket {
    fn full(rate: u32, now: Instant) -> Self {
        Self {
            tokens: capacity(rate),
            time: now,
        }
    }

    /// Returns the bucket with what has come since.
    fn filled(self, rate: u32, now: Instant) -> Self {
        let since = now.saturating_duration_since(self.time).as_secs_f64();
        let tokens = (self.tokens + since * f64::from(rate)).min(capacity(rate));
        Self { tokens, time: now }
    }

    fn take(&mut self, rate: u32, now: Instant) -> Result<(), Duration> {
        *self = self.filled(rate, now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64(
            (1.0 - self.tokens) / f64::from(rate),
        ))
    }
}

fn capacity(rate: u32) -> f64 {
    f64::from(rate) * SECONDS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str) -> Arc<str> {
        name.into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_makes_twice_the_rate_at_once_and_then_the_rate() {
        let begun = Instant::now();
        let buckets = Buckets::new(10, begun);
        let ann = caller("ann");
        let taken = |now| {
            (0..1_000)
                .take_while(|_| buckets.take(&ann, now).is_ok())
                .count()
        };
        assert_eq!(taken(begun), 20);
        let wait = buckets.take(&ann, begun).expect_err("no token");
        assert_eq!(wait, Duration::from_millis(100));
        assert_eq!(taken(begun + Duration::from_millis(300)), 3);
        assert_eq!(taken(begun + Duration::from_secs(60)), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn callers_do_not_spend_the_tokens_of_others() {
        let now = Instant::now();
        let buckets = Buckets::new(1, now);
        while buckets.take(&caller("ann"), now).is_ok() {}
        assert!(buckets.take(&caller("ben"), now).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_buckets_is_bounded_and_idle_ones_make_room() {
        let begun = Instant::now();
        let buckets = Buckets::new(1, begun);
        let count = || buckets.all.lock().expect("no panic").of_callers.len();
        for number in 0..RATE_CALLERS + 100 {
            let _taken = buckets.take(&caller(&number.to_string()), begun);
        }
        assert_eq!(count(), RATE_CALLERS);
        // Those beyond the bound share two tokens.
        let refused = buckets.take(&caller("late"), begun);
        assert!(refused.is_err());
        let later = begun + Duration::from_secs(5);
        assert!(buckets.take(&caller("late"), later).is_ok());
        assert_eq!(count(), 1);
    }
}
