//! Tells which protocol a call speaks, and makes a call of gRPC of it.

mod connect;
mod rest;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method as Verb, Request, Response, StatusCode, Uri, Version};
use rpc::Memory;
use tonic::body::Body;

use crate::answer::{self, Asked};
use crate::contract::{self, Method};
use crate::incoming::{self, Codec, Encoding, Messages};
use crate::limits::TARGET_BYTES;
use crate::route::{self, Routed};
use crate::trouble::{Slot, Trouble};
use crate::{deadline, openapi};

/// The way on for a request.
pub(crate) enum Plan {
    /// It is one of gRPC, and goes on as it is.
    Grpc(Request<Body>),
    /// It becomes one of gRPC.
    Call(Box<Call>),
    /// It has its answer.
    Answered(Response<Body>),
    /// It is for somebody else.
    Other(Request<Body>),
}

/// A call that becomes one of gRPC.
pub(crate) struct Call {
    request: Request<Body>,
    answered: Answered,
}

/// The form in which a call is answered.
pub(crate) struct Answered {
    method: &'static Method,
    dialect: Dialect,
    asked: Asked,
}

/// The protocol that a caller speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Rest,
    Connect(Codec),
    ConnectStream(Codec),
}

/// Plans what is to be done.
pub(crate) fn plan(request: Request<Body>, memory: &Memory) -> Plan {
    if content_type(request.headers()).starts_with("application/grpc") {
        return Plan::Grpc(request);
    }
    let path = request.uri().path();
    if path == openapi::PATH {
        return Plan::Answered(openapi::answer(request.method(), request.headers()));
    }
    let asked = Asked {
        accepts_gzip: answer::accepts_gzip(request.headers()),
        accepts_events: answer::accepts_events(request.headers()),
        is_head: request.method() == Verb::HEAD,
        slot: Slot::default(),
    };
    if request
        .uri()
        .path_and_query()
        .map_or(0, |target| target.as_str().len())
        > TARGET_BYTES
    {
        let message = format!("the address is longer than {TARGET_BYTES} bytes: use the body");
        let trouble = Trouble::request(StatusCode::URI_TOO_LONG, message);
        return Plan::Answered(answer::rest::error(&trouble, HeaderMap::new(), &asked));
    }
    if let Some(method) = contract::method(path) {
        return connect::plan(request, method, &asked, memory);
    }
    let verb = request.method();
    let bound = contract::Verb::ALL
        .into_iter()
        .find(|bound| bound.name() == verb.as_str());
    // HEAD is GET without its body.
    let bound = bound.or((verb == Verb::HEAD).then_some(contract::Verb::Get));
    match route::find(bound, path) {
        Routed::Found(found) => rest::plan(request, found, &asked, memory),
        Routed::OtherVerbs(verbs) => Plan::Answered(rest::other_verbs(verb, &verbs, &asked)),
        Routed::Nothing => Plan::Other(request),
    }
}

/// The answer to a call that is for nobody.
pub(crate) fn not_found(request: &Request<Body>) -> Response<Body> {
    let asked = Asked {
        accepts_gzip: false,
        accepts_events: false,
        is_head: request.method() == Verb::HEAD,
        slot: Slot::default(),
    };
    let status = tonic::Status::not_found(format!(
        "there is nothing at this path: {} describes all that there are",
        openapi::PATH
    ));
    answer::rest::error(&status.into(), HeaderMap::new(), &asked)
}

impl Call {
    /// The request of gRPC, and what becomes of its answer.
    pub(crate) fn into_parts(self) -> (Request<Body>, Answered) {
        (self.request, self.answered)
    }
}

impl Answered {
    /// Makes the answer of a call from that of gRPC.
    pub(crate) async fn answer(self, response: Response<Body>, memory: Memory) -> Response<Body> {
        let Self {
            method,
            dialect,
            asked,
        } = self;
        match dialect {
            Dialect::Rest => answer::rest::answer(method, response, asked, memory).await,
            Dialect::Connect(codec) => {
                answer::connect::answer(method, codec, response, &asked, &memory).await
            }
            Dialect::ConnectStream(codec) => {
                answer::connect::stream(method, codec, response, asked, memory)
            }
        }
    }
}

/// The content type of a call without its parameters, in lower case.
fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok());
    let kind = text.unwrap_or_default().split(';').next();
    kind.unwrap_or_default().trim().to_ascii_lowercase()
}

/// Makes a call of gRPC of a request.
fn grpc(
    request: Request<Body>,
    method: &'static Method,
    dialect: Dialect,
    messages: Messages,
    asked: Asked,
    memory: &Memory,
) -> Result<Plan, Trouble> {
    let (mut parts, body) = request.into_parts();
    let encoding = match dialect {
        // Streams say in each envelope whether it is compressed.
        Dialect::ConnectStream(_) => Some(Encoding::Identity),
        Dialect::Rest | Dialect::Connect(_) => Encoding::of(&parts.headers),
    };
    let Some(encoding) = encoding else {
        let message = "content-encoding: must be gzip, or not there";
        return Err(Trouble::request(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            message,
        ));
    };
    let time = deadline::read(&parts.headers)
        .map_err(|message| Trouble::request(StatusCode::BAD_REQUEST, message))?;
    strip(&mut parts.headers);
    let headers = &mut parts.headers;
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    if let Some(time) = time {
        headers.insert(deadline::GRPC, time);
    }
    parts.method = Verb::POST;
    parts.version = Version::HTTP_2;
    parts.uri = Uri::try_from(method.path.as_str()).unwrap_or_default();
    let body = incoming::body_of(body, encoding, method, messages, memory, asked.slot.clone());
    Ok(Plan::Call(Box::new(Call {
        request: Request::from_parts(parts, body),
        answered: Answered {
            method,
            dialect,
            asked,
        },
    })))
}

/// Takes off the headers that belong to HTTP, to the form of the body, or to one of the protocols.
fn strip(headers: &mut HeaderMap) {
    const OTHERS: [header::HeaderName; 13] = [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
        header::EXPECT,
        header::HOST,
        header::ACCEPT,
        header::ACCEPT_ENCODING,
        header::COOKIE,
    ];
    let ours: Vec<header::HeaderName> = headers
        .keys()
        .filter(|name| {
            let text = name.as_str();
            OTHERS.contains(name)
                || text.starts_with("connect-")
                || text.starts_with("grpc-")
                || matches!(text, "keep-alive" | "proxy-connection" | "x-server-timeout")
        })
        .cloned()
        .collect();
    for name in ours {
        headers.remove(name);
    }
}
