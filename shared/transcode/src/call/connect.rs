//! Calls of the Connect protocol.
//!
//! <https://connectrpc.com/docs/protocol>

use std::collections::HashMap;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method as Verb, Request, StatusCode};
use rpc::Memory;
use tonic::Status;
use tonic::body::Body;

use super::{Dialect, Plan, content_type, grpc};
use crate::answer::{self, Asked};
use crate::contract::Method;
use crate::incoming::{Codec, Encoding, Messages, inflate_whole};
use crate::limits::JSON_BYTES;
use crate::read::base64;
use crate::route::decode_query;
use crate::trouble::Trouble;

/// Header of clients that know which version of the protocol they speak.
const VERSION: &str = "connect-protocol-version";
/// Header that names the compression of envelopes.
const STREAM_ENCODING: &str = "connect-content-encoding";
/// Header of an answer that names the types which a method takes.
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// A refusal, with headers for its answer.
type Refusal = (Trouble, HeaderMap);

pub(super) fn plan(
    request: Request<Body>,
    method: &'static Method,
    asked: &Asked,
    memory: &Memory,
) -> Plan {
    let (dialect, messages) = match choose(&request, method) {
        Ok(chosen) => chosen,
        Err((trouble, headers)) => {
            return Plan::Answered(answer::connect::error(&trouble, headers, asked));
        }
    };
    let planned = checked(request.headers(), dialect)
        .and_then(|()| grpc(request, method, dialect, messages, asked.clone(), memory));
    planned.unwrap_or_else(|trouble| {
        Plan::Answered(match dialect {
            Dialect::ConnectStream(codec) => answer::connect::stream_error(&trouble, codec),
            Dialect::Connect(_) | Dialect::Rest => {
                answer::connect::error(&trouble, HeaderMap::new(), asked)
            }
        })
    })
}

/// The form of a call.
fn choose(
    request: &Request<Body>,
    method: &'static Method,
) -> Result<(Dialect, Messages), Refusal> {
    let may_get = method.is_unary() && method.is_read();
    let verb = request.method();
    if may_get && (verb == Verb::GET || verb == Verb::HEAD) {
        let query = request.uri().query().unwrap_or_default();
        let (codec, message) = given(query).map_err(|trouble| (trouble, HeaderMap::new()))?;
        let message = Messages::Given(codec, message.into());
        return Ok((Dialect::Connect(codec), message));
    }
    if verb != Verb::POST {
        let verbs = if may_get { "GET, HEAD, POST" } else { "POST" };
        let message = format!("this method is not there with {verb}: it takes {verbs}");
        let trouble = Trouble::request(StatusCode::METHOD_NOT_ALLOWED, message);
        let headers = with(header::ALLOW, HeaderValue::from_static(verbs));
        return Err((trouble, headers));
    }
    let is_unary = method.is_unary();
    let codec = match content_type(request.headers()).as_str() {
        "application/json" if is_unary => Codec::Json,
        "application/proto" if is_unary => Codec::Proto,
        "application/connect+json" if !is_unary => Codec::Json,
        "application/connect+proto" if !is_unary => Codec::Proto,
        _ => return Err(other_type(is_unary)),
    };
    Ok(match is_unary {
        true => (Dialect::Connect(codec), Messages::One(codec)),
        false => (Dialect::ConnectStream(codec), Messages::Envelopes(codec)),
    })
}

fn other_type(is_unary: bool) -> Refusal {
    let kinds = match is_unary {
        true => "application/json, application/proto, application/grpc",
        false => "application/connect+json, application/connect+proto, application/grpc",
    };
    let message = format!("content-type: must be one of {kinds}");
    let trouble = Trouble::request(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
    (trouble, with(ACCEPT_POST, HeaderValue::from_static(kinds)))
}

fn with(name: HeaderName, value: HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(name, value);
    headers
}

fn checked(headers: &HeaderMap, dialect: Dialect) -> Result<(), Trouble> {
    if headers.get(VERSION).is_some_and(|version| version != "1") {
        let message = format!("{VERSION}: must be 1");
        return Err(Trouble::request(StatusCode::BAD_REQUEST, message));
    }
    let is_stream = matches!(dialect, Dialect::ConnectStream(_));
    let compression = headers.get(STREAM_ENCODING);
    let is_known = compression
        .is_none_or(|name| Encoding::named(name.to_str().unwrap_or("unreadable")).is_some());
    if is_stream && !is_known {
        let message = format!("{STREAM_ENCODING}: must be gzip or identity");
        return Err(Status::unimplemented(message).into());
    }
    Ok(())
}

/// The message of a call by GET, which is in the query.
///
/// <https://connectrpc.com/docs/protocol#unary-get-request>
fn given(query: &str) -> Result<(Codec, Vec<u8>), Trouble> {
    let bad = |message: &str| Trouble::request(StatusCode::BAD_REQUEST, message);
    let mut values = HashMap::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value =
            decode_query(value).ok_or_else(|| bad("the query is not percent-encoded UTF-8"))?;
        values.insert(name, value);
    }
    let value = |name: &str| values.get(name).map(String::as_str);
    let codec = match value("encoding") {
        Some("json") => Codec::Json,
        Some("proto") => Codec::Proto,
        _ => return Err(bad("encoding: must be json or proto")),
    };
    if value("connect").is_some_and(|version| version != "v1") {
        return Err(bad("connect: must be v1"));
    }
    let message = value("message").ok_or_else(|| bad("message: is not there"))?;
    let message = match value("base64") {
        Some("1") => base64(message).ok_or_else(|| bad("message: is not base64"))?,
        _ => message.as_bytes().to_vec(),
    };
    match Encoding::named(value("compression").unwrap_or_default()) {
        Some(Encoding::Identity) => Ok((codec, message)),
        Some(Encoding::Gzip) => {
            let message = inflate_whole(&message, JSON_BYTES);
            let message = message.ok_or_else(|| bad("message: is not gzip, or is too long"))?;
            Ok((codec, message))
        }
        None => Err(bad("compression: must be gzip or identity")),
    }
}
