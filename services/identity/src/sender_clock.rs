//! When an event happened, by a sender's clock that may be wrong.
//!
//! A sender that says when it sent a message lets its clock be compared with this process's, as
//! Segment's `sentAt` does. Only a clock that is clearly wrong is corrected, because what lies
//! between sending and receiving is not always short, and some libraries repeat the first try's
//! time.
//!
//! By any clock, an event did not happen after it came, nor before there were clocks to tell
//! it: a time ahead is that of receiving, and one before 1970 is refused. The first instant of year
//! 1 is no time at all, since Go and C# write it for a time that was never set.

use ::rpc::Violation;
use kernel::Timestamp;
use proto::convert;

use crate::clock::ClockReading;
use crate::limits::{EARLIEST, SENDER_AHEAD, SENDER_BEHIND};

/// The times of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    /// When it happened.
    pub(crate) time: Timestamp,
    /// When it was sent, by the sender's clock; absent where the sender did not say.
    pub(crate) sent: Option<Timestamp>,
    /// When it happened by the sender's clock, where that was corrected.
    pub(crate) by_sender: Option<Timestamp>,
}

impl Times {
    /// Of an event that says nothing of time.
    pub(crate) const fn of(now: Timestamp) -> Self {
        Self {
            time: now,
            sent: None,
            by_sender: None,
        }
    }

    /// Reads the times of an event. On stream time nothing is corrected: there is no clock that
    /// could be right.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub(crate) fn read(
        time: Option<&prost_types::Timestamp>,
        sent: Option<&prost_types::Timestamp>,
        clock: &ClockReading,
    ) -> Result<Self, Vec<Violation>> {
        let given = [("time", time), ("sent_time", sent)];
        let wrong = given
            .into_iter()
            .filter(|(_, time)| time.is_some_and(|time| !convert::is_instant(time)));
        let wrong: Vec<Violation> = wrong
            .map(|(field, _)| Violation::new(field, convert::NO_INSTANT))
            .collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let [told, sent] =
            [time, sent].map(|time| time.filter(|time| is_set(time)).map(convert::instant));
        let Some(told) = told else {
            return Ok(Self {
                sent,
                ..Self::of(clock.now)
            });
        };
        let corrected = corrected(told, sent, clock);
        let time = corrected.unwrap_or(told);
        if time < EARLIEST {
            return Err(vec![too_early(time, corrected.is_some())]);
        }
        if time > clock.latest {
            return Err(vec![too_late(time, clock)]);
        }
        let is_ahead = !clock.is_virtual && time > clock.now + SENDER_AHEAD;
        let time = if is_ahead { clock.now } else { time };
        Ok(Self {
            time,
            sent,
            by_sender: (time != told).then_some(told),
        })
    }
}

/// Returns whether a time says anything: not where it is the zero time of a language.
pub(crate) fn is_set(time: &prost_types::Timestamp) -> bool {
    time.seconds != *convert::SECONDS.start() || time.nanos != 0
}

/// Returns the right time of an event whose sender's clock is clearly wrong. It did not happen
/// after it came.
fn corrected(told: Timestamp, sent: Option<Timestamp>, clock: &ClockReading) -> Option<Timestamp> {
    let sent = sent.filter(|_| !clock.is_virtual)?;
    let is_wrong = sent > clock.now + SENDER_AHEAD || sent < clock.now - SENDER_BEHIND;
    let ahead_ms = sent.as_millis().saturating_sub(clock.now.as_millis());
    let right = Timestamp::from_millis(told.as_millis().saturating_sub(ahead_ms));
    is_wrong.then(|| right.min(clock.now))
}

fn too_early(time: Timestamp, is_corrected: bool) -> Violation {
    if is_corrected {
        let description = "moves time before 1970: send the time of the clock that time is by";
        return Violation::new("sent_time", description);
    }
    let description = format!(
        "is {time}, before 1970: send the time at which it happened, or none for the time at which it is received"
    );
    Violation::new("time", description)
}

fn too_late(time: Timestamp, clock: &ClockReading) -> Violation {
    let now = clock.now;
    let description = if clock.is_virtual {
        format!(
            "is {time}, more than 400 days ahead of the virtual clock, {now}: correct it, or move the clock there \
             first with AdvanceClock"
        )
    } else {
        format!(
            "is {time}, more than 24 hours ahead of the clock, {now}: send the time at which it happened, or none, or \
             the sent_time of a clock that is wrong"
        )
    };
    Violation::new("time", description)
}

#[cfg(test)]
mod tests {
    use kernel::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);
    const MINUTE: i64 = 60_000;

    fn wall() -> ClockReading {
        ClockReading {
            now: NOW,
            is_virtual: false,
            latest: NOW + Duration::from_days(1),
        }
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(NOW.as_millis() + minutes * MINUTE)
    }

    /// Reads times that are given in minutes from now; answers with the time in minutes, and
    /// whether it was corrected.
    fn read(time: i64, sent: Option<i64>, clock: &ClockReading) -> (i64, bool) {
        let told = convert::timestamp(at(time));
        let sent = sent.map(|sent| convert::timestamp(at(sent)));
        let times = Times::read(Some(&told), sent.as_ref(), clock).expect("it is read");
        assert_eq!(
            times.by_sender.is_some_and(|by| by == at(time)),
            times.by_sender.is_some()
        );
        let from_now = (times.time.as_millis() - NOW.as_millis()) / MINUTE;
        (from_now, times.by_sender.is_some())
    }

    #[test]
    fn only_a_clock_that_is_clearly_wrong_is_corrected() {
        for (time, sent, expected) in [
            (-5, None, (-5, false)),
            (-5, Some(0), (-5, false)),
            (-5, Some(1), (-5, false)),
            (-3, Some(2), (-5, true)),
            (23 * 60 - 5, Some(23 * 60), (-5, true)),
            // Beyond what may be ahead, but for the clock that says so.
            (50 * 60, Some(50 * 60), (0, true)),
            // Sent an hour ago: it was on its way.
            (-65, Some(-60), (-65, false)),
            (-66, Some(-61), (-5, true)),
            // Sent before it happened: it happened no later than it came.
            (-10, Some(-600), (0, true)),
            // A little ahead is no more than clocks differ; more than that is the time of
            // receiving.
            (1, None, (1, false)),
            (2, None, (0, true)),
            (23 * 60, None, (0, true)),
            (23 * 60, Some(0), (0, true)),
        ] {
            assert_eq!(read(time, sent, &wall()), expected, "{time} {sent:?}");
        }
    }

    #[test]
    fn on_stream_time_nothing_is_corrected() {
        let clock = ClockReading {
            is_virtual: true,
            ..wall()
        };
        assert_eq!(read(-5, Some(600), &clock), (-5, false));
        assert_eq!(read(23 * 60, None, &clock), (23 * 60, false));
    }

    #[test]
    fn the_zero_time_of_a_language_is_no_time() {
        let zero = prost_types::Timestamp {
            seconds: *convert::SECONDS.start(),
            nanos: 0,
        };
        let stream = ClockReading {
            is_virtual: true,
            ..wall()
        };
        for clock in [wall(), stream] {
            let times = Times::read(Some(&zero), Some(&zero), &clock);
            assert_eq!(times, Ok(Times::of(NOW)));
        }
        let told = convert::timestamp(at(-5));
        let times = Times::read(Some(&told), Some(&zero), &wall()).expect("it is read");
        assert_eq!(
            (times.time, times.sent, times.by_sender),
            (at(-5), None, None)
        );
    }

    #[test]
    fn a_time_before_clocks_is_refused_unless_the_sender_says_how_wrong_its_clock_is() {
        let second = |seconds| prost_types::Timestamp { seconds, nanos: 0 };
        let year_1 = second(*convert::SECONDS.start() + 1);
        for (time, is_taken) in [(year_1, false), (second(-1), false), (second(0), true)] {
            let read = Times::read(Some(&time), None, &wall());
            assert_eq!(read.is_ok(), is_taken, "{time:?}");
            let wrong = read.err().unwrap_or_default();
            assert!(
                wrong
                    .iter()
                    .all(|it| it.field == "time" && it.description.contains("1970"))
            );
            let read = Times::read(Some(&time), Some(&time), &wall()).expect("it is corrected");
            assert_eq!(
                (read.time, read.by_sender),
                (NOW, Some(convert::instant(&time)))
            );
        }
    }

    #[test]
    fn what_is_no_instant_is_refused_by_name() {
        let bad = prost_types::Timestamp {
            seconds: 0,
            nanos: -1,
        };
        let good = convert::timestamp(NOW);
        let fields = |time, sent| {
            let wrong = Times::read(Some(time), Some(sent), &wall()).expect_err("it is refused");
            wrong.into_iter().map(|it| it.field).collect::<Vec<_>>()
        };
        assert_eq!(fields(&bad, &good), ["time"]);
        assert_eq!(fields(&good, &bad), ["sent_time"]);
        assert_eq!(fields(&bad, &bad), ["time", "sent_time"]);
        let ahead = convert::timestamp(at(25 * 60));
        assert_eq!(fields(&ahead, &good), ["time"]);
        let (old, last) = (convert::timestamp(at(-60)), *convert::SECONDS.end());
        let last = prost_types::Timestamp {
            seconds: last,
            nanos: 0,
        };
        assert_eq!(fields(&old, &last), ["sent_time"]);
    }
}
