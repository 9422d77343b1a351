//! Takes customers apart.

use std::sync::Arc;

use ::rpc::{ErrorReason, Failure, Violation};
use hot::StreamName;
use kernel::FragmentId;
use proto::identity::v1;
use proto::identity::v1::unmerge_customers_request::By;
use uuid::Uuid;

use super::explain::evidence_of;
use super::{ResolutionRpc, normalized};
use crate::customers::{message, parse_id};
use crate::rpc::{append_failure, resolve_failure};
use crate::unmerge::{Unmerge, UnmergeBy, UnmergeError};

impl ResolutionRpc {
    /// Takes apart. The same request again does it once.
    pub(super) async fn unmerge_once(
        &self,
        request: v1::UnmergeCustomersRequest,
    ) -> Result<v1::UnmergeCustomersResponse, Failure> {
        let intake = &self.rpc.intake;
        let customer = match request.customer_id.as_str() {
            "" => None,
            id => Some(parse_id("customer_id", id)?),
        };
        audit::subjects(customer);
        let unmerge = Unmerge {
            customer,
            by: self.by(request.by)?,
            is_dry_run: request.dry_run,
            reason: request.reason,
            request_id: request.request_id,
        };
        if let (None, UnmergeBy::Event(_)) = (&unmerge.customer, &unmerge.by) {
            let description = "must be set where `event_id` is: ids of events are their senders'";
            let violation = Violation::new("customer_id", description);
            return Err(Failure::invalid([violation]));
        }
        let done = intake.unmerge(&unmerge, Some(self.rpc.patience())).await;
        let (done, took) = done.map_err(|error| failure(&unmerge, error))?;
        audit::subjects(done.customers.iter().map(|customer| customer.id));
        let indivisible = self.indivisible(&unmerge, &done).await;
        let remaining = done.remaining.into_iter();
        let operation = done.operation_id.map(|id| id.to_string());
        Ok(v1::UnmergeCustomersResponse {
            customers: done.customers.into_iter().map(message).collect(),
            operation_id: operation.unwrap_or_default(),
            remaining_evidence: remaining.map(|it| evidence_of(it, None)).collect(),
            indivisible,
            position: took.position(intake.positions, StreamName::Events),
        })
    }

    /// Reads what is to come apart.
    fn by(&self, by: Option<By>) -> Result<UnmergeBy, Failure> {
        let uuid = |field: &str, text: &str| {
            Uuid::try_parse(text).map_err(|error| {
                let violation = Violation::new(field, error.to_string());
                Failure::invalid([violation])
            })
        };
        Ok(match by {
            Some(By::OperationId(id)) => UnmergeBy::Operation(uuid("operation_id", &id)?),
            Some(By::FragmentId(id)) => {
                UnmergeBy::Fragment(FragmentId::new(uuid("fragment_id", &id)?))
            }
            Some(By::Identifier(identifier)) => {
                let rules = Arc::clone(&self.rpc.intake.namespaces.borrow());
                UnmergeBy::Identifier(normalized(&rules, "identifier", identifier)?)
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
    let message = error.to_string();
    match error {
        UnmergeError::NotFound("such customer") => {
            let id = request.customer.map(|id| id.to_string());
            let reason = ErrorReason::CustomerNotFound;
            Failure::not_found(reason, "customer", &id.unwrap_or_default())
        }
        UnmergeError::NotFound(_) => Failure::new(ErrorReason::EvidenceNotFound, message),
        UnmergeError::Nothing => Failure::new(ErrorReason::UnmergeRefused, message),
        UnmergeError::Resolve(error) => resolve_failure(error),
        UnmergeError::Append(error) => append_failure(error),
    }
}
