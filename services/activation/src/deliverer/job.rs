//! One attempt on its way, from what the core dispatched to the outcome that it reads.

use bytes::Bytes;
use kernel::{ActivationId, CustomerId, PartitionId, RunId, Timestamp};
use outbound::{Attempted, Verdict};
use proto::stream::v1::{Delivery, DeliveryResult, Outcome, Record, record::Body};

use rpc::TraceParent;
use tracing::{Span, field};

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

    /// The span of the attempt, in the trace of what was admitted. Ids only: what was rendered is personal.
    pub(super) fn span(&self) -> Span {
        let span = tracing::info_span!(
            "activation.deliver",
            otel.kind = "client",
            otel.status_code = field::Empty,
            activation_id = %self.id,
            customer_id = %self.customer,
            channel = self.delivery.channel,
            attempt = self.delivery.attempt,
        );
        if let Some(parent) = TraceParent::parse(&self.trace_parent) {
            parent.adopt(&span);
        }
        span
    }

    /// Makes the span at hand the cause of what follows, where spans are traced.
    pub(super) fn trace_by_span(&mut self) {
        if let Some(own) = TraceParent::of_span(&Span::current()) {
            self.trace_parent = own.to_string();
        }
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
                result: result_of(attempted.verdict).into(),
                retry_after_ms: attempted.retry_after_ms,
                detail: attempted.detail.clone(),
            })),
            ..Record::default()
        }
    }
}

/// The end of an attempt, as the core reads it.
pub(super) const fn result_of(verdict: Verdict) -> DeliveryResult {
    match verdict {
        Verdict::Taken => DeliveryResult::Delivered,
        Verdict::Refused => DeliveryResult::Rejected,
        Verdict::Retry => DeliveryResult::Retry,
    }
}

/// Writes ids to the log. What was rendered is personal, and is written at no level.
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
}
