//! Times as SDKs write them: RFC 3339, without a zone (then UTC), or a number.

use kernel::{Duration, Timestamp};
use messages::convert;
use messages::identity::v1;

use crate::json::{self, Fields};
use crate::{Fault, Reason};

/// Reads the time of a field; absent where it has none.
///
/// # Errors
/// [`Reason::BadTime`] where it is none.
pub(crate) fn read(field: &str, json: Option<&str>) -> Result<Option<Timestamp>, Fault> {
    let Some(json) = json else {
        return Ok(None);
    };
    let time = match json::text(json) {
        Some(text) if text.is_empty() => return Ok(None),
        Some(text) => of_text(&text),
        None => of_number(json),
    };
    let wrong = || {
        let shown = crate::letter::cut(json, 60);
        let text = format!(
            "is {shown}, no instant: write it as 2026-11-30T06:00:00.000Z, or as milliseconds since 1970"
        );
        Fault::new(Reason::BadTime, field, text)
    };
    time.map(Some).ok_or_else(wrong)
}

/// Returns the time of a field; none where there is none that can be read.
pub(crate) fn of(field: &str, fields: &Fields<'_>) -> Option<Timestamp> {
    read(field, fields.get(field)).ok().flatten()
}

/// Reads the time of a text.
fn of_text(text: &str) -> Option<Timestamp> {
    let text = text.trim_ascii();
    let with_zone = text.parse().ok();
    with_zone.or_else(|| is_without_zone(text).then(|| format!("{text}Z").parse().ok())?)
}

/// Returns whether a text is a date and a time, and ends in a digit of its seconds.
fn is_without_zone(text: &str) -> bool {
    let Some((date, time)) = text.split_once(['T', ' ']) else {
        return false;
    };
    let is_time = |byte: u8| byte.is_ascii_digit() || matches!(byte, b':' | b'.');
    date.len() == 10 && time.len() >= 8 && time.bytes().all(is_time)
}

/// Returns an event that was received a while ago, with the time at which it happened: by
/// identity's rule, but for the clock of then. A clock that is told to be more than a minute ahead,
/// or more than an hour behind, is corrected, and nothing happened after it came.
pub(crate) fn settled(mut event: v1::Event, receive_time: Timestamp) -> v1::Event {
    const AHEAD: Duration = Duration::from_millis(60_000);
    const BEHIND: Duration = Duration::from_millis(3_600_000);
    let sent = event.sent_time.take().as_ref().map(convert::instant);
    let told = event.time.take().as_ref().map(convert::instant);
    let time = match (told, sent) {
        (None, _) => receive_time,
        (Some(told), Some(sent)) if sent > receive_time + AHEAD || sent < receive_time - BEHIND => {
            let ahead = sent.as_millis().saturating_sub(receive_time.as_millis());
            let right = Timestamp::from_millis(told.as_millis().saturating_sub(ahead));
            right.min(receive_time)
        }
        (Some(told), _) if told > receive_time + Duration::from_days(1) => told,
        (Some(told), _) if told > receive_time + AHEAD => receive_time,
        (Some(told), _) => told,
    };
    event.time = Some(convert::timestamp(time));
    event
}

fn of_number(json: &str) -> Option<Timestamp> {
    let number = json.parse::<f64>().ok().filter(|it| it.is_finite())?;
    Some(Timestamp::from_number(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_sdks_write_it() {
        let expected = Timestamp::from_millis(1_764_482_400_250);
        for json in [
            "\"2025-11-30T06:00:00.250Z\"",
            "\"2025-11-30T06:00:00.250000+00:00\"",
            "\"2025-11-30T07:00:00.250+01:00\"",
            "\"2025-11-30 06:00:00.250Z\"",
            "\"2025-11-30T06:00:00.250\"",
            "1764482400250",
            "1764482400.25",
        ] {
            assert_eq!(read("timestamp", Some(json)), Ok(Some(expected)), "{json}");
        }
        assert_eq!(read("timestamp", None), Ok(None));
        assert_eq!(read("timestamp", Some("\"\"")), Ok(None));
        for json in [
            "\"yesterday\"",
            "\"2025-11-30\"",
            "\"06:00:00\"",
            "true",
            "{}",
            "\"2025-13-01T00:00:00\"",
        ] {
            let fault = read("timestamp", Some(json)).expect_err(json);
            assert_eq!(
                (fault.reason, fault.field.as_str()),
                (Reason::BadTime, "timestamp")
            );
        }
    }
}
