//! Posts activations to webhooks.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use activation_core::channel::Webhook;
use bytes::Bytes;
use engine::Clock;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kernel::{ActivationId, CustomerId, OutboundAddresses, Timestamp};
use proto::stream::v1::Delivery;
use serde_json::json;

use super::Timeouts;
use super::answer::Attempted;
use super::connector::{ConnectError, Connector, Network, Reach};
use super::signature::sign;
use crate::limits;

type HttpClient = Client<HttpsConnector<Connector>, Full<Bytes>>;

/// The HTTP client of all webhooks. Connections are kept, apart for those that may be private.
pub(super) struct WebhookClient {
    public: HttpClient,
    private: HttpClient,
    clock: Arc<dyn Clock>,
    timeouts: Timeouts,
}

/// One delivery, as it is told to the destination.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) id: ActivationId,
    pub(super) customer: CustomerId,
    /// When the attempt was decided, in the time of the installation, which may be virtual.
    pub(super) time: Timestamp,
    /// W3C trace context of the attempt; empty for none.
    pub(super) trace_parent: &'a str,
    pub(super) delivery: &'a Delivery,
}

impl WebhookClient {
    pub(super) fn new(
        network: &Arc<dyn Network>,
        allowed: OutboundAddresses,
        clock: Arc<dyn Clock>,
        timeouts: Timeouts,
    ) -> Self {
        let allowed = Arc::new(allowed);
        let client = |allow_private_network| {
            let connector = Connector {
                network: Arc::clone(network),
                allowed: Arc::clone(&allowed),
                allow_private_network,
                timeout: timeouts.connect,
            };
            let tls = HttpsConnectorBuilder::new()
                .with_webpki_roots()
                .https_or_http()
                .enable_http1()
                .wrap_connector(connector);
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(limits::IDLE_TIMEOUT)
                .pool_max_idle_per_host(limits::IDLE_CONNECTIONS)
                .http1_max_buf_size(limits::HEAD_BYTES)
                .build(tls)
        };
        Self {
            public: client(false),
            private: client(true),
            clock,
            timeouts,
        }
    }

    /// Posts one activation and says how it went; never takes longer than its time.
    pub(super) async fn post(&self, webhook: &Webhook, message: Message<'_>) -> Attempted {
        let request = match self.request(webhook, message) {
            Ok(request) => request,
            Err(error) => return Attempted::rejected(format!("no request can be made: {error}")),
        };
        let client = if webhook.allow_private_network {
            &self.private
        } else {
            &self.public
        };
        match tokio::time::timeout(self.timeouts.total, client.request(request)).await {
            Err(_) => Attempted::unanswered("no answer in time"),
            Ok(Err(error)) => unanswered(&error),
            Ok(Ok(response)) => self.read(response).await,
        }
    }

    fn request(
        &self,
        webhook: &Webhook,
        message: Message<'_>,
    ) -> Result<Request<Full<Bytes>>, http::Error> {
        let id = message.id.to_string();
        let delivery = message.delivery;
        let body = json!({
            "type": "activation",
            "timestamp": message.time.to_string(),
            "data": {
                "activation_id": id,
                "customer_id": message.customer.to_string(),
                "journey": delivery.journey,
                "step": delivery.step,
                "channel": delivery.channel,
                "template": delivery.template,
                "subject": delivery.subject,
                "body": delivery.body,
            },
        })
        .to_string();
        // Receivers compare this with their own clocks, so it is real time even where the installation's is not.
        let seconds = self.clock.now().as_millis().div_euclid(1_000);
        let mut request = Request::builder();
        if !message.trace_parent.is_empty() {
            request = request.header("traceparent", message.trace_parent);
        }
        request
            .method(Method::POST)
            .uri(webhook.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(
                header::USER_AGENT,
                concat!("happypath/", env!("CARGO_PKG_VERSION")),
            )
            .header("webhook-id", id.as_str())
            .header("webhook-timestamp", seconds)
            .header(
                "webhook-signature",
                sign(&webhook.key, &id, seconds, body.as_bytes()),
            )
            .body(Full::from(body))
    }

    /// The head decides; of the body a little is read, as detail and so that the connection can be
    /// used again. A body from within a private network is shown to nobody: a channel must not be a
    /// window into it.
    async fn read(&self, response: Response<Incoming>) -> Attempted {
        let (head, body) = response.into_parts();
        let is_public = head.extensions.get() == Some(&Reach::Public);
        let mut attempted = Attempted::of_head(head.status, &head.headers, self.clock.now());
        let start = read_start(body, self.timeouts.body).await;
        let text = String::from_utf8_lossy(&start);
        let line: String = text
            .trim()
            .chars()
            .take_while(|letter| !matches!(letter, '\r' | '\n'))
            .filter(|letter| !letter.is_control())
            .take(200)
            .collect();
        if is_public && !line.is_empty() {
            attempted.detail = format!("{}: {line}", attempted.detail);
        }
        attempted
    }
}

/// Reads a body up to its bounds of size and time; what is over them is dropped with its connection.
async fn read_start(mut body: Incoming, timeout: Duration) -> Vec<u8> {
    let mut start = Vec::new();
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            if let Some(data) = frame.data_ref() {
                let room = limits::BODY_BYTES - start.len();
                start.extend_from_slice(&data[..data.len().min(room)]);
            }
            if start.len() >= limits::BODY_BYTES {
                break;
            }
        }
    };
    // Out of time, what came until then is enough.
    let _ = tokio::time::timeout(timeout, reading).await;
    start
}

fn unanswered(error: &hyper_util::client::legacy::Error) -> Attempted {
    let mut causes = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let remedy = match cause.downcast_ref() {
            Some(ConnectError::Refused) => Some("set `allow_private_network` if that is meant"),
            Some(ConnectError::Forbidden) => {
                Some("an operator can add it to `outbound_allow` of the activation service")
            }
            _ => None,
        };
        if let Some(remedy) = remedy {
            return Attempted::rejected(format!("{cause}; {remedy}"));
        }
        causes.push(cause.to_string());
        next = cause.source();
    }
    Attempted::unanswered(causes.join(": "))
}
