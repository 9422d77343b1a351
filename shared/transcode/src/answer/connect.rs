//! Answers of the Connect protocol: one message, or envelopes with the end in the last one.
//!
//! <https://connectrpc.com/docs/protocol>

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::HeaderMap;
use http::{HeaderValue, Response, StatusCode, header};
use rpc::{Failure, Memory};
use serde_json::{Map, Value, json};
use tonic::Status;
use tonic::body::Body;

use super::{Asked, Frames, details, metadata, private, remedies, trouble_of, whole};
use crate::code;
use crate::contract::{self, Method};
use crate::incoming::Codec;
use crate::outgoing::{Answer, Part};
use crate::trouble::Trouble;
use crate::write;

/// The flag of the envelope that ends a stream.
const END: u8 = 2;

impl Codec {
    /// The content type of one message.
    const fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json",
            Self::Proto => "application/proto",
        })
    }

    /// The content type of a stream.
    const fn stream_content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/connect+json",
            Self::Proto => "application/connect+proto",
        })
    }
}

/// The answer to a call of one message.
pub(crate) async fn answer(
    method: &'static Method,
    codec: Codec,
    response: Response<Body>,
    asked: &Asked,
    memory: &Memory,
) -> Response<Body> {
    let mut answer = Answer::new(response);
    let mut headers = HeaderMap::new();
    metadata(&answer.headers, &mut headers, "");
    let (message, status, trailers) = match answer.next().await {
        Part::End(status, trailers) => (None, status, trailers),
        Part::Message(message) => match answer.next().await {
            Part::End(status, trailers) => (Some(message), status, trailers),
            Part::Message(_) => {
                let status = Status::internal("the service answered twice");
                (None, status, HeaderMap::new())
            }
        },
    };
    metadata(&trailers, &mut headers, "trailer-");
    if let Some(trouble) = trouble_of(status, &asked.slot) {
        return error(&trouble, headers, asked);
    }
    private(&mut headers);
    let bytes = message.unwrap_or_default();
    let _turn = memory.turn(bytes.len()).await;
    match encode(method, codec, bytes) {
        Ok(bytes) => whole(
            StatusCode::OK,
            codec.content_type(),
            headers,
            bytes.into(),
            asked,
        ),
        Err(trouble) => error(&trouble, headers, asked),
    }
}

/// The answer to a call that ended with this error.
pub(crate) fn error(trouble: &Trouble, mut headers: HeaderMap, asked: &Asked) -> Response<Body> {
    private(&mut headers);
    remedies(&trouble.status, &mut headers);
    let http = trouble
        .http
        .unwrap_or_else(|| code::http_status(trouble.status.code()));
    let bytes = told(&trouble.status).to_string().into_bytes();
    whole(http, Codec::Json.content_type(), headers, bytes, asked)
}

/// The answer to a stream.
pub(crate) fn stream(
    method: &'static Method,
    codec: Codec,
    response: Response<Body>,
    asked: Asked,
    memory: Memory,
) -> Response<Body> {
    let answer = Answer::new(response);
    let mut headers = HeaderMap::new();
    metadata(&answer.headers, &mut headers, "");
    private(&mut headers);
    let envelopes = Envelopes {
        method,
        codec,
        answer,
        asked,
        memory,
        is_over: false,
    };
    let mut response = Response::new(envelopes.into_body());
    headers.insert(header::CONTENT_TYPE, codec.stream_content_type());
    *response.headers_mut() = headers;
    response
}

/// The answer to a stream that ended before a service saw it.
pub(crate) fn stream_error(trouble: &Trouble, codec: Codec) -> Response<Body> {
    let mut response = Response::new(super::body(end(Some(trouble), &HeaderMap::new())));
    let headers = response.headers_mut();
    private(headers);
    headers.insert(header::CONTENT_TYPE, codec.stream_content_type());
    response
}

fn encode(method: &Method, codec: Codec, bytes: Bytes) -> Result<Bytes, Trouble> {
    match codec {
        Codec::Proto => Ok(bytes),
        Codec::Json => {
            let mut json = Vec::with_capacity(2 * bytes.len());
            write::write(contract::message(method.output), bytes, &mut json)
                .map_err(Failure::internal)?;
            Ok(json.into())
        }
    }
}

fn told(status: &Status) -> Value {
    json!({
        "code": code::connect_name(status.code()),
        "message": status.message(),
        "details": details::for_connect(status),
    })
}

fn envelope(flags: u8, bytes: &[u8]) -> Bytes {
    let mut envelope = BytesMut::with_capacity(5 + bytes.len());
    envelope.put_u8(flags);
    // No message is longer than one of gRPC, whose length has as many bytes.
    envelope.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    envelope.put_slice(bytes);
    envelope.freeze()
}

/// The envelope that ends a stream.
fn end(trouble: Option<&Trouble>, trailers: &HeaderMap) -> Bytes {
    let mut end = Map::new();
    if let Some(trouble) = trouble {
        end.insert("error".to_owned(), told(&trouble.status));
    }
    let mut passed = HeaderMap::new();
    metadata(trailers, &mut passed, "");
    let mut told = Map::new();
    for name in passed.keys() {
        let values = passed.get_all(name).iter();
        let values: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
        told.insert(name.as_str().to_owned(), values.into());
    }
    if !told.is_empty() {
        end.insert("metadata".to_owned(), Value::Object(told));
    }
    envelope(END, Value::Object(end).to_string().as_bytes())
}

struct Envelopes {
    method: &'static Method,
    codec: Codec,
    answer: Answer,
    asked: Asked,
    memory: Memory,
    is_over: bool,
}

impl Frames for Envelopes {
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        match self.answer.next().await {
            Part::Message(message) => {
                let turn = self.memory.turn(message.len()).await;
                let encoded = encode(self.method, self.codec, message);
                drop(turn);
                Some(match encoded {
                    Ok(bytes) => envelope(0, &bytes),
                    Err(trouble) => {
                        self.is_over = true;
                        end(Some(&trouble), &HeaderMap::new())
                    }
                })
            }
            Part::End(status, trailers) => {
                self.is_over = true;
                let trouble = trouble_of(status, &self.asked.slot);
                Some(end(trouble.as_ref(), &trailers))
            }
        }
    }
}
