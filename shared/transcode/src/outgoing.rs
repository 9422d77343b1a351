//! The answer of a call of gRPC: its messages, and how it ended.

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, Response};
use http_body_util::BodyExt as _;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::limits::ANSWER_BYTES;

/// Bytes of the header of a frame: a flag, and the length.
const HEADER_BYTES: usize = 5;

/// An answer that is read.
pub(crate) struct Answer {
    /// The headers of the answer.
    pub(crate) headers: HeaderMap,
    body: Body,
    buffer: BytesMut,
    /// The status that came instead of all else.
    refused: Option<Status>,
}

/// The next part of an answer.
#[derive(Debug)]
pub(crate) enum Part {
    /// A message, in protobuf.
    Message(Bytes),
    /// The end, with trailers.
    End(Status, HeaderMap),
}

impl Answer {
    pub(crate) fn new(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let mut refused = Status::from_header_map(&parts.headers);
        if refused.is_none() && parts.status != http::StatusCode::OK {
            let message = format!("the service answered with status {} of HTTP", parts.status);
            refused = Some(Status::new(Code::Unavailable, message));
        }
        Self {
            headers: parts.headers,
            body,
            buffer: BytesMut::new(),
            refused,
        }
    }

    /// The next part.
    pub(crate) async fn next(&mut self) -> Part {
        if let Some(status) = self.refused.take() {
            return Part::End(status, HeaderMap::new());
        }
        loop {
            match self.message() {
                Ok(Some(message)) => return Part::Message(message),
                Ok(None) => {}
                Err(status) => return Part::End(status, HeaderMap::new()),
            }
            let frame = match self.body.frame().await {
                Some(Ok(frame)) => frame,
                Some(Err(status)) => return Part::End(status, HeaderMap::new()),
                None => return Part::End(without_status(), HeaderMap::new()),
            };
            match frame.into_data() {
                Ok(bytes) if self.buffer.is_empty() => self.buffer = BytesMut::from(bytes),
                Ok(bytes) => self.buffer.extend_from_slice(&bytes),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    let status = Status::from_header_map(&trailers);
                    return Part::End(status.unwrap_or_else(without_status), trailers);
                }
            }
        }
    }

    /// Takes a message that is there whole.
    fn message(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(header) = self.buffer.get(..HEADER_BYTES) else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        // No compression was offered.
        if header[0] != 0 || length > ANSWER_BYTES {
            return Err(Status::internal(
                "a message of the answer cannot be passed on",
            ));
        }
        if self.buffer.len() < HEADER_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(HEADER_BYTES);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }
}

fn without_status() -> Status {
    Status::unknown("the answer ended without a status")
}
