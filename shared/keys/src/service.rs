//! The gRPC server of keys.

use access::{Caller, KeyHash, KeyId, Scopes};
use kernel::{Duration, Timestamp};
use prost::Message as _;
use proto::access::v1::key_service_server::{KeyService, KeyServiceServer};
use proto::access::v1::{
    CreateKeyRequest, CreateKeyResponse, GetCallerRequest, GetCallerResponse, Key, ListKeysRequest,
    ListKeysResponse, RevokeKeyRequest, RevokeKeyResponse, RotateKeyRequest, RotateKeyResponse,
};
use proto::convert::{instant, is_instant, timestamp};
use rpc::{ErrorReason, Failure, Idempotency, PageRequest, Violation, validate};
use tonic::{Request, Response, Status};

use crate::limits::{MOST_OVERLAP_MS, OVERLAP_MS, PAGE_SIZE};
use crate::store::change::refuse_unheld;
use crate::{Follower, KeyDraft, KeyStore, StoredKey};

const SERVICE: &str = "happypath.access.v1.KeyService";

/// Serves the keys of an installation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KeyRpc {
    store: KeyStore,
    follower: Follower,
    idempotency: Idempotency,
}

impl KeyRpc {
    /// Serves what is in the table, and has this process know at once of what it changes.
    pub const fn new(store: KeyStore, follower: Follower, idempotency: Idempotency) -> Self {
        Self {
            store,
            follower,
            idempotency,
        }
    }

    /// The server for `tonic`'s router.
    pub fn into_server(self) -> KeyServiceServer<Self> {
        KeyServiceServer::new(self).max_decoding_message_size(rpc::limits::MESSAGE_BYTES)
    }

    async fn create(
        &self,
        request: &CreateKeyRequest,
        caller: &Caller,
    ) -> Result<CreateKeyResponse, Failure> {
        let now = access::now();
        let scopes = scopes(&request.scopes)?;
        let expire_time = expire_time(request, now)?;
        refuse_unheld(scopes, caller.scopes())?;
        let draft = KeyDraft {
            id: id(&request.id)?,
            hash: hash(&request.hash)?,
            name: request.name.clone(),
            scopes: request.scopes.clone(),
            expire_time,
            creator: caller.to_string(),
            source: source(request, scopes)?,
        };
        let key = self.store.create(&draft, now).await?;
        self.follower.catch_up().await;
        Ok(CreateKeyResponse {
            key: Some(shown(key)),
        })
    }

    async fn rotate(
        &self,
        request: &RotateKeyRequest,
        caller: &Caller,
    ) -> Result<RotateKeyResponse, Failure> {
        let (id, hash) = (id(&request.id)?, hash(&request.hash)?);
        let (overlap, giver) = (overlap(&request.overlap)?, caller.scopes());
        let rotated = self
            .store
            .rotate(&id, &hash, overlap, giver, access::now())
            .await?;
        self.follower.catch_up().await;
        Ok(RotateKeyResponse {
            key: Some(shown(rotated)),
        })
    }

    async fn revoke(&self, request: &RevokeKeyRequest) -> Result<RevokeKeyResponse, Failure> {
        let key = self.store.revoke(&id(&request.id)?, access::now()).await?;
        self.follower.catch_up().await;
        Ok(RevokeKeyResponse {
            key: Some(shown(key)),
        })
    }

    async fn list(&self, request: &ListKeysRequest) -> Result<ListKeysResponse, Failure> {
        let (size, token) = (request.page_size, &request.page_token);
        let page = PageRequest::read(&["ListKeys"], size, token, PAGE_SIZE)?;
        let after = page
            .after()
            .map(String::from_utf8_lossy)
            .unwrap_or_default();
        let most = u64::try_from(page.size() + 1).unwrap_or(u64::MAX);
        let found = self.store.list(&after, most, access::now()).await?;
        let found: Vec<Key> = found.into_iter().map(shown).collect();
        let place = |key: &Key| key.id.clone().into_bytes();
        let (keys, next_page_token) = page.cut(found, place, Key::encoded_len);
        Ok(ListKeysResponse {
            keys,
            next_page_token,
        })
    }
}

/// The caller of a request. A call that came by no guard has none, and may do nothing here.
fn caller_of<T>(request: &Request<T>) -> Result<Caller, Failure> {
    Caller::of(request.extensions())
        .cloned()
        .ok_or_else(|| Failure::new(ErrorReason::CredentialMissing, "the call has no credential"))
}

fn id(text: &str) -> Result<KeyId, Failure> {
    KeyId::parse(text).map_err(|error| fault("id", error.to_string()))
}

fn hash(text: &str) -> Result<KeyHash, Failure> {
    KeyHash::from_hex(text).ok_or_else(|| fault("hash", "must be 64 hexadecimal digits".to_owned()))
}

fn scopes(names: &[String]) -> Result<Scopes, Failure> {
    Scopes::parse(names.iter().map(String::as_str)).map_err(|unknown| {
        let faults = unknown
            .iter()
            .map(|one| Violation::new("scopes", one.to_string()));
        Failure::invalid(faults.collect::<Vec<_>>())
    })
}

/// The source that a key is to send for. Such a key is public, so that it may do nothing else.
fn source(request: &CreateKeyRequest, scopes: Scopes) -> Result<Option<String>, Failure> {
    if request.source.is_empty() {
        return Ok(None);
    }
    if scopes != Scopes::of_sources() {
        let text = "must be events:write alone for the key of a source, which stands in web pages: \
                    give other scopes to a key without a source";
        return Err(fault("scopes", text.to_owned()));
    }
    Ok(Some(request.source.clone()))
}

fn expire_time(request: &CreateKeyRequest, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
    let Some(time) = &request.expire_time else {
        return Ok(None);
    };
    if !is_instant(time) {
        return Err(fault(
            "expire_time",
            "is no time of the calendar".to_owned(),
        ));
    }
    let time = instant(time);
    if time <= now {
        let text = format!("{time} has passed: choose a later time, or leave it empty for none");
        return Err(fault("expire_time", text));
    }
    Ok(Some(time))
}

fn overlap(text: &str) -> Result<Duration, Failure> {
    if text.is_empty() {
        return Ok(Duration::from_millis(OVERLAP_MS));
    }
    let overlap: Duration = text
        .parse()
        .map_err(|error: kernel::ParseDurationError| fault("overlap", error.to_string()))?;
    if overlap.as_millis() > MOST_OVERLAP_MS {
        return Err(fault(
            "overlap",
            format!("{text} is too long: must be at most 30d"),
        ));
    }
    Ok(overlap)
}

fn fault(field: &str, text: String) -> Failure {
    Failure::invalid([Violation::new(field, text)])
}

fn shown(key: StoredKey) -> Key {
    Key {
        id: key.id,
        name: key.name,
        scopes: key.scopes,
        creator: key.creator,
        create_time: Some(timestamp(key.create_time)),
        expire_time: key.expire_time.map(timestamp),
        revoke_time: key.revoke_time.map(timestamp),
        rotate_time: Some(timestamp(key.rotate_time)),
        overlap_end_time: key.overlap_end_time.map(timestamp),
        source: key.source.unwrap_or_default(),
    }
}

#[tonic::async_trait]
impl KeyService for KeyRpc {
    async fn create_key(
        &self,
        request: Request<CreateKeyRequest>,
    ) -> Result<Response<CreateKeyResponse>, Status> {
        let caller = caller_of(&request)?;
        let request = request.into_inner();
        validate(&request)?;
        let method = format!("{SERVICE}/CreateKey");
        let (id, work) = (&request.request_id, || self.create(&request, &caller));
        let answer = self.idempotency.run(&method, id, &request, work).await?;
        Ok(Response::new(answer))
    }

    async fn list_keys(
        &self,
        request: Request<ListKeysRequest>,
    ) -> Result<Response<ListKeysResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.list(&request).await?))
    }

    async fn rotate_key(
        &self,
        request: Request<RotateKeyRequest>,
    ) -> Result<Response<RotateKeyResponse>, Status> {
        let caller = caller_of(&request)?;
        let request = request.into_inner();
        validate(&request)?;
        let method = format!("{SERVICE}/RotateKey");
        let (id, work) = (&request.request_id, || self.rotate(&request, &caller));
        let answer = self.idempotency.run(&method, id, &request, work).await?;
        Ok(Response::new(answer))
    }

    async fn revoke_key(
        &self,
        request: Request<RevokeKeyRequest>,
    ) -> Result<Response<RevokeKeyResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let method = format!("{SERVICE}/RevokeKey");
        let (id, work) = (&request.request_id, || self.revoke(&request));
        let answer = self.idempotency.run(&method, id, &request, work).await?;
        Ok(Response::new(answer))
    }

    async fn get_caller(
        &self,
        request: Request<GetCallerRequest>,
    ) -> Result<Response<GetCallerResponse>, Status> {
        let caller = caller_of(&request)?;
        let scopes = caller.scopes().names();
        Ok(Response::new(GetCallerResponse {
            kind: caller.kind().name().to_owned(),
            id: caller.id().to_owned(),
            name: caller.name().to_owned(),
            scopes: scopes.into_iter().map(str::to_owned).collect(),
            installation: caller.installation().unwrap_or_default().to_owned(),
            source: caller.source().unwrap_or_default().to_owned(),
        }))
    }
}
