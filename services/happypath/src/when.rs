//! Instants, for people: reads them as programs and people write them, and writes them.
//!
//! The zone of the machine counts for nothing here: a file means the same everywhere.

mod clock;
mod date;
mod format;
mod number;
mod resolve;
mod words;
mod zone;

use prost_types::Timestamp;

pub(crate) use self::format::{TimeFormat, TimeRules};
pub(crate) use self::zone::Zone;

/// Nanoseconds of a second.
const SECOND: i128 = 1_000_000_000;

/// An instant to the second, or a dash for none.
pub(crate) fn when(time: Option<&Timestamp>) -> String {
    match time {
        None => "-".to_owned(),
        Some(time) => {
            let instant = proto::convert::instant(time);
            let millis = instant.as_millis();
            kernel::Timestamp::from_millis(millis - millis.rem_euclid(1_000)).to_string()
        }
    }
}

/// The current instant.
pub(crate) fn now() -> Timestamp {
    let now = jiff::Timestamp::now();
    proto::convert::timestamp(kernel::Timestamp::from_millis(now.as_millisecond()))
}

/// Reads an instant as arguments have them, in UTC where it names no zone; absent where it is none,
/// or more than one.
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    read_time(text, &TimeRules::default()).ok()
}

/// Reads an instant for a flag, as [`parse_time`] does.
///
/// # Errors
/// An example of what would be one.
pub(crate) fn time_of_flag(text: &str) -> Result<Timestamp, String> {
    parse_time(text).ok_or_else(|| {
        "expected a time such as 2017-01-01T06:00:00Z, or a date such as 2017-01-01".to_owned()
    })
}

/// Reads an instant by rules.
///
/// # Errors
/// The text, with why it is no instant or which flag decides between two.
pub(crate) fn read_time(text: &str, rules: &TimeRules<'_>) -> Result<Timestamp, String> {
    let instant = read(text, rules)?;
    // Before 1970 the second begins earlier than its nanoseconds.
    let nanos = instant.as_nanosecond();
    let time = Timestamp {
        seconds: i64::try_from(nanos.div_euclid(SECOND)).unwrap_or(i64::MAX),
        nanos: i32::try_from(nanos.rem_euclid(SECOND)).unwrap_or_default(),
    };
    if proto::convert::is_instant(&time) {
        Ok(time)
    } else {
        Err(quoted(text, "is beyond the years 1 to 9999"))
    }
}

/// Reads an instant by rules, and writes it as RFC 3339 in UTC, with the fraction that it has.
///
/// # Errors
/// As [`read_time`].
pub(crate) fn instant_text(text: &str, rules: &TimeRules<'_>) -> Result<String, String> {
    read(text, rules).map(|instant| instant.to_string())
}

fn read(text: &str, rules: &TimeRules<'_>) -> Result<jiff::Timestamp, String> {
    let text = text.trim();
    let instant = match rules.format {
        TimeFormat::Auto => automatic(text, None, rules.zone),
        TimeFormat::Ordered(order) => automatic(text, Some(*order), rules.zone),
        TimeFormat::Count(unit) => number::count(text, *unit),
        TimeFormat::Spreadsheet(epoch) => number::day(text, *epoch, rules.zone),
        TimeFormat::Pattern(pattern) => pattern.read(text, rules.zone),
    };
    instant.map_err(|reason| quoted(text, &reason))
}

/// Reads what shows by itself what it is.
fn automatic(
    text: &str,
    order: Option<date::Order>,
    zone: &Zone,
) -> Result<jiff::Timestamp, String> {
    if number::is_number(text) {
        return number::bare(text, zone);
    }
    // Newer tables of locales put narrow spaces before AM and PM.
    let spaced = text.replace(['\u{a0}', '\u{202f}'], " ");
    let text = spaced.as_str();
    if !text.is_ascii() {
        return Err(format::EXPECTED.to_owned());
    }
    match date::scan(text, order)? {
        Some((day, rest)) => {
            let (time, rest) = clock::scan(rest)?;
            if !time.is_given && rest.starts_with(['+', '-']) && !rest.contains(':') {
                // Digits that follow a date belong to it as likely as to a zone.
                return Err(format::EXPECTED.to_owned());
            }
            resolve::resolve(day, time, &zone::suffix(rest)?, zone)
        }
        None => words::read(text, zone),
    }
}

/// Puts the text before a reason, cut where it is long.
fn quoted(text: &str, reason: &str) -> String {
    /// Characters of a text that a sentence shows.
    const SHOWN: usize = 60;
    let shown: String = text.chars().take(SHOWN).collect();
    format!("`{shown}` {reason}")
}

#[cfg(test)]
mod tests;
