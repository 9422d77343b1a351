//! The gRPC surface: reads requests, calls the intake, writes answers.

mod advance;
mod answer;
mod failure;
mod one;

use std::sync::Arc;
use std::time::Duration;

use ::rpc::{Arrival, Arrivals, Deadline, Failure, Idempotency, TraceParent, Violation, validate};
use access::Caller;
use hot::StreamName;
use journal::EventLog;
use kernel::limits::EVENTS_PER_REQUEST;
use proto::identity::v1;
use proto::identity::v1::identity_service_server::IdentityService;
use runtime::read_after;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument as _;

use self::answer::{cut_dropped, refused, resolved};
pub(crate) use self::answer::{dropped_identifier, dropped_identifiers, rejected_events};
pub(crate) use self::failure::{append_failure, import_failure, resolve_failure};
use crate::customers::message;
use crate::ingest::{Accepted, Intake};
use crate::kind::Kind;
use crate::limits::{
    ANSWER_PATIENCE, APPEND_PATIENCE, BATCHES_AHEAD, PACED_PATIENCE, REQUESTS_UNDER_WAY,
};
use crate::merge::MergeError;
use crate::metrics::Taken;
use crate::sender::Sender;
use crate::sources::Source;
use crate::stream::take_batches;

const INGEST: &str = "happypath.identity.v1.IdentityService/Ingest";
const MERGE: &str = "happypath.identity.v1.IdentityService/MergeCustomers";
/// Characters of a request id and of the name of a source.
const ID_CHARS: usize = 100;

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct IdentityRpc {
    pub(crate) intake: Arc<Intake>,
    pub(crate) idempotency: Idempotency,
    pub(crate) events: Option<EventLog>,
    under_way: Arc<Semaphore>,
    pub(crate) shutdown: CancellationToken,
}

impl IdentityRpc {
    /// Serves an intake.
    pub fn new(intake: Arc<Intake>, idempotency: Idempotency) -> Self {
        Self {
            intake,
            idempotency,
            events: None,
            under_way: Arc::new(Semaphore::new(REQUESTS_UNDER_WAY)),
            shutdown: CancellationToken::new(),
        }
    }

    /// Ends streams in order once the process is told to end.
    #[must_use]
    pub fn with_shutdown(self, shutdown: CancellationToken) -> Self {
        Self { shutdown, ..self }
    }

    /// Lists events from this log, where the deployment keeps one.
    #[must_use]
    pub fn with_event_log(self, events: Option<EventLog>) -> Self {
        Self { events, ..self }
    }

    /// Takes a request in a task of its own. A caller who goes away leaves nothing half done, and
    /// one who would wait long for a store is told to send the same request again, while this one
    /// goes on.
    async fn take_in_time(
        &self,
        request: v1::IngestRequest,
        arrival: Arrival,
        stream: StreamName,
    ) -> Result<v1::IngestResponse, Status> {
        let permit = Arc::clone(&self.under_way).try_acquire_owned();
        let permit = permit.map_err(Failure::store_unavailable)?;
        let rpc = self.clone();
        let work = async move {
            let Arrival { unread, charge, .. } = arrival;
            let _held = (permit, charge);
            let id = request.request_id.clone();
            if id.is_empty() {
                return Ok(rpc.take(request, unread, stream).await?);
            }
            // Its events have the same ids then, so it may be taken again.
            let work = || rpc.take(request.clone(), unread.clone(), stream);
            let idempotency = &rpc.idempotency;
            idempotency
                .run_repeatable(INGEST, &id, &request, work)
                .await
        };
        let work = audit::Operation::carry(Sender::current().scope(work));
        let work = Deadline::scope(
            Deadline::current(),
            TraceParent::scope(TraceParent::current(), work),
        );
        // A task as large as all that it awaits would be moved and cleared as a whole.
        let work = tokio::spawn(Box::pin(work.in_current_span()));
        let own = self.own_patience();
        let answer_patience = ANSWER_PATIENCE + own.saturating_sub(APPEND_PATIENCE);
        match tokio::time::timeout(answer_patience, work).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Err(Failure::internal(error).into()),
            Err(elapsed) => Err(Failure::store_unavailable(elapsed).into()),
        }
    }

    /// Returns until when a unary request tries: as long as its caller waits, and no longer than is
    /// good for the others. A caller still gets the reason before the deadline.
    pub(crate) fn patience(&self) -> Instant {
        let own = Instant::now() + self.own_patience();
        Deadline::current().map_or(own, |deadline| deadline.last_wait().min(own))
    }

    /// Returns how long a unary request tries where its caller sets no deadline.
    fn own_patience(&self) -> Duration {
        if self.intake.pace.is_in_force() {
            PACED_PATIENCE
        } else {
            APPEND_PATIENCE
        }
    }

    async fn take(
        &self,
        request: v1::IngestRequest,
        unread: Vec<(usize, Violation)>,
        stream: StreamName,
    ) -> Result<v1::IngestResponse, Failure> {
        let source = match request.request_id.as_str() {
            "" => Source::None,
            id => Source::Request(id),
        };
        let Accepted {
            mut events,
            mut rejected,
            outbound,
            replays: _,
        } = self
            .intake
            .accept(request.events, source, stream)
            .await
            .map_err(resolve_failure)?;
        rejected.note_unread(unread);
        if events.is_empty() {
            let taken = Taken {
                rejected: rejected.len(),
                ..Taken::default()
            };
            self.intake.metrics.taken(stream, taken);
            return Err(refused(rejected));
        }
        let stream = outbound.stream;
        // Most of the time a full stream is known to be full; waiting for it would only pile up
        // calls. Those to other partitions go on.
        let full = self.intake.appender.full_stream(stream, &outbound.groups);
        if let Some(full) = full.await.map_err(Failure::store_unavailable)? {
            self.intake.metrics.refused(stream);
            return Err(append_failure(self.intake.appender.refusal(full).await));
        }
        let took = self
            .intake
            .append(outbound, Some(self.patience()))
            .await
            .map_err(append_failure)?;
        let taken = Taken {
            accepted: events.len().saturating_sub(took.replayed),
            replayed: took.replayed,
            rejected: rejected.len(),
        };
        self.intake.metrics.taken(stream, taken);
        let dropped_identifier_count = cut_dropped(&mut events);
        let results = events.into_iter().map(resolved).collect();
        let (rejected, omitted_fault_count) = rejected_events(rejected);
        Ok(v1::IngestResponse {
            results,
            rejected,
            omitted_fault_count,
            dropped_identifier_count,
            position: took.position(self.intake.positions, stream),
        })
    }

    async fn merge(
        &self,
        request: v1::MergeCustomersRequest,
    ) -> Result<v1::MergeCustomersResponse, Failure> {
        let customers = Kind::Customer.ids("customer_ids", &request.customer_ids)?;
        audit::subjects(customers.iter().copied());
        let (into, merged, took) = self
            .intake
            .merge(
                &customers,
                &request.reason,
                &request.request_id,
                Some(self.patience()),
            )
            .await
            .map_err(|error| match error {
                MergeError::Resolve(error) => resolve_failure(error),
                MergeError::Append(error) => append_failure(error),
            })?;
        let record = self
            .intake
            .store
            .customer(into.fragment())
            .await
            .map_err(Failure::store_unavailable)?;
        Ok(v1::MergeCustomersResponse {
            customer: record.map(message),
            merged_customer_ids: merged.iter().map(ToString::to_string).collect(),
            position: took.position(self.intake.positions, StreamName::Events),
        })
    }
}

/// Refuses batches of write keys that move the mark of a source, or the ledger of an import: such a
/// key is public, and what others send under that name later would be taken for replays.
fn refuse_marks(batch: &v1::IngestStreamRequest) -> Result<(), Failure> {
    let named = [("source", &batch.source), ("import", &batch.import)];
    let named = named.into_iter().filter(|(_, name)| !name.is_empty());
    let faults: Vec<Violation> = named
        .map(|(field, _)| Violation::new(field, "must be empty for a write key, which is public"))
        .collect();
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Failure::invalid(faults)),
    }
}

#[tonic::async_trait]
impl IdentityService for IdentityRpc {
    async fn ingest(
        &self,
        request: Request<v1::IngestRequest>,
    ) -> Result<Response<v1::IngestResponse>, Status> {
        let arrival = Arrivals::of(&request).take();
        let sender = Sender::of(&request);
        let request = request.into_inner();
        let stream = check_ingest(&request)?;
        let work = self.take_in_time(request, arrival, stream);
        let answer = sender.scope(work).await?;
        Ok(Response::new(answer))
    }

    type IngestStreamStream = ReceiverStream<Result<v1::IngestStreamResponse, Status>>;

    async fn ingest_stream(
        &self,
        request: Request<Streaming<v1::IngestStreamRequest>>,
    ) -> Result<Response<Self::IngestStreamStream>, Status> {
        let (answers, received) = mpsc::channel(BATCHES_AHEAD);
        let arrivals = Arrivals::of(&request);
        let sender = Sender::of(&request);
        let caller = Caller::of(request.extensions());
        let is_public = caller.is_some_and(|caller| caller.source().is_some());
        let batches = request.into_inner();
        let batches = batches.map(move |batch| {
            let batch = batch?;
            if is_public {
                refuse_marks(&batch)?;
            }
            Ok((batch, arrivals.take()))
        });
        // Read here, since the task has none of its own.
        let deadline = Deadline::current().map(Deadline::last_wait);
        let intake = Arc::clone(&self.intake);
        let batches = take_batches(intake, batches, answers, deadline, self.shutdown.clone());
        let batches = audit::Operation::carry(sender.scope(batches));
        tokio::spawn(TraceParent::scope(TraceParent::current(), batches));
        Ok(Response::new(ReceiverStream::new(received)))
    }

    async fn get_customer(
        &self,
        request: Request<v1::GetCustomerRequest>,
    ) -> Result<Response<v1::GetCustomerResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        read_after(self.intake.positions, &request.after)?;
        let record = self.intake.customer(request).await?;
        audit::subject(record.id);
        Ok(Response::new(v1::GetCustomerResponse {
            customer: Some(message(record)),
        }))
    }

    async fn list_customers(
        &self,
        request: Request<v1::ListCustomersRequest>,
    ) -> Result<Response<v1::ListCustomersResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.intake.customers(&request).await?))
    }

    async fn list_events(
        &self,
        request: Request<v1::ListEventsRequest>,
    ) -> Result<Response<v1::ListEventsResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        read_after(self.intake.positions, &request.after)?;
        let events = self.intake.events(self.events.as_ref(), request).await?;
        Ok(Response::new(events))
    }

    async fn merge_customers(
        &self,
        request: Request<v1::MergeCustomersRequest>,
    ) -> Result<Response<v1::MergeCustomersResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let id = request.request_id.clone();
        let work = || self.merge(request.clone());
        let answer = self.idempotency.run(MERGE, &id, &request, work).await?;
        Ok(Response::new(answer))
    }

    async fn advance_clock(
        &self,
        request: Request<v1::AdvanceClockRequest>,
    ) -> Result<Response<v1::AdvanceClockResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let position = self.advance(&request).await?;
        Ok(Response::new(v1::AdvanceClockResponse { position }))
    }
}

/// The rules of the request as a whole; its events are checked when they are read.
fn check_ingest(request: &v1::IngestRequest) -> Result<StreamName, Failure> {
    let mut violations = Vec::new();
    violations.extend(source_rule("request_id", &request.request_id));
    if request.events.is_empty() {
        violations.push(Violation::new("events", "must have at least 1"));
    } else if request.events.len() > EVENTS_PER_REQUEST {
        let description = format!(
            "has {}: must have at most {EVENTS_PER_REQUEST}; send more on IngestStream",
            request.events.len()
        );
        violations.push(Violation::new("events", description));
    }
    let stream = lane(request.lane, &mut violations);
    if violations.is_empty() {
        Ok(stream)
    } else {
        Err(Failure::invalid(violations))
    }
}

/// A request id, or the name of a source or an import.
pub(crate) fn source_rule(field: &str, text: &str) -> Option<Violation> {
    if text.len() > ID_CHARS && text.chars().count() > ID_CHARS {
        return Some(Violation::new(field, "must have at most 100 characters"));
    }
    // PostgreSQL keeps no text with a NUL, and what is sent again would fail again.
    let is_hostile = text.chars().any(char::is_control);
    is_hostile.then(|| Violation::new(field, "has a control character: remove it"))
}

/// The stream of a lane.
pub(crate) fn lane(lane: i32, violations: &mut Vec<Violation>) -> StreamName {
    match v1::Lane::try_from(lane) {
        Ok(v1::Lane::Unspecified | v1::Lane::Live) => StreamName::Events,
        Ok(v1::Lane::Bulk) => StreamName::EventsBulk,
        Err(_) => {
            violations.push(Violation::new("lane", "must be LANE_LIVE or LANE_BULK"));
            StreamName::Events
        }
    }
}
