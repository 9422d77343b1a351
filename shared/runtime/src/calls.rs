//! The calls of a process as one service, whatever is around it: what ways in and relays are given.

use std::convert::Infallible;

use http::{Request, Response};
use rpc::Memory;
use tonic::body::Body;
use tower::util::BoxCloneSyncService;

use crate::web_pages::WebPages;

/// Takes calls of gRPC and answers them. Cheap to clone.
pub type Calls = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// The parts of a process that a way in other than gRPC works with.
#[derive(Debug, Clone)]
pub struct Entrance {
    /// The calls of the process with all layers around them: each is traced and measured, its
    /// message is charged, and its caller has to be let in by the credential in its headers. The
    /// [`access::Peer`] of the connection is an extension of the request, and goes with it.
    pub calls: Calls,
    /// The memory of requests.
    pub memory: Memory,
    /// The web pages whose scripts may call.
    pub pages: WebPages,
}
