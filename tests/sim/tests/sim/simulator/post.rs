//! The senders: what identity does after it has resolved an event, and a client that sends again
//! until it is acknowledged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hot::{Append, Appended, HotError, SharedHotStore, SourceRange, StreamId};
use prost::Message as _;
use proto::stream::v1::{Batch, Record};
use tokio::sync::mpsc;
use tokio::time::Instant;

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

/// When each event was sent the last time, and when that was acknowledged: between the two it was
/// stored.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<BTreeMap<u64, (Instant, Instant)>>);

impl Ledger {
    fn acknowledge(&self, event: u64, sent: Instant) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.insert(event, (sent, Instant::now()));
    }

    pub(crate) fn times(&self) -> BTreeMap<u64, (Instant, Instant)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The senders.
#[derive(Debug)]
pub(crate) struct Post {
    queues: Vec<mpsc::UnboundedSender<Letter>>,
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
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        let queue = &self.queues[sender % self.queues.len()];
        queue.send(letter).expect("senders never end");
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
    async fn run(self, mut letters: mpsc::UnboundedReceiver<Letter>) {
        let mut sequence = 0;
        while let Some(letter) = letters.recv().await {
            sequence += 1;
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
            let sent = self.deliver(append).await;
            if let Some(event) = letter.event {
                self.world.tell(format!("event {event} is acknowledged"));
                self.ledger.acknowledge(event, sent);
            }
            *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        }
    }

    /// Sends again, to any process, until one says that it is there.
    async fn deliver(&self, append: Append) -> Instant {
        loop {
            let sent = Instant::now();
            if let Some(hot) = self.roster.any(&self.world) {
                let answer = self.ask(hot, append.clone()).await;
                if matches!(
                    answer,
                    Some(Ok(Appended::Applied
                        | Appended::Replayed
                        | Appended::Overlaps { .. }))
                ) {
                    return sent;
                }
            }
            let wait_ms = self.world.draw(|rng| rng.between(50, 500));
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    /// Asks one process. A client that loses its patience either takes its call along, or leaves it
    /// behind.
    async fn ask(&self, hot: SharedHotStore, append: Append) -> Option<Result<Appended, HotError>> {
        let call = async move { hot.append(&append).await };
        if self.world.draw(|rng| rng.hits(500)) {
            return tokio::time::timeout(PATIENCE, call).await.ok();
        }
        let left_behind = tokio::spawn(call);
        tokio::time::timeout(PATIENCE, left_behind).await.ok()?.ok()
    }
}
