//! Definitions of all services in one place: each call goes to who keeps the kind, and a bundle to
//! all of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use definitions::key_of;
use proto::definition::v1::definition_service_client::DefinitionServiceClient;
use proto::definition::v1::definition_service_server::DefinitionService;
use proto::definition::v1::{
    ApplyDefinitionsRequest, ApplyDefinitionsResponse, DefinitionKind, DeleteDefinitionRequest,
    DeleteDefinitionResponse, GetDefinitionRequest, GetDefinitionResponse, ListDefinitionsRequest,
    ListDefinitionsResponse, RotateSecretsRequest, RotateSecretsResponse,
};
use rpc::limits::MESSAGE_BYTES;
use rpc::{
    Arrivals, Deadline, ErrorReason, Failure, Idempotency, TraceParent, Violation, validate,
};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;
use tracing::Instrument as _;

use super::homes::{Home, Homes, Sender, Way};
use super::pages::Page;
use super::split::{Part, join, split, told, violations};
use crate::limits::DEFINITIONS_PER_PAGE;

/// Names the answers to whole bundles among those that are remembered.
const APPLY: &str = "happypath.gateway/ApplyDefinitions";

/// Keeps nothing, and asks those who do. Cheap to clone.
#[derive(Clone)]
pub(super) struct Definitions {
    homes: Arc<Homes>,
    idempotency: Idempotency,
}

impl Definitions {
    pub(super) const fn new(homes: Arc<Homes>, idempotency: Idempotency) -> Self {
        Self { homes, idempotency }
    }

    fn client(&self, home: Home) -> DefinitionServiceClient<Way> {
        DefinitionServiceClient::new(self.homes.way(home)).max_decoding_message_size(MESSAGE_BYTES)
    }

    async fn apply_at(
        &self,
        sender: &Sender,
        home: Home,
        request: ApplyDefinitionsRequest,
    ) -> Result<ApplyDefinitionsResponse, Status> {
        let mut client = self.client(home);
        home.said(client.apply_definitions(sender.asks(request)).await)
    }

    /// Has every service check the whole bundle for its own definitions.
    async fn check(
        &self,
        sender: &Sender,
        request: &ApplyDefinitionsRequest,
    ) -> Result<ApplyDefinitionsResponse, Status> {
        let (mut planned, mut refusals) = (Vec::new(), Vec::new());
        for part in split(request) {
            let whole = ApplyDefinitionsRequest {
                validate_only: true,
                ..request.clone()
            };
            match self.apply_at(sender, part.home, whole).await {
                Ok(answer) => planned.push((part, answer)),
                Err(status) if violations(&status).is_empty() => return Err(status),
                Err(status) => refusals.push(status),
            }
        }
        match refusals.as_slice() {
            [] => Ok(join(planned)),
            [only] => Err(only.clone()),
            all => Err(refused(all)),
        }
    }

    /// Applies a bundle part by part, once every service has found its part good.
    async fn apply_parts(
        &self,
        sender: &Sender,
        request: &ApplyDefinitionsRequest,
        parts: Vec<Part>,
    ) -> Result<ApplyDefinitionsResponse, Status> {
        self.check(sender, request).await?;
        let mut applied = Vec::with_capacity(parts.len());
        for part in parts {
            let answer = self
                .apply_at(sender, part.home, part.request(request))
                .await;
            match answer {
                Ok(answer) => applied.push((part, answer)),
                Err(status) => return Err(halfway(&part.restored(&status), told(&applied))),
            }
        }
        Ok(join(applied))
    }

    async fn list(
        &self,
        sender: &Sender,
        request: &ListDefinitionsRequest,
    ) -> Result<ListDefinitionsResponse, Status> {
        let sizes = (request.page_size, DEFINITIONS_PER_PAGE);
        let mut page = Page::begin(&Home::ALL, Home::name, &request.page_token, sizes)?;
        let mut definitions = Vec::new();
        while let Some(ask) = page.ask() {
            let asked = ListDefinitionsRequest {
                kind: 0,
                page_size: ask.size,
                page_token: ask.token,
            };
            let mut client = self.client(ask.home);
            let answer = client.list_definitions(sender.asks(asked)).await;
            let answer = ask.home.said(answer)?;
            // A process may keep the definitions of several services.
            let own = answer.definitions.into_iter().filter(|it| {
                let key = it.definition.as_ref().and_then(key_of);
                key.and_then(|key| Home::of(key.kind)) == Some(ask.home)
            });
            let before = definitions.len();
            definitions.extend(own);
            let count = definitions.len() - before;
            let bytes = definitions.iter().map(prost::Message::encoded_len).sum();
            let next = page.take(Home::name, (count, bytes), answer.next_page_token);
            if let Some(next_page_token) = next {
                return Ok(ListDefinitionsResponse {
                    definitions,
                    next_page_token,
                });
            }
        }
        Ok(ListDefinitionsResponse {
            definitions,
            next_page_token: String::new(),
        })
    }

    /// Has every service wrap the secrets that it keeps. Those that have no keys keep none.
    async fn rotate(
        &self,
        sender: &Sender,
        request: &RotateSecretsRequest,
    ) -> Result<RotateSecretsResponse, Status> {
        let (mut sum, mut absent) = (None, None);
        for home in Home::ALL {
            let asked = RotateSecretsRequest {
                request_id: super::split::part_id(&request.request_id, home),
                validate_only: request.validate_only,
            };
            let mut client = self.client(home);
            match home.said(client.rotate_secrets(sender.asks(asked)).await) {
                Ok(answer) => sum = Some(add(sum.unwrap_or_default(), answer)),
                Err(status) if is_for(&status, ErrorReason::SecretKeysAbsent) => {
                    absent = Some(status);
                }
                Err(status) => return Err(status),
            }
        }
        match (sum, absent) {
            (Some(sum), _) => Ok(sum),
            (None, Some(status)) => Err(status),
            (None, None) => Ok(RotateSecretsResponse::default()),
        }
    }
}

fn add(sum: RotateSecretsResponse, other: RotateSecretsResponse) -> RotateSecretsResponse {
    RotateSecretsResponse {
        key_id: match sum.key_id.is_empty() {
            true => other.key_id,
            false => sum.key_id,
        },
        rewrapped_count: sum.rewrapped_count.saturating_add(other.rewrapped_count),
        sealed_count: sum.sealed_count.saturating_add(other.sealed_count),
        unchanged_count: sum.unchanged_count.saturating_add(other.unchanged_count),
    }
}

fn is_for(status: &Status, reason: ErrorReason) -> bool {
    let details = status.get_error_details();
    details
        .error_info()
        .is_some_and(|info| info.reason == reason.as_str())
}

/// Says together what several services found wrong.
fn refused(all: &[Status]) -> Status {
    let found: BTreeSet<(String, String)> = all
        .iter()
        .flat_map(violations)
        .map(|it| (it.field, it.description))
        .collect();
    let more: usize = all.iter().map(rpc::omitted_violations).sum();
    let is_race = all.iter().all(|status| status.code() == Code::Aborted);
    let (reason, what) = if is_race {
        (ErrorReason::EtagMismatch, "were changed by somebody else")
    } else {
        (ErrorReason::DefinitionInvalid, "are not valid")
    };
    let message = format!("the definitions {what}: {} mistakes", found.len() + more);
    let found = found
        .into_iter()
        .map(|(field, description)| Violation::new(field, description));
    Failure::new(reason, message).with_violations(found).into()
}

/// The status of a bundle whose part was refused after others were applied.
fn halfway(status: &Status, applied: Option<String>) -> Status {
    let Some(applied) = applied else {
        return status.clone();
    };
    let message = format!(
        "{} (other services applied their parts before: {applied}; apply the bundle again)",
        status.message()
    );
    Status::with_error_details(status.code(), message, status.get_error_details())
}

/// Carries a change to its end, also where its caller goes away meanwhile: half a bundle is worse
/// than all of it or nothing.
async fn to_its_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, Status>> + Send + 'static,
) -> Result<T, Status> {
    let change = audit::Operation::carry(change);
    let change = TraceParent::scope(TraceParent::current(), change);
    let change = Deadline::scope(Deadline::current(), change).in_current_span();
    let done = tokio::spawn(change).await;
    done.map_err(Failure::internal)?
}

/// The home of a kind that a request names.
fn home_of(kind: DefinitionKind) -> Result<Home, Status> {
    Home::of(kind).ok_or_else(|| {
        let violation = Violation::new("kind", "must be chosen");
        Failure::invalid([violation]).into()
    })
}

#[tonic::async_trait]
impl DefinitionService for Definitions {
    async fn apply_definitions(
        &self,
        request: Request<ApplyDefinitionsRequest>,
    ) -> Result<Response<ApplyDefinitionsResponse>, Status> {
        // The memory of the message, for as long as the change holds it.
        let arrival = Arrivals::of(&request).take();
        let (sender, request) = Sender::of(request);
        validate(&request)?;
        let parts = split(&request);
        let (etags, definitions) = (request.if_match.len(), request.definitions.len());
        let is_whole = etags == 0 || etags == definitions;
        match parts.as_slice() {
            // One service keeps all of it, and says what is wrong with the request as a whole.
            [first, others @ ..] if others.is_empty() || !is_whole => {
                let answer = self.apply_at(&sender, first.home, request).await;
                return answer.map(Response::new);
            }
            _ if request.validate_only => {
                return self.check(&sender, &request).await.map(Response::new);
            }
            _ => {}
        }
        let own = self.clone();
        to_its_end(async move {
            let _charge = arrival.charge;
            let work = || own.apply_parts(&sender, &request, parts);
            let id = &request.request_id;
            own.idempotency.run(APPLY, id, &request, work).await
        })
        .await
        .map(Response::new)
    }

    async fn get_definition(
        &self,
        request: Request<GetDefinitionRequest>,
    ) -> Result<Response<GetDefinitionResponse>, Status> {
        let (sender, request) = Sender::of(request);
        let home = home_of(request.kind())?;
        let mut client = self.client(home);
        let answer = client.get_definition(sender.asks(request)).await;
        home.said(answer).map(Response::new)
    }

    async fn list_definitions(
        &self,
        request: Request<ListDefinitionsRequest>,
    ) -> Result<Response<ListDefinitionsResponse>, Status> {
        let (sender, request) = Sender::of(request);
        validate(&request)?;
        let Some(home) = Home::of(request.kind()) else {
            return self.list(&sender, &request).await.map(Response::new);
        };
        let mut client = self.client(home);
        let answer = client.list_definitions(sender.asks(request)).await;
        home.said(answer).map(Response::new)
    }

    async fn delete_definition(
        &self,
        request: Request<DeleteDefinitionRequest>,
    ) -> Result<Response<DeleteDefinitionResponse>, Status> {
        let (sender, request) = Sender::of(request);
        let home = home_of(request.kind())?;
        let mut client = self.client(home);
        let answer = client.delete_definition(sender.asks(request)).await;
        home.said(answer).map(Response::new)
    }

    async fn rotate_secrets(
        &self,
        request: Request<RotateSecretsRequest>,
    ) -> Result<Response<RotateSecretsResponse>, Status> {
        let (sender, request) = Sender::of(request);
        validate(&request)?;
        self.rotate(&sender, &request).await.map(Response::new)
    }
}
