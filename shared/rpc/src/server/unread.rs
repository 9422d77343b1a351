//! Requests that the transport could not read: answered as faults of the request, with reason and
//! remedy.
//!
//! The transport says INTERNAL for bytes that are no message and a bare OUT_OF_RANGE for too many
//! of them, without details. Handlers of ours never answer without details, so a status that has
//! some is left as it is.

use std::fmt::Display;

use http::HeaderMap;
use tonic::{Code, Status};

use crate::failure::{DETAILS, bound};
use crate::limits::SHOWN_FIELDS;
use crate::{Failure, Violation};

/// The beginning of what the decoder of protobuf says.
const NO_MESSAGE: &str = "failed to decode Protobuf message: ";
/// The words of the transport for a message above the limit.
const TOO_LARGE: &str = "Error, decoded message length too large: ";
/// The words of the transport for a frame that it cannot read.
const BROKEN_FRAMES: [&str; 3] = [
    "protocol error: received message with ",
    "Unexpected EOF decoding stream.",
    "Missing request message.",
];

/// The status in headers or trailers, after one of the transport about an unreadable request was
/// replaced, and one that is larger than clients take was cut.
pub(super) fn status_of(headers: &mut HeaderMap) -> Option<Status> {
    let status = read_status(headers)?;
    Some(bound(status, headers))
}

fn read_status(headers: &mut HeaderMap) -> Option<Status> {
    let status = Status::from_header_map(headers)?;
    if !matches!(status.code(), Code::Internal | Code::OutOfRange) || headers.contains_key(DETAILS)
    {
        return Some(status);
    }
    let Some(violation) = violation(status.code(), status.message()) else {
        return Some(status);
    };
    let explained = Status::from(Failure::invalid([violation]));
    match explained.add_header(headers) {
        Ok(()) => Some(explained),
        Err(_unfit) => Some(status),
    }
}

fn violation(code: Code, message: &str) -> Option<Violation> {
    if code == Code::OutOfRange {
        return message.strip_prefix(TOO_LARGE).map(read_too_large);
    }
    if let Some(cause) = message.strip_prefix(NO_MESSAGE) {
        return Some(no_message(cause));
    }
    let is_frame = BROKEN_FRAMES.iter().any(|text| message.starts_with(text));
    is_frame.then(not_whole)
}

/// A message that ends before its end, or is framed in another way than gRPC does.
pub(super) fn not_whole() -> Violation {
    let description = "the message does not arrive whole and uncompressed, as gRPC frames it: send \
                       it with a gRPC client, without compression";
    Violation::new("", description)
}

/// A message of so many bytes, of which fewer are taken.
pub(super) fn too_large(found: impl Display, limit: impl Display) -> Violation {
    let description = format!(
        "the message has {found} bytes, at most {limit} are taken: send less at once, in several requests"
    );
    Violation::new("", description)
}

/// Reads `found 9000000 bytes, the limit is: 8388608 bytes`.
fn read_too_large(text: &str) -> Violation {
    let mut numbers = text
        .split(|letter: char| !letter.is_ascii_digit())
        .filter(|digits| !digits.is_empty());
    match (numbers.next(), numbers.next()) {
        (Some(found), Some(limit)) => too_large(found, limit),
        _ => Violation::new(
            "",
            "the message is too large: send less at once, in several requests",
        ),
    }
}

/// Reads `Inner.field: Outer.field: cause`, which is as long as the message nests.
fn no_message(text: &str) -> Violation {
    let mut cause = text;
    let mut fields = Vec::new();
    while let Some((step, rest)) = cause.split_once(": ") {
        let Some((message, field)) = step.split_once('.') else {
            break;
        };
        if !is_name(message) || !is_name(field) {
            break;
        }
        // Forms of one field are a oneof that is named after it.
        fields.push(field.strip_suffix("_form").unwrap_or(field));
        cause = rest;
    }
    let description = if cause == "recursion limit reached" {
        "nests too deep to be read: nest less".to_owned()
    } else {
        format!(
            "cannot be read as protobuf ({cause}): send the message of the contract, with a client made from it"
        )
    };
    let path: Vec<&str> = fields.into_iter().rev().take(SHOWN_FIELDS).collect();
    Violation::new(path.join("."), description)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: &Status, expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        status.add_header(&mut headers).expect("headers");
        let answer = status_of(&mut headers).expect("a status");
        let sent = Status::from_header_map(&headers).expect("a status");
        assert_eq!(
            (answer.code(), answer.message()),
            (sent.code(), sent.message())
        );
        match expected {
            Some(message) => assert_eq!(
                (sent.code(), sent.message()),
                (Code::InvalidArgument, message)
            ),
            None => assert_eq!(
                (sent.code(), sent.message(), sent.details()),
                (status.code(), status.message(), status.details())
            ),
        }
    }

    #[test]
    fn what_the_transport_cannot_read_is_a_fault_of_the_request_with_a_remedy() {
        check(
            &Status::internal(
                "failed to decode Protobuf message: Event.name: IngestRequest.events: invalid string value: data is \
                 not UTF-8 encoded",
            ),
            Some(
                "the request is not valid: events.name: cannot be read as protobuf (invalid string value: data is \
                 not UTF-8 encoded): send the message of the contract, with a client made from it",
            ),
        );
        let deep = "Struct.fields: Value.kind: ".repeat(50);
        let deep = format!(
            "failed to decode Protobuf message: {deep}Event.properties_form: recursion limit reached"
        );
        check(
            &Status::internal(deep),
            Some(
                "the request is not valid: properties.kind.fields.kind: nests too deep to be read: nest less",
            ),
        );
        check(
            &Status::out_of_range(
                "Error, decoded message length too large: found 9 bytes, the limit is: 8 bytes",
            ),
            Some(
                "the request is not valid: the message has 9 bytes, at most 8 are taken: send less at once, in \
                 several requests",
            ),
        );
        check(
            &Status::internal("Unexpected EOF decoding stream."),
            Some(
                "the request is not valid: the message does not arrive whole and uncompressed, as gRPC frames it: \
                 send it with a gRPC client, without compression",
            ),
        );
    }

    #[test]
    fn every_other_status_stays() {
        check(&Status::internal("something else"), None);
        check(&Status::out_of_range("beyond the end"), None);
        check(
            &Failure::internal("failed to decode Protobuf message: of our own store").into(),
            None,
        );
        check(
            &Status::with_details(
                Code::Internal,
                "failed to decode Protobuf message: invalid varint",
                bytes::Bytes::from_static(b"details"),
            ),
            None,
        );
    }
}
