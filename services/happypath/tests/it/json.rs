//! Every RPC of the contracts in JSON, by its path and by the Connect protocol, against
//! `happypath dev`: right requests, bad input, deadlines, broken documents.
//!
//! The requests are those of [`contracts`](crate::contracts), so that an RPC that is new is asked
//! in these ways too. Callers who are refused are in [`access`](crate::access).

pub(crate) mod call;
mod cost;
pub(crate) mod http;
mod page;

use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::Value;
use tonic::Code;

use self::call::{Answer, WAYS, Way, bindings};
use crate::contracts::call::{Server, methods, name_of};
use crate::contracts::cases::{Case, case_of};
use crate::contracts::{HOSTILE_CHARS, hostile};

/// Characters of a hostile text that fit into an address when they are percent-encoded.
const ADDRESS_CHARS: usize = 4_000;
/// A deadline that ends while a call is carried out, in milliseconds.
const SHORT_MS: &str = "1";

/// Checks every RPC in both ways.
fn check_each(check: impl Fn(&Server, Way, &MethodDescriptor, &Case)) {
    let server = Server::start();
    for method in methods() {
        for way in WAYS {
            check(&server, way, &method, case_of(&name_of(&method)));
        }
    }
    server.stop();
}

fn ask(server: &Server, way: Way, method: &MethodDescriptor, request: &DynamicMessage) -> Answer {
    call::ask(server.address(), way, method, request, &[])
}

#[track_caller]
fn check_code(method: &MethodDescriptor, way: Way, answer: &Answer, code: Code) {
    let name = method.full_name();
    assert_eq!(answer.code(), code, "{name} {way:?}: {answer:?}");
    assert_eq!(
        answer.status,
        status_of(way, method, code),
        "{name} {way:?}"
    );
}

/// The status of HTTP that belongs to a code; a stream of Connect has its own in its end.
fn status_of(way: Way, method: &MethodDescriptor, code: Code) -> u16 {
    let is_stream = method.is_client_streaming() || method.is_server_streaming();
    match code {
        _ if is_stream && way == Way::Connect => 200,
        Code::Ok => 200,
        Code::InvalidArgument | Code::FailedPrecondition => 400,
        Code::NotFound => 404,
        Code::DeadlineExceeded => 504,
        other => panic!("no right request ends with {other:?}"),
    }
}

#[test]
fn right_requests_get_what_they_should() {
    check_each(|server, way, method, case| {
        let request = server.request(method, case);
        let answer = ask(server, way, method, &request);
        check_code(method, way, &answer, case.code);
        for message in answer.messages() {
            let read = DynamicMessage::deserialize(method.output(), message);
            assert!(read.is_ok(), "{} {way:?}: {read:?}", method.full_name());
        }
        if case.code == Code::Ok {
            assert!(!answer.messages().is_empty(), "{}", method.full_name());
        }
    });
}

#[test]
fn bad_input_is_refused_by_its_field() {
    check_each(|server, way, method, case| {
        let mut paths = bindings(method).into_iter();
        let is_in_address = paths.any(|it| !it.has_body || it.path.contains('{'));
        let chars = if is_in_address {
            ADDRESS_CHARS
        } else {
            HOSTILE_CHARS
        };
        for (field, request) in hostile(&server.request(method, case), chars) {
            let answer = ask(server, way, method, &request);
            check_code(method, way, &answer, Code::InvalidArgument);
            check_field(method, &answer, &field);
        }
    });
}

#[test]
fn broken_documents_are_refused_with_their_place() {
    check_each(|server, way, method, _| {
        for (document, expected) in [
            ("{", "the JSON ends in the middle"),
            ("{\"a\":1}", "there is no field `a`"),
            ("[1]", "expected an object"),
        ] {
            let Some(answer) = call::ask_document(server.address(), way, method, document) else {
                continue;
            };
            let name = method.full_name();
            assert_eq!(
                answer.code(),
                Code::InvalidArgument,
                "{name} {way:?}: {answer:?}"
            );
            let told = answer.message();
            assert!(told.contains(expected), "{name} {way:?}: {told}");
            assert!(told.contains("line 1, column "), "{name} {way:?}: {told}");
        }
    });
}

#[test]
fn a_deadline_that_passes_locks_nothing() {
    check_each(|server, way, method, case| {
        let request = server.request(method, case);
        let time = [("connect-timeout-ms", SHORT_MS)];
        let hurried = call::ask(server.address(), way, method, &request, &time);
        let expected = [case.code, Code::DeadlineExceeded, Code::Cancelled];
        let code = hurried.code();
        assert!(
            expected.contains(&code),
            "{} {way:?}: {code:?}",
            method.full_name()
        );
        // The same request, with its id where it has one, goes through at once.
        check_code(method, way, &ask(server, way, method, &request), case.code);
    });
}

/// Checks that a refusal blames a field, or something in it.
#[track_caller]
fn check_field(method: &MethodDescriptor, answer: &Answer, field: &str) {
    let details = answer.details();
    let fields = details
        .iter()
        .filter_map(|detail| detail["fieldViolations"].as_array());
    let mut names = fields
        .flatten()
        .filter_map(|violation| violation["field"].as_str());
    let is_blamed = names.any(|name| {
        let rest = name.strip_prefix(field);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    });
    let name = method.full_name();
    assert!(is_blamed, "{name} {field}: {}", Value::from(details));
}
