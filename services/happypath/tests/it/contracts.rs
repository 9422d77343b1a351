//! Every RPC of the contracts against `happypath dev`, from outside: bad input, a request that is
//! sent again, a wrong etag, pages, deadlines, reads after a write.
//!
//! The fields of a request say which of these apply to its RPC. Right requests stand in [`cases`],
//! by hand: an RPC that is not there fails the first test.

mod audited;
pub(crate) mod call;
pub(crate) mod cases;

use std::collections::BTreeSet;

use prost_reflect::{DynamicMessage, Kind, MethodDescriptor, ReflectMessage as _, Value};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use self::call::{Server, methods};
use self::cases::{CASES, Case, case_of};

/// A text that no field takes: long, and of control characters.
pub(crate) const HOSTILE_CHARS: usize = 10_000;
/// Deadlines that end before, while and after a call is carried out, in milliseconds.
const DEADLINES_MS: [u64; 4] = [1, 2, 5, 20];

#[test]
fn every_rpc_has_a_case() {
    let found: BTreeSet<String> = methods().iter().map(call::name_of).collect();
    let known: BTreeSet<String> = CASES.iter().map(|case| case.method.to_owned()).collect();
    assert_eq!(known.len(), CASES.len(), "a case is there twice");
    assert_eq!(found, known, "give every RPC a case in `cases`");
}

/// Checks every RPC to which something applies, and that it applies to some.
fn check_each(
    applies: impl Fn(&MethodDescriptor) -> bool,
    check: impl Fn(&Server, &MethodDescriptor, &Case),
) {
    let server = Server::start();
    let methods = methods();
    let mut applying = methods.iter().filter(|it| applies(it)).peekable();
    assert!(applying.peek().is_some());
    for method in applying {
        let name = call::name_of(method);
        check(&server, method, case_of(&name));
    }
    server.stop();
}

fn has(field: &'static str) -> impl Fn(&MethodDescriptor) -> bool {
    move |method| method.input().get_field_by_name(field).is_some()
}

#[test]
fn right_requests_get_what_they_should() {
    check_each(
        |_| true,
        |server, method, case| {
            let answer = server.right(method, case);
            check_code(method, &answer, case.code);
        },
    );
}

#[test]
fn bad_input_is_refused_by_its_field() {
    check_each(
        |_| true,
        |server, method, case| {
            let empty = server.call(method, DynamicMessage::new(method.input()), None);
            let refusals = hostile(&server.request(method, case), HOSTILE_CHARS);
            assert!(
                !refusals.is_empty() || empty.is_err() || method.input().fields().len() == 0,
                "{}: nothing is refused",
                method.full_name()
            );
            check_code(method, &empty, case.empty);
            for (field, request) in refusals {
                let answer = server.call(method, request, None);
                check_code(method, &answer, Code::InvalidArgument);
                check_field(method, &answer.expect_err("checked"), &field);
            }
        },
    );
}

/// Returns requests with one wrong field each: texts of so many characters, and values of
/// enumerations.
pub(crate) fn hostile(right: &DynamicMessage, chars: usize) -> Vec<(String, DynamicMessage)> {
    let text = Value::String("\u{1}".repeat(chars));
    let fields = right.descriptor();
    let wrong = fields.fields().filter_map(|field| {
        let wrong = match field.kind() {
            Kind::String if field.is_list() => Value::List(vec![text.clone()]),
            Kind::String => text.clone(),
            Kind::Enum(_) => Value::EnumNumber(99),
            _ => return None,
        };
        let mut request = right.clone();
        request.set_field(&field, wrong);
        Some((field.name().to_owned(), request))
    });
    wrong.collect()
}

#[test]
fn a_request_that_is_sent_again_gets_its_answer_again() {
    check_each(has("request_id"), |server, method, case| {
        let name = method.full_name();
        let request = server.request(method, case);
        let first = server.call(method, request.clone(), None);
        check_code(method, &first, case.code);
        let again = server.call(method, request.clone(), None);
        assert_eq!(first.expect(name), again.expect(name), "{name}");

        let other = case
            .other
            .expect("a case with a request id has another body");
        let mut other = server.parse(method, other);
        let id = request.get_field_by_name("request_id").expect("a field");
        other.set_field_by_name("request_id", id.into_owned());
        let refused = server.call(method, other, None);
        check_code(method, &refused, Code::FailedPrecondition);
        check_reason(method, &refused.expect_err("checked"), "REQUEST_ID_REUSED");
    });
}

/// A name of a request that one database keeps and another does not.
#[test]
fn a_request_id_has_no_control_characters() {
    check_each(has("request_id"), |server, method, case| {
        for id in ["a\0b", "a\nb", "\u{85}"] {
            let mut request = server.request(method, case);
            request.set_field_by_name("request_id", Value::String(id.to_owned()));
            let refused = server.call(method, request, None);
            check_code(method, &refused, Code::InvalidArgument);
            check_field(method, &refused.expect_err("checked"), "request_id");
        }
    });
}

#[test]
fn a_wrong_etag_is_refused_with_the_right_one() {
    check_each(has("if_match"), |server, method, case| {
        let mut request = server.request(method, case);
        let field = request.descriptor().get_field_by_name("if_match");
        let field = field.expect("it has");
        let wrong = Value::String("9-none".to_owned());
        let wrong = match field.is_list() {
            true => Value::List(vec![wrong]),
            false => wrong,
        };
        request.set_field(&field, wrong);
        let refused = server.call(method, request, None);
        check_code(method, &refused, Code::Aborted);
        let status = refused.expect_err("checked");
        check_reason(method, &status, "ETAG_MISMATCH");
        check_field(method, &status, "if_match");
        // The change was not made: a right request is carried out.
        check_code(method, &server.right(method, case), case.code);
    });
}

#[test]
fn pages_hold_everything_once_and_bad_ones_are_refused() {
    check_each(has("page_token"), |server, method, case| {
        let name = method.full_name();
        let right = server.request(method, case);
        let page = |size: u32, token: &str| {
            let mut request = right.clone();
            request.set_field_by_name("page_size", Value::U32(size));
            request.set_field_by_name("page_token", Value::String(token.to_owned()));
            server.call(method, request, None)
        };
        for (size, token, field) in [(1_001, "", "page_size"), (1, "!", "page_token")] {
            let refused = page(size, token);
            check_code(method, &refused, Code::InvalidArgument);
            check_field(method, &refused.expect_err("checked"), field);
        }
        if case.code != Code::Ok {
            return;
        }
        let all = items(&page(0, "").expect(name)).len();
        assert!(all >= case.items, "{name}: {all}");
        let (mut token, mut found) = (String::new(), Vec::new());
        loop {
            let answer = page(1, &token).expect(name);
            let one = items(&answer);
            assert!(one.len() <= 1, "{name}");
            for item in one {
                assert!(!found.contains(&item), "{name}: {item:?} twice");
                found.push(item);
            }
            let next = answer.get_field_by_name("next_page_token");
            token = next
                .as_deref()
                .and_then(Value::as_str)
                .expect("a text")
                .to_owned();
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(found.len(), all, "{name}");
    });
}

/// Returns the items of a page: the only list of its answer.
fn items(answer: &DynamicMessage) -> Vec<Value> {
    let descriptor = answer.descriptor();
    let mut lists = descriptor.fields().filter(|field| field.is_list());
    let (list, more) = (lists.next().expect("a list"), lists.next());
    assert!(more.is_none(), "{} has several lists", descriptor.name());
    let items = answer.get_field(&list);
    items.as_list().expect("a list").to_vec()
}

#[test]
fn a_deadline_that_passes_locks_nothing() {
    check_each(
        |_| true,
        |server, method, case| {
            for millis in DEADLINES_MS {
                let request = server.request(method, case);
                let hurried = server.call(method, request.clone(), Some(millis));
                let code = hurried.map_or_else(|status| status.code(), |_| Code::Ok);
                let expected = [case.code, Code::DeadlineExceeded, Code::Cancelled];
                assert!(expected.contains(&code), "{}: {code:?}", method.full_name());
                // The same request, with its id where it has one, goes through at once.
                check_code(method, &server.call(method, request, None), case.code);
            }
        },
    );
}

#[test]
fn reads_come_after_the_write_that_they_name() {
    check_each(has("after"), |server, method, case| {
        let mut request = server.request(method, case);
        let position = Value::String(server.position.clone());
        request.set_field_by_name("after", position);
        check_code(
            method,
            &server.call(method, request.clone(), None),
            case.code,
        );
        let wrong = Value::String("nowhere".to_owned());
        request.set_field_by_name("after", wrong);
        let refused = server.call(method, request, None);
        check_code(method, &refused, Code::InvalidArgument);
        let status = refused.expect_err("checked");
        check_reason(method, &status, "POSITION_INVALID");
        check_field(method, &status, "after");
    });
}

fn check_code(method: &MethodDescriptor, answer: &Result<DynamicMessage, Status>, code: Code) {
    let found = match answer {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    };
    assert_eq!(found, code, "{}: {answer:?}", method.full_name());
}

fn check_reason(method: &MethodDescriptor, status: &Status, reason: &str) {
    let details = status.get_error_details();
    let info = details.error_info().expect("a reason");
    assert_eq!(info.reason, reason, "{}: {status}", method.full_name());
}

/// Checks that a refusal blames a field, or something in it.
fn check_field(method: &MethodDescriptor, status: &Status, field: &str) {
    let details = status.get_error_details();
    let fields = &details.bad_request().expect("fields").field_violations;
    let is_blamed = fields.iter().any(|it| {
        let rest = it.field.strip_prefix(field);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    });
    let name = method.full_name();
    assert!(is_blamed, "{name} {field}: {fields:?}");
}
