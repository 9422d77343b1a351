//! One attempt on its way, from what the core dispatched to the outcome that it reads.

use bytes::Bytes;
use kernel::{ActivationId, CustomerId, PartitionId, RunId, Timestamp};
use proto::stream::v1::{Delivery, Outcome, Record, record::Body};

use super::answer::Attempted;

/// One attempt.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) partition: PartitionId,
    pub(super) id: ActivationId,
    pub(super) customer: CustomerId,
    pub(super) time: Timestamp,
    pub(super) trace_parent: String,
    pub(super) delivery: Delivery,
    pub(super) outcome: Option<Attempted>,
    /// The attempt that the appended outcome names.
    pub(super) told: u32,
}

impl Job {
    /// Reads what the core dispatched; none where it is no delivery.
    pub(super) fn read(partition: PartitionId, record: Record) -> Option<Self> {
        let Some(Body::Delivery(delivery)) = record.body else {
            return None;
        };
        Some(Self {
            partition,
            id: ActivationId {
                run: RunId::try_from_bytes(&delivery.run_id).ok()?,
                visit: delivery.visit,
            },
            customer: CustomerId::try_from_bytes(&record.customer_id).ok()?,
            time: Timestamp::from_millis(record.time_ms),
            trace_parent: record.trace_parent,
            told: delivery.attempt,
            delivery,
            outcome: None,
        })
    }

    /// The outcome carries the time of its attempt, so that time in the stream never depends on how long it took.
    pub(super) fn outcome_record(&self, attempted: &Attempted) -> Record {
        Record {
            customer_id: Bytes::copy_from_slice(self.customer.as_bytes()),
            time_ms: self.time.as_millis(),
            trace_parent: self.trace_parent.clone(),
            body: Some(Body::Outcome(Outcome {
                run_id: self.delivery.run_id.clone(),
                visit: self.delivery.visit,
                attempt: self.told,
                result: attempted.result.into(),
                retry_after_ms: attempted.retry_after_ms,
                detail: attempted.detail.clone(),
            })),
        }
    }
}

/// Writes ids to the log; what was rendered is personal, so it appears at debug level only.
pub(super) fn write_log(job: &Job) {
    let delivery = &job.delivery;
    tracing::info!(
        activation_id = %job.id,
        customer_id = %job.customer,
        journey = delivery.journey,
        step = delivery.step,
        template = delivery.template,
        "activation delivered to the log"
    );
    tracing::debug!(
        activation_id = %job.id,
        subject = delivery.subject,
        body = delivery.body,
        "activation text"
    );
}
