//! The HTTP client of all destinations.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use destination::{Destination, sign};
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kernel::{OutboundAddresses, Timestamp};

use crate::answer::Attempted;
use crate::connector::{ConnectError, Connector, Network, Reach};
use crate::limits;

type HttpClient = legacy::Client<HttpsConnector<Connector>, Full<Bytes>>;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The time that each part of a post may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// To resolve and connect.
    pub connect: Duration,
    /// All of it up to the head of the answer.
    pub total: Duration,
    /// To read the body of the answer.
    pub body: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: limits::CONNECT_TIMEOUT,
            total: limits::TOTAL_TIMEOUT,
            body: limits::BODY_TIMEOUT,
        }
    }
}

/// The parts of a client.
pub struct ClientConfig {
    /// Leads to the hosts of destinations.
    pub network: Arc<dyn Network>,
    /// The addresses that the operator allows. A destination can only narrow them.
    pub allowed: OutboundAddresses,
    /// Real time, for the timestamps of signatures.
    pub clock: Clock,
    /// The time that each part of a post may take.
    pub timeouts: Timeouts,
    /// The service whose setting names the allowed addresses, for texts.
    pub service: &'static str,
}

/// Posts to destinations. Connections are kept, apart for those that may be private.
pub struct Client {
    public: HttpClient,
    private: HttpClient,
    clock: Clock,
    timeouts: Timeouts,
    service: &'static str,
}

/// A message to a destination.
#[derive(Debug, Clone)]
pub struct Post<'a> {
    /// The destination.
    pub destination: &'a Destination,
    /// Names the message: the same whenever it is posted.
    pub id: &'a str,
    /// W3C trace context; empty for none.
    pub trace_parent: &'a str,
    /// The body, JSON.
    pub body: Bytes,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client, without connections yet.
    pub fn new(config: ClientConfig) -> Self {
        let ClientConfig {
            network,
            allowed,
            clock,
            timeouts,
            service,
        } = config;
        let allowed = Arc::new(allowed);
        let client = |allow_private_network| {
            let connector = Connector {
                network: Arc::clone(&network),
                allowed: Arc::clone(&allowed),
                allow_private_network,
                timeout: timeouts.connect,
            };
            let tls = HttpsConnectorBuilder::new()
                .with_webpki_roots()
                .https_or_http()
                .enable_http1()
                .wrap_connector(connector);
            legacy::Client::builder(TokioExecutor::new())
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
            service,
        }
    }

    /// Posts a message once and says how it went; never takes longer than its time.
    pub async fn post(&self, post: Post<'_>) -> Attempted {
        let is_private = post.destination.allow_private_network;
        let request = match self.request(post) {
            Ok(request) => request,
            Err(error) => return Attempted::refused(format!("no request can be made: {error}")),
        };
        let client = if is_private {
            &self.private
        } else {
            &self.public
        };
        match tokio::time::timeout(self.timeouts.total, client.request(request)).await {
            Err(_) => Attempted::unanswered("no answer in time"),
            Ok(Err(error)) => unanswered(&error, self.service),
            Ok(Ok(response)) => self.read(response).await,
        }
    }

    fn request(&self, post: Post<'_>) -> Result<Request<Full<Bytes>>, http::Error> {
        let Post {
            destination,
            id,
            trace_parent,
            body,
        } = post;
        // Receivers compare this with their own clocks, so it is real time even where the
        // installation's is not.
        let seconds = (self.clock)().as_millis().div_euclid(1_000);
        let mut request = Request::builder();
        if !trace_parent.is_empty() {
            request = request.header("traceparent", trace_parent);
        }
        request
            .method(Method::POST)
            .uri(destination.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(
                header::USER_AGENT,
                concat!("happypath/", env!("CARGO_PKG_VERSION")),
            )
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header(
                "webhook-signature",
                sign(&destination.key, id, seconds, &body),
            )
            .body(Full::from(body))
    }

    /// The head decides; of the body a little is read, as detail and so that the connection can be
    /// used again. A body from within a private network is shown to nobody: a destination must not
    /// be a window into it.
    async fn read(&self, response: Response<Incoming>) -> Attempted {
        let (head, body) = response.into_parts();
        let is_public = head.extensions.get() == Some(&Reach::Public);
        let mut attempted = Attempted::of_head(head.status, &head.headers, (self.clock)());
        let start = read_start(body, self.timeouts.body).await;
        let text = String::from_utf8_lossy(&start);
        let line: String = text
            .trim()
            .chars()
            .take_while(|letter| !matches!(letter, '\r' | '\n'))
            .filter(|letter| !letter.is_control())
            .take(limits::DETAIL_LETTERS)
            .collect();
        if is_public && !line.is_empty() {
            attempted.detail = format!("{}: {line}", attempted.detail);
        }
        attempted
    }
}

/// Reads a body up to its bounds of size and time; what is over them is dropped with its
/// connection.
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

fn unanswered(error: &legacy::Error, service: &str) -> Attempted {
    let mut causes = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let remedy = match cause.downcast_ref() {
            Some(ConnectError::Refused) => {
                Some("set `allow_private_network` if that is meant".to_owned())
            }
            Some(ConnectError::Forbidden) => Some(format!(
                "an operator can add it to `outbound_allow` of the {service} service"
            )),
            _ => None,
        };
        if let Some(remedy) = remedy {
            return Attempted::refused(format!("{cause}; {remedy}"));
        }
        causes.push(cause.to_string());
        next = cause.source();
    }
    Attempted::unanswered(causes.join(": "))
}
