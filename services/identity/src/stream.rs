//! One stream of batches: each is resolved while the one before is appended, and answered in order.

use std::sync::Arc;

use ::rpc::{Failure, Violation};
use hot::StreamName;
use kernel::limits::EVENTS_PER_BATCH;
use proto::identity::v1;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use crate::append::AppendError;
use crate::ingest::{Accepted, AcceptedEvent, Intake, Outbound, Source};
use crate::limits::BATCHES_AHEAD;
use crate::metrics::Taken;
use crate::rpc::{append_failure, lane, resolve_failure, source_rule};

type Answer = Result<v1::IngestStreamResponse, Status>;

/// Takes batches until the sender ends, something fails, or nobody waits for the answers any more.
///
/// A full stream is waited for: that is how the sender is slowed down.
pub(crate) async fn take_batches(
    intake: Arc<Intake>,
    batches: impl Stream<Item = Result<v1::IngestStreamRequest, Status>> + Unpin,
    answers: mpsc::Sender<Answer>,
) {
    let (resolved, to_append) = mpsc::channel(BATCHES_AHEAD);
    let work = async {
        tokio::join!(
            resolve_batches(&intake, batches, resolved),
            append_batches(&intake, to_append, &answers)
        );
    };
    tokio::select! {
        () = work => {}
        () = answers.closed() => {}
    }
}

/// An answer that lacks only what the append will tell.
type Half = Result<(v1::IngestStreamResponse, Outbound), Status>;

async fn resolve_batches(
    intake: &Intake,
    mut batches: impl Stream<Item = Result<v1::IngestStreamRequest, Status>> + Unpin,
    resolved: mpsc::Sender<Half>,
) {
    while let Some(batch) = batches.next().await {
        let half = match batch {
            Ok(batch) => resolve(intake, batch).await,
            Err(status) => Err(status),
        };
        let is_last = half.is_err();
        if resolved.send(half).await.is_err() || is_last {
            return;
        }
    }
}

async fn append_batches(
    intake: &Intake,
    mut resolved: mpsc::Receiver<Half>,
    answers: &mpsc::Sender<Answer>,
) {
    while let Some(half) = resolved.recv().await {
        let answer = match half {
            Ok((mut answer, outbound)) => match append(intake, &answer, outbound).await {
                Ok((replayed, position)) => {
                    answer.replayed_count = u32::try_from(replayed).unwrap_or(u32::MAX);
                    answer.position = position;
                    Ok(answer)
                }
                Err(error) => Err(append_failure(error).into()),
            },
            Err(status) => Err(status),
        };
        let is_last = answer.is_err();
        if answers.send(answer).await.is_err() || is_last {
            // Dropping the receiver tells the resolver to stop.
            return;
        }
    }
}

/// Appends a batch, and returns how many of its events were there before, and its position.
async fn append(
    intake: &Intake,
    answer: &v1::IngestStreamResponse,
    outbound: Outbound,
) -> Result<(usize, String), AppendError> {
    let stream = outbound.stream;
    let took = intake.append(outbound, None).await?;
    let replayed = took.replayed;
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let mut rejected: Vec<u32> = answer.rejected.iter().map(|event| event.index).collect();
    // One event may have several faults, side by side.
    rejected.dedup();
    let taken = Taken {
        accepted: count(answer.accepted_count).saturating_sub(replayed),
        replayed,
        rejected: rejected.len(),
    };
    intake.metrics.taken(stream, taken);
    Ok((replayed, took.position(intake.partitions, stream)))
}

async fn resolve(intake: &Intake, batch: v1::IngestStreamRequest) -> Half {
    let stream = check(&batch)?;
    let source = match batch.source.as_str() {
        "" => Source::None,
        name => Source::Named(name),
    };
    let Accepted {
        events,
        rejected,
        outbound,
    } = intake
        .accept(batch.events, source, stream, false)
        .await
        .map_err(resolve_failure)?;
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let of = |is_one: fn(&AcceptedEvent) -> bool| {
        count(events.iter().filter(|event| is_one(event)).count())
    };
    let answer = v1::IngestStreamResponse {
        accepted_count: count(events.len()),
        replayed_count: 0,
        position: String::new(),
        created_count: of(|event| event.resolution.is_new),
        corrected_count: of(|event| event.corrected_time.is_some()),
        rejected: rejected
            .into_iter()
            .flat_map(|(index, violations)| {
                violations
                    .into_iter()
                    .map(move |violation| v1::RejectedEvent {
                        index: count(index),
                        field: violation.field,
                        description: violation.description,
                    })
            })
            .collect(),
    };
    Ok((answer, outbound))
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
    let stream = lane(batch.lane, &mut violations);
    if violations.is_empty() {
        Ok(stream)
    } else {
        Err(Failure::invalid(violations))
    }
}
