//! From batches of events to the services: a stream that is opened again when it breaks.

use std::collections::VecDeque;
use std::time::Duration;

use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{Event, IngestStreamRequest, IngestStreamResponse, Lane};
use rpc::PeerChannel;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::bad_line::BadLine;
use super::order::Ordered;
use super::reader::{Batch, Piece};
use super::summary::{Progress, Summary};
use crate::limits::{BAD_LINES_SHOWN, BATCHES_IN_FLIGHT, LONGEST_PAUSE, STREAM_ATTEMPTS};

/// The treatment of a bad line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnError {
    /// Send nothing after it.
    Stop,
    /// Leave it out.
    Continue,
}

/// Sends one file.
pub(crate) struct Sender {
    client: IdentityServiceClient<PeerChannel>,
    lane: Lane,
    on_error: OnError,
    progress: Progress,
    summary: Summary,
    /// Sent and not answered, oldest first: what is sent again on a new stream. The ledger of the
    /// import makes that safe.
    unanswered: VecDeque<Batch>,
    is_reading: bool,
}

/// The outcome of an import.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The account of its lines.
    pub(crate) summary: Summary,
    /// With [`OnError::Stop`], the line that stopped it.
    pub(crate) stopped: Option<BadLine>,
    /// The reason that it broke off; absent where it did not.
    pub(crate) broken: Option<Status>,
}

/// The end of a stream.
enum Ended {
    /// Everything was answered.
    Done,
    /// It broke; another one may work.
    Broken(Status),
}

impl Sender {
    /// Prepares to send a file.
    pub(crate) fn new(
        client: IdentityServiceClient<PeerChannel>,
        lane: Lane,
        on_error: OnError,
        progress: Progress,
        summary: Summary,
    ) -> Self {
        Self {
            client,
            lane,
            on_error,
            progress,
            summary,
            unanswered: VecDeque::new(),
            is_reading: true,
        }
    }

    /// Sends everything, and says how it went.
    pub(crate) async fn send(mut self, mut pieces: Ordered<'_>) -> Sent {
        let mut attempts = 0;
        let broken = loop {
            let before = self.summary.accepted;
            match self.send_stream(&mut pieces).await {
                Ended::Done => break None,
                Ended::Broken(status) if !is_worth_retrying(&status) => break Some(status),
                Ended::Broken(status) => {
                    attempts = if self.summary.accepted > before {
                        1
                    } else {
                        attempts + 1
                    };
                    if attempts >= STREAM_ATTEMPTS {
                        break Some(status);
                    }
                    tokio::time::sleep(pause(&status, attempts)).await;
                }
            }
        };
        self.progress.end();
        self.summary.ordered(pieces.times());
        let stopped = match self.on_error {
            OnError::Stop => self.summary.first_bad.clone(),
            OnError::Continue => None,
        };
        Sent {
            summary: self.summary,
            stopped,
            broken,
        }
    }

    /// Sends over one stream: first again what was not answered, then what comes.
    async fn send_stream(&mut self, pieces: &mut Ordered<'_>) -> Ended {
        // Nothing is opened for a file without events.
        while self.unanswered.is_empty() {
            if !self.is_reading {
                return Ended::Done;
            }
            let piece = pieces.next().await;
            self.take_piece(piece, pieces);
        }
        // Room for everything that may be unanswered, so that sending never waits while nobody
        // reads answers.
        let (requests, receiver) = mpsc::channel(BATCHES_IN_FLIGHT + 1);
        for batch in &self.unanswered {
            let _ = requests.try_send(self.request(batch));
        }
        let opened = self
            .client
            .ingest_stream(ReceiverStream::new(receiver))
            .await;
        let mut answers = match opened {
            Ok(answers) => answers.into_inner(),
            Err(status) => return Ended::Broken(status),
        };
        loop {
            let may_send = self.is_reading && self.unanswered.len() < BATCHES_IN_FLIGHT;
            if !may_send && self.unanswered.is_empty() {
                return Ended::Done;
            }
            tokio::select! {
                piece = pieces.next(), if may_send => {
                    if let Some(request) = self.take_piece(piece, pieces)
                        && requests.try_send(request).is_err()
                    {
                        return Ended::Broken(Status::unavailable("the stream of events ended"));
                    }
                }
                answer = answers.message(), if !self.unanswered.is_empty() => match answer {
                    Ok(Some(answer)) => self.take_answer(&answer),
                    Ok(None) => {
                        return Ended::Broken(Status::unavailable("the stream of events ended"));
                    }
                    Err(status) => return Ended::Broken(status),
                },
            }
        }
    }

    /// Takes what the file yields next, and returns what is to be sent for it.
    fn take_piece(
        &mut self,
        piece: Option<Piece>,
        pieces: &mut Ordered<'_>,
    ) -> Option<IngestStreamRequest> {
        match piece {
            None => self.is_reading = false,
            Some(Piece::Bad(bad)) => {
                self.take_bad(bad);
                if self.on_error == OnError::Stop {
                    // All that was read before it is still to be sent.
                    pieces.stop();
                }
            }
            Some(Piece::Batch(batch)) => {
                let request = self.request(&batch);
                self.unanswered.push_back(batch);
                return Some(request);
            }
        }
        None
    }

    fn take_answer(&mut self, answer: &IngestStreamResponse) {
        let Some(batch) = self.unanswered.pop_front() else {
            return;
        };
        self.summary.take(answer, &batch);
        for bad in refused(answer, &batch) {
            self.take_bad(bad);
            if self.on_error == OnError::Stop {
                self.is_reading = false;
            }
        }
        self.progress.show(&self.summary);
    }

    fn take_bad(&mut self, bad: BadLine) {
        if self.summary.left_out < BAD_LINES_SHOWN {
            let file = &self.summary.file;
            self.progress.remark(&format!("{file}:{bad}"));
        }
        self.summary.leave_out(bad);
    }

    fn request(&self, batch: &Batch) -> IngestStreamRequest {
        let events = batch.lines.iter().map(|line| Event {
            sequence: 0,
            ..line.event.clone()
        });
        IngestStreamRequest {
            events: events.collect(),
            source: String::new(),
            lane: self.lane.into(),
            import: self.summary.source.clone(),
        }
    }
}

/// Returns the lines of a batch that the service refused, each with all its faults.
fn refused(answer: &IngestStreamResponse, batch: &Batch) -> Vec<BadLine> {
    if !answer.refusal.is_empty() {
        let lines = batch.lines.iter();
        return lines
            .map(|line| BadLine::new(line.line, "", answer.refusal.as_str()))
            .collect();
    }
    let mut lines: Vec<BadLine> = Vec::new();
    for fault in answer.rejected.chunk_by(|a, b| a.index == b.index) {
        let mut faults = fault
            .iter()
            .map(|it| (field_of_line(&it.field), it.description.clone()));
        let Some((field, description)) = faults.next() else {
            continue;
        };
        let index = fault.first().map_or(u32::MAX, |it| it.index);
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        let line = batch.lines.get(place).map_or(0, |line| line.line);
        let bad = BadLine::new(line, field, description);
        lines.push(bad.with_others(faults.collect(), 0));
    }
    lines
}

/// Returns the path of a field as lines of files have it: objects are sent as texts, under names
/// that nobody wrote there.
fn field_of_line(field: &str) -> String {
    match field.split_once("_json") {
        Some((object @ ("properties" | "traits"), rest)) => format!("{object}{rest}"),
        _ => field.to_owned(),
    }
}

fn is_worth_retrying(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::ResourceExhausted | Code::Aborted
    )
}

/// As long as the service says, or twice as long each time.
fn pause(status: &Status, attempts: u32) -> Duration {
    let asked = status
        .get_error_details()
        .retry_info()
        .and_then(|retry| retry.retry_delay);
    let own = Duration::from_millis(100) * 2_u32.saturating_pow(attempts);
    asked.unwrap_or(own).min(LONGEST_PAUSE)
}
