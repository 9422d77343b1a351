//! Sends dead letters once more: read as they were the first time, by the rules of now, and sent to
//! identity in the name of whoever asks.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use access::Peer;
use gateway_core::{
    Dialect, Fault, Reason, Route, SourceRules, WEBHOOK_PATH, fault_of, reread, reread_webhook,
};
use kernel::Timestamp;
use kernel::limits::MESSAGE_BYTES;
use proto::gateway::v1::{DeadLetter, ReplayDeadLettersResponse};
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{Event, IngestRequest, IngestStreamRequest, RejectedEvent};
use rpc::{Failure, SentCredential};
use runtime::Calls;
use tokio::sync::watch;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Request, Status};

use crate::GatewayDefinitions;
use crate::dead_letters::{DeadLetters, Replayed, StoredLetter};
use crate::limits::{REPLAYED_AT_ONCE, SEND_TIME};

/// The header of a credential.
const AUTHORIZATION: &str = "authorization";

/// An event that was kept, as far as it is to be read again.
#[derive(Clone, Copy)]
pub(crate) struct KeptEvent<'a> {
    /// The path of the call that brought it.
    pub(crate) path: &'a str,
    /// The event, as JSON text.
    pub(crate) payload: &'a str,
    /// When it was received.
    pub(crate) receive_time: Timestamp,
    /// When it was sent, by its sender's clock; absent where nobody said.
    pub(crate) sent_time: Option<Timestamp>,
}

impl fmt::Debug for KeptEvent<'_> {
    /// Leaves out what people sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptEvent")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Reads an event that was kept by the rules of its source; `None` where there is nothing to take
/// of it.
pub(crate) type ReadEvent = fn(KeptEvent<'_>, &SourceRules) -> Result<Option<Event>, Fault>;

/// Reads an event that was kept, by the parser of its dialect.
pub(crate) fn read_kept(kept: KeptEvent<'_>, rules: &SourceRules) -> Result<Option<Event>, Fault> {
    let (path, event) = (kept.path, kept.payload);
    if path == WEBHOOK_PATH {
        return reread_webhook(event, kept.receive_time, rules);
    }
    reread(path, event, kept.sent_time, kept.receive_time, rules).map(Some)
}

/// Replays dead letters.
#[derive(Debug)]
pub(crate) struct Replays {
    definitions: watch::Receiver<Arc<GatewayDefinitions>>,
    read: ReadEvent,
    /// The calls of the process, which are there while it listens. Replays are among them, so that
    /// a hold on them would be one of the process on itself.
    calls: OnceLock<Weak<Calls>>,
}

/// The credential of whoever asks, with which events are sent.
#[derive(Clone)]
pub(crate) struct Sender {
    authorization: Option<MetadataValue<Ascii>>,
    peer: Option<Peer>,
}

/// The end of a replay.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The answer to the call.
    pub(crate) response: ReplayDeadLettersResponse,
    /// The number of events that were taken, by source.
    pub(crate) taken: BTreeMap<String, u64>,
}

/// Dead letters with what became of them.
type Ends = Vec<(StoredLetter, Replayed)>;

impl Sender {
    /// The sender of a request.
    pub(crate) fn of<T>(request: &Request<T>) -> Self {
        Self {
            authorization: credential_of(request),
            peer: request.extensions().get::<Peer>().cloned(),
        }
    }

    /// Has events taken, and returns those that are refused, with the position of the others.
    ///
    /// A request of which nothing can be taken is refused as a whole. A stream says of each event
    /// why.
    async fn ingest(
        &self,
        mut client: IdentityServiceClient<Calls>,
        events: Vec<Event>,
    ) -> Result<(Vec<RejectedEvent>, String), Status> {
        let request = IngestRequest {
            events: events.clone(),
            ..IngestRequest::default()
        };
        match client.ingest(self.request(request)).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                return Ok((answer.rejected, answer.position));
            }
            Err(status) if status.code() == Code::InvalidArgument => {}
            Err(status) => return Err(status),
        }
        let batch = IngestStreamRequest {
            events,
            ..IngestStreamRequest::default()
        };
        let batches = futures::stream::once(std::future::ready(batch));
        let answer = client.ingest_stream(self.request(batches)).await?;
        let Some(answer) = answer.into_inner().message().await? else {
            return Err(Status::unavailable("a batch has no answer"));
        };
        match answer.refusal.as_str() {
            "" => Ok((answer.rejected, answer.position)),
            refusal => Err(Status::invalid_argument(refusal)),
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(SEND_TIME);
        if let Some(authorization) = &self.authorization {
            let metadata = request.metadata_mut();
            metadata.insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(peer) = &self.peer {
            request.extensions_mut().insert(peer.clone());
        }
        request
    }
}

/// The credential of a request, which the guard has taken out of its headers.
fn credential_of<T>(request: &Request<T>) -> Option<MetadataValue<Ascii>> {
    let sent = request.extensions().get::<SentCredential>()?;
    let mut value = MetadataValue::try_from(sent.value().as_bytes()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl Replays {
    /// Reads events by the rules of these sources, with this parser.
    pub(crate) fn new(
        definitions: watch::Receiver<Arc<GatewayDefinitions>>,
        read: ReadEvent,
    ) -> Arc<Self> {
        Arc::new(Self {
            definitions,
            read,
            calls: OnceLock::new(),
        })
    }

    /// Sends with these calls from now on. Once only.
    pub(crate) fn connect(&self, calls: &Arc<Calls>) {
        // Others would be those of the same process.
        let _ = self.calls.set(Arc::downgrade(calls));
    }

    /// Sends dead letters once more, and settles each: what was taken is removed, and the others
    /// keep the reason of now. Events are taken once, however often this is tried: those without
    /// an id have that of their dead letter.
    ///
    /// # Errors
    /// Whatever kept identity from answering; what was taken before that is settled.
    pub(crate) async fn replay(
        &self,
        dead_letters: &DeadLetters,
        letters: Vec<StoredLetter>,
        payloads: &HashMap<String, String>,
        sender: &Sender,
    ) -> Result<Answer, Status> {
        let (events, mut ends) = self.read(letters, payloads);
        let mut answer = Answer {
            response: ReplayDeadLettersResponse::default(),
            taken: BTreeMap::new(),
        };
        let mut failure = None;
        let mut events = events.into_iter().peekable();
        while events.peek().is_some() && failure.is_none() {
            let some: Vec<(StoredLetter, Event)> = events.by_ref().take(REPLAYED_AT_ONCE).collect();
            match self.send(some, sender).await {
                Ok((some, position)) => {
                    ends.extend(some);
                    if !position.is_empty() {
                        answer.response.position = position;
                    }
                }
                Err(status) => failure = Some(status),
            }
        }
        dead_letters.settle(&ends).await?;
        if let Some(status) = failure {
            return Err(status);
        }
        for (letter, end) in ends {
            answer.add(letter, end);
        }
        Ok(answer)
    }

    /// Reads what can be read, and says what became of the rest.
    fn read(
        &self,
        letters: Vec<StoredLetter>,
        payloads: &HashMap<String, String>,
    ) -> (Vec<(StoredLetter, Event)>, Ends) {
        let definitions = Arc::clone(&self.definitions.borrow());
        let default = SourceRules::default();
        let (mut events, mut ends) = (Vec::new(), Vec::new());
        for letter in letters {
            let mended = payloads.get(&letter.id.to_string());
            if letter.is_cut && mended.is_none() {
                ends.push((letter, Replayed::Refused(cut())));
                continue;
            }
            let rules = definitions
                .sources
                .get(&letter.source)
                .map_or(&default, Arc::as_ref);
            let kept = KeptEvent {
                path: &letter.path,
                payload: mended.unwrap_or(&letter.payload),
                receive_time: letter.receive_time,
                sent_time: letter.sent_time,
            };
            match (self.read)(kept, rules) {
                Ok(Some(mut event)) => {
                    if event.event_id.is_empty() {
                        event.event_id = format!("dead-letter-{}", letter.id);
                    }
                    events.push((letter, event));
                }
                Ok(None) => ends.push((letter, Replayed::Taken)),
                Err(fault) => ends.push((letter, Replayed::Refused(fault))),
            }
        }
        (events, ends)
    }

    /// Sends some events, and returns what became of each, with the position of those that were
    /// taken.
    async fn send(
        &self,
        some: Vec<(StoredLetter, Event)>,
        sender: &Sender,
    ) -> Result<(Ends, String), Status> {
        let calls = self.calls.get().and_then(Weak::upgrade);
        let calls = calls.ok_or_else(|| Failure::internal("the process does not listen"))?;
        let calls = Calls::clone(&calls);
        let (letters, events): (Vec<StoredLetter>, Vec<Event>) = some.into_iter().unzip();
        let client = IdentityServiceClient::new(calls).max_decoding_message_size(MESSAGE_BYTES);
        let (rejected, position) = sender.ingest(client, events).await?;
        let mut faults: HashMap<usize, Fault> = HashMap::new();
        for one in rejected {
            let place = usize::try_from(one.index).unwrap_or(usize::MAX);
            if let Some(letter) = letters.get(place) {
                // The first fault of each event counts.
                let fault = || fault_as_sent(letter, &one);
                faults.entry(place).or_insert_with(fault);
            }
        }
        let ends = letters.into_iter().enumerate().map(|(place, letter)| {
            let end = faults
                .remove(&place)
                .map_or(Replayed::Taken, Replayed::Refused);
            (letter, end)
        });
        Ok((ends.collect(), position))
    }
}

impl Answer {
    fn add(&mut self, letter: StoredLetter, end: Replayed) {
        match end {
            Replayed::Taken => {
                self.response.replayed_count += 1;
                *self.taken.entry(letter.source).or_default() += 1;
            }
            Replayed::Refused(fault) => self.response.refused.push(DeadLetter {
                reason: fault.reason.code().to_owned(),
                field: fault.field,
                description: fault.description,
                replay_count: u32::try_from(letter.replay_count + 1).unwrap_or(0),
                // Answers are kept for retries, and payloads hold personal data.
                payload: String::new(),
                ..DeadLetter::from(letter)
            }),
        }
    }
}

/// A fault that identity found, in the words of the sender.
fn fault_as_sent(letter: &StoredLetter, rejected: &RejectedEvent) -> Fault {
    let dialect = Route::of(&letter.path).map_or(Dialect::Segment, Route::dialect);
    let (field, text) = (&rejected.field, &rejected.description);
    fault_of(dialect, &letter.payload, field, text)
}

/// The fault of an event that is not whole.
fn cut() -> Fault {
    Fault {
        reason: Reason::PayloadCut,
        field: String::new(),
        description: "only the beginning of it is kept: send all of it in `payloads`".to_owned(),
    }
}
