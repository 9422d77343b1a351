//! The world outside: a destination that loses and repeats, and the courier of one process that
//! delivers to it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use activation_core::Definitions;
use activation_core::channel::ChannelKind;
use bytes::Bytes;
use engine::Dispatcher;
use hot::{Append, Appended, SharedHotStore, StreamId, StreamName};
use kernel::PartitionId;
use prost::Message as _;
use proto::stream::v1::{Batch, Delivery, DeliveryResult, Outcome, Record, record::Body};

use tokio::sync::watch;

use super::link::Link;
use super::world::Place;

/// How long an answer takes at most.
const SLOWEST: u64 = 400;
/// How long a courier waits for a store before it tries again.
const RETRY: Duration = Duration::from_millis(200);

/// An activation, as a destination sees it.
pub(crate) type EffectId = (Bytes, u32);

/// Where everything is delivered to: how often it saw each activation.
#[derive(Debug, Default)]
pub(crate) struct Destination(Mutex<BTreeMap<EffectId, u32>>);

impl Destination {
    fn take(&self, delivery: &Delivery) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *seen
            .entry((delivery.run_id.clone(), delivery.visit))
            .or_default() += 1;
    }

    /// Everything that it saw.
    pub(crate) fn seen(&self) -> BTreeMap<EffectId, u32> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The courier of one process.
#[derive(Debug, Clone)]
pub(crate) struct Courier {
    pub(crate) link: Arc<Link>,
    pub(crate) hot: SharedHotStore,
    pub(crate) destination: Arc<Destination>,
    pub(crate) definitions: watch::Receiver<Arc<Definitions>>,
    pub(crate) under_way: Arc<AtomicU64>,
}

impl Dispatcher for Courier {
    fn dispatch(&self, partition: PartitionId, record: Record) {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let courier = self.clone();
        tokio::spawn(async move {
            courier.deliver(partition, record).await;
            courier.under_way.fetch_sub(1, Ordering::Relaxed);
        });
    }

    fn in_flight(&self) -> u64 {
        self.under_way.load(Ordering::Relaxed)
    }
}

impl Courier {
    async fn deliver(&self, partition: PartitionId, mut record: Record) {
        let Some(Body::Delivery(delivery)) = record.body.take() else {
            self.link.world.violate("what is dispatched is no delivery");
            return;
        };
        let result = self.attempt(&delivery).await;
        record.body = Some(Body::Outcome(Outcome {
            run_id: delivery.run_id,
            visit: delivery.visit,
            attempt: delivery.attempt,
            result: result.into(),
            ..Outcome::default()
        }));
        let append = Append {
            to: StreamId {
                name: StreamName::Outcomes,
                partition,
            },
            payload: Batch {
                records: vec![record],
                ..Batch::default()
            }
            .encode_to_vec()
            .into(),
            source: None,
            origin: None,
        };
        while !matches!(
            self.hot.append(&append).await,
            Ok(Appended::Applied | Appended::Replayed)
        ) {
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Delivers once, or not at all, or says that it did not though it did.
    async fn attempt(&self, delivery: &Delivery) -> DeliveryResult {
        let definitions = Arc::clone(&self.definitions.borrow());
        let channel = definitions.channel(&delivery.channel);
        if channel.is_none_or(|channel| channel.kind != ChannelKind::Log) {
            // There is no network: nobody listens at any address.
            return DeliveryResult::Retry;
        }
        let wait_ms = self.link.world.draw(|rng| rng.between(1, SLOWEST));
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        if self.link.enter(Place::Destination, true).await.is_err() {
            return DeliveryResult::Retry;
        }
        self.destination.take(delivery);
        self.link.world.tell(format!(
            "{} delivers {:02x?} {} attempt {}",
            self.link.name,
            &delivery.run_id[..4],
            delivery.visit,
            delivery.attempt
        ));
        if self.link.leave().await.is_err() {
            return DeliveryResult::Retry;
        }
        DeliveryResult::Delivered
    }
}
