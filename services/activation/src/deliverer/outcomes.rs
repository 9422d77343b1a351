//! Brings outcomes into the stream that the core reads.
//!
//! An outcome is tried until it is there; it does not matter in which order outcomes of different activations arrive.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hot::{Append, Appended, HotStore, StreamId, StreamName};
use kernel::PartitionId;
use prost::Message;
use proto::stream::v1::{Batch, Record};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::limits;

/// An outcome on its way.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    pub(super) partition: PartitionId,
    pub(super) record: Record,
    /// What is done with it once it is in the stream.
    pub(super) then: T,
}

/// Appends everything that comes until nobody sends any more; `done` learns of each that is there.
pub(super) async fn append_all<T, F>(
    hot: Arc<dyn HotStore>,
    mut outcomes: mpsc::Receiver<Waiting<T>>,
    done: F,
) where
    T: Send + 'static,
    F: Fn(T) + Clone + Send + 'static,
{
    let tasks = TaskTracker::new();
    let mut batch = Vec::new();
    while outcomes
        .recv_many(&mut batch, limits::OUTCOMES_PER_APPEND)
        .await
        > 0
    {
        let mut partitions: BTreeMap<PartitionId, (Vec<Record>, Vec<T>)> = BTreeMap::new();
        for waiting in batch.drain(..) {
            let (records, thens) = partitions.entry(waiting.partition).or_default();
            records.push(waiting.record);
            thens.push(waiting.then);
        }
        for (partition, (records, thens)) in partitions {
            let (hot, done) = (Arc::clone(&hot), done.clone());
            // On its own, so that a partition that cannot be appended to holds up no other.
            tasks.spawn(async move {
                append(hot.as_ref(), partition, records).await;
                thens.into_iter().for_each(done);
            });
        }
    }
    tasks.close();
    tasks.wait().await;
}

async fn append(hot: &dyn HotStore, partition: PartitionId, records: Vec<Record>) {
    let append = Append {
        to: StreamId {
            name: StreamName::Outcomes,
            partition,
        },
        payload: Bytes::from(
            Batch {
                records,
                ..Batch::default()
            }
            .encode_to_vec(),
        ),
        source: None,
        origin: None,
    };
    let mut wait = limits::APPEND_RETRY_FIRST;
    loop {
        match hot.append(&append).await {
            Ok(Appended::Full) => {
                tracing::debug!(%partition, "outcomes wait for their stream to drain");
            }
            Ok(Appended::Gap { .. }) => {
                tracing::warn!(%partition, "outcomes wait for their stream to be restored");
            }
            Ok(Appended::Applied | Appended::Replayed | Appended::Overlaps { .. }) => return,
            Err(error) => {
                tracing::warn!(%partition, %error, "outcomes not appended, trying again");
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(limits::APPEND_RETRY_MOST);
    }
}
