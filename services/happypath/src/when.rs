//! Instants, for people.

use prost_types::Timestamp;

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

/// Reads an instant: RFC 3339, a date or a date and time in UTC, or a number of seconds or
/// milliseconds since 1970.
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let instant = text
        .parse::<jiff::Timestamp>()
        .ok()
        .or_else(|| utc(text))
        .or_else(|| number(text))?;
    // Before 1970 the second begins earlier than its nanoseconds.
    let nanos = instant.as_nanosecond();
    Some(Timestamp {
        seconds: i64::try_from(nanos.div_euclid(SECOND)).ok()?,
        nanos: i32::try_from(nanos.rem_euclid(SECOND)).ok()?,
    })
    .filter(proto::convert::is_instant)
}

fn utc(text: &str) -> Option<jiff::Timestamp> {
    let time: jiff::civil::DateTime = text.parse().ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

fn number(text: &str) -> Option<jiff::Timestamp> {
    let number: i64 = text.parse().ok()?;
    // Eleven digits of seconds are the year 5138; as many milliseconds are 1973.
    if number.unsigned_abs() < 100_000_000_000 {
        jiff::Timestamp::from_second(number).ok()
    } else {
        jiff::Timestamp::from_millisecond(number).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_in_every_usual_form() {
        for (text, read) in [
            ("2017-01-01T06:00:00Z", "2017-01-01T06:00:00Z"),
            ("2017-01-01T07:00:00+01:00", "2017-01-01T06:00:00Z"),
            ("2017-01-01 06:00:00", "2017-01-01T06:00:00Z"),
            ("2017-01-01", "2017-01-01T00:00:00Z"),
            ("1483250400", "2017-01-01T06:00:00Z"),
            ("1483250400000", "2017-01-01T06:00:00Z"),
            ("1969-12-31T23:59:58.5Z", "1969-12-31T23:59:58Z"),
        ] {
            assert_eq!(when(parse_time(text).as_ref()), read, "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2017-13-01",
            "99999999999999999999",
            "-9223372036854775808",
            "-000001-01-01",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
