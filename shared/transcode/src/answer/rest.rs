//! Answers of REST: JSON, lines of JSON for streams, and errors as Google's APIs tell them.

use bytes::Bytes;
use http::header::HeaderMap;
use http::{HeaderValue, Response, StatusCode, header};
use rpc::{Failure, Memory};
use serde_json::{Value, json};
use tonic::Status;
use tonic::body::Body;

use super::{
    Asked, Frames, details, events, metadata, private, remedies, trouble_of, unbuffered, whole,
};
use crate::code;
use crate::contract::{self, Method};
use crate::outgoing::{Answer, Part};
use crate::trouble::Trouble;
use crate::write;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// The answer to a call.
pub(crate) async fn answer(
    method: &'static Method,
    response: Response<Body>,
    asked: Asked,
    memory: Memory,
) -> Response<Body> {
    let mut answer = Answer::new(response);
    let mut headers = HeaderMap::new();
    metadata(&answer.headers, &mut headers, "");
    private(&mut headers);
    let first = answer.next().await;
    if method.is_unary() {
        return unary(method, first, answer, headers, &asked, &memory).await;
    }
    let is_of_events = asked.accepts_events && method.answers_events();
    match first {
        // Nothing was told yet, so that the status of HTTP can say it.
        Part::End(status, _) => match trouble_of(status, &asked.slot) {
            Some(trouble) => error(&trouble, headers, &asked),
            None => {
                let kind = if is_of_events { events::EVENTS } else { LINES };
                whole(StatusCode::OK, kind, headers, Vec::new(), &asked)
            }
        },
        Part::Message(message) if is_of_events => {
            events::stream(method, message, answer, headers, asked, memory)
        }
        Part::Message(message) => {
            let lines = Lines {
                method,
                answer,
                first: Some(message),
                asked,
                memory,
                is_over: false,
            };
            let mut response = Response::new(lines.into_body());
            unbuffered(&mut headers);
            *response.headers_mut() = headers;
            response.headers_mut().insert(header::CONTENT_TYPE, LINES);
            response
        }
    }
}

/// The answer to a call that ended before a service saw it, or with this error.
pub(crate) fn error(trouble: &Trouble, mut headers: HeaderMap, asked: &Asked) -> Response<Body> {
    private(&mut headers);
    remedies(&trouble.status, &mut headers);
    let http = trouble
        .http
        .unwrap_or_else(|| code::http_status(trouble.status.code()));
    let bytes = told(&trouble.status, http).to_string().into_bytes();
    whole(http, JSON, headers, bytes, asked)
}

async fn unary(
    method: &'static Method,
    first: Part,
    mut answer: Answer,
    headers: HeaderMap,
    asked: &Asked,
    memory: &Memory,
) -> Response<Body> {
    let (message, status) = match first {
        Part::End(status, _) => (None, status),
        Part::Message(message) => match answer.next().await {
            Part::End(status, _) => (Some(message), status),
            Part::Message(_) => (None, Status::internal("the service answered twice")),
        },
    };
    if let Some(trouble) = trouble_of(status, &asked.slot) {
        return error(&trouble, headers, asked);
    }
    let bytes = message.unwrap_or_default();
    let _turn = memory.turn(bytes.len()).await;
    match json_of(method, bytes) {
        Ok(json) => whole(StatusCode::OK, JSON, headers, json, asked),
        Err(trouble) => error(&trouble, headers, asked),
    }
}

/// An answer of a method as JSON.
fn json_of(method: &Method, bytes: Bytes) -> Result<Vec<u8>, Trouble> {
    let mut json = Vec::with_capacity(2 * bytes.len());
    write::write(contract::message(method.output), bytes, &mut json).map_err(Failure::internal)?;
    Ok(json)
}

/// The error at the end of a stream, as JSON.
pub(super) fn last(trouble: &Trouble) -> Vec<u8> {
    let http = trouble
        .http
        .unwrap_or_else(|| code::http_status(trouble.status.code()));
    told(&trouble.status, http).to_string().into_bytes()
}

/// An error as JSON, in the form of Google's APIs.
///
/// <https://cloud.google.com/apis/design/errors#http_mapping>
fn told(status: &Status, http: StatusCode) -> Value {
    json!({
        "error": {
            "code": http.as_u16(),
            "message": status.message(),
            "status": rpc::code_name(status.code()),
            "details": details::for_rest(status),
        }
    })
}

/// The messages of an answer, each on a line.
struct Lines {
    method: &'static Method,
    answer: Answer,
    first: Option<Bytes>,
    asked: Asked,
    memory: Memory,
    is_over: bool,
}

impl Frames for Lines {
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        let part = match self.first.take() {
            Some(message) => Part::Message(message),
            None => self.answer.next().await,
        };
        let line = match part {
            Part::Message(message) => {
                let _turn = self.memory.turn(message.len()).await;
                json_of(self.method, message)
            }
            Part::End(status, _) => Err(trouble_of(status, &self.asked.slot)?),
        };
        let mut line = line.unwrap_or_else(|trouble| {
            self.is_over = true;
            last(&trouble)
        });
        line.push(b'\n');
        Some(line.into())
    }
}
