//! The answers of the tracking API, as the SDKs of each dialect understand them.
//!
//! 1. Overload: SDKs of Segment wait as long as 429 says. Those of PostHog give up at 429, or do
//!    not hear how long to wait, and repeat after 503.
//! 2. A status of 400 loses the events of a call: only what no later try could mend has it.
//! 3. Redirects count as success with some SDKs: there are none.
//! 4. An answer to `CloudEvents` has no body: some senders read one as an event that comes back.

use crate::json::push_text;
use crate::limits::{LEAST_RETRY_SECONDS, MOST_RETRY_SECONDS};
use crate::{Dialect, Reading, Route};

/// An answer of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The body; empty for none.
    pub body: String,
    /// The seconds after which another try may work.
    pub retry_after: Option<u64>,
}

/// The reason for which a call is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// It cannot be read.
    Malformed,
    /// It has no key, or one that is not known.
    Unauthorized,
    /// Its key, or its web page, may not send.
    Forbidden,
    /// There is nothing at its address.
    NotFound,
    /// Another method of HTTP is needed.
    Method,
    /// It did not arrive in time.
    Slow,
    /// It is too large, or has too many events.
    TooLarge,
    /// Its body is compressed in a way that is not known here.
    Encoding,
    /// Its body is of a kind that is not known here.
    MediaType,
    /// There is no room for it now.
    Overloaded,
    /// Something does not answer now.
    Unavailable,
}

impl Answer {
    const fn of(status: u16, body: String) -> Self {
        Self {
            status,
            body,
            retry_after: None,
        }
    }

    /// Events were taken, all that can be.
    pub fn taken(route: Route<'_>, reading: &Reading<'_>) -> Self {
        match route.dialect() {
            Dialect::Segment => Self::of(200, "{\"success\":true}".to_owned()),
            Dialect::PostHog => Self::of(200, "{\"status\":\"Ok\"}".to_owned()),
            Dialect::PostHogV1 => Self::of(200, results(reading)),
            Dialect::CloudEvents => Self::of(202, String::new()),
            // A source says what its sender waits for.
            Dialect::Webhook => Self::of(200, "{\"success\":true}".to_owned()),
        }
    }

    /// A call is not taken, with the reason for people. `seconds` is the time to wait, where that
    /// is known.
    pub fn denied(dialect: Dialect, denial: Denial, message: &str, seconds: Option<u64>) -> Self {
        let (status, code) = match denial {
            Denial::Malformed => (400, "invalid_request"),
            Denial::Unauthorized => (401, "invalid_api_key"),
            Denial::Forbidden => (403, "forbidden"),
            Denial::NotFound => (404, "not_found"),
            Denial::Method => (405, "method_not_allowed"),
            Denial::Slow => (408, "request_timeout"),
            Denial::TooLarge => (413, "payload_too_large"),
            Denial::Encoding => (415, "unsupported_encoding"),
            Denial::MediaType => (415, "unsupported_media_type"),
            Denial::Overloaded if waits_at_429(dialect) => (429, "rate_limited"),
            Denial::Overloaded => (503, "rate_limited"),
            Denial::Unavailable => (503, "unavailable"),
        };
        let mut body = String::from("{");
        let mut field = |name: &str, value: &str| {
            if body.len() > 1 {
                body.push(',');
            }
            push_text(&mut body, name);
            body.push(':');
            push_text(&mut body, value);
        };
        match dialect {
            Dialect::Segment => {
                field("code", code);
                field("message", message);
                body.insert_str(1, "\"success\":false,");
            }
            Dialect::PostHog => {
                field("type", "validation_error");
                field("code", code);
                field("detail", message);
            }
            Dialect::CloudEvents | Dialect::Webhook => {
                field("code", code);
                field("message", message);
            }
            Dialect::PostHogV1 => {
                field("error", code);
                field("error_description", message);
            }
        }
        body.push('}');
        let waits = matches!(denial, Denial::Overloaded | Denial::Unavailable);
        let seconds = seconds.unwrap_or(LEAST_RETRY_SECONDS);
        let seconds = seconds.clamp(LEAST_RETRY_SECONDS, MOST_RETRY_SECONDS);
        Self {
            retry_after: waits.then_some(seconds),
            ..Self::of(status, body)
        }
    }
}

/// Returns whether senders of a dialect wait and come again at 429.
const fn waits_at_429(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Segment | Dialect::CloudEvents)
}

/// Writes the outcome of each event. One that was not taken is a warning and not a failure: it is
/// kept, and can be replayed.
fn results(reading: &Reading<'_>) -> String {
    let mut json = String::from("{\"results\":{");
    for (place, verdict) in reading.verdicts.iter().enumerate() {
        if place > 0 {
            json.push(',');
        }
        push_text(&mut json, &verdict.id);
        match &verdict.fault {
            None => json.push_str(":{\"result\":\"ok\"}"),
            Some(fault) => {
                json.push_str(":{\"result\":\"warning\",\"details\":");
                push_text(&mut json, fault);
                json.push('}');
            }
        }
    }
    json.push_str("}}");
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Verdict};

    #[test]
    fn overload_is_told_so_that_each_sdk_comes_again() {
        let told = |dialect| Answer::denied(dialect, Denial::Overloaded, "full", Some(1_000));
        let answer = told(Dialect::Segment);
        assert_eq!((answer.status, answer.retry_after), (429, Some(300)));
        assert_eq!(
            answer.body,
            r#"{"success":false,"code":"rate_limited","message":"full"}"#
        );
        for dialect in [Dialect::PostHog, Dialect::PostHogV1] {
            assert_eq!(
                (told(dialect).status, told(dialect).retry_after),
                (503, Some(300))
            );
        }
        let none = Answer::denied(Dialect::Segment, Denial::Unavailable, "x", None);
        assert_eq!((none.status, none.retry_after), (503, Some(1)));
        let bad = Answer::denied(Dialect::PostHog, Denial::Malformed, "a \"b\"", Some(5));
        assert_eq!((bad.status, bad.retry_after), (400, None));
        assert!(
            serde_json::from_str::<serde_json::Value>(&bad.body).is_ok(),
            "{}",
            bad.body
        );
    }

    #[test]
    fn each_event_has_a_result_where_its_sender_reads_one() {
        let reading = Reading {
            verdicts: vec![
                Verdict {
                    id: "a".into(),
                    fault: None,
                },
                Verdict {
                    id: "b".into(),
                    fault: Some("is \"bad\"".to_owned()),
                },
            ],
            ..Reading::default()
        };
        let answer = Answer::taken(Route::CaptureV1, &reading);
        assert_eq!(
            answer.body,
            r#"{"results":{"a":{"result":"ok"},"b":{"result":"warning","details":"is \"bad\""}}}"#
        );
        let answer = Answer::taken(Route::One(Kind::Track), &reading);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "{\"success\":true}")
        );
    }
}
