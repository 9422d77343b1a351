//! Instants.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

use crate::Duration;

/// Milliseconds below which a number is one of seconds.
const SECONDS_BELOW: f64 = 1e11;

/// An instant: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Sums saturate, so that an instant far away stays far away.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest instant.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest instant.
    pub const MAX: Self = Self(i64::MAX);

    /// Reads milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Reads a number as senders write times: milliseconds since the epoch, or seconds where it is
    /// so small that as milliseconds it lies before 1973.
    pub fn from_number(number: f64) -> Self {
        let millis = if number.abs() < SECONDS_BELOW {
            number * 1_000.0
        } else {
            number
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a cast saturates, and such a time is refused where it is looked at"
        )]
        let millis = millis as i64;
        Self(millis)
    }

    /// The milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns the time since `earlier`; zero where this is before it.
    pub const fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(if millis < 0 { 0 } else { millis })
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_millis()))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_millis()))
    }
}

#[expect(
    clippy::disallowed_types,
    reason = "an instant comes in, and no clock is read"
)]
impl From<std::time::SystemTime> for Timestamp {
    /// Cuts an instant of the machine's clock to the millisecond. One before the epoch has no
    /// better answer than the epoch.
    fn from(instant: std::time::SystemTime) -> Self {
        let since = instant.duration_since(std::time::UNIX_EPOCH);
        let millis = since.unwrap_or_default().as_millis();
        Self(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    /// Reads RFC 3339, such as `2017-01-01T06:00:00Z`; below the millisecond it is cut.
    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        text.parse::<jiff::Timestamp>()
            .map(|instant| Self(instant.as_millisecond()))
    }
}

impl fmt::Display for Timestamp {
    /// Writes RFC 3339 in UTC; instants beyond the calendar as plain milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => instant.fmt(f),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_of_seconds_where_it_is_small() {
        for (number, millis) in [
            (1_764_482_400.25, 1_764_482_400_250),
            (1_764_482_400_250.0, 1_764_482_400_250),
            (-1.5, -1_500),
            (f64::INFINITY, i64::MAX),
        ] {
            assert_eq!(Timestamp::from_number(number).as_millis(), millis);
        }
    }

    #[test]
    fn an_instant_is_read_back_from_its_text() {
        let instant: Timestamp = "2017-01-01T06:00:00.250Z".parse().expect("an instant");
        assert_eq!(instant.to_string(), "2017-01-01T06:00:00.25Z");
        assert_eq!(instant.to_string().parse::<Timestamp>().ok(), Some(instant));
    }

    #[test]
    fn sums_saturate() {
        assert_eq!(Timestamp::MAX + Duration::from_millis(1), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.since(Timestamp::MAX), Duration::ZERO);
    }
}
