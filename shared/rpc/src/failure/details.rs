//! Fits what is told of an error into the metadata that clients take.
//!
//! Every status with details is made here, so that none is larger. What is left out is counted.

use std::collections::HashMap;

use http::HeaderMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::limits::{
    STATUS_BYTES, STATUS_FIELD_BYTES, STATUS_MESSAGE_BYTES, STATUS_VIOLATION_BYTES,
};

/// Where details of a status travel.
pub(crate) const DETAILS: &str = "grpc-status-details-bin";
/// Where the message of a status travels.
const MESSAGE: &str = "grpc-message";
/// The metadata of `ErrorInfo` that counts the violations which are left out.
const MORE: &str = "more_violations";
/// Bytes of the names of both headers, and of what HTTP/2 counts for each of them.
const NAMES_BYTES: usize = DETAILS.len() + MESSAGE.len() + 2 * 32;
/// Bytes of tags and lengths of a violation, at most.
const VIOLATION_HEAD_BYTES: usize = 10;
/// Bytes of tags, lengths and type of the message of all violations, at most.
const BAD_REQUEST_BYTES: usize = 64;

/// Returns a status that clients take: the message is cut, and of the violations those are told
/// that fit, with the count of the rest and of `more` that the details do not hold.
pub(super) fn fitted(code: Code, message: &str, mut details: ErrorDetails, more: usize) -> Status {
    let message = cut_encoded(message, STATUS_MESSAGE_BYTES);
    let found = details
        .bad_request()
        .map(|bad| bad.field_violations.clone())
        .unwrap_or_default();
    if found.is_empty() && more == 0 {
        return of_details(code, message, details);
    }
    // The largest count takes as much room as any that is told.
    details.set_bad_request(Vec::<FieldViolation>::new());
    count_more(&mut details, usize::MAX);
    let base = of_details(code, message.clone(), details.clone())
        .details()
        .len();
    let encoded = STATUS_BYTES.saturating_sub(NAMES_BYTES + encoded_len(&message));
    let mut room = (encoded / 4 * 3).saturating_sub(base + BAD_REQUEST_BYTES);
    let mut told = Vec::new();
    for violation in &found {
        let field = cut(&violation.field, STATUS_FIELD_BYTES);
        let description = cut(&violation.description, STATUS_VIOLATION_BYTES);
        let bytes = field.len() + description.len() + VIOLATION_HEAD_BYTES;
        if bytes > room {
            break;
        }
        room -= bytes;
        told.push(FieldViolation::new(field, description));
    }
    let more = more + found.len() - told.len();
    details.set_bad_request(told);
    count_more(&mut details, more);
    of_details(code, message, details)
}

/// Bounds the status in headers or trailers that no [`Failure`](crate::Failure) of this process
/// made, such as one of the transport.
pub(crate) fn bound(status: Status, headers: &mut HeaderMap) -> Status {
    let bytes = |name| headers.get(name).map_or(0, http::HeaderValue::len);
    if bytes(DETAILS) + bytes(MESSAGE) + NAMES_BYTES <= STATUS_BYTES {
        return status;
    }
    let details = status.get_error_details();
    let more = omitted_violations(&status);
    let fitting = fitted(status.code(), status.message(), details, more);
    headers.remove(DETAILS);
    match fitting.add_header(headers) {
        Ok(()) => fitting,
        Err(_unfit) => status,
    }
}

/// Returns the number of violations that a status counts and does not list.
pub fn omitted_violations(status: &Status) -> usize {
    let details = status.get_error_details();
    let count = details
        .error_info()
        .and_then(|info| info.metadata.get(MORE)?.parse().ok());
    count.unwrap_or(0)
}

fn count_more(details: &mut ErrorDetails, more: usize) {
    let Some(info) = details.error_info() else {
        return;
    };
    let (reason, domain) = (info.reason.clone(), info.domain.clone());
    let mut metadata: HashMap<String, String> = info.metadata.clone();
    metadata.remove(MORE);
    if more > 0 {
        metadata.insert(MORE.to_owned(), more.to_string());
    }
    details.set_error_info(reason, domain, metadata);
}

fn of_details(code: Code, message: String, details: ErrorDetails) -> Status {
    Status::with_error_details(code, message, details)
}

/// Cuts a text to so many bytes, with an ellipsis where something is missing.
pub(super) fn cut(text: &str, most: usize) -> String {
    cut_by(text, most, char::len_utf8)
}

/// Cuts a text that is percent-encoded on its way.
fn cut_encoded(text: &str, most: usize) -> String {
    cut_by(text, most, encoded_width)
}

fn cut_by(text: &str, most: usize, width: impl Fn(char) -> usize) -> String {
    const ELLIPSIS: char = '…';
    let whole: usize = text.chars().map(&width).sum();
    if whole <= most {
        return text.to_owned();
    }
    let mut room = most.saturating_sub(width(ELLIPSIS));
    let kept = text.chars().take_while(|letter| {
        let fits = width(*letter) <= room;
        room = room.saturating_sub(width(*letter));
        fits
    });
    kept.chain([ELLIPSIS]).collect()
}

fn encoded_len(text: &str) -> usize {
    text.chars().map(encoded_width).sum()
}

/// Returns the bytes that a letter of a message takes on its way, or a few more.
fn encoded_width(letter: char) -> usize {
    if letter.is_ascii_alphanumeric() || "-_.,:;()[]'/".contains(letter) {
        1
    } else {
        3 * letter.len_utf8()
    }
}

#[cfg(test)]
mod tests;
