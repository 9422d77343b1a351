//! Takes customers apart, and accounts.

use std::sync::Arc;

use ::rpc::{ErrorReason, Failure, Violation};
use hot::StreamName;
use kernel::FragmentId;
use proto::identity::v1;
use proto::identity::v1::unmerge_customers_request::By;
use uuid::Uuid;

use super::ResolutionRpc;
use super::explain::evidence_of;
use crate::customers::{message, parse_id};
use crate::kind::Kind;
use crate::rpc::{append_failure, resolve_failure};
use crate::unmerge::{Unmerge, UnmergeBy, UnmergeError, Unmerged};

/// A customer or an account that came apart, with what people are told of it.
#[derive(Debug)]
pub(crate) struct Parted {
    /// Those who came out.
    pub(crate) done: Unmerged,
    /// The things that cannot be told apart.
    pub(crate) indivisible: Vec<String>,
    /// The position of the news.
    pub(crate) position: String,
}

impl Parted {
    /// The name of the operation; empty where nothing was changed.
    pub(crate) fn operation_id(&self) -> String {
        let id = self.done.operation_id.map(|id| id.to_string());
        id.unwrap_or_default()
    }

    /// Takes out the evidence that holds together what was named.
    pub(crate) fn take_remaining(&mut self) -> Vec<v1::IdentityEvidence> {
        let remaining = std::mem::take(&mut self.done.remaining).into_iter();
        remaining.map(|it| evidence_of(it, None)).collect()
    }
}

impl ResolutionRpc {
    /// Takes customers apart. The same request again does it once.
    pub(super) async fn unmerge_once(
        &self,
        request: v1::UnmergeCustomersRequest,
    ) -> Result<v1::UnmergeCustomersResponse, Failure> {
        let mut parted = self.take_apart(Kind::Customer, request).await?;
        Ok(v1::UnmergeCustomersResponse {
            operation_id: parted.operation_id(),
            remaining_evidence: parted.take_remaining(),
            customers: parted.done.customers.into_iter().map(message).collect(),
            indivisible: parted.indivisible,
            position: parted.position,
        })
    }

    /// Takes subjects of a kind apart. A request about accounts comes in the words of one about
    /// customers.
    pub(crate) async fn take_apart(
        &self,
        kind: Kind,
        request: v1::UnmergeCustomersRequest,
    ) -> Result<Parted, Failure> {
        let intake = &self.rpc.intake;
        let field = kind.id_field();
        let customer = match request.customer_id.as_str() {
            "" => None,
            id => Some(kind.check(field, parse_id(field, id)?)?),
        };
        audit::subjects(customer);
        let unmerge = Unmerge {
            is_account: kind == Kind::Account,
            customer,
            by: self.by(kind, request.by)?,
            is_dry_run: request.dry_run,
            reason: request.reason,
            request_id: request.request_id,
        };
        if let (None, UnmergeBy::Event(_)) = (&unmerge.customer, &unmerge.by) {
            let description = "must be set where `event_id` is: ids of events are their senders'";
            return Err(Failure::invalid([Violation::new(field, description)]));
        }
        let done = intake.unmerge(&unmerge, Some(self.rpc.patience())).await;
        let (done, took) = done.map_err(|error| failure(&unmerge, error))?;
        audit::subjects(done.customers.iter().map(|customer| customer.id));
        Ok(Parted {
            indivisible: self.indivisible(&unmerge, &done).await,
            done,
            position: took.position(intake.positions, StreamName::Events),
        })
    }

    /// Reads what is to come apart.
    fn by(&self, kind: Kind, by: Option<By>) -> Result<UnmergeBy, Failure> {
        let uuid = |field: &str, text: &str| {
            Uuid::try_parse(text).map_err(|error| {
                let violation = Violation::new(field, error.to_string());
                Failure::invalid([violation])
            })
        };
        Ok(match by {
            Some(By::OperationId(id)) => UnmergeBy::Operation(uuid("operation_id", &id)?),
            Some(By::FragmentId(id)) => {
                let id = FragmentId::new(uuid("fragment_id", &id)?);
                UnmergeBy::Fragment(kind.check("fragment_id", id.into())?.fragment())
            }
            Some(By::Identifier(identifier)) => {
                let rules = Arc::clone(&self.rpc.intake.namespaces.borrow());
                UnmergeBy::Identifier(kind.normalized(&rules, "identifier", identifier)?)
            }
            Some(By::EventId(id)) => UnmergeBy::Event(id),
            None => {
                let description = "must be set, or one of the other ways to say what comes apart";
                let violation = Violation::new("operation_id", description);
                return Err(Failure::invalid([violation]));
            }
        })
    }
}

/// The failure of an unmerge.
fn failure(request: &Unmerge, error: UnmergeError) -> Failure {
    let kind = request.kind();
    let message = match kind {
        Kind::Customer => error.to_string(),
        Kind::Account => error.to_string().replace("customer", kind.name()),
    };
    match error {
        UnmergeError::NotFound("such customer") => {
            let id = request.customer.map(|id| id.to_string());
            kind.missing(&id.unwrap_or_default())
        }
        UnmergeError::OtherKind(id) => match kind {
            Kind::Customer => Failure::is_account(named(&request.by), &id.to_string()),
            Kind::Account => Failure::is_customer(named(&request.by), &id.to_string()),
        },
        UnmergeError::NotFound(_) => Failure::new(ErrorReason::EvidenceNotFound, message),
        UnmergeError::Nothing => Failure::new(ErrorReason::UnmergeRefused, message),
        UnmergeError::Resolve(error) => resolve_failure(error),
        UnmergeError::Append(error) => append_failure(error),
    }
}

/// The field of a request that says what comes apart.
const fn named(by: &UnmergeBy) -> &'static str {
    match by {
        UnmergeBy::Operation(_) => "operation_id",
        UnmergeBy::Fragment(_) => "fragment_id",
        UnmergeBy::Identifier(_) => "identifier",
        UnmergeBy::Event(_) => "event_id",
    }
}
