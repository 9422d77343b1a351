//! Calls by the paths of the contracts.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method as HttpVerb, Request, Response, StatusCode};
use rpc::Memory;
use tonic::body::Body;

use super::{Dialect, Plan, content_type, grpc};
use crate::answer::{self, Asked};
use crate::contract::{Body as Part, Verb};
use crate::incoming::Messages;
use crate::route::Found;
use crate::trouble::Trouble;

/// The content type of lines of JSON, and the names that others give it.
const LINES: [&str; 3] = [
    "application/x-ndjson",
    "application/jsonl",
    "application/ndjson",
];
const JSON: &str = "application/json";

pub(super) fn plan(request: Request<Body>, found: Found, asked: &Asked, memory: &Memory) -> Plan {
    let method = found.method;
    let planned = messages(&request, found).and_then(|messages| {
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
fn messages(request: &Request<Body>, found: Found) -> Result<Messages, Trouble> {
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
    let query = request.uri().query().unwrap_or_default().to_owned();
    Ok(Messages::Addressed(Box::new(found), query))
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
