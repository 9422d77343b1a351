//! Calls by the paths of the contracts.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method as HttpVerb, Request, Response, StatusCode};
use rpc::Memory;
use tonic::body::Body;

use super::{Dialect, Plan, content_type, grpc};
use crate::answer::{self, Asked, POSITION};
use crate::contract::{self, Body as Part, Verb};
use crate::incoming::Messages;
use crate::route::{Found, decode_query, encode};
use crate::trouble::Trouble;

/// The content type of lines of JSON, and the names that others give it.
const LINES: [&str; 3] = [
    "application/x-ndjson",
    "application/jsonl",
    "application/ndjson",
];
const JSON: &str = "application/json";
/// The id of the last event that a client of server-sent events has.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(super) fn plan(request: Request<Body>, found: Found, asked: &Asked, memory: &Memory) -> Plan {
    let method = found.method;
    let planned = messages(&request, found, asked.accepts_events).and_then(|messages| {
        let asked = asked.clone();
        grpc(request, method, Dialect::Rest, messages, asked, memory)
    });
    planned.unwrap_or_else(|trouble| {
        Plan::Answered(answer::rest::error(&trouble, HeaderMap::new(), asked))
    })
}

/// The form of the messages of a call.
///
/// Only JSON by its name is taken: a browser sends other types, or none, from any page to any
/// address without asking, and where a process is open to everybody on its machine, such a page
/// could call it.
fn messages(
    request: &Request<Body>,
    found: Found,
    accepts_events: bool,
) -> Result<Messages, Trouble> {
    let kind = content_type(request.headers());
    let has_body = found.binding.body != Part::Absent;
    if found.method.is_client_stream && LINES.contains(&kind.as_str()) {
        return Ok(Messages::Lines);
    }
    if has_body && kind != JSON {
        let lines = match found.method.is_client_stream {
            true => ", or application/x-ndjson with a message on each line",
            false => "",
        };
        let curl = "curl sends it with -H 'content-type: application/json'";
        let message = format!("content-type: must be application/json{lines}; {curl}");
        let http = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Trouble::request(http, message));
    }
    let query = request.uri().query().unwrap_or_default();
    let query = match request.headers().get(LAST_EVENT_ID) {
        Some(id) if accepts_events && goes_on(&found) && !id.is_empty() => after(query, id),
        _ => query.to_owned(),
    };
    Ok(Messages::Addressed(Box::new(found), query))
}

/// Returns whether a stream of events goes on behind the last one that its caller has.
fn goes_on(found: &Found) -> bool {
    let input = contract::message(found.method.input);
    found.method.answers_events()
        && found.binding.body == Part::Absent
        && input.field(POSITION).is_some()
}

/// A query with this position instead of the one that it has: a browser that comes back asks at the
/// same address as before.
fn after(query: &str, position: &HeaderValue) -> String {
    let parameters = query.split('&').filter(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default();
        !name.is_empty() && decode_query(name).as_deref() != Some(POSITION)
    });
    let position = format!("{POSITION}={}", encode(position.as_bytes()));
    let all: Vec<&str> = parameters.chain([position.as_str()]).collect();
    all.join("&")
}

/// The answer to a call of a path that is not there with this verb.
pub(super) fn other_verbs(verb: &HttpVerb, verbs: &[Verb], asked: &Asked) -> Response<Body> {
    let mut names: Vec<&str> = verbs.iter().map(|verb| verb.name()).collect();
    if verbs.contains(&Verb::Get) {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    let names = names.join(", ");
    let mut headers = HeaderMap::new();
    if let Ok(names) = HeaderValue::try_from(names.as_str()) {
        headers.insert(header::ALLOW, names);
    }
    if verb == HttpVerb::OPTIONS {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        *response.headers_mut() = headers;
        return response;
    }
    let message = format!("this path is not there with {verb}: it takes {names}");
    let trouble = Trouble::request(StatusCode::METHOD_NOT_ALLOWED, message);
    answer::rest::error(&trouble, headers, asked)
}
