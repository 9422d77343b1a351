//! Calls in JSON against a service of gRPC that answers as it is told.

mod bodies;
mod events;
mod stub;

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use rpc::{ErrorReason, Failure};
use serde_json::{Value, json};

use self::stub::{Stub, gzip, request};

const FIND: &str = "/happypath.identity.v1.IdentityService/GetCustomer";
const INGEST_STREAM: &str = "/happypath.identity.v1.IdentityService/IngestStream";
const EXPORT: &str = "/happypath.audit.v1.AuditService/ExportEntries";

/// An answer of `ListKeys` in protobuf, and as JSON: a list with a key of this name.
const KEYS: &[u8] = b"\x0a\x05\x12\x03abc";
const KEYS_JSON: &str = r#"{"keys":[{"name":"abc"}]}"#;

fn json_of(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {body:?}"))
}

#[tokio::test]
async fn a_path_of_a_contract_is_a_call() {
    let stub = Stub::answering(&[KEYS]);
    let sent = request(
        "GET",
        "/v1/keys?pageSize=3",
        &[("authorization", "Bearer x")],
        b"",
    );
    let answer = stub.send(sent).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(String::from_utf8_lossy(&answer.body), KEYS_JSON);
    let call = stub.call();
    assert_eq!(call.path, "/happypath.access.v1.KeyService/ListKeys");
    assert_eq!(call.headers["authorization"], "Bearer x");
    assert_eq!(call.headers["content-type"], "application/grpc");
    assert_eq!(call.messages.len(), 1);
}

#[tokio::test]
async fn a_call_of_grpc_passes_untouched() {
    let stub = Stub::answering(&[b""]);
    let kind = [
        ("content-type", "application/grpc+proto"),
        ("te", "trailers"),
    ];
    let sent = request("POST", "/any.Thing/AtAll", &kind, b"\0\0\0\0\x01x");
    let answer = stub.send(sent).await;
    assert_eq!(answer.body, b"\0\0\0\0\0");
    assert_eq!(stub.call().path, "/any.Thing/AtAll");
    assert_eq!(stub.call().messages, [b"x".to_vec()]);
}

#[tokio::test]
async fn headers_and_the_deadline_go_along() {
    let stub = Stub::answering(&[b""]);
    let headers = [
        ("content-type", "application/json; charset=utf-8"),
        ("connect-timeout-ms", "1500"),
        ("connect-protocol-version", "1"),
        (
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ),
        ("accept-encoding", "gzip"),
        ("cookie", "a=b"),
    ];
    stub.send(request("POST", FIND, &headers, b"{}")).await;
    let call = stub.call();
    assert_eq!(call.headers["grpc-timeout"], "1500m");
    assert!(call.headers.contains_key("traceparent"));
    for gone in ["connect-timeout-ms", "accept-encoding", "cookie"] {
        assert!(!call.headers.contains_key(gone), "{gone}");
    }
}

#[tokio::test]
async fn errors_keep_their_details() {
    let failure = Failure::invalid([rpc::Violation::new("name", "is empty")])
        .with_retry_after(Duration::from_millis(1_200));
    let stub = Stub::failing(failure);
    let answer = stub.send(request("GET", "/v1/keys", &[], b"")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.headers["retry-after"], "2");
    let error = &json_of(&answer.body)["error"];
    assert_eq!(error["code"], 400);
    assert_eq!(error["status"], "INVALID_ARGUMENT");
    let details = error["details"].as_array().expect("details");
    let of = |name: &str| {
        let url = format!("type.googleapis.com/google.rpc.{name}");
        let detail = details
            .iter()
            .find(|detail| detail["@type"] == url.as_str());
        detail.unwrap_or_else(|| panic!("{name}: {details:?}"))
    };
    assert_eq!(of("ErrorInfo")["reason"], "INVALID_REQUEST");
    assert_eq!(of("BadRequest")["fieldViolations"][0]["field"], "name");
    assert_eq!(of("RetryInfo")["retryDelay"], "1.200s");

    let kind = [("content-type", "application/json")];
    let answer = stub.send(request("POST", FIND, &kind, b"{}")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let error = json_of(&answer.body);
    assert_eq!(error["code"], "invalid_argument");
    let detail = &error["details"][0];
    assert!(
        detail["type"]
            .as_str()
            .expect("a type")
            .starts_with("google.rpc.")
    );
    assert!(
        detail["value"].is_string() && detail["debug"].is_object(),
        "{detail}"
    );
}

#[tokio::test]
async fn a_caller_who_is_not_let_in_learns_how_to_be() {
    let missing = Failure::new(ErrorReason::CredentialMissing, "the call has no credential");
    let stub = Stub::failing(missing);
    let answer = stub.send(request("GET", "/v1/keys", &[], b"")).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        answer.headers["www-authenticate"],
        "Bearer realm=\"happypath\""
    );
}

#[tokio::test]
async fn what_is_not_there_is_told_from_what_is_there_otherwise() {
    let stub = Stub::answering(&[b""]);
    for (verb, path, status, allow) in [
        ("GET", "/v1/nothing", 404, None),
        ("GET", "/v1/events:ingest", 405, Some("POST, OPTIONS")),
        ("DELETE", "/v1/keys", 405, Some("GET, POST, HEAD, OPTIONS")),
        ("OPTIONS", "/v1/keys", 204, Some("GET, POST, HEAD, OPTIONS")),
        ("DELETE", FIND, 405, Some("GET, HEAD, POST")),
        ("HEAD", "/v1/keys", 200, None),
        ("POST", "/v1/keys", 415, None),
        ("POST", FIND, 415, None),
        ("POST", EXPORT, 415, None),
        ("GET", "/openapi.json", 200, Some("GET, HEAD, OPTIONS")),
    ] {
        let answer = stub.send(request(verb, path, &[], b"")).await;
        assert_eq!(answer.status.as_u16(), status, "{verb} {path}");
        let found = answer
            .headers
            .get("allow")
            .map(|it| it.to_str().expect("text"));
        assert_eq!(found, allow, "{verb} {path}");
        if verb == "HEAD" {
            assert_eq!(answer.headers["content-length"], "2", "{{}}");
            assert_eq!(answer.body, b"");
        }
    }
}

#[tokio::test]
async fn a_stream_is_lines_with_its_error_at_the_end() {
    let stub = Stub::answering(&[b"", b""]).then_failing(Failure::internal("disk"));
    let answer = stub
        .send(request("GET", "/v1/audit/entries:export", &[], b""))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    assert_eq!(answer.headers["x-accel-buffering"], "no");
    let text = String::from_utf8(answer.body).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["{}", "{}"]);
    assert_eq!(json_of(lines[2].as_bytes())["error"]["status"], "INTERNAL");
    // Before the first message the status can say it.
    let stub = Stub::failing(Failure::internal("disk"));
    let answer = stub
        .send(request("GET", "/v1/audit/entries:export", &[], b""))
        .await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn lines_are_messages_and_a_bad_one_ends_them_in_order() {
    let stub = Stub::answering(&[b"", b""]);
    let kind = [("content-type", "application/x-ndjson")];
    let body = b"{\"source\":\"a\"}\n\n{\"source\":\"b\"}\r\n{\"sourc\":1}\n{}\n";
    let answer = stub
        .send(request("POST", "/v1/events:ingestStream", &kind, body))
        .await;
    assert_eq!(stub.call().messages.len(), 2);
    let text = String::from_utf8(answer.body).expect("text");
    let last = json_of(text.lines().last().expect("lines").as_bytes());
    let message = last["error"]["message"].as_str().expect("a message");
    assert!(
        message.starts_with("line 4: the request is not valid"),
        "{message}"
    );
    assert!(message.contains("did you mean `source`?"), "{message}");
    // One message is a document of JSON, on as many lines as it likes.
    let stub = Stub::answering(&[b""]);
    let kind = [("content-type", "application/json")];
    let sent = request(
        "POST",
        "/v1/events:ingestStream",
        &kind,
        b"{\n\"source\": \"a\"}",
    );
    stub.send(sent).await;
    assert_eq!(stub.call().messages, [b"\x12\x01a".to_vec()]);
}

#[tokio::test]
async fn envelopes_of_connect_are_messages_and_the_last_one_is_the_end() {
    let stub = Stub::answering(&[b""]);
    let kind = [
        ("content-type", "application/connect+json"),
        ("connect-content-encoding", "gzip"),
    ];
    let compressed = gzip(b"{\"source\":\"b\"}");
    let length = u32::try_from(compressed.len())
        .expect("short")
        .to_be_bytes();
    let plain = b"{\"source\":\"a\"}";
    let body = [&b"\0\0\0\0\x0e"[..], plain, b"\x01", &length, &compressed].concat();
    let answer = stub
        .send(request("POST", INGEST_STREAM, &kind, &body))
        .await;
    assert_eq!(
        stub.call().messages,
        [b"\x12\x01a".to_vec(), b"\x12\x01b".to_vec()]
    );
    assert_eq!(answer.headers["content-type"], "application/connect+json");
    assert_eq!(answer.body, b"\0\0\0\0\x02{}\x02\0\0\0\x02{}");

    let stub = Stub::failing(Failure::internal("disk"));
    let kind = [("content-type", "application/connect+proto")];
    let answer = stub
        .send(request("POST", EXPORT, &kind, b"\0\0\0\0\0"))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body[0], 2);
    assert_eq!(json_of(&answer.body[5..])["error"]["code"], "internal");
}

#[tokio::test]
async fn connect_takes_reads_by_get() {
    let stub = Stub::answering(&[KEYS]);
    let path = "/happypath.access.v1.KeyService/ListKeys";
    for (query, expected) in [
        (
            "connect=v1&encoding=json&message=%7B%22pageSize%22%3A3%7D",
            Ok(KEYS_JSON.as_bytes()),
        ),
        ("encoding=proto&base64=1&message=CAM", Ok(KEYS)),
        ("encoding=proto&message=", Ok(KEYS)),
        (
            "encoding=xml&message=",
            Err("encoding: must be json or proto"),
        ),
        ("encoding=json", Err("message: is not there")),
        (
            "connect=v2&encoding=json&message=",
            Err("connect: must be v1"),
        ),
    ] {
        let answer = stub
            .send(request("GET", &format!("{path}?{query}"), &[], b""))
            .await;
        match expected {
            Ok(body) => assert_eq!(answer.body, body, "{query}"),
            Err(message) => assert_eq!(json_of(&answer.body)["message"], message, "{query}"),
        }
    }
    let answer = stub.send(request("GET", INGEST_STREAM, &[], b"")).await;
    assert_eq!(answer.headers["allow"], "POST");
}

#[tokio::test]
async fn the_trailers_of_connect_are_headers() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-position", "7".parse().expect("a value"));
    let stub = Stub::answering(&[KEYS]).with_trailers(trailers);
    let kind = [("content-type", "application/proto")];
    let answer = stub.send(request("POST", FIND, &kind, b"")).await;
    assert_eq!(answer.headers["trailer-x-position"], "7");
    assert!(!answer.headers.contains_key("trailer-grpc-status"));
    assert_eq!(answer.body, KEYS);
}

#[tokio::test]
async fn the_rest_goes_to_the_fallback() {
    let stub = Stub::answering(&[b""]);
    let answer = stub.send(request("GET", "/v1/nothing", &[], b"")).await;
    assert_eq!(json_of(&answer.body)["error"]["status"], json!("NOT_FOUND"));
    let answer = stub
        .send_with_fallback(request("GET", "/v1/nothing", &[], b""))
        .await;
    assert_eq!(answer.body, b"fallback");
}
