//! When a failed delivery is tried again.
//!
//! The schedule grows to six hours. Each wait is drawn from the whole of its step ("full jitter": Brooker, Exponential
//! Backoff And Jitter, AWS 2015), so that what failed together does not come back together. The draw is a hash of the
//! activation and the attempt, so that the same history gives the same waits on every machine.

use kernel::{ActivationId, Duration, split_mix};

use crate::limits;

/// The longest wait after the first, second, … failure; the last one repeats.
const SCHEDULE: [Duration; 6] = [
    Duration::from_millis(5_000),
    Duration::from_millis(30_000),
    Duration::from_millis(120_000),
    Duration::from_millis(600_000),
    Duration::from_millis(3_600_000),
    Duration::from_millis(21_600_000),
];

/// How long to wait after `failures` failures, at least as long as the destination asked for (bounded by
/// [`limits::RETRY_AFTER`]).
pub fn wait(id: ActivationId, failures: u32, retry_after: Duration) -> Duration {
    let step = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let longest = SCHEDULE[step.min(SCHEDULE.len() - 1)].as_millis();
    let range = u64::try_from(longest).expect("the schedule is positive");
    let drawn = i64::try_from(draw(id, failures) % range).expect("below the schedule") + 1;
    Duration::from_millis(drawn).max(retry_after.min(limits::RETRY_AFTER))
}

/// How long an attempt may be under way after `lapses` were lost: twice as long each time, so that a delivery that
/// takes the process with it is asked for ever less often.
pub fn lease(lapses: u32) -> Duration {
    let factor = 1_i64 << lapses.min(limits::LAPSES);
    Duration::from_millis(limits::LEASE.as_millis().saturating_mul(factor))
}

/// Draws a number for a failure of an activation: SplitMix64 over the parts of its name.
fn draw(id: ActivationId, failures: u32) -> u64 {
    let (high, low) = id.run.uuid().as_u64_pair();
    let mut state = high;
    for part in [low, u64::from(id.visit), u64::from(failures)] {
        state = split_mix(state ^ part);
    }
    state
}

#[cfg(test)]
mod tests {
    use kernel::RunId;
    use uuid::Uuid;

    use super::*;

    fn id(run: u128) -> ActivationId {
        ActivationId {
            run: RunId::new(Uuid::from_u128(run)),
            visit: 1,
        }
    }

    #[test]
    fn waits_are_spread_over_their_step_and_always_the_same() {
        for (failures, longest) in [(1, 5_000), (2, 30_000), (6, 21_600_000), (9, 21_600_000)] {
            let waits: Vec<_> = (0..400)
                .map(|run| wait(id(run), failures, Duration::ZERO).as_millis())
                .collect();
            assert!(waits.iter().all(|wait| (1..=longest).contains(wait)));
            assert!(waits.iter().any(|wait| *wait < longest / 10));
            assert!(waits.iter().any(|wait| *wait > longest * 9 / 10));
            assert_eq!(waits[7], wait(id(7), failures, Duration::ZERO).as_millis());
        }
    }

    #[test]
    fn a_draw_never_changes() {
        assert_eq!(draw(id(7), 2), 0x16e6_39e2_c7aa_e6e3);
    }

    #[test]
    fn a_destination_may_ask_for_more_patience_up_to_a_day() {
        let asked = Duration::from_millis(7_200_000);
        assert_eq!(wait(id(1), 1, asked), asked);
        assert_eq!(wait(id(1), 1, Duration::from_days(30)), limits::RETRY_AFTER);
    }

    #[test]
    fn leases_double() {
        assert_eq!(lease(0), limits::LEASE);
        assert_eq!(lease(3).as_millis(), 480_000);
        assert_eq!(lease(u32::MAX), lease(limits::LAPSES));
    }
}
