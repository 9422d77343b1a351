//! The deadline of the call at hand, from the caller and on to whatever the call calls.

use std::future::Future;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;

use crate::limits::ANSWER_TIME;

tokio::task_local! {
    static CURRENT: Option<Deadline>;
}

/// When the caller stops waiting. Handlers find it as an extension of the request too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline so long from now.
    pub fn after(duration: Duration) -> Self {
        let now = Instant::now();
        // A year away is as good as never, and never overflows.
        Self(now + duration.min(Duration::from_secs(365 * 86_400)))
    }

    /// The deadline of the call that this task carries out; none outside of calls, or where the
    /// caller set none.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|deadline| *deadline).ok().flatten()
    }

    /// Returns the time that the caller still waits.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// When it is.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// Returns until when the call may wait for something: so long before the deadline that the
    /// caller still gets the reason.
    pub fn last_wait(self) -> Instant {
        self.0 - ANSWER_TIME.min(self.remaining() / 4)
    }

    /// The time that is left as `grpc-timeout`.
    pub(crate) fn header(self) -> HeaderValue {
        let remaining = self.remaining();
        let (number, unit) = match remaining.as_micros() {
            micros @ 0..100_000_000 => (micros, 'u'),
            micros @ 0..100_000_000_000 => (micros / 1_000, 'm'),
            micros => ((micros / 1_000_000).min(99_999_999), 'S'),
        };
        HeaderValue::try_from(format!("{number}{unit}")).expect("digits and a letter are a header")
    }

    /// Runs work under this deadline, or under none; calls made within carry it on.
    pub async fn scope<F: Future>(deadline: Option<Self>, work: F) -> F::Output {
        CURRENT.scope(deadline, work).await
    }

    /// Reads `grpc-timeout`: at most eight digits and a unit, as the gRPC specification over HTTP/2
    /// says.
    pub(crate) fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get("grpc-timeout")?.to_str().ok()?;
        Some(Self::after(parse(text)?))
    }
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read() {
        for (text, expected) in [
            ("2S", Some(Duration::from_secs(2))),
            ("1H", Some(Duration::from_secs(3_600))),
            ("250m", Some(Duration::from_millis(250))),
            ("99999999H", Some(Duration::from_secs(359_999_996_400))),
            ("7", None),
            ("S", None),
            ("", None),
            ("-1S", None),
            ("123456789S", None),
            ("1é", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_that_is_left_is_written_and_read_again() {
        for (duration, expected) in [
            (Duration::ZERO, "0u"),
            (Duration::from_micros(1_500), "1500u"),
            (Duration::from_secs(99), "99000000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::MAX, "31536000S"),
        ] {
            let header = Deadline::after(duration).header();
            assert_eq!(header, expected);
            assert!(parse(expected).is_some_and(|read| read <= duration));
        }
    }

    #[tokio::test]
    async fn work_finds_its_deadline() {
        assert_eq!(Deadline::current(), None);
        let deadline = Deadline::after(Duration::from_secs(99_999_999 * 3_600));
        let found = Deadline::scope(Some(deadline), async { Deadline::current() }).await;
        assert_eq!(found, Some(deadline));
    }
}
