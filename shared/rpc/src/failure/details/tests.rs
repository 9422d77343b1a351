//! Tests of the bound on what is told of an error.

use super::*;
use crate::{ErrorReason, Failure, Violation};

/// Bytes that HTTP/2 counts for the headers of a status.
fn metadata_bytes(status: &Status) -> usize {
    let mut headers = HeaderMap::new();
    status.add_header(&mut headers).expect("headers");
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 32)
        .sum()
}

fn listed(status: &Status) -> usize {
    let details = status.get_error_details();
    details
        .bad_request()
        .map_or(0, |bad| bad.field_violations.len())
}

#[test]
fn what_is_told_fits_and_the_rest_is_counted() {
    for count in [1, 2, 80, 5_000] {
        for text in ["must not be empty", &"é{}\u{7f}".repeat(400)] {
            let violations = (0..count).map(|place| {
                let field = format!(
                    "events[{place}].identifiers[\"{}\"]",
                    "x".repeat(place % 90)
                );
                Violation::new(field, text)
            });
            let failure = Failure::invalid(violations.collect::<Vec<_>>());
            let status = Status::from(failure);
            assert!(metadata_bytes(&status) <= 8 * 1024, "{count} {text}");
            let listed = listed(&status);
            assert!(listed >= count.min(4), "{listed} of {count}");
            assert_eq!(listed + omitted_violations(&status), count);
            assert_eq!(status.code(), Code::InvalidArgument);
        }
    }
}

#[test]
fn a_few_faults_are_told_whole() {
    let violations: Vec<Violation> = (0..20)
        .map(|place| Violation::new(format!("events[{place}].name"), "must not be empty"))
        .collect();
    let status = Status::from(Failure::invalid(violations.clone()));
    let details = status.get_error_details();
    let told: Vec<Violation> = details
        .bad_request()
        .expect("a BadRequest")
        .field_violations
        .iter()
        .map(|told| Violation::new(told.field.as_str(), told.description.as_str()))
        .collect();
    assert_eq!(told, violations);
    assert_eq!(omitted_violations(&status), 0);
}

#[test]
fn names_and_messages_of_any_length_fit() {
    let long = "\u{1f980}%".repeat(10_000);
    let failures = [
        Failure::new(ErrorReason::ExpressionInvalid, long.as_str()),
        Failure::not_found(ErrorReason::SegmentNotFound, "segment", &long),
        Failure::invalid([Violation::new(long.as_str(), long.as_str())]),
    ];
    for failure in failures {
        let status = Status::from(failure);
        assert!(metadata_bytes(&status) <= 8 * 1024);
        assert!(status.message().contains('…'));
        assert!(status.get_error_details().error_info().is_some());
    }
}

#[test]
fn a_status_of_the_transport_is_bounded_too() {
    let fields = (0..500).map(|place| FieldViolation::new(format!("f{place}"), "wrong"));
    let details = ErrorDetails::with_bad_request(fields.collect::<Vec<_>>());
    for status in [
        Status::internal("x".repeat(100_000)),
        of_details(Code::InvalidArgument, "many".to_owned(), details),
    ] {
        let mut headers = HeaderMap::new();
        status.add_header(&mut headers).expect("headers");
        let bounded = bound(status.clone(), &mut headers);
        let sent = Status::from_header_map(&headers).expect("a status");
        assert_eq!(sent.code(), status.code());
        assert_eq!(sent.message(), bounded.message());
        assert!(metadata_bytes(&sent) <= 8 * 1024);
    }
}
