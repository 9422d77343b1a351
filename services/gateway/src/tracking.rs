//! The tracking APIs of SDKs over HTTP: what each sends is read by `gateway-core`, and its events
//! go to identity.
//!
//! A call is answered once identity has its events, and the dead letters are kept of those that
//! cannot be taken. Nothing is redirected, and no call is refused that a later try could mend.

pub(crate) mod body;
mod cors;
pub(crate) mod key;
mod questions;
pub(crate) mod send;

use std::sync::Arc;

use access::{Caller, Guard, Mode, Peer};
use audit::Operation;
use gateway_core::{
    Answer, Call, CallFault, Circumstances, Denial, Dialect, Fault, Letter, Readable, Reading,
    Reason, Route, SourceRules, Text,
};
use http::header::{CONTENT_TYPE, ORIGIN, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use kernel::Timestamp;
use runtime::Entrance;
use tokio::sync::watch;
use tonic::body::Body;

use self::body::Taken;
use self::cors::Cors;
use self::key::Credential;
use self::send::{Sender, Sent};
use crate::GatewayDefinitions;
use crate::cloud_events;
use crate::dead_letters::DeadLetters;
use crate::limits::{DRAIN_TIME, DRAINED_BYTES};
use crate::statistics::Statistics;

/// The source of callers whose key names none.
const DEFAULT_SOURCE: &str = "default";
/// The header in which a sender says when it sent this try of a call, by its own clock.
const REQUEST_TIME: &str = "posthog-request-timestamp";

/// The parts that the tracking API is made of.
#[derive(Debug, Clone)]
pub(crate) struct TrackingParts {
    /// The calls of this process, behind its guard: an `IdentityServiceClient` over `calls` sends
    /// with the sender's key as `authorization: Bearer`, and with the `access::Peer` of the HTTP
    /// request as an extension, so that rates, the audit log and traces see the sender.
    pub(crate) entrance: Entrance,
    /// True where connections end here that are encrypted.
    pub(crate) is_secure: bool,
    /// Tells which caller, and so which source, a write key stands for.
    pub(crate) guard: Guard,
    /// The rules of the sources, now and after each change.
    pub(crate) definitions: watch::Receiver<Arc<GatewayDefinitions>>,
    /// Keeps what could not be taken, and counts it.
    pub(crate) dead_letters: DeadLetters,
    /// Counts all else: what was accepted, and calls that could not be read.
    pub(crate) statistics: Statistics,
}

/// Answers the calls of tracking SDKs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Tracking {
    pub(crate) parts: TrackingParts,
}

/// A call whose events go to identity.
pub(crate) struct Incoming<'c, 't> {
    /// The dialect of its sender.
    pub(crate) dialect: Dialect,
    /// Its source.
    pub(crate) source: &'c str,
    /// When it was received.
    pub(crate) receive_time: Timestamp,
    /// Reads its events once more.
    pub(crate) again: &'c (dyn Fn() -> Vec<Readable<'t>> + Sync),
    /// Makes a letter of an event of it.
    pub(crate) letter: &'c (dyn Fn(Fault, &str) -> Letter + Sync),
}

/// A call that is not taken: how it is counted, and what its sender is told.
#[derive(Debug)]
pub(crate) struct Refused {
    reason: Reason,
    denial: Denial,
    message: String,
    /// The seconds to wait, where somebody knows.
    seconds: Option<u64>,
    /// The source, where that is known.
    source: String,
}

impl Refused {
    /// A refusal of a source that is not known yet.
    pub(crate) fn new(reason: Reason, denial: Denial, message: impl Into<String>) -> Self {
        Self {
            reason,
            denial,
            message: message.into(),
            seconds: None,
            source: String::new(),
        }
    }

    /// Says which source it is of.
    pub(crate) fn of_source(self, source: &str) -> Self {
        Self {
            source: source.to_owned(),
            ..self
        }
    }
}

impl From<CallFault> for Refused {
    fn from(fault: CallFault) -> Self {
        let (reason, denial) = match fault {
            CallFault::Malformed(_) => (Reason::MalformedCall, Denial::Malformed),
            CallFault::TooManyEvents => (Reason::CallTooLarge, Denial::TooLarge),
        };
        Self::new(reason, denial, fault.to_string())
    }
}

impl Tracking {
    /// Answers with these parts.
    pub(crate) const fn new(parts: TrackingParts) -> Self {
        Self { parts }
    }

    /// Returns whether a path is one of the tracking API, preflights of browsers included. All
    /// others are of the contracts.
    pub(crate) fn owns(&self, _method: &Method, path: &str) -> bool {
        Route::of(path).is_some()
    }

    /// Answers a request to such a path.
    pub(crate) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (head, mut body) = request.into_parts();
        let cors = Cors::of(&head.headers);
        let path = head.uri.path().to_owned();
        let response = match Route::of(&path) {
            None => with_status(StatusCode::NOT_FOUND),
            Some(Route::CloudEvents(key)) if cloud_events::asks_for_consent(&head) => {
                // On the heap: a key may have to be looked up.
                Box::pin(self.consent(key, &head)).await
            }
            Some(_) if head.method == Method::OPTIONS => return cors.preflight(&head.headers),
            Some(Route::Webhook(key)) => {
                // On the heap: it waits for its body and its key.
                Box::pin(self.answer_webhook(key, &head, &mut body)).await
            }
            Some(route) => match questions::told(route, &head, self.parts.is_secure) {
                Some(response) => response,
                None => of_answer(self.answer_events(route, &path, &head, &mut body).await),
            },
        };
        if !body.is_end_stream() {
            // The answer goes out at once, and the rest comes in meanwhile.
            let forgotten = runtime::forget_body(body, DRAINED_BYTES, DRAIN_TIME);
            tokio::spawn(Operation::carry(forgotten));
        }
        cors.around(response)
    }

    async fn answer_events(
        &self,
        route: Route<'_>,
        path: &str,
        head: &Parts,
        body: &mut Body,
    ) -> Answer {
        if head.method != Method::POST {
            let text = "events are sent by POST";
            return Answer::denied(route.dialect(), Denial::Method, text, None);
        }
        if !route.brings_events() {
            // It may be anything: it is not read.
            return Answer::taken(route, &Reading::default());
        }
        // On the heap: a call waits for its body, its key, identity and the dead letters.
        let taken = match route {
            Route::CloudEvents(key) => Box::pin(self.take_cloud_events(key, head, body)).await,
            _ => Box::pin(self.take(route, path, head, body)).await,
        };
        taken.unwrap_or_else(|refused| self.denied(route.dialect(), &refused))
    }

    /// Counts a call that is not taken, and answers it.
    pub(crate) fn denied(&self, dialect: Dialect, refused: &Refused) -> Answer {
        let (source, reason) = (&refused.source, refused.reason);
        self.parts.statistics.count(source, reason, 1);
        Answer::denied(dialect, refused.denial, &refused.message, refused.seconds)
    }

    async fn take(
        &self,
        route: Route<'_>,
        path: &str,
        head: &Parts,
        body: &mut Body,
    ) -> Result<Answer, Refused> {
        let receive_time = access::now();
        let peer = head.extensions.get::<Peer>().cloned();
        let given = Credential::of(head)?;
        // Whoever shows a key outside of the body is known before a byte of that is read.
        let known = match &given {
            Some(given) => Some(key::admit(&self.parts.guard, given, peer.as_ref()).await?),
            None => None,
        };
        // Until a key in the body is read, a refusal counts for the source of the key before it.
        let first = known.as_ref();
        let first = first.map(|caller| self.source_of(caller, given.as_ref()));
        let first = first.unwrap_or_default();
        let memory = &self.parts.entrance.memory;
        let taken = Taken {
            most: route.dialect().bytes(),
            bytes_tell: true,
        };
        let body = body::read(body, &head.headers, taken, memory).await;
        let (bytes, charge) = body.map_err(|it| it.of_source(&first))?.into_parts();
        let turn = memory.turn(bytes.len()).await;
        let text = Text::of(&bytes);
        let call = Call::read(route, &text);
        let call = call.map_err(|it| Refused::from(it).of_source(&first))?;
        let own = call.key().map(|key| Credential::new(&key)).transpose()?;
        let caller = match (known, &own) {
            (Some(known), Some(own)) if given.as_ref() != Some(own) => {
                let other = key::admit(&self.parts.guard, own, peer.as_ref()).await?;
                key::same_source(known, &other)?
            }
            (Some(known), _) => known,
            (None, Some(own)) => key::admit(&self.parts.guard, own, peer.as_ref()).await?,
            (None, None) => key::admit_nobody(&self.parts.guard, peer.as_ref()).await?,
        };
        let key = given.as_ref().or(own.as_ref());
        let source = self.source_of(&caller, key);
        let rules = self.rules_of(&source);
        check_origin(&rules, &head.headers).map_err(|it| it.of_source(&source))?;
        let about = Circumstances {
            path,
            rules: &rules,
            key: own.as_ref().or(key).map(Credential::text),
            receive_time,
            request_time: request_time(&head.headers),
        };
        let reading = call.events(&about);
        // Identity may be in this process: it needs a turn itself, and charges what is sent to it.
        drop(turn);
        let kept = charge.keep_arrived(false).await;
        let _kept = kept.map_err(|it| body::full(&it).of_source(&source))?;
        let sender = Sender::new(&self.parts.entrance.calls, key, head, reading.is_bulk);
        let incoming = Incoming {
            dialect: route.dialect(),
            source: &source,
            receive_time,
            again: &|| call.events(&about).events,
            letter: &|fault, sent| call.letter(&about, fault, sent),
        };
        let handed_on = self.hand_on(&incoming, &sender, reading).await;
        let reading = handed_on.map_err(|it| it.of_source(&source))?;
        Ok(Answer::taken(route, &reading))
    }

    /// Sends the events of a call, keeps letters for those that cannot be taken, and counts.
    /// Returns what is left of the reading: the outcomes.
    pub(crate) async fn hand_on<'t>(
        &self,
        incoming: &Incoming<'_, 't>,
        sender: &Sender,
        mut reading: Reading<'t>,
    ) -> Result<Reading<'t>, Refused> {
        let (source, dialect) = (incoming.source, incoming.dialect);
        let events = std::mem::take(&mut reading.events);
        let Sent { accepted, faults } = sender.send(dialect, events, incoming.again).await?;
        for (place, sent, fault) in faults {
            if let Some(verdict) = reading.verdicts.get_mut(place) {
                verdict.fault = Some(format!("{} {}", fault.field, fault.description));
            }
            if fault.reason.is_kept() {
                reading.letters.push((incoming.letter)(fault, sent));
            } else {
                self.parts.statistics.count(source, fault.reason, 1);
            }
        }
        let letters: Vec<Letter> = std::mem::take(&mut reading.letters);
        let kept = self
            .parts
            .dead_letters
            .keep(source, letters, incoming.receive_time);
        // All of it is sent again: what was taken is known by its ids.
        kept.await.map_err(|failure| {
            tracing::warn!(%failure, source, "dead letters could not be kept");
            let text = "what could not be taken cannot be kept now: send the call again";
            Refused::new(Reason::Unavailable, Denial::Unavailable, text)
        })?;
        let statistics = &self.parts.statistics;
        statistics.count(source, Reason::Accepted, accepted);
        let nothing = u64::try_from(reading.nothing_count).unwrap_or(u64::MAX);
        statistics.count(source, Reason::NotMapped, nothing);
        Ok(reading)
    }

    /// Returns the source of a caller. Where everybody is let in, a key that could be the name of a
    /// source is one, so that an SDK works at once.
    pub(crate) fn source_of(&self, caller: &Caller, key: Option<&Credential>) -> String {
        if let Some(source) = caller.source() {
            return source.to_owned();
        }
        let named = key.map(Credential::text).filter(|key| is_source(key));
        let is_open = self.parts.guard.mode() == Mode::Open;
        let named = named.filter(|_| is_open);
        named.unwrap_or(DEFAULT_SOURCE).to_owned()
    }

    /// Returns the rules of a source.
    pub(crate) fn rules_of(&self, source: &str) -> Arc<SourceRules> {
        let definitions = self.parts.definitions.borrow();
        definitions.sources.get(source).cloned().unwrap_or_default()
    }
}

/// Refuses a web page that may not send for a source.
pub(crate) fn check_origin(rules: &SourceRules, headers: &HeaderMap) -> Result<(), Refused> {
    let Some(origin) = headers.get(ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    if rules.allows_origin(origin) {
        return Ok(());
    }
    let text = "web pages of this origin may not send for this source: add it to its `origins`";
    Err(Refused::new(Reason::OriginRefused, Denial::Forbidden, text))
}

fn request_time(headers: &HeaderMap) -> Option<Timestamp> {
    headers.get(REQUEST_TIME)?.to_str().ok()?.parse().ok()
}

/// `^[a-z][a-z0-9_]{0,63}$`, but no key of ours: nobody may take a secret for a name.
fn is_source(key: &str) -> bool {
    let is_right = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    key.len() <= 64
        && key.starts_with(|first: char| first.is_ascii_lowercase())
        && !key.starts_with(access::KEY_PREFIX)
        && key.bytes().all(is_right)
}

/// Writes an answer as a response.
pub(crate) fn of_answer(answer: Answer) -> Response<Body> {
    let status = StatusCode::from_u16(answer.status);
    let mut response = with_status(status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE));
    if !answer.body.is_empty() {
        *response.body_mut() = body_of(answer.body);
        let kind = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    let headers = response.headers_mut();
    if let Some(seconds) = answer.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

pub(crate) fn body_of(text: String) -> Body {
    Body::new(http_body_util::Full::new(bytes::Bytes::from(text)))
}

fn with_status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
