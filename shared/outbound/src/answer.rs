//! The meaning of a destination's answer: a pure function of its head.

use http::{HeaderMap, StatusCode, header};
use kernel::Timestamp;

/// The end of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The destination took it.
    Taken,
    /// It was refused: the same again would be refused again.
    Refused,
    /// Another attempt may succeed.
    Retry,
}

/// An attempt, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempted {
    /// The end of it.
    pub verdict: Verdict,
    /// The status of the answer; absent where there was none.
    pub status: Option<StatusCode>,
    /// Milliseconds to wait before the next attempt; 0 where the destination did not say.
    pub retry_after_ms: i64,
    /// Detail for people.
    pub detail: String,
    /// True where the destination is struggling, so that fewer posts at once are better.
    pub is_struggling: bool,
}

impl Attempted {
    /// It was taken.
    pub fn taken(detail: impl Into<String>) -> Self {
        Self::of(Verdict::Taken, detail, false)
    }

    /// No attempt can succeed.
    pub fn refused(detail: impl Into<String>) -> Self {
        Self::of(Verdict::Refused, detail, false)
    }

    /// There was no answer; another attempt may get one.
    pub fn unanswered(detail: impl Into<String>) -> Self {
        Self::of(Verdict::Retry, detail, true)
    }

    /// Reads the head of an answer.
    ///
    /// 2xx is success. Redirects are never followed, because they lead where nobody checked. 408,
    /// 425, 429 and 5xx ask to be tried again; everything else is a refusal.
    pub(crate) fn of_head(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Self {
        let line = status.to_string();
        let read = match status.as_u16() {
            200..=299 => Self::taken(line),
            300..=399 => Self::refused(format!(
                "{line}: redirects are not followed; correct the URL"
            )),
            408 | 425 | 429 | 500..=599 => Self {
                retry_after_ms: retry_after_ms(headers, now),
                ..Self::unanswered(line)
            },
            _ => Self::refused(line),
        };
        Self {
            status: Some(status),
            ..read
        }
    }

    fn of(verdict: Verdict, detail: impl Into<String>, is_struggling: bool) -> Self {
        Self {
            verdict,
            status: None,
            retry_after_ms: 0,
            detail: detail.into(),
            is_struggling,
        }
    }
}

/// Reads `Retry-After` in both its forms, seconds and a date; a date in the past and what is
/// neither count as nothing.
fn retry_after_ms(headers: &HeaderMap, now: Timestamp) -> i64 {
    let Some(text) = headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .map(str::trim)
    else {
        return 0;
    };
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text
            .parse::<i64>()
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000);
    }
    jiff::fmt::rfc2822::parse(text).map_or(0, |date| {
        let date = Timestamp::from_millis(date.timestamp().as_millisecond());
        date.since(now).as_millis()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, retry_after: Option<&str>, verdict: Verdict, wait_ms: i64) {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(header::RETRY_AFTER, text.parse().expect("a header"));
        }
        let now: Timestamp = "2015-10-21T07:28:00Z".parse().expect("an instant");
        let status = StatusCode::from_u16(status).expect("a status");
        let attempted = Attempted::of_head(status, &headers, now);
        assert_eq!(
            (attempted.verdict, attempted.retry_after_ms),
            (verdict, wait_ms),
            "{status} {retry_after:?}"
        );
    }

    #[test]
    fn each_status_means_one_thing() {
        use Verdict::{Refused, Retry, Taken};
        for status in [200, 202, 204] {
            check(status, None, Taken, 0);
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            check(status, None, Retry, 0);
        }
        for status in [301, 302, 307, 400, 401, 404, 410, 422] {
            check(status, None, Refused, 0);
        }
    }

    #[test]
    fn a_destination_may_say_when_to_come_back_in_two_ways() {
        use Verdict::Retry;
        check(429, Some("120"), Retry, 120_000);
        check(503, Some("Wed, 21 Oct 2015 07:29:30 GMT"), Retry, 90_000);
        check(503, Some("Wed, 21 Oct 2015 07:00:00 GMT"), Retry, 0);
        check(429, Some("soon"), Retry, 0);
        check(429, Some("-5"), Retry, 0);
        check(429, Some("99999999999999999999999"), Retry, i64::MAX);
    }
}
