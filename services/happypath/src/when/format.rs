//! The ways that times are written, as flags and mappings name them.

use std::fmt;
use std::str::FromStr;

use jiff::fmt::strtime;
use jiff::{Timestamp, Zoned, tz};
use serde::Deserialize;

use super::date::Order;
use super::number::{Epoch, Unit};
use super::resolve::local;
use super::zone::Zone;

/// The end of a refusal.
pub(super) const EXPECTED: &str = "is no instant: expected one such as 2017-01-01T06:00:00Z";

/// The rules that times are read by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeRules<'m> {
    /// The way that they are written.
    pub(crate) format: &'m TimeFormat,
    /// The zone of those without one.
    pub(crate) zone: &'m Zone,
}

impl Default for TimeRules<'static> {
    fn default() -> Self {
        static FORMAT: TimeFormat = TimeFormat::Auto;
        static ZONE: Zone = Zone::UTC;
        Self {
            format: &FORMAT,
            zone: &ZONE,
        }
    }
}

/// The way that times are written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum TimeFormat {
    /// As each of them shows.
    #[default]
    Auto,
    /// As each of them shows, with the parts of dates in this order.
    Ordered(Order),
    /// Counted from 1970 on.
    Count(Unit),
    /// The number of a day, as spreadsheets count them.
    Spreadsheet(Epoch),
    /// A pattern of strptime.
    Pattern(Pattern),
}

/// The formats that have a name.
fn named() -> [(&'static str, TimeFormat); 10] {
    [
        ("auto", TimeFormat::Auto),
        ("seconds", TimeFormat::Count(Unit::Seconds)),
        ("millis", TimeFormat::Count(Unit::Millis)),
        ("micros", TimeFormat::Count(Unit::Micros)),
        ("nanos", TimeFormat::Count(Unit::Nanos)),
        ("excel", TimeFormat::Spreadsheet(Epoch::Of1900)),
        ("excel1904", TimeFormat::Spreadsheet(Epoch::Of1904)),
        ("dmy", TimeFormat::Ordered(Order::DayMonthYear)),
        ("mdy", TimeFormat::Ordered(Order::MonthDayYear)),
        ("ymd", TimeFormat::Ordered(Order::YearMonthDay)),
    ]
}

impl FromStr for TimeFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('%') {
            return Pattern::try_new(text).map(Self::Pattern);
        }
        let mut known = named().into_iter();
        known
            .find_map(|(name, format)| (name == text).then_some(format))
            .ok_or_else(|| {
                let names = named().map(|(name, _)| name);
                let near = kernel::nearest(text, names);
                let near =
                    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                format!(
                    "expected {}, or a pattern such as %d.%m.%Y{near}",
                    names.join(", ")
                )
            })
    }
}

impl TryFrom<String> for TimeFormat {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for TimeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Pattern(pattern) = self {
            return f.write_str(&pattern.0);
        }
        let name = named().into_iter().find(|(_, format)| format == self);
        f.write_str(name.map_or("auto", |(name, _)| name))
    }
}

/// A pattern of strptime, which was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(String);

impl Pattern {
    /// Tries a pattern: one that cannot be written could not be read either.
    fn try_new(text: &str) -> Result<Self, String> {
        let example = Zoned::new(Timestamp::UNIX_EPOCH, tz::TimeZone::UTC);
        let mut written = String::new();
        match strtime::BrokenDownTime::from(&example).format(text, &mut written) {
            Ok(()) => Ok(Self(text.to_owned())),
            Err(error) => Err(format!("is no pattern of strptime: {error}")),
        }
    }

    /// Reads an instant.
    pub(super) fn read(&self, text: &str, zone: &Zone) -> Result<Timestamp, String> {
        let unlike = |error: jiff::Error| format!("is not written as {}: {error}", self.0);
        let parts = strtime::parse(&self.0, text).map_err(unlike)?;
        if parts.timestamp().is_some() {
            return parts.to_timestamp().map_err(unlike);
        }
        if parts.offset().is_some() || parts.iana_time_zone().is_some() {
            return parts
                .to_zoned()
                .map(|zoned| zoned.timestamp())
                .map_err(unlike);
        }
        match parts.hour() {
            Some(_) => local(parts.to_datetime().map_err(unlike)?, true, zone),
            None => {
                let day = parts.to_date().map_err(unlike)?;
                local(day.to_datetime(jiff::civil::Time::midnight()), false, zone)
            }
        }
    }
}
