//! The gRPC server of definitions, over every owner in the process.

use std::sync::Arc;

use prost::Message;
use proto::convert::timestamp;
use proto::definition::v1::definition_service_server::{
    DefinitionService, DefinitionServiceServer,
};
use proto::definition::v1::{
    ApplyDefinitionsRequest, ApplyDefinitionsResponse, Definition, DefinitionKind,
    DeleteDefinitionRequest, DeleteDefinitionResponse, GetDefinitionRequest, GetDefinitionResponse,
    ListDefinitionsRequest, ListDefinitionsResponse, RotateSecretsRequest, RotateSecretsResponse,
    StoredDefinition,
};
use rpc::{Arrivals, Deadline, Failure, Idempotency, PageRequest, Violation, validate};
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use crate::owners::Owners;
use crate::plan::not_found;
use crate::{DefinitionKey, IfMatch, Owner, ReferenceSource, Versioned, key_of, limits, secret};

const SERVICE: &str = "happypath.definition.v1.DefinitionService";

/// Serves the definitions of every owner in the process.
#[derive(Clone)]
pub struct DefinitionRpc {
    owners: Arc<Owners>,
    idempotency: Idempotency,
}

impl DefinitionRpc {
    /// Serves these owners; names of kinds that none of them owns come from `elsewhere`.
    ///
    /// # Contract
    /// All owners keep their definitions in the same database: a change over several of them is one
    /// transaction.
    pub fn new(
        owners: Vec<Arc<dyn Owner>>,
        elsewhere: Option<Arc<dyn ReferenceSource>>,
        idempotency: Idempotency,
    ) -> Self {
        Self {
            owners: Arc::new(Owners::new(owners, elsewhere)),
            idempotency,
        }
    }

    /// The server for `tonic`'s router.
    pub fn into_server(self) -> DefinitionServiceServer<Self> {
        DefinitionServiceServer::new(self).max_decoding_message_size(rpc::limits::MESSAGE_BYTES)
    }

    async fn apply(
        &self,
        request: &ApplyDefinitionsRequest,
    ) -> Result<ApplyDefinitionsResponse, Failure> {
        let applied = self
            .owners
            .apply(
                &request.definitions,
                &request.if_match,
                request.validate_only,
            )
            .await?;
        Ok(ApplyDefinitionsResponse {
            applied: applied.into_iter().map(|(_, applied)| applied).collect(),
        })
    }

    async fn delete(
        &self,
        request: &DeleteDefinitionRequest,
    ) -> Result<DeleteDefinitionResponse, Failure> {
        let key = DefinitionKey::new(request.kind(), request.name.as_str());
        let if_match = IfMatch::parse(&request.if_match);
        self.owners.delete(&key, &if_match).await?;
        Ok(DeleteDefinitionResponse {})
    }

    async fn list(
        &self,
        request: &ListDefinitionsRequest,
    ) -> Result<ListDefinitionsResponse, Failure> {
        let filter = ["ListDefinitions", &request.kind.to_string()];
        let page = PageRequest::read(
            &filter,
            request.page_size,
            &request.page_token,
            limits::PAGE_SIZE,
        )?;
        let after = page
            .after()
            .map(String::from_utf8_lossy)
            .unwrap_or_default();
        let (after_kind, after_name) = after.split_once(' ').unwrap_or(("0", ""));
        let after_kind: i32 = after_kind.parse().unwrap_or(0);
        let mut kinds: Vec<DefinitionKind> = self
            .owners
            .kinds()
            .filter(|kind| request.kind == 0 || request.kind == *kind as i32)
            .collect();
        kinds.sort_by_key(|kind| *kind as i32);
        let mut found = Vec::new();
        for kind in kinds.into_iter().filter(|kind| *kind as i32 >= after_kind) {
            let after = match kind as i32 == after_kind {
                true => after_name,
                false => "",
            };
            self.fill(&page, kind, after, &mut found).await?;
        }
        let (definitions, next_page_token) = page.cut(found, place_of, Message::encoded_len);
        Ok(ListDefinitionsResponse {
            definitions,
            next_page_token,
        })
    }

    /// Adds definitions of a kind, by name, until there are more than the page holds: some at a
    /// time, since a thousand large ones take more memory than a caller is worth.
    async fn fill(
        &self,
        page: &PageRequest,
        kind: DefinitionKind,
        after: &str,
        found: &mut Vec<StoredDefinition>,
    ) -> Result<(), Failure> {
        let owner = self.owners.owner(kind, "kind")?;
        let mut after = after.to_owned();
        while page.fitting(found.iter().map(Message::encoded_len)) >= found.len() {
            let missing = (page.size() + 1).saturating_sub(found.len());
            let wanted = missing.min(limits::READ_AT_ONCE);
            let some = owner.list(kind, &after, wanted).await?;
            let is_last = some.len() < wanted;
            let last = some.last().and_then(|it| key_of(&it.value));
            after = last.map(|key| key.name).unwrap_or_default();
            found.extend(some.into_iter().map(stored));
            if is_last {
                break;
            }
        }
        Ok(())
    }
}

/// Carries a change to its end, also where its caller goes away meanwhile.
///
/// Ended between its commit and the keeping of its answer, it would be refused when it is sent
/// again: what it deletes is gone, and what it changes has another etag.
async fn to_its_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, Status>> + Send + 'static,
) -> Result<T, Status> {
    let change = audit::Operation::carry(change);
    let change = Deadline::scope(Deadline::current(), change).in_current_span();
    let done = tokio::spawn(change).await;
    done.map_err(Failure::internal)?
}

/// Returns where a definition stands in a list.
fn place_of(it: &StoredDefinition) -> Vec<u8> {
    match it.definition.as_ref().and_then(key_of) {
        Some(key) => format!("{} {}", key.kind as i32, key.name).into_bytes(),
        None => Vec::new(),
    }
}

/// Checks that there are as many etags as definitions, or none, and that no definition is too large
/// to be shown.
fn check(request: &ApplyDefinitionsRequest) -> Result<(), Failure> {
    let mut violations = Vec::new();
    for (index, definition) in request.definitions.iter().enumerate() {
        let bytes = definition.encoded_len();
        if bytes > limits::DEFINITION_BYTES {
            let most = limits::DEFINITION_BYTES;
            let text = format!("has {bytes} bytes: split it, at most {most} are kept");
            violations.push(Violation::new(format!("definitions[{index}]"), text));
        }
    }
    let (etags, definitions) = (request.if_match.len(), request.definitions.len());
    if etags != 0 && etags != definitions {
        let text = format!("has {etags}: must have one for each of the {definitions} definitions");
        violations.push(Violation::new("if_match", text));
    }
    if violations.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(violations))
}

fn stored(it: Versioned<Definition>) -> StoredDefinition {
    StoredDefinition {
        definition: Some(secret::masked(it.value)),
        version: it.version,
        etag: it.etag,
        update_time: Some(timestamp(it.update_time)),
    }
}

#[tonic::async_trait]
impl DefinitionService for DefinitionRpc {
    async fn apply_definitions(
        &self,
        request: Request<ApplyDefinitionsRequest>,
    ) -> Result<Response<ApplyDefinitionsResponse>, Status> {
        // The memory of the message, for as long as the change holds it.
        let arrival = Arrivals::of(&request).take();
        let request = request.into_inner();
        validate(&request)?;
        check(&request)?;
        if request.validate_only {
            return Ok(Response::new(self.apply(&request).await?));
        }
        let own = self.clone();
        to_its_end(async move {
            let _charge = arrival.charge;
            let method = format!("{SERVICE}/ApplyDefinitions");
            let (id, work) = (&request.request_id, || own.apply(&request));
            own.idempotency.run(&method, id, &request, work).await
        })
        .await
        .map(Response::new)
    }

    async fn get_definition(
        &self,
        request: Request<GetDefinitionRequest>,
    ) -> Result<Response<GetDefinitionResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let owner = self.owners.owner(request.kind(), "kind")?;
        let key = DefinitionKey::new(request.kind(), request.name);
        let found = owner
            .find(&key, request.version)
            .await?
            .ok_or_else(|| not_found(&key))?;
        let definition = Some(stored(found));
        Ok(Response::new(GetDefinitionResponse { definition }))
    }

    async fn list_definitions(
        &self,
        request: Request<ListDefinitionsRequest>,
    ) -> Result<Response<ListDefinitionsResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.list(&request).await?))
    }

    async fn delete_definition(
        &self,
        request: Request<DeleteDefinitionRequest>,
    ) -> Result<Response<DeleteDefinitionResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let own = self.clone();
        to_its_end(async move {
            let method = format!("{SERVICE}/DeleteDefinition");
            let (id, work) = (&request.request_id, || own.delete(&request));
            own.idempotency.run(&method, id, &request, work).await
        })
        .await
        .map(Response::new)
    }

    async fn rotate_secrets(
        &self,
        request: Request<RotateSecretsRequest>,
    ) -> Result<Response<RotateSecretsResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let own = self.clone();
        to_its_end(async move {
            let method = format!("{SERVICE}/RotateSecrets");
            let work = || async {
                let rotated = own.owners.rotate_secrets(request.validate_only).await;
                rotated.map(RotateSecretsResponse::from)
            };
            let id = &request.request_id;
            own.idempotency.run(&method, id, &request, work).await
        })
        .await
        .map(Response::new)
    }
}
