//! The body of a request: messages reach the decoder whole, charged, and known to be readable.
//!
//! The transport makes room for a message as soon as its length is announced, and builds whatever
//! its bytes say. So it gets a message only once all of it is here.

mod chunks;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::sync::OwnedSemaphorePermit;
use tonic::body::Body;
use tonic::{Request, Status};

use self::chunks::{Chunks, HEADER_BYTES, Header};
use super::unread::{not_whole, too_large};
use crate::limits::MESSAGE_BYTES;
use crate::memory::{Charge, Memory, Partial};
use crate::wire::{self, Method, Refusal};
use crate::{Failure, Violation};

/// A message beyond its content: the parts that could not be read, and its memory.
#[derive(Debug, Default)]
pub struct Arrival {
    /// Places in the list of the batch of elements that could not be read, with the reason; they
    /// are empty in the message.
    pub unread: Vec<(usize, Violation)>,
    /// The reason why nothing of a message of a stream could be read; the message is empty.
    pub refused: Option<Violation>,
    /// The memory that the message takes, until this is dropped.
    pub charge: Charge,
}

/// The messages of a call that arrive, one after another. An extension of requests that came
/// through [`ServerLayer`](crate::ServerLayer).
#[derive(Debug, Clone, Default)]
pub struct Arrivals(Arc<Mutex<Slot>>);

#[derive(Debug, Default)]
struct Slot {
    arrival: Option<Arrival>,
    /// Held until the message is built.
    turn: Option<OwnedSemaphorePermit>,
}

impl Arrivals {
    /// The arrivals of a request; a call that came by no server has none.
    pub fn of<T>(request: &Request<T>) -> Self {
        request.extensions().get().cloned().unwrap_or_default()
    }

    /// Takes what is known of the message that the handler was given last. What nobody takes is
    /// forgotten with the next message, or with the answer to a call.
    pub fn take(&self) -> Arrival {
        std::mem::take(&mut *self.lock())
            .arrival
            .unwrap_or_default()
    }

    fn put(&self, arrival: Arrival, turn: Option<OwnedSemaphorePermit>) {
        let arrival = Some(arrival);
        *self.lock() = Slot { arrival, turn };
    }

    /// The decoder asks for more, so that it has built the message before.
    fn built(&self) {
        self.lock().turn = None;
    }

    /// A slot cannot be half changed.
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reader of the messages of a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reader {
    /// A method of the contracts, in this process.
    Here(&'static Method),
    /// Another process, to which they are handed on.
    Elsewhere,
    /// Nobody, or a method that the contracts do not have.
    Nobody,
}

/// Wraps the body of a request.
pub(super) fn body_of(body: Body, reader: Reader, memory: &Memory, arrivals: Arrivals) -> Body {
    let arriving = Arriving {
        body,
        reader,
        partial: memory.partial(),
        memory: memory.clone(),
        arrivals,
        chunks: Chunks::default(),
        charge: Charge::default(),
        stage: Stage::Messages,
    };
    let frames = futures::stream::unfold(arriving, |mut arriving| async move {
        let frame = arriving.next().await?;
        if frame.is_err() {
            arriving.stage = Stage::Over;
        }
        Some((frame.map(Frame::data), arriving))
    });
    Body::new(StreamBody::new(frames))
}

struct Arriving {
    body: Body,
    reader: Reader,
    memory: Memory,
    arrivals: Arrivals,
    partial: Partial,
    chunks: Chunks,
    /// The charge of the last message that is not read here, until the next one is asked for.
    charge: Charge,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Messages come.
    Messages,
    /// The one message of a call is there, and its end is waited for.
    LastMessage,
    /// No message comes, but something else, which is for the transport to refuse.
    Foreign,
    /// Nothing comes any more.
    Over,
}

impl Arriving {
    async fn next(&mut self) -> Option<Result<Bytes, Status>> {
        self.arrivals.built();
        self.charge = Charge::default();
        loop {
            match self.stage {
                Stage::Over => return None,
                Stage::Foreign if !self.chunks.is_empty() => {
                    return Some(Ok(self.chunks.take_all()));
                }
                Stage::LastMessage if !self.chunks.is_empty() => return None,
                Stage::Foreign | Stage::LastMessage => {}
                Stage::Messages => match self.chunks.header() {
                    Some(header) if !header.is_plain || header.length > MESSAGE_BYTES => {
                        if matches!(self.reader, Reader::Elsewhere) {
                            return Some(Err(unfit(header).into()));
                        }
                        self.stage = Stage::Foreign;
                        continue;
                    }
                    Some(header) if self.chunks.len() >= HEADER_BYTES + header.length => {
                        return Some(self.message(header.length).await.map_err(Status::from));
                    }
                    _ => {}
                },
            }
            match self.frame().await? {
                Ok(bytes) => {
                    if let Err(failure) = self.arrived(bytes).await {
                        return Some(Err(failure.into()));
                    }
                }
                Err(status) => return Some(Err(status)),
            }
        }
    }

    /// The next bytes; none at the end.
    async fn frame(&mut self) -> Option<Result<Bytes, Status>> {
        loop {
            let frame = tokio::select! {
                biased;
                frame = self.body.frame() => frame,
                full = self.partial.gives_way() => return Some(Err(full.into())),
            };
            let frame = match frame {
                Some(Ok(frame)) => frame,
                Some(Err(status)) => return Some(Err(status)),
                None if self.stage == Stage::Messages && !self.chunks.is_empty() => {
                    return Some(Err(Failure::invalid([not_whole()]).into()));
                }
                None => return None,
            };
            // Requests have no trailers.
            if let Ok(bytes) = frame.into_data() {
                return Some(Ok(bytes));
            }
        }
    }

    /// Keeps bytes, which are charged unless they complete a message.
    async fn arrived(&mut self, bytes: Bytes) -> Result<(), Failure> {
        let length = bytes.len();
        self.chunks.push(bytes);
        let whole = self
            .chunks
            .header()
            .map(|header| HEADER_BYTES + header.length);
        if self.stage == Stage::Messages && whole.is_none_or(|whole| whole > self.chunks.len()) {
            self.partial.grow(length).await?;
        }
        Ok(())
    }

    /// Takes the message that is whole.
    async fn message(&mut self, length: usize) -> Result<Bytes, Failure> {
        self.partial.whole();
        let mut bytes = self.chunks.take(HEADER_BYTES + length);
        let Reader::Here(method) = self.reader else {
            let charge = self.memory.charge(2 * length, length, false);
            self.charge = charge.await?;
            self.partial = self.memory.partial();
            return Ok(bytes);
        };
        let mut arrival = Arrival::default();
        let mut cost = 0;
        let turn = self.memory.turn(length).await;
        match wire::read(method, &bytes[HEADER_BYTES..], self.memory.message_bytes()) {
            Ok(reading) if reading.unread.is_empty() => cost = reading.cost,
            Ok(reading) if !method.is_interpreted => {
                let rest = wire::without(&bytes[HEADER_BYTES..], &reading.unread);
                bytes = framed(&rest);
                cost = reading.cost;
                let unread = reading.unread.into_iter();
                arrival.unread = unread.map(|one| (one.index, one.violation)).collect();
            }
            Ok(reading) => {
                let unread = reading.unread.into_iter();
                let told = unread.map(|one| one.violation.under(&one.element));
                return Err(Failure::invalid(told.collect::<Vec<_>>()));
            }
            Err(Refusal::Unreadable(violation)) if method.is_stream => {
                bytes = framed(&[]);
                arrival.refused = Some(violation);
            }
            Err(Refusal::Unreadable(violation) | Refusal::Excessive(violation)) => {
                return Err(Failure::invalid([violation]));
            }
        }
        drop(turn);
        let charge = self.memory.charge(cost, bytes.len(), method.is_stream);
        arrival.charge = charge.await?;
        self.partial = self.memory.partial();
        let turn = self.memory.turn(length).await;
        self.arrivals.put(arrival, turn);
        if !method.is_stream {
            self.stage = Stage::LastMessage;
        }
        Ok(bytes)
    }
}

/// The refusal of a message that no process takes.
fn unfit(header: Header) -> Failure {
    let violation = if header.is_plain {
        too_large(header.length, MESSAGE_BYTES)
    } else {
        not_whole()
    };
    Failure::invalid([violation])
}

/// A message as gRPC frames it.
fn framed(message: &[u8]) -> Bytes {
    // No message is longer than one that arrived.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER_BYTES + message.len());
    bytes.push(0);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(message);
    bytes.into()
}
