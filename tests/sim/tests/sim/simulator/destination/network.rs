//! The network between the deliverer of one process and the destination: HTTP, without sockets.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use activation::deliverer::{Network, Wire};
use async_trait::async_trait;
use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::{ADDRESS, Answer, Destination, HOST, SLOWEST_MS, Told};
use crate::simulator::link::{Link, Lost};
use crate::simulator::world::Place;

/// Bytes on the way in one direction.
const PIPE_BYTES: usize = 64 * 1024;

/// The network of one process.
#[derive(Debug, Clone)]
pub(crate) struct LinkNetwork {
    pub(crate) link: Arc<Link>,
    pub(crate) destination: Arc<Destination>,
}

#[async_trait]
impl Network for LinkNetwork {
    async fn resolve(&self, host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        if host == HOST {
            Ok(vec![ADDRESS])
        } else {
            Err(ErrorKind::NotFound.into())
        }
    }

    /// Connects to the destination. Nobody listens at any other address.
    async fn connect(&self, address: SocketAddr) -> io::Result<Wire> {
        if address != ADDRESS {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        let (own, other) = tokio::io::duplex(PIPE_BYTES);
        let network = self.clone();
        tokio::spawn(async move {
            let serve = service_fn(|request| network.serve(request));
            let mut server = http1::Builder::new();
            server.auto_date_header(false);
            // The connection ends where an answer is lost.
            server
                .serve_connection(TokioIo::new(other), serve)
                .await
                .ok();
        });
        Ok(Wire::new(own))
    }
}

impl LinkNetwork {
    /// Carries a request there and its answer back. The process may die on either way.
    async fn serve(&self, request: Request<Incoming>) -> Result<Response<String>, Lost> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
        let key = head.headers.get("webhook-id");
        let key = key.and_then(|key| key.to_str().ok()).unwrap_or_default();
        let told = told(key, &body);
        let wait_ms = self.link.world.draw(|rng| rng.between(1, SLOWEST_MS));
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        self.link.enter(Place::Destination, true).await?;
        let (world, watch) = (&self.link.world, &self.link.watch);
        let answer = self.destination.take(world, watch, key, &told);
        self.link.leave().await?;
        tokio::time::sleep(answer.after).await;
        self.link.life.runs().await;
        respond(answer)
    }
}

fn respond(answer: Answer) -> Result<Response<String>, Lost> {
    let mut response = Response::builder().status(answer.status.ok_or(Lost)?);
    if let Some(seconds) = answer.retry_after {
        response = response.header(header::RETRY_AFTER, seconds);
    }
    Ok(response.body(String::new()).expect("a valid response"))
}

/// Names what a request asks for, of what is the same in every attempt: the customer may have
/// become another one, and time passes.
fn told(key: &str, body: &[u8]) -> Told {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| body["data"][name].as_str().unwrap_or_default().to_owned();
    Told {
        asked: ["journey", "step", "channel", "template"].map(text),
        is_named_by_key: text("activation_id") == key,
    }
}
