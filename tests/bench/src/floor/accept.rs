//! The accepting stage: an event is answered once its row and its record are written.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use prost::Message as _;
use proto::identity::v1::{Event, IngestStreamRequest};
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use super::PARTITIONS;
use super::stage::{Stage, customer_of};
use crate::Failure;
use crate::bare::Sink;

/// Shares of messages that are written together.
const SHARES_PER_WRITE: usize = 8;

/// Hands each partition its share of a message.
#[derive(Debug)]
pub(super) struct Accept(pub(super) Vec<mpsc::UnboundedSender<Share>>);

/// The events of a message that are for one partition.
#[derive(Debug)]
pub(super) struct Share {
    customers: Vec<String>,
    record: Vec<u8>,
    written: oneshot::Sender<()>,
}

impl Sink for Accept {
    fn take(&self, events: Vec<Event>) -> BoxFuture<'static, Result<(), Status>> {
        let mut shares = vec![IngestStreamRequest::default(); usize::from(PARTITIONS)];
        for event in events {
            shares[partition_of(&event)].events.push(event);
        }
        let mut waits = Vec::new();
        for (partition, share) in self.0.iter().zip(shares) {
            if share.events.is_empty() {
                continue;
            }
            let (written, is_written) = oneshot::channel();
            let share = Share {
                record: share.encode_to_vec(),
                customers: share.events.into_iter().map(customer_of).collect(),
                written,
            };
            // Where it is not taken, the wait for it ends at once.
            let _ = partition.send(share);
            waits.push(is_written);
        }
        async {
            for wait in waits {
                let ended = |_| Status::unavailable("the floor has ended");
                wait.await.map_err(ended)?;
            }
            Ok(())
        }
        .boxed()
    }
}

fn partition_of(event: &Event) -> usize {
    let mut hasher = DefaultHasher::new();
    event.identifiers.values().min().hash(&mut hasher);
    let partition = hasher.finish() % u64::from(PARTITIONS);
    usize::try_from(partition).unwrap_or_default()
}

/// Writes the shares of one partition, those that wait together in one write.
pub(super) async fn accept(
    mut stage: Stage,
    mut waiting: mpsc::UnboundedReceiver<Share>,
) -> Result<(), Failure> {
    let mut shares = Vec::new();
    while waiting.recv_many(&mut shares, SHARES_PER_WRITE).await > 0 {
        let (mut customers, mut joined, mut waits) = (Vec::new(), Vec::new(), Vec::new());
        for mut share in shares.drain(..) {
            customers.append(&mut share.customers);
            joined.append(&mut share.record);
            waits.push(share.written);
        }
        stage.write(&customers, &joined, None).await?;
        for written in waits {
            // A client that has gone does not wait.
            let _ = written.send(());
        }
    }
    Ok(())
}
