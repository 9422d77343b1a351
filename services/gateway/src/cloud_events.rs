//! `CloudEvents` over HTTP: posts, and the question of senders whether they may post
//! (<https://github.com/cloudevents/spec>, its HTTP binding and its webhooks).
//!
//! `gateway-core` reads what is posted. The write key decides who may send, as in the tracking API.

use access::Peer;
use gateway_core::{
    Answer, CLOUD_EVENTS_PATH, Circumstances, CloudEvents, Denial, Dialect, Format, Post, Reading,
    Reason, Route,
};
use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use tonic::body::Body;

use crate::tracking::body::{self, Taken};
use crate::tracking::key::{self, Credential};
use crate::tracking::send::Sender;
use crate::tracking::{Incoming, Refused, Tracking, check_origin, of_answer};

/// The beginning of headers that are attributes.
const ATTRIBUTE: &str = "ce-";
/// Asks whether a sender of this name may post.
const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
/// Asks how often it may, in posts a minute.
const REQUEST_RATE: HeaderName = HeaderName::from_static("webhook-request-rate");
/// Says that a sender of this name may post.
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
/// Says how often it may.
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

/// Returns whether a request is the question of a sender whether it may post. Such a question may
/// name an address to which the answer can be sent later: it is given at once, and nothing is sent.
pub(crate) fn asks_for_consent(head: &Parts) -> bool {
    head.method == Method::OPTIONS && head.headers.contains_key(REQUEST_ORIGIN)
}

impl Tracking {
    /// Answers the question of a sender whether it may post: it may with a key that may send. There
    /// is no rate that it has to keep to: overload is told when it is there.
    pub(crate) async fn consent(&self, key: Option<&str>, head: &Parts) -> Response<Body> {
        let admitted = async {
            let peer = head.extensions.get::<Peer>();
            match shown(key, head)? {
                Some(key) => key::admit(&self.parts.guard, &key, peer).await,
                None => key::admit_nobody(&self.parts.guard, peer).await,
            }
        };
        if let Err(refused) = admitted.await {
            return of_answer(self.denied(Dialect::CloudEvents, &refused));
        }
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static("POST, OPTIONS"));
        if let Some(origin) = head.headers.get(REQUEST_ORIGIN) {
            headers.insert(ALLOWED_ORIGIN, origin.clone());
        }
        if head.headers.contains_key(REQUEST_RATE) {
            headers.insert(ALLOWED_RATE, HeaderValue::from_static("*"));
        }
        response
    }

    /// Takes a post.
    ///
    /// # Errors
    /// [`Refused`] where it is not taken at all.
    pub(crate) async fn take_cloud_events(
        &self,
        key: Option<&str>,
        head: &Parts,
        body: &mut Body,
    ) -> Result<Answer, Refused> {
        let (peer, key) = (head.extensions.get::<Peer>(), shown(key, head)?);
        let caller = match &key {
            Some(key) => key::admit(&self.parts.guard, key, peer).await?,
            None => key::admit_nobody(&self.parts.guard, peer).await?,
        };
        let source = self.source_of(&caller, key.as_ref());
        let post = self.take_post(&source, key.as_ref(), head, body);
        post.await.map_err(|it| it.of_source(&source))?;
        Ok(Answer::taken(Route::CloudEvents(None), &Reading::default()))
    }

    /// Takes a post of a source that is known.
    async fn take_post(
        &self,
        source: &str,
        key: Option<&Credential>,
        head: &Parts,
        body: &mut Body,
    ) -> Result<(), Refused> {
        let receive_time = access::now();
        let rules = self.rules_of(source);
        check_origin(&rules, &head.headers)?;
        let attributes = attributes(&head.headers);
        let content_type = head.headers.get(CONTENT_TYPE).map(|it| it.to_str());
        let content_type = content_type.transpose().map_err(|_| unknown_type())?;
        let format = Format::of(content_type, !attributes.is_empty());
        let format = format.ok_or_else(unknown_type)?;
        let limits = Taken {
            most: Dialect::CloudEvents.bytes(),
            bytes_tell: false,
        };
        let memory = &self.parts.entrance.memory;
        let whole = body::read(body, &head.headers, limits, memory).await?;
        let (bytes, charge) = whole.into_parts();
        let turn = memory.turn(bytes.len()).await;
        let post = Post {
            content_type,
            attributes: &attributes,
            body: &bytes,
        };
        let call = CloudEvents::read(format, post)?;
        let about = Circumstances {
            path: CLOUD_EVENTS_PATH,
            rules: &rules,
            key: key.map(Credential::text),
            receive_time,
            request_time: None,
        };
        let reading = call.events(&about);
        // Identity may be in this process: it needs a turn itself, and charges what is sent to it.
        drop(turn);
        let kept = charge.keep_arrived(false).await;
        let _kept = kept.map_err(|it| body::full(&it))?;
        let sender = Sender::new(&self.parts.entrance.calls, key, head, reading.is_bulk);
        let incoming = Incoming {
            dialect: Dialect::CloudEvents,
            source,
            receive_time,
            again: &|| call.events(&about).events,
            letter: &|fault, sent| call.letter(&about, fault, sent),
        };
        self.hand_on(&incoming, &sender, reading).await.map(drop)
    }
}

/// Returns the key of a request: the one in its path, or the one in its headers.
fn shown(key: Option<&str>, head: &Parts) -> Result<Option<Credential>, Refused> {
    match key {
        Some(key) => Credential::new(key).map(Some),
        None => Credential::of(head),
    }
}

/// Returns the headers that are attributes, without their beginning.
fn attributes(headers: &HeaderMap) -> Vec<(&str, &[u8])> {
    let found = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(ATTRIBUTE)?;
        Some((name, value.as_bytes()))
    });
    found.collect()
}

fn unknown_type() -> Refused {
    let text = "this is no CloudEvent: send `ce-` headers, or application/cloudevents+json, \
                application/cloudevents-batch+json, or either with +protobuf";
    Refused::new(Reason::MalformedCall, Denial::MediaType, text)
}
