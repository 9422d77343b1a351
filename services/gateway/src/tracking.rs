//! The tracking APIs of SDKs over HTTP.

use std::sync::Arc;

use access::Guard;
use http::{Method, Request, Response};
use runtime::Entrance;
use tokio::sync::watch;
use tonic::body::Body;

use crate::Sources;
use crate::dead_letters::DeadLetters;
use crate::statistics::Statistics;

/// The parts that the tracking API is made of.
#[derive(Debug, Clone)]
pub(crate) struct TrackingParts {
    /// The calls of this process, behind its guard: an `IdentityServiceClient` over `calls` sends
    /// with the sender's key as `authorization: Bearer`, and with the `access::Peer` of the HTTP
    /// request as an extension, so that rates, the audit log and traces see the sender.
    pub(crate) entrance: Entrance,
    /// Tells which caller, and so which source, a write key stands for.
    pub(crate) guard: Guard,
    /// The rules of the sources, now and after each change.
    pub(crate) sources: watch::Receiver<Arc<Sources>>,
    /// Keeps what could not be taken, and counts it.
    pub(crate) dead_letters: DeadLetters,
    /// Counts all else: what was accepted, and calls that could not be read.
    pub(crate) statistics: Statistics,
}

/// Answers the calls of tracking SDKs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Tracking {
    _parts: TrackingParts,
}

impl Tracking {
    /// Answers with these parts.
    pub(crate) const fn new(parts: TrackingParts) -> Self {
        Self { _parts: parts }
    }

    /// Returns whether a path is one of the tracking API, preflights of browsers included. All
    /// others are of the contracts.
    pub(crate) fn owns(&self, _method: &Method, _path: &str) -> bool {
        false
    }

    /// Answers a request to such a path.
    pub(crate) async fn answer(&self, _request: Request<Body>) -> Response<Body> {
        Response::default()
    }
}
