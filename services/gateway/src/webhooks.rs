//! Webhooks over HTTP: posts of CRMs, shops and others, with the write key in their path or in
//! their headers.
//!
//! `gateway-core` verifies and reads what is posted. A post is answered within the time that
//! senders wait, whatever becomes of it: one that takes longer is sent again. None is answered by
//! 410, at which some senders give the address up. No log and no trace has a path, for the key in
//! it.

pub(crate) mod trial;

use access::Peer;
use gateway_core::{Denial, Dialect, Reason, SourceRules, Webhook, WebhookPost};
use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use tonic::body::Body;

use crate::limits::{WEBHOOK_SEND_TIME, WEBHOOK_TIME};
use crate::tracking::body::{self, Taken, Whole};
use crate::tracking::key::{self, Credential};
use crate::tracking::send::Sender;
use crate::tracking::{Incoming, Refused, Tracking, body_of, of_answer};

/// A post whose sender and source are known.
struct Known<'r> {
    key: Option<&'r Credential>,
    source: &'r str,
    rules: &'r SourceRules,
    webhook: &'r Webhook,
    head: &'r Parts,
}

impl Tracking {
    /// Answers a request to the path of webhooks. `HEAD` asks whether somebody is there.
    pub(crate) async fn answer_webhook(
        &self,
        key: Option<&str>,
        head: &Parts,
        body: &mut Body,
    ) -> Response<Body> {
        match head.method {
            Method::POST => {}
            Method::HEAD => return Response::new(Body::empty()),
            _ => {
                let text = "webhooks are sent by POST";
                let refused = Refused::new(Reason::MalformedCall, Denial::Method, text);
                let mut response = of_answer(self.denied(Dialect::Webhook, &refused));
                let allowed = HeaderValue::from_static("POST, HEAD");
                response.headers_mut().insert(ALLOW, allowed);
                return response;
            }
        }
        let taken = self.take_webhook(key, head, body).await;
        taken.unwrap_or_else(|refused| of_answer(self.denied(Dialect::Webhook, &refused)))
    }

    /// Takes a post.
    ///
    /// # Errors
    /// [`Refused`] where it is not taken at all.
    async fn take_webhook(
        &self,
        key: Option<&str>,
        head: &Parts,
        body: &mut Body,
    ) -> Result<Response<Body>, Refused> {
        // A header that is the sender's own token is no key where the path has one.
        let key = match key {
            Some(key) => Some(Credential::new(key)?),
            None => Credential::of(head)?,
        };
        let peer = head.extensions.get::<Peer>();
        let caller = match &key {
            Some(key) => key::admit(&self.parts.guard, key, peer).await?,
            None => key::admit_nobody(&self.parts.guard, peer).await?,
        };
        let source = self.source_of(&caller, key.as_ref());
        let rules = self.rules_of(&source);
        let Some(webhook) = &rules.webhook else {
            let text = format!("the source `{source}` takes no webhooks: set its `webhook`");
            let refused = Refused::new(Reason::NoWebhook, Denial::NotFound, text);
            return Err(refused.of_source(&source));
        };
        let known = Known {
            key: key.as_ref(),
            source: &source,
            rules: &rules,
            webhook,
            head,
        };
        let limits = Taken {
            most: Dialect::Webhook.bytes(),
            bytes_tell: false,
        };
        let memory = &self.parts.entrance.memory;
        let taken = async {
            let whole = body::read(body, &head.headers, limits, memory).await?;
            // On the heap: it waits for identity and the dead letters.
            let taken = Box::pin(self.take_whole(&known, whole));
            let taken = tokio::time::timeout(WEBHOOK_TIME, taken).await;
            taken.unwrap_or_else(|_elapsed| {
                let text = "the post is not taken yet: send it again";
                Err(Refused::new(Reason::Unavailable, Denial::Unavailable, text))
            })
        };
        taken.await.map_err(|it| it.of_source(&source))?;
        let (kind, text) = webhook.answer();
        let mut response = Response::new(body_of(text.to_owned()));
        let kind = HeaderValue::from_static(kind);
        response.headers_mut().insert(CONTENT_TYPE, kind);
        *response.status_mut() = StatusCode::OK;
        Ok(response)
    }

    async fn take_whole(&self, known: &Known<'_>, whole: Whole) -> Result<(), Refused> {
        let receive_time = access::now();
        let (bytes, charge) = whole.into_parts();
        let turn = self.parts.entrance.memory.turn(bytes.len()).await;
        let headers = headers(&known.head.headers);
        let target = known.head.uri.path_and_query();
        let post = WebhookPost {
            method: known.head.method.as_str(),
            target: target.map_or("", |it| it.as_str()),
            headers: &headers,
            body: &bytes,
        };
        let (webhook, rules) = (known.webhook, known.rules);
        webhook.verify(&post, receive_time).map_err(|fault| {
            Refused::new(fault.reason(), Denial::Unauthorized, fault.to_string())
        })?;
        let (text, shown) = (webhook.text(&post)?, webhook.shown(&post));
        let call = webhook.read(&text, &shown)?;
        let reading = call.events(rules);
        // Identity may be in this process: it needs a turn itself, and charges what is sent to it.
        drop(turn);
        let kept = charge.keep_arrived(false).await;
        let _kept = kept.map_err(|it| body::full(&it))?;
        let calls = &self.parts.entrance.calls;
        let sender = Sender::new(calls, known.key, known.head, reading.is_bulk);
        let incoming = Incoming {
            dialect: Dialect::Webhook,
            source: known.source,
            receive_time,
            again: &|| call.events(rules).events,
            letter: &|fault, sent| call.letter(fault, sent),
        };
        let sender = sender.within(WEBHOOK_SEND_TIME);
        self.hand_on(&incoming, &sender, reading).await.map(drop)
    }
}

/// Returns the headers that are texts. Names of HTTP are in small letters here.
fn headers(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let texts = headers.iter().filter_map(|(name, value)| {
        let value = str::from_utf8(value.as_bytes()).ok()?;
        Some((name.as_str(), value))
    });
    texts.collect()
}
