//! Forwards the outbox to the streams of other partitions.
//!
//! A message is appended under the name of the slot and its own number, so that the target skips
//! what it has seen, and removed here afterwards: a crash at any point sends it again, and it
//! arrives once.
//!
//! The number is in the message since its commit. That of its place in the outbox would not do: a
//! store that goes back gives places again, and the target may have taken a message of such a place
//! that the store has lost. It would skip whatever comes under that number next.

use std::sync::Arc;

use hot::{Append, Appended, HotError, SourceRange};

use super::Worker;
use super::packer::message_number;
use crate::limits;
use decision::Core;

impl<C: Core> Worker<C> {
    /// Sends what waits in the outbox, up to the first message whose target is full.
    pub(super) async fn forward(&mut self) -> Result<(), HotError> {
        if !self.position.outbox_waits {
            return Ok(());
        }
        let hot = Arc::clone(self.hot());
        let source = self.position.slot.source();
        loop {
            let messages = hot
                .outbox(
                    self.position.slot,
                    self.position.forwarded_seq,
                    limits::FORWARDS_PER_READ,
                )
                .await?;
            let read = messages.len();
            let mut sent = None;
            let mut full = false;
            for outgoing in messages {
                let number = message_number(&outgoing.message.payload).unwrap_or(outgoing.seq);
                let append = Append {
                    to: outgoing.message.to,
                    payload: outgoing.message.payload,
                    source: Some(SourceRange {
                        source: source.as_str().into(),
                        first: number,
                        last: number,
                    }),
                    origin: None,
                };
                match hot.append(&append).await? {
                    Appended::Applied | Appended::Replayed | Appended::Overlaps { .. } => {
                        sent = Some(outgoing.seq);
                    }
                    Appended::Full => {
                        full = true;
                        break;
                    }
                    Appended::Gap { .. } => {
                        return Err(HotError::unavailable(
                            "the target of a message has lost entries, and is to be recovered first",
                        ));
                    }
                }
            }
            if let Some(seq) = sent {
                hot.trim_outbox(self.position.standing(), seq).await?;
                self.position.forwarded_seq = seq;
            }
            if full {
                return Ok(());
            }
            if read < limits::FORWARDS_PER_READ {
                self.position.outbox_waits = false;
                return Ok(());
            }
        }
    }
}
