//! The progress of one subscription: a plain value, and what answers of its receiver make of it.

use std::time::Duration;

use ::changes::Position;
use kernel::Timestamp;
use outbound::{Attempted, Verdict};
use proto::convert::timestamp;
use proto::gateway::v1::{SubscriptionState, SubscriptionStatus};

use super::schedule;
use crate::limits::{POST_ERROR_LETTERS, RECEIVER_GIVEN_UP};

/// The status of a receiver that is there no more.
const GONE: u16 = 410;
/// The status of a receiver that has too much to do.
const TOO_MANY_REQUESTS: u16 = 429;

/// The reason for which a subscription goes on, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It does.
    Active,
    /// Its receiver is gone, or took nothing for too long.
    Stopped,
    /// The log has no more what comes next.
    OutOfRange,
}

/// A batch that is posted until it is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BatchAtHand {
    /// Its name, the same whenever it is posted.
    pub(super) id: String,
    /// The position behind it.
    pub(super) end: Position,
    /// The digest of the filter that its changes match.
    pub(super) filter: String,
}

/// The progress of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) name: String,
    /// Behind what was taken, and what did not match before the next change that does.
    pub(super) position: Position,
    pub(super) standing: Standing,
    pub(super) batch: Option<BatchAtHand>,
    /// Attempts that failed since the last success. Those are not counted that the receiver put
    /// off.
    pub(super) failures: u32,
    /// When the first attempt since the last success failed.
    pub(super) first_failure_time: Option<Timestamp>,
    pub(super) next_attempt_time: Option<Timestamp>,
    pub(super) last_error: String,
    pub(super) last_success_time: Option<Timestamp>,
}

impl Progress {
    /// Begins at a position.
    pub(super) fn new(name: &str, position: Position) -> Self {
        Self {
            name: name.to_owned(),
            position,
            standing: Standing::Active,
            batch: None,
            failures: 0,
            first_failure_time: None,
            next_attempt_time: None,
            last_error: String::new(),
            last_success_time: None,
        }
    }

    /// Takes note of an attempt at the batch at hand.
    pub(super) fn attempted(&mut self, attempted: &Attempted, now: Timestamp) {
        let status = attempted.status.map(|status| status.as_u16());
        if attempted.verdict == Verdict::Taken {
            return self.taken(Some(now));
        }
        self.last_error = attempted.detail.chars().take(POST_ERROR_LETTERS).collect();
        let first = *self.first_failure_time.get_or_insert(now);
        let is_given_up = now.since(first) >= RECEIVER_GIVEN_UP;
        if status == Some(GONE) || is_given_up {
            self.standing = Standing::Stopped;
            self.next_attempt_time = None;
            return;
        }
        let id = self.batch.as_ref().map_or("", |batch| batch.id.as_str());
        let asked = Duration::from_millis(attempted.retry_after_ms.max(0).unsigned_abs());
        let wait = if status == Some(TOO_MANY_REQUESTS) {
            schedule::wait_asked(id, asked)
        } else {
            self.failures = self.failures.saturating_add(1);
            schedule::wait(id, self.failures, asked)
        };
        let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        self.next_attempt_time = Some(now + kernel::Duration::from_millis(millis));
    }

    /// The batch at hand was taken, or nothing of it is left to post.
    pub(super) fn taken(&mut self, time: Option<Timestamp>) {
        if let Some(batch) = self.batch.take() {
            self.position = batch.end;
        }
        if time.is_some() {
            self.last_success_time = time;
        }
        self.no_failure();
    }

    /// The log cannot be read from the position.
    pub(super) fn out_of_range(&mut self, error: &::changes::ReadError) {
        self.standing = Standing::OutOfRange;
        self.next_attempt_time = None;
        self.last_error = format!("the position {error}: resume the subscription from another one");
    }

    fn no_failure(&mut self) {
        self.failures = 0;
        self.first_failure_time = None;
        self.next_attempt_time = None;
        self.last_error.clear();
    }

    /// Returns the state as callers see it.
    pub(super) fn state(&self, is_paused: bool) -> SubscriptionState {
        match self.standing {
            Standing::Stopped => SubscriptionState::Stopped,
            Standing::OutOfRange => SubscriptionState::OutOfRange,
            Standing::Active if is_paused => SubscriptionState::Paused,
            Standing::Active if self.first_failure_time.is_some() => SubscriptionState::Retrying,
            Standing::Active => SubscriptionState::Active,
        }
    }

    /// Returns the rows that are behind the position, where the log ends at another one.
    pub(super) fn lag(&self, end: Position) -> u64 {
        end.row.saturating_sub(self.position.row)
    }

    /// Returns the status as callers see it, where the log ends there.
    pub(super) fn status(&self, is_paused: bool, end: Position) -> SubscriptionStatus {
        SubscriptionStatus {
            name: self.name.clone(),
            state: self.state(is_paused).into(),
            position: self.position.to_string(),
            lag: self.lag(end),
            failed_attempts: self.failures,
            next_attempt_time: self.next_attempt_time.map(timestamp),
            last_error: self.last_error.clone(),
            last_success_time: self.last_success_time.map(timestamp),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn at(row: u64) -> Position {
        Position {
            log: 1,
            row,
            index: 0,
        }
    }

    fn progress() -> Progress {
        Progress {
            batch: Some(BatchAtHand {
                id: "b".to_owned(),
                end: at(9),
                filter: "f".to_owned(),
            }),
            ..Progress::new("warehouse", at(4))
        }
    }

    fn answer(status: u16, retry_after_ms: i64) -> Attempted {
        Attempted {
            verdict: match status {
                200 => Verdict::Taken,
                429 | 500 => Verdict::Retry,
                _ => Verdict::Refused,
            },
            status: StatusCode::from_u16(status).ok(),
            retry_after_ms,
            detail: format!("answered {status}"),
            is_struggling: false,
        }
    }

    fn wait_of(progress: &Progress, now: Timestamp) -> i64 {
        let next = progress.next_attempt_time.expect("another attempt");
        next.since(now).as_millis()
    }

    #[test]
    fn a_batch_that_is_taken_gives_its_end_and_forgets_failures() {
        let mut progress = progress();
        progress.attempted(&answer(500, 0), NOW);
        assert_eq!(progress.state(false), SubscriptionState::Retrying);
        assert_eq!(progress.position, at(4));
        progress.attempted(&answer(200, 0), NOW);
        let expected = Progress {
            last_success_time: Some(NOW),
            ..Progress::new("warehouse", at(9))
        };
        assert_eq!(progress, expected);
    }

    #[test]
    fn every_refusal_is_tried_again_and_waits_grow() {
        let mut progress = progress();
        for (status, failures, least) in [(500, 1, 4_000), (404, 2, 240_000), (301, 3, 1_440_000)] {
            progress.attempted(&answer(status, 0), NOW);
            assert_eq!(progress.failures, failures);
            assert!(wait_of(&progress, NOW) >= least, "{status}");
            assert_eq!(progress.last_error, format!("answered {status}"));
        }
        assert_eq!(progress.batch.as_ref().map(|it| it.id.as_str()), Some("b"));
    }

    #[test]
    fn a_receiver_that_asks_for_time_gets_it_and_is_not_counted() {
        let mut progress = progress();
        progress.attempted(&answer(429, 90_000), NOW);
        assert_eq!((progress.failures, wait_of(&progress, NOW)), (0, 90_000));
        assert_eq!(progress.state(false), SubscriptionState::Retrying);
        progress.attempted(&answer(503, 0), NOW);
        assert_eq!(progress.failures, 1);
    }

    #[test]
    fn a_receiver_that_is_gone_or_takes_nothing_for_days_is_given_up() {
        let mut gone = progress();
        gone.attempted(&answer(410, 0), NOW);
        assert_eq!(gone.state(true), SubscriptionState::Stopped);
        assert_eq!(gone.next_attempt_time, None);
        let mut silent = progress();
        silent.attempted(&answer(500, 0), NOW);
        let days = |days| NOW + kernel::Duration::from_days(days);
        silent.attempted(&answer(429, 0), days(4));
        assert_eq!(silent.state(false), SubscriptionState::Retrying);
        silent.attempted(&answer(500, 0), days(5));
        assert_eq!(silent.state(false), SubscriptionState::Stopped);
    }

    #[test]
    fn states_are_told_as_the_contract_has_them() {
        let mut progress = progress();
        assert_eq!(progress.state(false), SubscriptionState::Active);
        assert_eq!(progress.state(true), SubscriptionState::Paused);
        progress.out_of_range(&::changes::ReadError::TooOld);
        let status = progress.status(false, at(12));
        assert_eq!(status.state(), SubscriptionState::OutOfRange);
        assert_eq!(status.lag, 8);
        let told =
            "the position is older than what is kept: resume the subscription from another one";
        assert_eq!(status.last_error, told);
    }
}
