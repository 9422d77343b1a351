//! The gRPC surface of who is who: found, joined, taken apart, explained, tried.

mod explain;
mod history;
mod identify;
mod indivisible;
mod known;
mod link;
mod look_up;
mod sentences;
mod sightings;
mod simulate;
mod stream;
mod trial;
mod unmerge;

use std::pin::Pin;
use std::sync::Arc;

use ::rpc::{Failure, validate};
use audit::Operation;
use identity_core::Identifier;
use proto::identity::v1;
use proto::identity::v1::resolution_service_server::{ResolutionService, ResolutionServiceServer};
use runtime::SplitPreviews;
use tokio::sync::Semaphore;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use self::known::KnownCustomers;
pub(crate) use self::link::merge_failure;
pub use self::trial::{Rules, Simulation, compile_rules};
use crate::kind::Kind;
use crate::limits::SIMULATIONS;
use crate::rpc::IdentityRpc;
use crate::sender::Sender;

const IDENTIFY: &str = "happypath.identity.v1.ResolutionService/Identify";
const LINK: &str = "happypath.identity.v1.ResolutionService/Link";
const UNMERGE: &str = "happypath.identity.v1.ResolutionService/UnmergeCustomers";

/// Serves resolution. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ResolutionRpc {
    pub(crate) rpc: IdentityRpc,
    known: Arc<KnownCustomers>,
    /// Room for simulations.
    simulations: Arc<Semaphore>,
    /// The time for which the event log keeps events; absent where it keeps all, or there is none.
    event_retention: Option<kernel::Duration>,
    /// Asks other services what an unmerge leaves; absent where there are none.
    previews: Option<SplitPreviews>,
}

impl ResolutionRpc {
    /// Serves beside the service of events.
    pub fn new(rpc: IdentityRpc) -> Self {
        Self {
            rpc,
            known: Arc::new(KnownCustomers::new()),
            simulations: Arc::new(Semaphore::new(SIMULATIONS)),
            event_retention: None,
            previews: None,
        }
    }

    /// Has a dry run of an unmerge ask other services.
    #[must_use]
    pub fn with_previews(self, previews: SplitPreviews) -> Self {
        Self {
            previews: Some(previews),
            ..self
        }
    }

    /// Says for how long the event log keeps events.
    #[must_use]
    pub fn with_event_retention(self, event_retention: Option<kernel::Duration>) -> Self {
        Self {
            event_retention,
            ..self
        }
    }

    /// The server for `tonic`'s router.
    pub fn into_server(self) -> ResolutionServiceServer<Self> {
        ResolutionServiceServer::new(self).max_decoding_message_size(kernel::limits::MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl ResolutionService for ResolutionRpc {
    async fn resolve(
        &self,
        request: Request<v1::ResolveRequest>,
    ) -> Result<Response<v1::ResolveResponse>, Status> {
        let request = request.into_inner();
        if !look_up::is_plain(&request) {
            validate(&request)?;
        }
        let mut found = self.look_up(vec![request.identifiers]).await?;
        Ok(Response::new(found.pop().unwrap_or_default()))
    }

    type ResolveStreamStream =
        Pin<Box<dyn Stream<Item = Result<v1::ResolveStreamResponse, Status>> + Send>>;

    async fn resolve_stream(
        &self,
        request: Request<Streaming<v1::ResolveStreamRequest>>,
    ) -> Result<Response<Self::ResolveStreamStream>, Status> {
        let operation = Operation::current();
        let answers = self.clone().answers(request.into_inner(), operation);
        Ok(Response::new(Box::pin(answers)))
    }

    async fn identify(
        &self,
        request: Request<v1::IdentifyRequest>,
    ) -> Result<Response<v1::IdentifyResponse>, Status> {
        let sender = Sender::of(&request);
        let request = request.into_inner();
        validate(&request)?;
        let id = request.request_id.clone();
        let work = || sender.clone().scope(self.identify_once(request.clone()));
        let idempotency = &self.rpc.idempotency;
        let answer = idempotency
            .run_repeatable(IDENTIFY, &id, &request, work)
            .await?;
        Ok(Response::new(answer))
    }

    async fn link(
        &self,
        request: Request<v1::LinkRequest>,
    ) -> Result<Response<v1::LinkResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let id = request.request_id.clone();
        let work = || self.link_once(request.clone());
        let answer = self.rpc.idempotency.run(LINK, &id, &request, work).await?;
        Ok(Response::new(answer))
    }

    async fn unmerge_customers(
        &self,
        request: Request<v1::UnmergeCustomersRequest>,
    ) -> Result<Response<v1::UnmergeCustomersResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let id = request.request_id.clone();
        let work = || self.unmerge_once(request.clone());
        let idempotency = &self.rpc.idempotency;
        let answer = idempotency.run(UNMERGE, &id, &request, work).await?;
        Ok(Response::new(answer))
    }

    async fn list_history(
        &self,
        request: Request<v1::ListHistoryRequest>,
    ) -> Result<Response<v1::ListHistoryResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.history(request).await?))
    }

    async fn explain_identity(
        &self,
        request: Request<v1::ExplainIdentityRequest>,
    ) -> Result<Response<v1::ExplainIdentityResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.explain(request).await?))
    }

    async fn simulate(
        &self,
        request: Request<v1::SimulateRequest>,
    ) -> Result<Response<v1::SimulateResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.simulate_all(request).await?))
    }
}

/// Normalises an identifier of a customer that somebody named in a field of a request.
fn normalized(
    rules: &Rules,
    field: &str,
    identifier: v1::Identifier,
) -> Result<Identifier, Failure> {
    Kind::Customer.normalized(rules, field, identifier)
}

/// An identifier as answers show it.
fn shown(identifier: Identifier) -> v1::Identifier {
    v1::Identifier {
        namespace: identifier.namespace,
        value: identifier.value,
    }
}
