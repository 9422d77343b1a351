//! Lengths of time, as people write them: `30d`, `1h30m`.

use std::fmt;
use std::str::FromStr;

/// A length of time in milliseconds, never negative. A day is exactly 24 hours, a week 168.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(i64);

/// A text is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a duration: expected numbers with units w, d, h, m, s or ms, such as 30d or 1h30m, at most 36500d"
)]
pub struct ParseDurationError {
    text: String,
}

/// The units, longest first, in milliseconds.
const UNITS: [(&str, i64); 6] = [
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

impl Duration {
    /// No time.
    pub const ZERO: Self = Self(0);
    /// A hundred years: longer waits are mistakes.
    pub const MAX: Self = Self(36_500 * 86_400_000);

    /// Reads milliseconds; negative ones count as none.
    pub const fn from_millis(millis: i64) -> Self {
        Self(if millis < 0 { 0 } else { millis })
    }

    /// Reads days of 24 hours.
    pub const fn from_days(days: i64) -> Self {
        Self::from_millis(days.saturating_mul(86_400_000))
    }

    /// The milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

impl FromStr for Duration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, ParseDurationError> {
        parse(text)
            .filter(|duration| *duration <= Self::MAX)
            .ok_or_else(|| ParseDurationError {
                text: text.chars().take(60).collect(),
            })
    }
}

fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut millis: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = after.split_at(letters);
        let factor = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        let part = number.parse::<i64>().ok()?.checked_mul(factor)?;
        millis = millis.checked_add(part)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(Duration(millis))
}

impl fmt::Display for Duration {
    /// Writes the shortest text that reads back as the same length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, factor) in UNITS.into_iter().skip(1) {
            if rest >= factor {
                write!(f, "{}{unit}", rest / factor)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_written() {
        for (text, millis, written) in [
            ("30d", 2_592_000_000, "30d"),
            ("1h30m", 5_400_000, "1h30m"),
            ("2w", 1_209_600_000, "14d"),
            ("1500ms", 1_500, "1s500ms"),
            ("0s", 0, "0s"),
        ] {
            let duration: Duration = text.parse().expect(text);
            assert_eq!(duration.as_millis(), millis, "{text}");
            assert_eq!(duration.to_string(), written);
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "d",
            "3",
            "3 d",
            "-1d",
            "1y",
            "99999999d",
            "9223372036854775807w",
            "1dd",
        ] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }
}
