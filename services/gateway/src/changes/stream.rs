//! The stream of a consumer: messages as they are made, then the reason of its end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Stream;
use proto::gateway::v1::WatchChangesResponse;
use rpc::Failure;
use tokio::sync::{mpsc, oneshot};
use tonic::Status;
use tracing::Instrument as _;

use super::slots::Slot;
use super::watching::Watching;

/// The stream of a consumer. Its slot is free once this is dropped, and its work ends then.
#[derive(Debug)]
pub(crate) struct WatchStream {
    messages: mpsc::Receiver<WatchChangesResponse>,
    /// Taken once it was told.
    end: Option<oneshot::Receiver<Failure>>,
    slot: Slot,
}

impl WatchStream {
    /// Sends a consumer on its way.
    pub(crate) fn begin(watching: Watching, slot: Slot) -> Self {
        // One message waits while another one is on its way.
        let (sender, messages) = mpsc::channel(1);
        let (told, end) = oneshot::channel();
        let work = async move {
            if let Err(failure) = watching.run(&sender).await {
                // Before the messages end, so that it is there then. Nobody hears it who is gone.
                let _ = told.send(failure);
            }
        };
        tokio::spawn(audit::Operation::carry(work).in_current_span());
        Self {
            messages,
            end: Some(end),
            slot,
        }
    }
}

impl Stream for WatchStream {
    type Item = Result<WatchChangesResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(message) = ready!(self.messages.poll_recv(context)) {
            self.slot.sent(message.changes.len());
            return Poll::Ready(Some(Ok(message)));
        }
        let Some(mut end) = self.end.take() else {
            return Poll::Ready(None);
        };
        // Only work that panicked leaves no reason.
        let failure = end.try_recv().unwrap_or_else(Failure::internal);
        Poll::Ready(Some(Err(failure.into())))
    }
}
