//! The body of a call in JSON as one of gRPC: each message is read when the service asks for it,
//! so that a caller who is not let in makes no work, and a deadline holds for the body too.

mod inflate;
mod source;

use bytes::Bytes;
use futures::stream;
use http::StatusCode;
use http_body::Frame;
use http_body_util::StreamBody;
use rpc::{ErrorReason, Failure, Memory};
use tonic::Status;
use tonic::body::Body;

pub(crate) use self::inflate::{Encoding, inflate_whole};
use self::source::Source;
use crate::contract::{self, Body as Part, Method};
use crate::limits::{BODY_PATIENCE, JSON_BYTES};
use crate::read::{self, Fault, Output};
use crate::route::{Found, write_address};
use crate::trouble::{Slot, Trouble};

/// The form in which messages come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// JSON.
    Json,
    /// Protobuf.
    Proto,
}

/// The messages of a body, and the rest of the request.
#[derive(Debug)]
pub(crate) enum Messages {
    /// One of REST: the address has a part of it.
    Addressed(Box<Found>, String),
    /// One after another, each on a line.
    Lines,
    /// One.
    One(Codec),
    /// One that came in the address.
    Given(Codec, Bytes),
    /// One after another, each behind a header of Connect.
    Envelopes(Codec),
}

struct Incoming {
    method: &'static Method,
    messages: Messages,
    source: Source,
    slot: Slot,
    is_over: bool,
}

/// Makes the body of a call of gRPC from one of HTTP. What is wrong with it goes into the slot.
pub(crate) fn body_of(
    body: Body,
    encoding: Encoding,
    method: &'static Method,
    messages: Messages,
    memory: &Memory,
    slot: Slot,
) -> Body {
    let incoming = Incoming {
        method,
        messages,
        source: Source::new(body, encoding, memory.clone()),
        slot,
        is_over: false,
    };
    let frames = stream::unfold(incoming, |mut incoming| async move {
        if incoming.is_over {
            return None;
        }
        match incoming.next().await {
            Ok(Some(message)) => Some((Ok(Frame::data(message)), incoming)),
            Ok(None) => None,
            Err(trouble) => incoming
                .broken(trouble)
                .map(|status| (Err(status), incoming)),
        }
    });
    Body::new(StreamBody::new(frames))
}

impl Incoming {
    /// Ends the body: a stream in order, so that what came before is answered; that of one message
    /// with the error.
    fn broken(&mut self, trouble: Trouble) -> Option<Status> {
        self.is_over = true;
        let status = trouble.status.clone();
        self.slot.put(trouble);
        (!self.method.is_client_stream).then_some(status)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        match &self.messages {
            Messages::Lines => self.line().await,
            Messages::Envelopes(codec) => self.envelope(*codec).await,
            _ => {
                self.is_over = true;
                let whole = tokio::time::timeout(BODY_PATIENCE, self.one()).await;
                let message = whole.unwrap_or_else(|_elapsed| Err(slow()))?;
                Ok(Some(message))
            }
        }
    }

    async fn one(&mut self) -> Result<Bytes, Trouble> {
        if let Messages::Given(codec, bytes) = &self.messages {
            return message_of(self.method, *codec, bytes);
        }
        let bytes = self.source.whole(JSON_BYTES).await?;
        let memory = self.source.memory();
        let _turn = memory.turn(bytes.len()).await;
        match &self.messages {
            Messages::Addressed(found, query) => addressed(found, query, &bytes),
            Messages::One(codec) => message_of(self.method, *codec, &bytes),
            Messages::Lines | Messages::Given(..) | Messages::Envelopes(_) => Ok(Bytes::new()),
        }
    }

    /// The message of the next line that is not empty.
    async fn line(&mut self) -> Result<Option<Bytes>, Trouble> {
        loop {
            let Some(line) = self.source.line(JSON_BYTES).await? else {
                return Ok(None);
            };
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let memory = self.source.memory();
            let _turn = memory.turn(line.len()).await;
            let number = self.source.lines();
            let message = message_of(self.method, Codec::Json, &line);
            return message
                .map(Some)
                .map_err(|trouble| of_line(&trouble, number));
        }
    }

    /// The message of the next envelope.
    ///
    /// <https://connectrpc.com/docs/protocol#streaming-request>
    async fn envelope(&mut self, codec: Codec) -> Result<Option<Bytes>, Trouble> {
        let Some(header) = self.source.exactly(HEADER_BYTES).await? else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        if length > JSON_BYTES {
            return Err(too_long());
        }
        let bytes = self.source.exactly(length).await?;
        let mut bytes = bytes.ok_or_else(broken_off)?;
        match header[0] {
            0 => {}
            1 => {
                bytes = inflate_whole(&bytes, JSON_BYTES)
                    .ok_or_else(not_gzip)?
                    .into();
            }
            _ => {
                let message = "an envelope of a request has the flag 0, or 1 where it is gzip";
                return Err(Trouble::request(StatusCode::BAD_REQUEST, message));
            }
        }
        let memory = self.source.memory();
        let _turn = memory.turn(bytes.len()).await;
        message_of(self.method, codec, &bytes).map(Some)
    }
}

/// Bytes of the header of an envelope: flags, and the length.
const HEADER_BYTES: usize = 5;

/// The message of a body that is all of it.
fn message_of(method: &Method, codec: Codec, bytes: &[u8]) -> Result<Bytes, Trouble> {
    let mut out = Output::with_capacity(bytes.len());
    match codec {
        Codec::Proto => out.raw(bytes),
        Codec::Json => {
            let message = contract::message(method.input);
            let json = if bytes.is_empty() { b"{}" } else { bytes };
            read::read(message, Part::Whole, json, &mut out).map_err(Trouble::invalid)?;
        }
    }
    Ok(out.into_frame())
}

/// The message of an address and a body.
fn addressed(found: &Found, query: &str, body: &[u8]) -> Result<Bytes, Trouble> {
    let message = contract::message(found.method.input);
    let mut out = Output::with_capacity(body.len());
    let is_empty = body.iter().all(u8::is_ascii_whitespace);
    match found.binding.body {
        Part::Absent if is_empty => {}
        Part::Absent => {
            let problem = "this path takes no body: its fields are parameters of the query";
            return Err(Trouble::invalid(Fault::new("", problem)));
        }
        _ if is_empty => {}
        part => read::read(message, part, body, &mut out).map_err(Trouble::invalid)?,
    }
    write_address(found, query, &mut out).map_err(Trouble::invalid)?;
    Ok(out.into_frame())
}

/// Says in which line of a stream something is wrong.
fn of_line(trouble: &Trouble, number: usize) -> Trouble {
    let message = format!("line {number}: {}", trouble.status.message());
    let mut status = Status::with_details(
        trouble.status.code(),
        message,
        Bytes::copy_from_slice(trouble.status.details()),
    );
    *status.metadata_mut() = trouble.status.metadata().clone();
    Trouble {
        status,
        http: trouble.http,
    }
}

fn slow() -> Trouble {
    let seconds = BODY_PATIENCE.as_secs();
    let message = format!("the body did not arrive within {seconds} seconds");
    Trouble {
        http: Some(StatusCode::REQUEST_TIMEOUT),
        ..Failure::new(ErrorReason::DeadlineExceeded, message).into()
    }
}

pub(crate) fn too_long() -> Trouble {
    let message =
        format!("the body is longer than {JSON_BYTES} bytes, decompressed: send smaller messages");
    Trouble::request(StatusCode::PAYLOAD_TOO_LARGE, message)
}

fn not_gzip() -> Trouble {
    let message = "the body is not gzip, or ends in the middle of it, or is too long decompressed";
    Trouble::request(StatusCode::BAD_REQUEST, message)
}

fn broken_off() -> Trouble {
    Trouble::request(
        StatusCode::BAD_REQUEST,
        "the body ends in the middle of a message",
    )
}
