//! The batches of one stream whose events are on their way to the streams of partitions.
//!
//! Several batches are under way at once. Within a partition their order is kept: the call has one
//! append to it at a time, and what waits for it meanwhile goes together in the next one. Each
//! append is a task of its own, so that none stands still while an answer waits for its reader.

use std::collections::{HashMap, VecDeque};
use std::mem::take;
use std::sync::Arc;

use engine::Written;
use hot::StreamId;
use kernel::Timestamp;
use proto::identity::v1;
use rpc::{Charge, Failure};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tonic::Status;

use super::{Answer, Part, complete};
use crate::announce::Announcing;
use crate::append::{AppendError, Group, Sequenced, Took, events};
use crate::ingest::Intake;
use crate::limits::{BATCHES_UNDER_WAY, BYTES_UNDER_WAY, EVENTS_UNDER_WAY};

/// The batches under way, oldest first.
pub(super) struct UnderWay {
    intake: Arc<Intake>,
    deadline: Option<Instant>,
    batches: VecDeque<Batch>,
    /// The number of the oldest.
    first: u64,
    /// Events of all of them, and their bytes as they came.
    events: usize,
    bytes: usize,
    inlets: HashMap<StreamId, Inlet>,
    appends: JoinSet<Done>,
    /// True where one of the batches ends the call.
    fails: bool,
}

/// A batch and how far it is.
struct Batch {
    /// The answer but for what the appends tell, or what ends the call.
    answer: Result<v1::IngestStreamResponse, Failed>,
    begun: Instant,
    /// When the newest entry with events of it was accepted.
    written: Option<Written>,
    /// Parts that are not in their streams yet.
    left: usize,
    /// Events in it, and those of them that are in the streams.
    events: usize,
    taken: usize,
    /// Held until the answer.
    held: Option<(Charge, Option<Announcing>)>,
}

/// The reason that a batch ends the call.
enum Failed {
    Append(AppendError),
    Status(Status),
}

/// The records of the call that wait for one partition.
#[derive(Default)]
struct Inlet {
    is_busy: bool,
    /// The batches whose records wait, each with how many events it has here.
    waiting: Vec<(u64, usize)>,
    records: Vec<Sequenced>,
}

/// An append that has ended.
struct Done {
    to: StreamId,
    /// The batches whose records it had, each with how many events.
    batches: Vec<(u64, usize)>,
    took: Result<Took, AppendError>,
}

impl UnderWay {
    /// No batches yet.
    pub(super) fn new(intake: Arc<Intake>, deadline: Option<Instant>) -> Self {
        Self {
            intake,
            deadline,
            batches: VecDeque::new(),
            first: 0,
            events: 0,
            bytes: 0,
            inlets: HashMap::new(),
            appends: JoinSet::new(),
            fails: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Returns whether one more batch may come.
    pub(super) fn has_room(&self) -> bool {
        !self.fails
            && self.batches.len() < BATCHES_UNDER_WAY
            && self.events < EVENTS_UNDER_WAY
            && self.bytes < BYTES_UNDER_WAY
    }

    /// Returns whether a batch may go on together with others: where streams or the source tell
    /// what was taken, some of it was, or events wait for those before them, it may not.
    pub(super) fn may_take(&self, part: &Part) -> bool {
        let outbound = &part.outbound;
        let has_source = outbound.source.is_some() || outbound.taking.is_some();
        let is_plain = !has_source && part.replays.count == 0;
        let has_news = !(outbound.news.is_empty() && outbound.members.is_empty());
        is_plain && !has_news && !self.intake.pace.is_in_force()
    }

    /// Begins to append a batch.
    pub(super) fn take(&mut self, answer: v1::IngestStreamResponse, part: Part) {
        let Part {
            outbound, charge, ..
        } = part;
        let number = self.first + self.batches.len() as u64;
        let (mut left, mut in_all) = (0, 0);
        for group in outbound.groups {
            let to = StreamId {
                name: outbound.stream,
                partition: group.partition,
            };
            let count = events(&group.records);
            (left, in_all) = (left + 1, in_all + count);
            let inlet = self.inlets.entry(to).or_default();
            inlet.waiting.push((number, count));
            inlet.records.extend(group.records);
            self.start(to);
        }
        self.events += in_all;
        self.bytes += charge.bytes();
        self.batches.push_back(Batch {
            answer: Ok(answer),
            begun: Instant::now(),
            written: Some(Written {
                stream: outbound.stream,
                time: Timestamp::MIN,
            }),
            left,
            events: in_all,
            taken: 0,
            held: Some((charge, outbound.announcing)),
        });
    }

    /// Passes on an answer that needs no append.
    pub(super) fn pass(&mut self, answer: v1::IngestStreamResponse) {
        self.batches.push_back(Batch::settled(Ok(answer)));
    }

    /// Ends the call behind the batches under way.
    pub(super) fn fail(&mut self, status: Status) {
        self.fails = true;
        let answer = Err(Failed::Status(status));
        self.batches.push_back(Batch::settled(answer));
    }

    /// Waits until an append has ended.
    pub(super) async fn appended(&mut self) {
        match self.appends.join_next().await {
            Some(Ok(done)) => self.settle(done),
            Some(Err(error)) => self.panicked(error),
            None => {}
        }
    }

    /// Returns the answer to the oldest batch, where it is there. A failure is the last one.
    pub(super) fn next_answer(&mut self) -> Option<Answer> {
        if self.batches.front()?.left > 0 {
            return None;
        }
        let batch = self.batches.pop_front()?;
        self.first += 1;
        self.events -= batch.events;
        self.bytes -= batch.held.as_ref().map_or(0, |(charge, _)| charge.bytes());
        let intake = &self.intake;
        if batch.events > 0 {
            intake.metrics.appended(batch.begun.elapsed());
        }
        Some(match (batch.answer, batch.written) {
            (Ok(answer), Some(written)) => {
                if let Some((_charge, Some(announcing))) = batch.held {
                    announcing.done();
                }
                Ok(complete(intake, answer, 0, written))
            }
            (Ok(answer), None) => Ok(answer),
            (Err(Failed::Append(error)), written) => {
                if let (true, Some(written)) = (error.is_full(), written) {
                    intake.metrics.refused(written.stream);
                }
                Err(super::append_failure(error.after(batch.taken)).into())
            }
            (Err(Failed::Status(status)), _) => Err(status),
        })
    }

    /// Appends what waits for a stream, unless the call has an append to it.
    fn start(&mut self, to: StreamId) {
        let inlet = self.inlets.entry(to).or_default();
        if inlet.is_busy || inlet.waiting.is_empty() {
            return;
        }
        inlet.is_busy = true;
        let (batches, records) = (take(&mut inlet.waiting), take(&mut inlet.records));
        let (intake, deadline) = (Arc::clone(&self.intake), self.deadline);
        self.appends.spawn(async move {
            let partition = to.partition;
            let groups = vec![Group { partition, records }];
            let took = intake.appender.append(to.name, groups, None, deadline);
            Done {
                to,
                batches,
                took: took.await,
            }
        });
    }

    /// Takes note of what an append came to.
    fn settle(&mut self, done: Done) {
        let (mut taken, newest, mut failed) = match done.took {
            Ok(took) => (took.events, took.newest, None),
            Err(AppendError::Partly { taken, cause }) => (taken, Timestamp::MIN, Some(*cause)),
            Err(error) => (0, Timestamp::MIN, Some(error)),
        };
        let has_failed = failed.is_some();
        for (number, events) in done.batches {
            let place = usize::try_from(number - self.first).unwrap_or(usize::MAX);
            let Some(batch) = self.batches.get_mut(place) else {
                continue;
            };
            batch.left -= 1;
            // Records are appended in order.
            let own = events.min(taken);
            taken -= own;
            batch.taken += own;
            if let Some(written) = &mut batch.written {
                written.time = written.time.max(newest);
            }
            // The first batch of which something is missing ends the call before those behind it.
            if own < events
                && batch.answer.is_ok()
                && let Some(error) = failed.take()
            {
                batch.answer = Err(Failed::Append(error));
                self.fails = true;
            }
        }
        if !has_failed && let Some(inlet) = self.inlets.get_mut(&done.to) {
            inlet.is_busy = false;
            self.start(done.to);
        }
    }

    /// Ends the call: it is not known whose append has failed.
    fn panicked(&mut self, error: JoinError) {
        self.batches.clear();
        self.fail(Failure::internal(error).into());
    }
}

impl Batch {
    /// A batch of which nothing is to be appended.
    fn settled(answer: Result<v1::IngestStreamResponse, Failed>) -> Self {
        Self {
            answer,
            begun: Instant::now(),
            written: None,
            left: 0,
            events: 0,
            taken: 0,
            held: None,
        }
    }
}
