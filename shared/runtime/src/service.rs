//! The parts that a service hands to the process that runs it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use engine::EngineHandle;
use rpc::HandsOn;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;

use crate::calls::{Calls, Entrance};

/// Adds one gRPC service to the routes of a server.
type Route = Box<dyn FnOnce(&mut RoutesBuilder) + Send>;
/// Puts another way in beside gRPC.
pub(crate) type Front = Box<dyn FnOnce(Entrance) -> Calls + Send>;
/// Answers calls in place of the services of a process, or hands them on.
pub(crate) type Relay = Box<dyn FnOnce(Calls) -> Calls + Send>;
/// Ends what a service started.
type Hook = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// One of the four services, started: its gRPC services, definitions, engine and end.
pub struct Service {
    pub(crate) name: &'static str,
    pub(crate) grpc_names: Vec<&'static str>,
    pub(crate) routes: Vec<Route>,
    pub(crate) owner: Option<Arc<dyn definitions::Owner>>,
    pub(crate) status: Option<Arc<dyn engine::Status>>,
    pub(crate) front: Option<Front>,
    pub(crate) relay: Option<(HandsOn, Relay)>,
    pub(crate) hooks: Vec<Hook>,
}

impl Service {
    /// Names a service, such as `journey`.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            grpc_names: Vec::new(),
            routes: Vec::new(),
            owner: None,
            status: None,
            front: None,
            relay: None,
            hooks: Vec::new(),
        }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Adds a gRPC service, such as `JourneyServiceServer::new(…)`. Message limits are the
    /// service's own to set.
    #[must_use]
    pub fn with_grpc<S>(mut self, service: S) -> Self
    where
        S: tower::Service<
                Request<Body>,
                Response = Response<Body>,
                Error = std::convert::Infallible,
            > + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.grpc_names.push(S::NAME);
        self.routes.push(Box::new(move |routes| {
            routes.add_service(service);
        }));
        self
    }

    /// Adds the definitions that it owns.
    #[must_use]
    pub fn with_definitions(mut self, owner: Arc<dyn definitions::Owner>) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Adds the way in of requests that are neither gRPC nor gRPC-Web. It turns them into calls of
    /// gRPC, which it makes of the [`Entrance`]. A process has one at the most.
    #[must_use]
    pub fn with_front(mut self, front: impl FnOnce(Entrance) -> Calls + Send + 'static) -> Self {
        self.front = Some(Box::new(front));
        self
    }

    /// Adds what answers the calls of the services that this process does not run. It stands behind
    /// the guard, and before the services of the process and their audit log, which it is given.
    /// The messages of the paths that it `hands_on` are not read here. A process has one at the
    /// most.
    #[must_use]
    pub fn with_relay(
        mut self,
        hands_on: HandsOn,
        relay: impl FnOnce(Calls) -> Calls + Send + 'static,
    ) -> Self {
        self.relay = Some((hands_on, Box::new(relay)));
        self
    }

    /// Adds the engine that works on its partitions, whose leases are handed over before what is
    /// added later is done.
    #[must_use]
    pub fn with_engine(mut self, engine: EngineHandle) -> Self {
        self.status = Some(Arc::new(engine.clone()));
        self.on_shutdown(async move || engine.shutdown().await)
    }

    /// Adds what must be done before the process ends. Hooks run in the order in which they were
    /// added, once calls have finished.
    #[must_use]
    pub fn on_shutdown<F, Done>(mut self, hook: F) -> Self
    where
        F: FnOnce() -> Done + Send + 'static,
        Done: Future<Output = ()> + Send + 'static,
    {
        self.hooks.push(Box::new(move || Box::pin(hook())));
        self
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("grpc_names", &self.grpc_names)
            .finish_non_exhaustive()
    }
}
