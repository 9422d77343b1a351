//! Thousands of instants are read back as each system writes them.

use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::read_by;

/// A way that a system writes instants: by this pattern, in this zone, to so many nanoseconds.
struct System {
    name: &'static str,
    pattern: &'static str,
    zone: &'static str,
    nanos: i128,
    /// The format and the zone to read it by.
    format: &'static str,
    read_zone: &'static str,
}

const SECOND: i128 = 1_000_000_000;
const MILLI: i128 = 1_000_000;
const MICRO: i128 = 1_000;

const fn system(
    name: &'static str,
    pattern: &'static str,
    zone: &'static str,
    nanos: i128,
) -> System {
    System {
        name,
        pattern,
        zone,
        nanos,
        format: "auto",
        read_zone: "UTC",
    }
}

const SYSTEMS: [System; 26] = [
    system(
        "BigQuery TIMESTAMP",
        "%Y-%m-%d %H:%M:%S%.f UTC",
        "UTC",
        MICRO,
    ),
    system("BigQuery DATETIME", "%Y-%m-%dT%H:%M:%S%.6f", "UTC", MICRO),
    system(
        "PostgreSQL timestamptz",
        "%Y-%m-%d %H:%M:%S%.f%:::z",
        "Asia/Kolkata",
        MICRO,
    ),
    system(
        "PostgreSQL timestamptz",
        "%Y-%m-%d %H:%M:%S%.f%:::z",
        "America/New_York",
        MICRO,
    ),
    system(
        "PostgreSQL by C",
        "%a %b %d %H:%M:%S%.f %Y UTC",
        "UTC",
        MICRO,
    ),
    system(
        "Snowflake TIMESTAMP_TZ",
        "%Y-%m-%d %H:%M:%S%.3f %z",
        "Europe/Berlin",
        MILLI,
    ),
    system("Snowflake TIMESTAMP_NTZ", "%Y-%m-%d %H:%M:%S%.9f", "UTC", 1),
    system(
        "Snowflake by RFC 2822",
        "%a, %d %b %Y %H:%M:%S %z",
        "America/Los_Angeles",
        SECOND,
    ),
    system(
        "Redshift, Databricks",
        "%Y-%m-%dT%H:%M:%S%.3f%:z",
        "UTC",
        MILLI,
    ),
    system(
        "Python isoformat",
        "%Y-%m-%dT%H:%M:%S%.6f%:z",
        "Europe/Berlin",
        MICRO,
    ),
    system(
        "Python str",
        "%Y-%m-%d %H:%M:%S%.6f%:z",
        "America/St_Johns",
        MICRO,
    ),
    system(
        "Java ZonedDateTime",
        "%Y-%m-%dT%H:%M:%S%.9f%:z[%Q]",
        "Europe/Berlin",
        1,
    ),
    system(
        "Java ZonedDateTime",
        "%Y-%m-%dT%H:%M:%S%.9f%:z[%Q]",
        "Australia/Lord_Howe",
        1,
    ),
    system("Java Date", "%a %b %d %H:%M:%S UTC %Y", "UTC", SECOND),
    system(
        "JavaScript toString",
        "%a %b %d %Y %H:%M:%S GMT%z (Local Time)",
        "Asia/Tokyo",
        SECOND,
    ),
    system(
        "Go String",
        "%Y-%m-%d %H:%M:%S%.f %z %Z",
        "Europe/Berlin",
        1,
    ),
    system("C asctime", "%a %b %e %H:%M:%S %Y", "UTC", SECOND),
    system("Ruby to_s", "%Y-%m-%d %H:%M:%S %z", "Europe/Berlin", SECOND),
    system("Oracle", "%d-%b-%Y %I:%M:%S%.6f %p", "UTC", MICRO),
    system("ISO basic", "%Y%m%dT%H%M%SZ", "UTC", SECOND),
    system("ISO week", "%G-W%V-%uT%H:%M:%SZ", "UTC", SECOND),
    system("ISO ordinal", "%Y-%jT%H:%M:%SZ", "UTC", SECOND),
    system("spreadsheets, German", "%d.%m.%Y %H:%M:%S", "UTC", SECOND),
    System {
        format: "mdy",
        ..system(
            "spreadsheets, American",
            "%-m/%-d/%Y %-I:%M:%S %p",
            "UTC",
            SECOND,
        )
    },
    System {
        format: "dmy",
        ..system("spreadsheets, British", "%d/%m/%Y %H:%M:%S", "UTC", SECOND)
    },
    System {
        format: "%A, %d. %B %Y %H.%M.%S",
        ..system("a pattern", "%A, %d. %B %Y %H.%M.%S", "UTC", SECOND)
    },
];

/// Instants at random, the same in every run, between two of them.
fn instants(from: &str, to: &str) -> impl Iterator<Item = Timestamp> {
    let from: Timestamp = from.parse().expect("an instant");
    let to: Timestamp = to.parse().expect("an instant");
    let span = u128::try_from(to.as_nanosecond() - from.as_nanosecond()).expect("ahead");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..2_000).map(move |_| {
        // Splitmix64, twice for enough bits.
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            u128::from(mixed ^ (mixed >> 31))
        };
        let offset = ((next() << 64) | next()) % span;
        let nanos = from.as_nanosecond() + i128::try_from(offset).expect("in reach");
        Timestamp::from_nanosecond(nanos).expect("an instant")
    })
}

fn cut(instant: Timestamp, nanos: i128) -> Timestamp {
    let all = instant.as_nanosecond();
    Timestamp::from_nanosecond(all - all.rem_euclid(nanos)).expect("an instant")
}

#[test]
fn what_a_system_writes_is_read_back() {
    for system in SYSTEMS {
        let zone = TimeZone::get(system.zone).expect("a zone");
        for instant in instants("1971-01-01T00:00:00Z", "2200-01-01T00:00:00Z") {
            let instant = cut(instant, system.nanos);
            let text = instant
                .to_zoned(zone.clone())
                .strftime(system.pattern)
                .to_string();
            let read = read_by(&text, system.format, system.read_zone);
            assert_eq!(read, Ok(instant.to_string()), "{}: {text}", system.name);
        }
    }
}

#[test]
fn what_programs_print_is_read_back() {
    for instant in instants("2001-09-10T00:00:00Z", "2200-01-01T00:00:00Z") {
        let (seconds, nanos) = (instant.as_second(), instant.subsec_nanosecond());
        let by_mail = rfc2822::to_string(&instant.to_zoned(TimeZone::UTC)).expect("mail");
        for (text, precision) in [
            (instant.to_string(), 1),
            (by_mail, SECOND),
            (seconds.to_string(), SECOND),
            (format!("{seconds}.{nanos:09}"), 1),
            (instant.as_millisecond().to_string(), MILLI),
            (instant.as_microsecond().to_string(), MICRO),
            (instant.as_nanosecond().to_string(), 1),
        ] {
            let expected = cut(instant, precision).to_string();
            assert_eq!(read_by(&text, "auto", "UTC"), Ok(expected), "{text}");
        }
        for (text, format, precision) in [
            (seconds.to_string(), "seconds", SECOND),
            (instant.as_millisecond().to_string(), "millis", MILLI),
        ] {
            let expected = cut(instant, precision).to_string();
            assert_eq!(read_by(&text, format, "UTC"), Ok(expected), "{text}");
        }
    }
}

#[test]
fn the_days_of_a_spreadsheet_are_read_back_to_the_millisecond() {
    let epoch: Timestamp = "1899-12-30T00:00:00Z".parse().expect("an instant");
    for instant in instants("1971-01-01T00:00:00Z", "2200-01-01T00:00:00Z") {
        let instant = cut(instant, MILLI);
        let millis = instant.as_millisecond() - epoch.as_millisecond();
        #[expect(clippy::cast_precision_loss, reason = "a spreadsheet has no more bits")]
        let days = millis as f64 / 86_400_000.0;
        let read = read_by(&days.to_string(), "excel", "UTC");
        assert_eq!(read, Ok(instant.to_string()), "{days}");
    }
}

#[test]
fn local_times_are_read_back_but_for_the_hour_that_clocks_show_twice() {
    let zone = TimeZone::get("Europe/Berlin").expect("a zone");
    for instant in instants("1971-01-01T00:00:00Z", "2037-01-01T00:00:00Z") {
        let instant = cut(instant, SECOND);
        let text = instant
            .to_zoned(zone.clone())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string();
        let read = read_by(&text, "auto", "Europe/Berlin").expect("an instant");
        let earlier = (instant - SignedDuration::from_hours(1)).to_string();
        assert!(read == instant.to_string() || read == earlier, "{text}");
    }
}
