//! A steady, modest load of events, sent as clients should: again and again under the same names
//! until acknowledged.
//!
//! It remembers exactly what was sent and what was acknowledged, and what it was refused with.

mod merging;
mod replicas;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::identity::v1::event::PropertiesForm;
use proto::identity::v1::{Event, IngestRequest, IngestStreamRequest, IngestStreamResponse};
use rpc::PeerChannel;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming};
use tonic_types::StatusExt as _;

use self::replicas::{IdentityClient, Replicas};
use super::installation::{channel, channel_with};
use crate::history::Sent;
use crate::suite::PATIENCE;

/// The event that a load sends unless it is told another one.
pub(crate) const PURCHASE: &str = "purchase";
/// So many that none has more than a few runs under way at once.
pub(crate) const USERS: usize = 240;
/// Clients that send one event a call.
const CALLERS: usize = 4;
/// The pause of each between two events: 40 events a second from all.
const CALLER_PAUSE: Duration = Duration::from_millis(100);
/// Events in one batch of the client that streams.
const BATCH: usize = 5;
/// Its pause between two batches: 20 events a second.
const BATCH_PAUSE: Duration = Duration::from_millis(250);
/// The time that a client waits for an answer before it asks again.
const ANSWER: Duration = Duration::from_secs(5);
/// The longest wait of a client that was refused, whatever it was told.
const RETRY_MOST: Duration = Duration::from_millis(500);
/// The wait of one that was told nothing.
const RETRY: Duration = Duration::from_millis(100);

/// An attempt that was not acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) time: Instant,
    pub(crate) status: Status,
    pub(crate) retry_after: Option<Duration>,
}

/// The events that were sent, over all loads of a test.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) sent: Vec<Sent>,
    pub(crate) refusals: Vec<Refusal>,
    /// The number of clients of streams: each has a source of its own.
    streams: u32,
}

/// Clients that send until they are stopped.
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

struct Shared {
    /// Opens the ways of one client to the replicas of the identity service.
    ways: Box<dyn Fn() -> Vec<PeerChannel> + Send + Sync>,
    /// The number of clients that began to ask.
    begun: AtomicUsize,
    /// The name of the events. Everything that is sent has it in its own name, so that two loads
    /// with events of different names keep apart.
    name: &'static str,
    record: Arc<Mutex<Record>>,
    is_stopped: AtomicBool,
}

impl Load {
    /// Starts to send to a process of identity that asks for no key, each client over a connection
    /// of its own.
    pub(crate) fn start(url: String, record: &Arc<Mutex<Record>>) -> Self {
        Self::start_of(PURCHASE, url, record)
    }

    /// Starts to send events of a name, each of which has a record of its own.
    pub(crate) fn start_of(name: &'static str, url: String, record: &Arc<Mutex<Record>>) -> Self {
        Self::start_by(name, move || vec![channel(&url)], record)
    }

    /// Starts to send to replicas of an identity service: each client to one, and to the next where
    /// that refuses.
    pub(crate) fn start_to(
        urls: Vec<String>,
        key: Option<String>,
        record: &Arc<Mutex<Record>>,
    ) -> Self {
        let way = move |url: &String| channel_with(url, key.as_deref());
        Self::start_by(PURCHASE, move || urls.iter().map(&way).collect(), record)
    }

    /// Starts to send events of a name to identity, by ways that are opened for each client.
    pub(crate) fn start_by(
        name: &'static str,
        ways: impl Fn() -> Vec<PeerChannel> + Send + Sync + 'static,
        record: &Arc<Mutex<Record>>,
    ) -> Self {
        let shared = Arc::new(Shared {
            ways: Box::new(ways),
            begun: AtomicUsize::new(0),
            name,
            record: Arc::clone(record),
            is_stopped: AtomicBool::new(false),
        });
        let mut clients = JoinSet::new();
        for _ in 0..CALLERS {
            clients.spawn(Arc::clone(&shared).call());
        }
        clients.spawn(Arc::clone(&shared).stream());
        Self { shared, clients }
    }

    /// Starts to join customers too: visitors who turn out to be users.
    pub(crate) fn join_visitors(&mut self) {
        self.clients.spawn(Arc::clone(&self.shared).join());
    }

    /// Sends nothing new, and waits until everything that was sent is acknowledged.
    pub(crate) async fn stop(mut self) {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            if let Err(error) = ended {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }
}

impl Shared {
    fn record(&self) -> MutexGuard<'_, Record> {
        lock(&self.record)
    }

    /// The ways of one client to all replicas. Clients begin with different ones.
    fn replicas(&self) -> Replicas {
        let first = self.begun.fetch_add(1, Ordering::Relaxed);
        Replicas::new((self.ways)(), first)
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// The next event, on record as sent.
    fn next(&self) -> Sent {
        let user = self.record().sent.len() % USERS;
        self.next_of(user)
    }

    /// The next event of a user.
    fn next_of(&self, user: usize) -> Sent {
        let mut record = self.record();
        let order = u32::try_from(record.sent.len()).expect("a short test");
        let sent = Sent {
            order,
            user,
            first_time: Instant::now(),
            ack_time: None,
        };
        record.sent.push(sent.clone());
        sent
    }

    fn acknowledge(&self, events: &[Sent]) {
        let now = Instant::now();
        let mut record = self.record();
        for event in events {
            record.sent[event.order as usize].ack_time = Some(now);
        }
    }

    /// Takes note of a refusal, and waits as the server asks.
    async fn refused(&self, status: &Status, since: Instant) {
        let is_final = matches!(
            status.code(),
            Code::InvalidArgument | Code::FailedPrecondition | Code::NotFound | Code::Unimplemented
        );
        assert!(!is_final, "no retry helps against {status:?}");
        assert!(since.elapsed() < PATIENCE, "still refused: {status:?}");
        let retry_after = status
            .get_details_retry_info()
            .and_then(|info| info.retry_delay);
        self.record().refusals.push(Refusal {
            time: Instant::now(),
            status: status.clone(),
            retry_after,
        });
        tokio::time::sleep(retry_after.unwrap_or(RETRY).min(RETRY_MOST)).await;
    }

    /// One event a call.
    async fn call(self: Arc<Self>) {
        let mut replicas = self.replicas();
        while !self.is_stopped() {
            let sent = self.next();
            let event = self.event(&sent, 0);
            self.send(&mut replicas, sent, event).await;
            tokio::time::sleep(CALLER_PAUSE).await;
        }
    }

    /// Sends an event until it is acknowledged. Returns the customer that it happened to.
    async fn send(&self, replicas: &mut Replicas, sent: Sent, event: Event) -> String {
        let request = IngestRequest {
            // The same name at each attempt.
            request_id: format!("{}-{}", self.name, sent.order),
            events: vec![event],
            ..IngestRequest::default()
        };
        let answer = loop {
            let mut attempt = Request::new(request.clone());
            attempt.set_timeout(ANSWER);
            match replicas.current().ingest(attempt).await {
                Ok(answer) => break answer.into_inner(),
                Err(status) => {
                    replicas.go_on();
                    self.refused(&status, sent.first_time).await;
                }
            }
        };
        self.acknowledge(&[sent]);
        answer.results[0].customer_id.clone()
    }

    /// Batches on a stream, from a source that counts its events.
    async fn stream(self: Arc<Self>) {
        let source = {
            let mut record = self.record();
            record.streams += 1;
            format!("{}-{}", self.name, record.streams)
        };
        let mut replicas = self.replicas();
        let mut open: Option<OpenStream> = None;
        let mut sequence = 0;
        while !self.is_stopped() {
            let sent: Vec<Sent> = (0..BATCH).map(|_| self.next()).collect();
            let events = sent.iter().map(|sent| {
                sequence += 1;
                self.event(sent, sequence)
            });
            let batch = IngestStreamRequest {
                events: events.collect(),
                source: source.clone(),
                ..IngestStreamRequest::default()
            };
            loop {
                let attempt = async {
                    let stream = match open.take() {
                        Some(stream) => stream,
                        None => OpenStream::open(replicas.current()).await?,
                    };
                    stream.send(batch.clone()).await
                };
                let answered = tokio::time::timeout(ANSWER, attempt).await;
                let late = |_| Err(Status::deadline_exceeded("no answer on the stream"));
                match answered.unwrap_or_else(late) {
                    Ok((stream, answer)) => {
                        assert_eq!(answer.rejected, [], "a batch of good events");
                        open = Some(stream);
                        break;
                    }
                    Err(status) => {
                        replicas.go_on();
                        self.refused(&status, sent[0].first_time).await;
                    }
                }
            }
            self.acknowledge(&sent);
            tokio::time::sleep(BATCH_PAUSE).await;
        }
    }

    fn event(&self, sent: &Sent, sequence: u64) -> Event {
        let text = |text: String| prost_types::Value {
            kind: Some(prost_types::value::Kind::StringValue(text)),
        };
        let order = sent.order.to_string();
        Event {
            event_id: format!("{}-{order}", self.name),
            name: self.name.to_owned(),
            identifiers: HashMap::from([("user_id".to_owned(), user_id(sent.user))]),
            properties_form: Some(PropertiesForm::Properties(prost_types::Struct {
                fields: [("order".to_owned(), text(order))].into_iter().collect(),
            })),
            sequence,
            ..Event::default()
        }
    }
}

/// A stream of batches and one of answers.
struct OpenStream {
    batches: mpsc::Sender<IngestStreamRequest>,
    answers: Streaming<IngestStreamResponse>,
}

impl OpenStream {
    async fn open(client: &mut IdentityClient) -> Result<Self, Status> {
        let (batches, sent) = mpsc::channel(1);
        let answers = client.ingest_stream(ReceiverStream::new(sent)).await?;
        Ok(Self {
            batches,
            answers: answers.into_inner(),
        })
    }

    /// Sends a batch and waits for its answer. The stream is lost where there is none.
    async fn send(
        mut self,
        batch: IngestStreamRequest,
    ) -> Result<(Self, IngestStreamResponse), Status> {
        let ended = || Status::unavailable("the stream ended");
        if self.batches.send(batch).await.is_err() {
            // The reason is on the other half.
            self.answers.message().await?;
            return Err(ended());
        }
        let answer = self.answers.message().await?.ok_or_else(ended)?;
        Ok((self, answer))
    }
}

/// The order of the id of a purchase.
pub(crate) fn order(event_id: &str) -> Option<u32> {
    event_id
        .strip_prefix(PURCHASE)?
        .strip_prefix('-')?
        .parse()
        .ok()
}

/// The identifier of a user.
pub(crate) fn user_id(user: usize) -> String {
    format!("user-{user}")
}

/// Locks a record.
pub(crate) fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}
