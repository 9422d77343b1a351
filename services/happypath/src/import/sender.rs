//! From batches of events to the services: a stream that is opened again when it breaks.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{IngestStreamRequest, IngestStreamResponse, Lane};
use rpc::PeerChannel;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::bad_line::BadLine;
use super::reader::{Batch, Piece};
use super::summary::{Progress, Summary};
use crate::failure::Failure;
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
    path: PathBuf,
    lane: Lane,
    on_error: OnError,
    progress: Progress,
    summary: Summary,
    /// Sent and not answered, oldest first: what is sent again on a new stream. The source's mark
    /// makes that safe.
    unanswered: VecDeque<Batch>,
    is_reading: bool,
    first_bad: Option<BadLine>,
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
        path: PathBuf,
        lane: Lane,
        on_error: OnError,
        progress: Progress,
        summary: Summary,
    ) -> Self {
        Self {
            client,
            path,
            lane,
            on_error,
            progress,
            summary,
            unanswered: VecDeque::new(),
            is_reading: true,
            first_bad: None,
        }
    }

    /// Sends everything, and says how it went; with [`OnError::Stop`], also the line that stopped
    /// it.
    pub(crate) async fn send(
        mut self,
        mut pieces: mpsc::Receiver<Piece>,
    ) -> Result<(Summary, Option<BadLine>), Failure> {
        let mut attempts = 0;
        loop {
            let before = self.summary.accepted;
            match self.send_stream(&mut pieces).await {
                Ended::Done => break,
                Ended::Broken(status) if !is_worth_retrying(&status) => {
                    self.progress.end();
                    return Err(status.into());
                }
                Ended::Broken(status) => {
                    attempts = if self.summary.accepted > before {
                        1
                    } else {
                        attempts + 1
                    };
                    if attempts >= STREAM_ATTEMPTS {
                        self.progress.end();
                        return Err(status.into());
                    }
                    tokio::time::sleep(pause(&status, attempts)).await;
                }
            }
        }
        self.progress.end();
        let stopped = match self.on_error {
            OnError::Stop => self.first_bad,
            OnError::Continue => None,
        };
        Ok((self.summary, stopped))
    }

    /// Sends over one stream: first again what was not answered, then what comes.
    async fn send_stream(&mut self, pieces: &mut mpsc::Receiver<Piece>) -> Ended {
        // Nothing is opened for a file without events.
        while self.unanswered.is_empty() {
            if !self.is_reading {
                return Ended::Done;
            }
            let piece = pieces.recv().await;
            self.take_piece(piece);
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
                piece = pieces.recv(), if may_send => {
                    if let Some(request) = self.take_piece(piece)
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
    fn take_piece(&mut self, piece: Option<Piece>) -> Option<IngestStreamRequest> {
        match piece {
            None => self.is_reading = false,
            Some(Piece::Bad(bad)) => self.take_bad(bad),
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
        self.summary.accepted += u64::from(answer.accepted_count);
        self.summary.replayed += u64::from(answer.replayed_count);
        self.summary.created += u64::from(answer.created_count);
        self.summary.corrected += u64::from(answer.corrected_count);
        self.summary.dropped_identifiers += u64::from(answer.dropped_identifier_count);
        if !answer.position.is_empty() {
            self.summary.position.clone_from(&answer.position);
        }
        if !answer.refusal.is_empty() {
            for line in &batch.lines {
                let bad = BadLine::new(line.line, "", answer.refusal.as_str());
                self.take_bad(bad.passed());
            }
        }
        for rejected in &answer.rejected {
            let place = usize::try_from(rejected.index).unwrap_or(usize::MAX);
            let line = batch.lines.get(place).map_or(0, |line| line.line);
            let field = field_of_line(&rejected.field);
            let bad = BadLine::new(line, field, rejected.description.as_str());
            self.take_bad(bad.passed());
        }
        self.progress.show(&self.summary);
    }

    fn take_bad(&mut self, bad: BadLine) {
        self.summary.bad += 1;
        if self.summary.bad <= BAD_LINES_SHOWN {
            self.progress
                .remark(&format!("{}:{bad}", self.path.display()));
        }
        if self.on_error == OnError::Stop {
            self.is_reading = false;
        }
        // Services answer later than the file is read, so the first to be known need not be the
        // first of the file.
        if self
            .first_bad
            .as_ref()
            .is_none_or(|first| bad.line < first.line)
        {
            self.first_bad = Some(bad);
        }
    }

    fn request(&self, batch: &Batch) -> IngestStreamRequest {
        IngestStreamRequest {
            events: batch.lines.iter().map(|line| line.event.clone()).collect(),
            source: self.summary.source.clone(),
            lane: self.lane.into(),
            import: String::new(),
        }
    }
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
