//! Errors of calls as text for people.

use std::fmt::Write as _;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::ErrorReason;
use crate::failure::{DOMAIN, omitted_violations};

/// Says what went wrong with a call, each violation on its line, and what can be done about it.
pub fn explain(status: &Status) -> String {
    let details = status.get_error_details();
    let violations = details
        .bad_request()
        .map_or(&[][..], |bad| &bad.field_violations);
    // The message of an invalid request repeats its first violations; the lines say it better.
    let message = match status.message() {
        "" => code_words(status.code()),
        message if !violations.is_empty() => message.split(": ").next().unwrap_or(message),
        message => message,
    };
    let mut text = message.to_owned();
    for violation in violations {
        let _ = match violation.field.as_str() {
            "" => write!(text, "\n  {}", violation.description),
            field => write!(text, "\n  {field}: {}", violation.description),
        };
    }
    match omitted_violations(status) {
        0 => {}
        more => {
            let _ = write!(text, "\n  and {more} more");
        }
    }
    let reason = details
        .error_info()
        .filter(|info| info.domain == DOMAIN)
        .and_then(|info| ErrorReason::from_text(&info.reason));
    let remedy = match reason {
        Some(reason) => Some(reason.remedy()),
        None => code_remedy(status.code()),
    };
    if let Some(remedy) = remedy {
        let _ = write!(text, "\n{remedy}");
    }
    if let Some(delay) = details.retry_info().and_then(|retry| retry.retry_delay) {
        let _ = write!(text, " (The delay: {} ms.)", delay.as_millis());
    }
    text
}

fn code_words(code: Code) -> &'static str {
    match code {
        Code::Unavailable => "the service does not answer",
        Code::DeadlineExceeded => "the call took too long",
        Code::Cancelled => "the call was given up",
        _ => code.description(),
    }
}

fn code_remedy(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::Unavailable => {
            "Check that the service runs at this address: `happypath dev` starts everything."
        }
        Code::Unimplemented => {
            "The process at this address does not run that service: check the address."
        }
        Code::DeadlineExceeded | Code::Cancelled => "Try again, and allow more time.",
        Code::Internal | Code::Unknown | Code::DataLoss => {
            "Try once more; if it fails again, look into the log of the service."
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Failure, Violation};

    #[test]
    fn each_violation_has_its_line_and_the_remedy_ends_it() {
        let status = Failure::invalid([
            Violation::new("events[0].name", "`A` must be lower case"),
            Violation::new("", "holds too much"),
        ])
        .into();
        assert_eq!(
            explain(&status),
            "the request is not valid\n  events[0].name: `A` must be lower case\n  holds too much\n\
             Correct every field that is listed and send the request again."
        );
    }

    #[test]
    fn violations_that_are_left_out_are_counted() {
        let violations: Vec<Violation> = (0..500)
            .map(|place| Violation::new(format!("events[{place}].name"), "must not be empty"))
            .collect();
        let text = explain(&Failure::invalid(violations).into());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "  events[0].name: must not be empty");
        let more = lines[lines.len() - 2].trim();
        assert_eq!(more, format!("and {} more", 500 - (lines.len() - 3)));
    }

    #[test]
    fn an_error_of_the_transport_is_explained_too() {
        assert_eq!(
            explain(&Status::unavailable("tcp connect error")),
            "tcp connect error\nCheck that the service runs at this address: `happypath dev` starts everything."
        );
    }

    #[test]
    fn a_delay_is_said() {
        let status = Failure::new(ErrorReason::StreamFull, "the stream is full")
            .with_retry_after(Duration::from_millis(500))
            .into();
        assert!(explain(&status).ends_with("(The delay: 500 ms.)"));
    }
}
