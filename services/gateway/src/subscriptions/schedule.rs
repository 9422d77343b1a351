//! When a batch that was not taken is posted again.
//!
//! The schedule is that of the Standard Webhooks specification, and its last step repeats. A wait
//! is drawn from around its step, so that posts that failed together do not come back together.

use std::time::Duration;

use kernel::{StableHash, split_mix};

use crate::limits::{RETRY_AFTER_LEAST, RETRY_AFTER_MOST};

/// The waits after the first, second, … failure, in seconds.
const SCHEDULE_SECONDS: [u64; 9] = [
    5,
    5 * 60,
    30 * 60,
    2 * 3_600,
    5 * 3_600,
    10 * 3_600,
    14 * 3_600,
    20 * 3_600,
    24 * 3_600,
];
/// Hundredths of a step by which a wait may be shorter or longer.
const JITTER_PERCENT: u64 = 20;

/// Returns the wait after so many failures of a batch in a row: at least as long as the receiver
/// asked for.
pub(super) fn wait(batch_id: &str, failures: u32, asked: Duration) -> Duration {
    let step = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let seconds = SCHEDULE_SECONDS[step.min(SCHEDULE_SECONDS.len() - 1)];
    let millis = seconds * 1_000;
    let room = millis * 2 * JITTER_PERCENT / 100;
    let shortest = millis - room / 2;
    let drawn = draw(batch_id, failures) % (room + 1);
    Duration::from_millis(shortest + drawn).max(asked.min(RETRY_AFTER_MOST))
}

/// Returns the wait that a receiver with too much to do asks for; as after a first failure where it
/// names none.
pub(super) fn wait_asked(batch_id: &str, asked: Duration) -> Duration {
    match asked.is_zero() {
        true => wait(batch_id, 1, asked),
        false => asked.clamp(RETRY_AFTER_LEAST, RETRY_AFTER_MOST),
    }
}

/// Draws a number for a failure of a batch.
fn draw(batch_id: &str, failures: u32) -> u64 {
    let hash = StableHash::new().with(batch_id.as_bytes());
    split_mix(hash.finish() ^ u64::from(failures))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_around_their_step_and_always_the_same() {
        for (failures, seconds) in [(1, 5), (2, 300), (9, 86_400), (40, 86_400)] {
            let waits: Vec<u128> = (0..400)
                .map(|id| wait(&id.to_string(), failures, Duration::ZERO).as_millis())
                .collect();
            let (least, most) = (seconds * 800, seconds * 1_200);
            assert!(waits.iter().all(|wait| (least..=most).contains(wait)));
            assert!(waits.iter().any(|wait| *wait < seconds * 850));
            assert!(waits.iter().any(|wait| *wait > seconds * 1_150));
            let again = wait("7", failures, Duration::ZERO).as_millis();
            assert_eq!(waits[7], again);
        }
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_up_to_a_day() {
        let asked = Duration::from_secs(7_200);
        assert_eq!(wait("a", 1, asked), asked);
        assert_eq!(wait("a", 1, asked * 100), RETRY_AFTER_MOST);
        assert_eq!(wait_asked("a", asked), asked);
        assert_eq!(wait_asked("a", Duration::from_millis(1)), RETRY_AFTER_LEAST);
        assert!(wait_asked("a", Duration::ZERO) >= Duration::from_secs(4));
    }
}
