//! The gRPC surface of erasure and suppression.

use std::sync::Arc;

use ::rpc::{Deadline, ErrorReason, Failure, Idempotency, PageRequest, Violation, validate};
use identity_core::{Identifier, screen};
use journal::EventLog;
use kernel::{CustomerId, Duration};
use prost::Message as _;
use proto::identity::v1;
use proto::identity::v1::erasure_service_server::{ErasureService, ErasureServiceServer};
use tokio::time::Instant;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::customers::parse_id;
use crate::erasure::limits::PAGE_SIZE;
use crate::erasure::{self, Asked, DEADLINE, EraseError, KeyError, Mode, operation_of};
use crate::ingest::Intake;
use crate::kind::Kind;
use crate::limits::APPEND_PATIENCE;

const ERASE: &str = "happypath.identity.v1.ErasureService/Erase";
const SUPPRESS: &str = "happypath.identity.v1.ErasureService/Suppress";
const UNSUPPRESS: &str = "happypath.identity.v1.ErasureService/Unsuppress";

/// Serves erasures. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ErasureRpc {
    intake: Arc<Intake>,
    idempotency: Idempotency,
    events: Option<EventLog>,
    deadline: Duration,
}

impl ErasureRpc {
    /// Serves an intake.
    pub const fn new(intake: Arc<Intake>, idempotency: Idempotency) -> Self {
        Self {
            intake,
            idempotency,
            events: None,
            deadline: DEADLINE,
        }
    }

    /// Counts events in this log, where the deployment keeps one.
    #[must_use]
    pub fn with_event_log(self, events: Option<EventLog>) -> Self {
        Self { events, ..self }
    }

    /// Promises erasures within this time.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The server for `tonic`'s router.
    pub fn into_server(self) -> ErasureServiceServer<Self> {
        ErasureServiceServer::new(self).max_decoding_message_size(kernel::limits::MESSAGE_BYTES)
    }

    async fn carry_out(&self, request: &v1::EraseRequest) -> Result<v1::EraseResponse, Failure> {
        let customers = request.customer_ids.iter();
        let customers = customers
            .map(|id| parse_id("customer_ids", id))
            .collect::<Result<Vec<CustomerId>, _>>()?;
        let now = self.intake.own_clock.now();
        let asked = Asked {
            operation: operation_of(ERASE, &request.request_id),
            customers,
            identifiers: self.identifiers(&request.identifiers)?,
            mode: match request.mode() {
                v1::ErasureMode::Unspecified | v1::ErasureMode::Fresh => Mode::Fresh,
                v1::ErasureMode::Suppress => Mode::Suppress,
            },
            is_dry_run: request.dry_run,
            is_urgent: request.urgent,
            reason: &request.reason,
            request_id: &request.request_id,
            erase_time: self.intake.clock.now(),
            now,
            deadline: now + self.deadline,
        };
        let database = self.intake.store.database();
        let row = erasure::erase(database, self.intake.tombstones.vault(), asked);
        let row = row.await.map_err(failure)?;
        let ids: Vec<CustomerId> = erasure::ids(&row.fragment_ids)
            .map(CustomerId::new)
            .collect();
        let mut told = erasure::message(&row, now);
        if request.dry_run {
            told.operation_id.clear();
            told.state = v1::ErasureState::Unspecified.into();
            told.steps.clear();
            told.event_count = self.count(&ids).await?;
            return Ok(v1::EraseResponse {
                erasure: Some(told),
            });
        }
        self.tell(row.operation_id, &ids).await;
        Ok(v1::EraseResponse {
            erasure: Some(told),
        })
    }

    /// Tells this process and the streams at once, and deletes memberships. Where that fails,
    /// others do so in a moment.
    async fn tell(&self, operation: Uuid, ids: &[CustomerId]) {
        if let Err(error) = self.intake.refresh_tombstones().await {
            tracing::warn!(%error, "tombstones not read; they are tried again");
        }
        let own = Instant::now() + APPEND_PATIENCE;
        let deadline = Deadline::current().map_or(own, |it| it.last_wait().min(own));
        let told = self
            .intake
            .announce_erasure(operation, ids, 0, Some(deadline));
        if let Err(error) = told.await {
            tracing::warn!(%error, "an erasure not announced; it is tried again");
        }
        if let Err(error) = self.intake.forget_memberships(ids, 1).await {
            tracing::warn!(%error, "memberships not deleted; it is tried again");
        }
    }

    async fn count(&self, ids: &[CustomerId]) -> Result<Option<u64>, Failure> {
        let Some(log) = &self.events else {
            return Ok(None);
        };
        let (mut events, mut place) = (0, None);
        loop {
            let found = log.count(ids, place).await;
            let found = found.map_err(Failure::store_unavailable)?;
            events += found.events;
            place = found.next;
            if place.is_none() {
                return Ok(Some(events));
            }
        }
    }

    /// Reads identifiers as events carry them, or says what is wrong with each.
    fn identifiers(&self, sent: &[v1::Identifier]) -> Result<Vec<Identifier>, Failure> {
        let rules = Arc::clone(&self.intake.namespaces.borrow());
        let (mut read, mut faults) = (Vec::with_capacity(sent.len()), Vec::new());
        for (place, identifier) in sent.iter().enumerate() {
            let pair = (identifier.namespace.clone(), identifier.value.clone());
            let kind = Kind::named_by(&rules, &identifier.namespace);
            let screened = screen(kind.rules(&rules), [pair]);
            read.extend(screened.kept.into_iter().map(|(_, it)| it));
            faults.extend(screened.dropped.into_iter().map(|dropped| {
                let reason = dropped.reason.code();
                let whose = match kind {
                    Kind::Customer => "a person",
                    Kind::Account => "an account",
                };
                let description = format!("names nobody: {reason}. Give a value of {whose}");
                Violation::new(format!("identifiers[{place}]"), description)
            }));
        }
        match faults.is_empty() {
            true => Ok(read),
            false => Err(Failure::invalid(faults)),
        }
    }
}

#[tonic::async_trait]
impl ErasureService for ErasureRpc {
    async fn erase(
        &self,
        request: Request<v1::EraseRequest>,
    ) -> Result<Response<v1::EraseResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        if request.customer_ids.is_empty() && request.identifiers.is_empty() {
            let description = "must name somebody, here or in `identifiers`";
            return Err(Failure::invalid([Violation::new("customer_ids", description)]).into());
        }
        let id = if request.dry_run {
            // Nothing to remember.
            ""
        } else {
            &request.request_id
        };
        let work = || self.carry_out(&request);
        let answer = self.idempotency.run_repeatable(ERASE, id, &request, work);
        Ok(Response::new(answer.await?))
    }

    async fn get_erasure(
        &self,
        request: Request<v1::GetErasureRequest>,
    ) -> Result<Response<v1::GetErasureResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let name = request.operation_id;
        let operation: Uuid = name.parse().map_err(Failure::internal)?;
        let now = self.intake.own_clock.now();
        let found = erasure::load(self.intake.store.database(), operation, now).await;
        let found = found.map_err(Failure::store_unavailable)?;
        let missing = || Failure::not_found(ErrorReason::ErasureNotFound, "erasure", &name);
        Ok(Response::new(v1::GetErasureResponse {
            erasure: Some(found.ok_or_else(missing)?),
        }))
    }

    async fn list_erasures(
        &self,
        request: Request<v1::ListErasuresRequest>,
    ) -> Result<Response<v1::ListErasuresResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let (size, token) = (request.page_size, &request.page_token);
        let page = PageRequest::read(&["ListErasures"], size, token, PAGE_SIZE)?;
        let after = page.after().and_then(read_key);
        let limit = page.size() as u64 + 1;
        let now = self.intake.own_clock.now();
        let found = erasure::list(self.intake.store.database(), after, limit, now).await;
        let found = found.map_err(Failure::store_unavailable)?;
        let (erasures, next_page_token) = page.cut(
            found,
            |((time, id), _)| [&time.to_be_bytes()[..], id.as_bytes()].concat(),
            |(_, erasure)| erasure.encoded_len(),
        );
        Ok(Response::new(v1::ListErasuresResponse {
            erasures: erasures.into_iter().map(|(_, it)| it).collect(),
            next_page_token,
        }))
    }

    async fn suppress(
        &self,
        request: Request<v1::SuppressRequest>,
    ) -> Result<Response<v1::SuppressResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let work = || async {
            let identifiers = self.identifiers(&request.identifiers)?;
            let (database, vault) = self.stores();
            let now = self.intake.own_clock.now();
            let count = erasure::suppress(database, vault, &identifiers, now).await;
            let suppressed_count = self.changed(count).await?;
            Ok::<_, Failure>(v1::SuppressResponse { suppressed_count })
        };
        let (own, id) = (&self.idempotency, &request.request_id);
        let answer = own.run_repeatable(SUPPRESS, id, &request, work).await?;
        Ok(Response::new(answer))
    }

    async fn unsuppress(
        &self,
        request: Request<v1::UnsuppressRequest>,
    ) -> Result<Response<v1::UnsuppressResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let work = || async {
            let identifiers = self.identifiers(&request.identifiers)?;
            let (database, vault) = self.stores();
            let count = erasure::unsuppress(database, vault, &identifiers).await;
            let unsuppressed_count = self.changed(count).await?;
            Ok::<_, Failure>(v1::UnsuppressResponse { unsuppressed_count })
        };
        let (own, id) = (&self.idempotency, &request.request_id);
        let answer = own.run_repeatable(UNSUPPRESS, id, &request, work).await?;
        Ok(Response::new(answer))
    }
}

impl ErasureRpc {
    fn stores(&self) -> (&storage::Database, Option<&vault::Vault>) {
        let intake = &self.intake;
        (intake.store.database(), intake.tombstones.vault())
    }

    /// Holds events of this process against what was changed, and returns how much that was.
    async fn changed(&self, count: Result<usize, EraseError>) -> Result<u32, Failure> {
        let count = count.map_err(failure)?;
        let read = self.intake.refresh_tombstones().await;
        read.map_err(|error| failure(error.into()))?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

fn read_key(key: &[u8]) -> Option<(i64, Uuid)> {
    let (time, id) = key.split_first_chunk::<8>()?;
    Some((i64::from_be_bytes(*time), Uuid::from_slice(id).ok()?))
}

fn failure(error: EraseError) -> Failure {
    match error {
        EraseError::Database(error) | EraseError::Key(KeyError::Database(error)) => {
            Failure::store_unavailable(error)
        }
        EraseError::Key(KeyError::Sealed) => {
            Failure::new(ErrorReason::SecretKeysAbsent, KeyError::Sealed.to_string())
        }
        EraseError::Key(error) => Failure::internal(error),
        EraseError::Audit(error) => error.into(),
        EraseError::TooMany(_) => {
            let description = error.to_string();
            Failure::invalid([Violation::new("customer_ids", description)])
        }
    }
}
