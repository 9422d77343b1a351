//! The senders: what identity does after it has resolved an event, and a client that sends again
//! until it is acknowledged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hot::{Append, Appended, SourceRange, StreamId};
use prost::Message as _;
use proto::stream::v1::{Batch, Record};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::identity::{self, Arrival, Resolved};
use super::process::Roster;
use super::world::World;

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Something to append.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    /// The number of the event in it, for the ledger; absent for what is not counted.
    pub(crate) event: Option<u64>,
    pub(crate) to: StreamId,
    pub(crate) records: Vec<Record>,
}

/// A thing that is given to a sender.
#[derive(Debug)]
enum Item {
    /// To be appended as it is.
    Letter(Letter),
    /// To be taken in by identity.
    Arrival(Box<Arrival>),
}

/// The events that were acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    times: Mutex<BTreeMap<u64, (Instant, Instant)>>,
    answers: Mutex<BTreeMap<u64, Resolved>>,
}

impl Ledger {
    fn acknowledge(&self, event: u64, sent: Instant) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.insert(event, (sent, Instant::now()));
    }

    fn answer(&self, event: u64, resolved: Resolved) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(event, resolved);
    }

    /// Returns the times at which each event was sent last and acknowledged: between the two it was
    /// stored.
    pub(crate) fn times(&self) -> BTreeMap<u64, (Instant, Instant)> {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.clone()
    }

    /// The answers of identity, by event. None of an event that was told to be a replay.
    pub(crate) fn answers(&self) -> BTreeMap<u64, Resolved> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.clone()
    }
}

/// The senders.
#[derive(Debug)]
pub(crate) struct Post {
    queues: Vec<mpsc::UnboundedSender<Item>>,
    waiting: Arc<Mutex<usize>>,
    pub(crate) ledger: Arc<Ledger>,
}

impl Post {
    /// Starts so many senders. Each sends in order, one letter at a time.
    pub(crate) fn open(senders: usize, world: &Arc<World>, roster: &Arc<Roster>) -> Self {
        let waiting = Arc::new(Mutex::new(0));
        let ledger = Arc::new(Ledger::default());
        let queues = (0..senders).map(|number| {
            let (queue, letters) = mpsc::unbounded_channel();
            let sender = Sender {
                source: format!("sender-{number}").into(),
                world: Arc::clone(world),
                roster: Arc::clone(roster),
                waiting: Arc::clone(&waiting),
                ledger: Arc::clone(&ledger),
            };
            tokio::spawn(sender.run(letters));
            queue
        });
        Self {
            queues: queues.collect(),
            waiting: Arc::clone(&waiting),
            ledger,
        }
    }

    /// Gives a letter to a sender.
    pub(crate) fn send(&self, sender: usize, letter: Letter) {
        self.give(sender, Item::Letter(letter));
    }

    /// Gives an event for identity to a sender.
    pub(crate) fn take_in(&self, sender: usize, arrival: Arrival) {
        self.give(sender, Item::Arrival(Box::new(arrival)));
    }

    fn give(&self, sender: usize, item: Item) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        let queue = &self.queues[sender % self.queues.len()];
        queue.send(item).expect("senders never end");
    }

    /// How many letters are not acknowledged.
    pub(crate) fn waiting(&self) -> usize {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Sender {
    source: Box<str>,
    world: Arc<World>,
    roster: Arc<Roster>,
    waiting: Arc<Mutex<usize>>,
    ledger: Arc<Ledger>,
}

impl Sender {
    async fn run(self, mut items: mpsc::UnboundedReceiver<Item>) {
        let mut sequence = 0;
        while let Some(item) = items.recv().await {
            sequence += 1;
            let (event, sent) = match item {
                Item::Letter(letter) => (letter.event, self.append(letter, sequence).await),
                Item::Arrival(arrival) => {
                    (Some(arrival.number), self.ingest(*arrival, sequence).await)
                }
            };
            if let Some(event) = event {
                self.world.tell(format!("event {event} is acknowledged"));
                self.ledger.acknowledge(event, sent);
            }
            *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        }
    }

    async fn append(&self, letter: Letter, sequence: u64) -> Instant {
        let append = Append {
            to: letter.to,
            payload: Batch {
                records: letter.records,
                ..Batch::default()
            }
            .encode_to_vec()
            .into(),
            source: Some(SourceRange {
                source: self.source.clone(),
                first: sequence,
                last: sequence,
            }),
            origin: None,
        };
        self.deliver(append).await
    }

    /// Sends an event to identity, at any process, until one says that it is taken.
    async fn ingest(&self, mut arrival: Arrival, sequence: u64) -> Instant {
        arrival.event.sequence = sequence;
        loop {
            let sent = Instant::now();
            if let Some(intake) = self.roster.any_intake(&self.world) {
                let call = identity::take(intake, arrival.clone(), self.source.clone());
                match self.ask(call).await {
                    Some(Ok(resolved)) => {
                        if let Some(resolved) = resolved {
                            self.ledger.answer(arrival.number, resolved);
                        }
                        return sent;
                    }
                    Some(Err(error)) => {
                        let number = arrival.number;
                        self.world
                            .tell(format!("event {number} is not taken: {error}"));
                    }
                    None => {}
                }
            }
            self.pause().await;
        }
    }

    /// Waits before it sends again.
    async fn pause(&self) {
        let wait_ms = self.world.draw(|rng| rng.between(50, 500));
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    }

    /// Sends again, to any process, until one says that it is there.
    async fn deliver(&self, append: Append) -> Instant {
        loop {
            let sent = Instant::now();
            if let Some(hot) = self.roster.any(&self.world) {
                let append = append.clone();
                let answer = self.ask(async move { hot.append(&append).await }).await;
                if matches!(
                    answer,
                    Some(Ok(Appended::Applied
                        | Appended::Replayed
                        | Appended::Overlaps { .. }))
                ) {
                    return sent;
                }
            }
            self.pause().await;
        }
    }

    /// Asks one process. A client that loses its patience either takes its call along, or leaves it
    /// behind.
    async fn ask<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        if self.world.draw(|rng| rng.hits(500)) {
            return tokio::time::timeout(PATIENCE, call).await.ok();
        }
        let left_behind = tokio::spawn(call);
        tokio::time::timeout(PATIENCE, left_behind).await.ok()?.ok()
    }
}
