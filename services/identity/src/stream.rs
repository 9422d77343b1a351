//! One stream of batches: each is resolved while those before are appended, and answered in order.

mod under_way;

use std::pin::pin;
use std::sync::Arc;

use ::rpc::{Arrival, Charge, ErrorReason, Failure, Violation};
use engine::Written;
use hot::StreamName;
use kernel::Timestamp;
use kernel::limits::EVENTS_PER_BATCH;
use proto::identity::v1;
use runtime::position_of;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use self::under_way::UnderWay;
use crate::append::AppendError;
use crate::ingest::{Accepted, AcceptedEvent, Intake, Outbound};
use crate::ledger::{Import, ImportError};
use crate::limits::BATCHES_AHEAD;
use crate::metrics::Taken;
use crate::rpc::{
    append_failure, dropped_identifiers, import_failure, lane, rejected_events, resolve_failure,
    source_rule,
};
use crate::sources::{Passed, Replays};

type Answer = Result<v1::IngestStreamResponse, Status>;
/// A batch, and what is known of it beside: what could not be read, and its memory.
pub(crate) type Arrived = Result<(v1::IngestStreamRequest, Arrival), Status>;

/// Takes batches until the sender ends, something fails, or nobody waits for the answers any more;
/// and until the process is told to end: the sender then has an answer to all that was read, and is
/// told to open the stream elsewhere for the rest.
///
/// A full stream is waited for: that is how the sender is slowed down. No wait lasts beyond the
/// deadline of the call, if there is one: the sender is then told what was waited for.
pub(crate) async fn take_batches(
    intake: Arc<Intake>,
    batches: impl Stream<Item = Arrived> + Unpin,
    answers: mpsc::Sender<Answer>,
    deadline: Option<Instant>,
    shutdown: CancellationToken,
) {
    let batches = until_shutdown(batches, shutdown);
    let (resolved, to_append) = mpsc::channel(BATCHES_AHEAD);
    let work = async {
        let batches = pin!(batches);
        tokio::join!(
            resolve_batches(&intake, batches, resolved, deadline),
            append_batches(&intake, to_append, &answers, deadline)
        );
    };
    tokio::select! {
        () = work => {}
        () = answers.closed() => {}
    }
}

/// The batches that come before the process is told to end, and then the reason why there are no
/// more.
fn until_shutdown(
    batches: impl Stream<Item = Arrived> + Unpin,
    shutdown: CancellationToken,
) -> impl Stream<Item = Arrived> {
    futures::stream::unfold((batches, shutdown), async |(mut batches, shutdown)| {
        let arrived = tokio::select! {
            // Not the batches first: a sender who never pauses would never be told.
            biased;
            () = shutdown.cancelled() => {
                let message = "the process is going down: open the stream again, and send what has no answer";
                Err(Failure::new(ErrorReason::ShuttingDown, message).into())
            }
            arrived = batches.next() => arrived?,
        };
        Some((arrived, (batches, shutdown)))
    })
}

/// The things that a call remembers from one batch to the next.
struct Call {
    passed: Passed,
    /// The import of the last batch, by its name.
    import: Option<(String, Arc<Import>)>,
    deadline: Option<Instant>,
}

impl Call {
    /// Reads and resolves the events of a batch.
    async fn accept(
        &mut self,
        intake: &Intake,
        batch: v1::IngestStreamRequest,
        stream: StreamName,
    ) -> Result<Accepted, Failure> {
        if !batch.import.is_empty() {
            let import = self.import(intake, batch.import).await;
            let import = import.map_err(import_failure)?;
            return intake
                .accept_import(batch.events, &import, stream, self.deadline)
                .await
                .map_err(import_failure);
        }
        let tables = intake.resolver.tables();
        let source = self.passed.source(tables, &batch.source).await;
        let source = source.map_err(Failure::store_unavailable)?;
        let accepted = intake.accept(batch.events, source, stream).await;
        accepted.map_err(resolve_failure)
    }

    async fn import(&mut self, intake: &Intake, name: String) -> Result<Arc<Import>, ImportError> {
        if let Some((own, import)) = &self.import
            && *own == name
        {
            return Ok(Arc::clone(import));
        }
        self.import = None;
        let import = intake.import(&name, self.deadline).await?;
        let (_, import) = self.import.insert((name, import));
        Ok(Arc::clone(import))
    }
}

/// An answer that lacks only what the append will tell. Nothing is appended of a batch that could
/// not be read.
type Half = Result<(v1::IngestStreamResponse, Option<Part>), Status>;

/// The part of a batch that is to be appended.
struct Part {
    replays: Replays,
    outbound: Outbound,
    /// The memory of the batch, until it is answered.
    charge: Charge,
}

async fn resolve_batches(
    intake: &Intake,
    mut batches: impl Stream<Item = Arrived> + Unpin,
    resolved: mpsc::Sender<Half>,
    deadline: Option<Instant>,
) {
    let mut call = Call {
        passed: Passed::new(),
        import: None,
        deadline,
    };
    while let Some(batch) = batches.next().await {
        let half = match batch {
            Ok((batch, arrival)) => resolve(intake, batch, arrival, &mut call).await,
            Err(status) => Err(status),
        };
        let is_last = half.is_err();
        if resolved.send(half).await.is_err() || is_last {
            return;
        }
    }
}

/// Appends batches and answers them in order. Those that tell nothing of a source go on together;
/// others go alone, since what is in the streams of a source is told by its last batch.
async fn append_batches(
    intake: &Arc<Intake>,
    mut resolved: mpsc::Receiver<Half>,
    answers: &mpsc::Sender<Answer>,
    deadline: Option<Instant>,
) {
    let mut under_way = UnderWay::new(Arc::clone(intake), deadline);
    // A batch can repeat one before it.
    let mut newest = Timestamp::MIN;
    let mut alone = None;
    let mut has_ended = false;
    loop {
        let answer = if let Some(answer) = under_way.next_answer() {
            Some(answer)
        } else if !under_way.is_empty() {
            None
        } else if let Some((answer, part)) = alone.take() {
            let append = append(intake, answer, &mut newest, (part, deadline));
            let appended = Box::pin(append).await;
            Some(appended.map_err(|error| append_failure(error).into()))
        } else if has_ended {
            return;
        } else {
            None
        };
        if let Some(answer) = answer {
            let is_last = answer.is_err();
            if answers.send(answer).await.is_err() || is_last {
                // Dropping the receiver tells the resolver to stop.
                return;
            }
            continue;
        }
        tokio::select! {
            () = under_way.appended(), if !under_way.is_empty() => {}
            half = resolved.recv(), if !has_ended && alone.is_none() && under_way.has_room() => {
                match half {
                    None => has_ended = true,
                    Some(Err(status)) => under_way.fail(status),
                    Some(Ok((answer, None))) => under_way.pass(answer),
                    Some(Ok((answer, Some(part)))) if under_way.may_take(&part) => {
                        under_way.take(answer, part);
                    }
                    Some(Ok((answer, Some(part)))) => alone = Some((answer, part)),
                }
            }
        }
    }
}

/// Appends a batch, and completes its answer.
async fn append(
    intake: &Intake,
    answer: v1::IngestStreamResponse,
    newest: &mut Timestamp,
    (part, deadline): (Part, Option<Instant>),
) -> Result<v1::IngestStreamResponse, AppendError> {
    let Part {
        replays,
        outbound,
        charge: _held,
    } = part;
    let stream = outbound.stream;
    let took = intake.append(outbound, deadline).await?;
    let replayed = took.replayed + replays.count;
    *newest = took.newest.max(*newest);
    let time = if replays.count > 0 {
        replays.accept_time.max(*newest)
    } else {
        took.newest
    };
    Ok(complete(intake, answer, replayed, Written { stream, time }))
}

/// Completes the answer to a batch whose events are in the streams, of which so many were before.
fn complete(
    intake: &Intake,
    mut answer: v1::IngestStreamResponse,
    replayed: usize,
    written: Written,
) -> v1::IngestStreamResponse {
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let mut rejected: Vec<u32> = answer.rejected.iter().map(|event| event.index).collect();
    // One event may have several faults, side by side.
    rejected.dedup();
    let taken = Taken {
        accepted: count(answer.accepted_count).saturating_sub(replayed),
        replayed,
        rejected: rejected.len(),
    };
    intake.metrics.taken(written.stream, taken);
    answer.replayed_count = u32::try_from(replayed).unwrap_or(u32::MAX);
    answer.position = position_of(intake.positions, written);
    answer
}

async fn resolve(
    intake: &Intake,
    batch: v1::IngestStreamRequest,
    arrival: Arrival,
    call: &mut Call,
) -> Half {
    let Arrival {
        unread,
        refused,
        charge,
    } = arrival;
    if let Some(violation) = refused {
        let answer = v1::IngestStreamResponse {
            refusal: violation.to_string(),
            ..v1::IngestStreamResponse::default()
        };
        return Ok((answer, None));
    }
    let stream = check(&batch)?;
    // In memory of its own: a stream that waits for its next message takes little.
    let Accepted {
        events,
        mut rejected,
        replays,
        outbound,
    } = Box::pin(call.accept(intake, batch, stream)).await?;
    rejected.note_unread(unread);
    let charge = charge
        .keep_arrived(stream == StreamName::EventsBulk)
        .await?;
    call.passed.pass(outbound.taking.as_ref());
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let of = |is_one: fn(&AcceptedEvent) -> bool| {
        count(events.iter().filter(|event| is_one(event)).count())
    };
    let (dropped_identifiers, dropped_identifier_count) = dropped_identifiers(&events);
    let (rejected, omitted_fault_count) = rejected_events(rejected);
    let answer = v1::IngestStreamResponse {
        accepted_count: count(events.len() + replays.count),
        replayed_count: 0,
        position: String::new(),
        refusal: String::new(),
        created_count: of(|event| event.resolution.as_ref().is_some_and(|it| it.is_new)),
        corrected_count: of(|event| event.corrected_time.is_some()),
        rejected,
        omitted_fault_count,
        dropped_identifiers,
        dropped_identifier_count,
    };
    let part = Part {
        replays,
        outbound,
        charge,
    };
    Ok((answer, Some(part)))
}

/// The rules of the batch as a whole; a batch that breaks one ends the stream.
fn check(batch: &v1::IngestStreamRequest) -> Result<StreamName, Failure> {
    let mut violations = Vec::new();
    if batch.events.is_empty() {
        violations.push(Violation::new("events", "must have at least 1"));
    } else if batch.events.len() > EVENTS_PER_BATCH {
        let description = format!(
            "has {}: must have at most {EVENTS_PER_BATCH}",
            batch.events.len()
        );
        violations.push(Violation::new("events", description));
    }
    violations.extend(source_rule("source", &batch.source));
    violations.extend(source_rule("import", &batch.import));
    if !batch.import.is_empty() && !batch.source.is_empty() {
        let description = "must be empty where `import` is set: the events of a source have an order, those of an import \
                           have ids; name one of the two";
        violations.push(Violation::new("source", description));
    }
    let stream = lane(batch.lane, &mut violations);
    if violations.is_empty() {
        Ok(stream)
    } else {
        Err(Failure::invalid(violations))
    }
}
