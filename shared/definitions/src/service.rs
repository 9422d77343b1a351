//! The gRPC server of definitions, over every owner in the process.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::convert::timestamp;
use proto::definition::v1::definition_service_server::{
    DefinitionService, DefinitionServiceServer,
};
use proto::definition::v1::{
    ApplyDefinitionsRequest, ApplyDefinitionsResponse, Definition, DefinitionKind,
    DeleteDefinitionRequest, DeleteDefinitionResponse, GetDefinitionRequest, GetDefinitionResponse,
    ListDefinitionsRequest, ListDefinitionsResponse, StoredDefinition,
};
use rpc::{ErrorReason, Failure, Idempotency, PageRequest, Violation, validate};
use tonic::{Request, Response, Status};

use crate::store::{invalid, not_found};
use crate::{
    Change, DefinitionKey, Owner, ReferenceSource, References, Versioned, key_of, kind_word,
    limits, secret,
};

const SERVICE: &str = "happypath.definition.v1.DefinitionService";

/// Serves the definitions of every owner in the process.
#[derive(Clone)]
pub struct DefinitionRpc {
    owners: Arc<[Arc<dyn Owner>]>,
    elsewhere: Option<Arc<dyn ReferenceSource>>,
    idempotency: Idempotency,
}

impl DefinitionRpc {
    /// Serves these owners; names of kinds that none of them owns come from `elsewhere`.
    pub fn new(
        owners: Vec<Arc<dyn Owner>>,
        elsewhere: Option<Arc<dyn ReferenceSource>>,
        idempotency: Idempotency,
    ) -> Self {
        Self {
            owners: owners.into(),
            elsewhere,
            idempotency,
        }
    }

    /// The server for `tonic`'s router.
    pub fn into_server(self) -> DefinitionServiceServer<Self> {
        DefinitionServiceServer::new(self).max_decoding_message_size(rpc::limits::MESSAGE_BYTES)
    }

    fn owner(&self, kind: DefinitionKind) -> Option<&Arc<dyn Owner>> {
        self.owners
            .iter()
            .find(|owner| owner.kinds().contains(&kind))
    }

    fn owner_or_refuse(
        &self,
        kind: DefinitionKind,
        field: &str,
    ) -> Result<&Arc<dyn Owner>, Failure> {
        self.owner(kind).ok_or_else(|| {
            let message = format!(
                "this process does not keep definitions of kind {}",
                kind_word(kind)
            );
            Failure::new(ErrorReason::DefinitionKindNotServed, message).with_violations([
                Violation::new(field, "belongs to another service: send it there"),
            ])
        })
    }

    /// Every name that an owner must know of kinds that it does not own.
    async fn references(&self, owner: &Arc<dyn Owner>) -> Result<References, Failure> {
        let mut references = References::unknown();
        for kind in owner.needs().iter().copied() {
            let names = match (self.owner(kind), &self.elsewhere) {
                (Some(other), _) => Some(other.names(kind).await?),
                (None, Some(elsewhere)) => elsewhere.names(kind).await?,
                (None, None) => None,
            };
            if let Some(names) = names {
                references.add(kind, names);
            }
        }
        Ok(references)
    }

    async fn apply(
        &self,
        request: &ApplyDefinitionsRequest,
    ) -> Result<ApplyDefinitionsResponse, Failure> {
        let mut groups: BTreeMap<usize, Vec<(usize, Definition)>> = BTreeMap::new();
        let mut bundle: Vec<DefinitionKey> = Vec::new();
        for (index, definition) in request.definitions.iter().enumerate() {
            let Some(key) = key_of(definition) else {
                continue;
            };
            match self
                .owners
                .iter()
                .position(|owner| owner.kinds().contains(&key.kind))
            {
                Some(owner) => groups
                    .entry(owner)
                    .or_default()
                    .push((index, definition.clone())),
                None if request.validate_only => {}
                None => {
                    self.owner_or_refuse(key.kind, &format!("definitions[{index}]"))?;
                }
            }
            bundle.push(key);
        }
        let mut planned = Vec::new();
        let mut violations = Vec::new();
        for (place, definitions) in groups {
            let owner = &self.owners[place];
            let mut references = self.references(owner).await?;
            for key in bundle
                .iter()
                .filter(|key| owner.needs().contains(&key.kind))
            {
                // What the bundle brings counts as there; a kind that nothing is known of stays unknown.
                if references.knows(key.kind) {
                    references.add(key.kind, [key.name.clone()]);
                }
            }
            let change = Change::Apply(definitions);
            violations.extend(owner.check(&change, &references).await?);
            planned.push((owner, change, references));
        }
        if !violations.is_empty() {
            violations.truncate(rpc::limits::VIOLATIONS);
            return Err(invalid(violations));
        }
        let mut applied = Vec::new();
        // Each owner has its own tables; all were checked together, so that a mistake stops all of them.
        for (owner, change, references) in planned {
            applied.extend(
                owner
                    .change(&change, &references, request.validate_only)
                    .await?,
            );
        }
        applied.sort_by_key(|(index, _)| *index);
        Ok(ApplyDefinitionsResponse {
            applied: applied.into_iter().map(|(_, applied)| applied).collect(),
        })
    }

    async fn delete(&self, key: &DefinitionKey) -> Result<DeleteDefinitionResponse, Failure> {
        let owner = self.owner_or_refuse(key.kind, "kind")?;
        let change = Change::Delete(key.clone());
        let own = self.references(owner).await?;
        let mut users = self.broken_by(owner, &change, &own).await?;
        for other in self
            .owners
            .iter()
            .filter(|other| other.needs().contains(&key.kind))
        {
            let mut references = self.references(other).await?;
            references.remove(key.kind, &key.name);
            users.extend(
                self.broken_by(other, &Change::Apply(Vec::new()), &references)
                    .await?,
            );
        }
        if !users.is_empty() {
            users.truncate(rpc::limits::VIOLATIONS);
            let message = format!("{key} is in use");
            return Err(Failure::new(ErrorReason::DefinitionInUse, message).with_violations(users));
        }
        owner.change(&change, &own, false).await?;
        Ok(DeleteDefinitionResponse {})
    }

    /// What a change breaks that was not broken before.
    async fn broken_by(
        &self,
        owner: &Arc<dyn Owner>,
        change: &Change,
        references: &References,
    ) -> Result<Vec<Violation>, Failure> {
        let before = self.references(owner).await?;
        let known = owner.check(&Change::Apply(Vec::new()), &before).await?;
        let mut broken = owner.check(change, references).await?;
        broken.retain(|violation| !known.contains(violation));
        Ok(broken)
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
            .iter()
            .flat_map(|owner| owner.kinds())
            .copied()
            .filter(|kind| request.kind == 0 || request.kind == *kind as i32)
            .collect();
        kinds.sort_by_key(|kind| *kind as i32);
        let mut found = Vec::new();
        for kind in kinds.into_iter().filter(|kind| *kind as i32 >= after_kind) {
            let missing = (page.size() + 1).saturating_sub(found.len());
            if missing == 0 {
                break;
            }
            let after = if kind as i32 == after_kind {
                after_name
            } else {
                ""
            };
            let owner = self.owner_or_refuse(kind, "kind")?;
            found.extend(owner.list(kind, after, missing).await?);
        }
        let (found, next_page_token) = page.cut(found, |it| match key_of(&it.value) {
            Some(key) => format!("{} {}", key.kind as i32, key.name).into_bytes(),
            None => Vec::new(),
        });
        Ok(ListDefinitionsResponse {
            definitions: found.into_iter().map(stored).collect(),
            next_page_token,
        })
    }
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
        let request = request.into_inner();
        validate(&request)?;
        if request.validate_only {
            return Ok(Response::new(self.apply(&request).await?));
        }
        let method = format!("{SERVICE}/ApplyDefinitions");
        let work = || self.apply(&request);
        let answer = self
            .idempotency
            .run(&method, &request.request_id, &request, work)
            .await?;
        Ok(Response::new(answer))
    }

    async fn get_definition(
        &self,
        request: Request<GetDefinitionRequest>,
    ) -> Result<Response<GetDefinitionResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let owner = self.owner_or_refuse(request.kind(), "kind")?;
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
        let key = DefinitionKey::new(request.kind(), request.name.as_str());
        let method = format!("{SERVICE}/DeleteDefinition");
        let work = || self.delete(&key);
        let answer = self
            .idempotency
            .run(&method, &request.request_id, &request, work)
            .await?;
        Ok(Response::new(answer))
    }
}
