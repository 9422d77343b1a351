//! Gives identifiers to a customer by the word of somebody who knows.

use std::sync::Arc;

use ::rpc::{Failure, Violation};
use hot::StreamName;
use identity_core::Identifier;
use kernel::CustomerId;
use proto::identity::v1;

use super::{ResolutionRpc, normalized};
use crate::customers::{message, parse_id};
use crate::kind::Kind;
use crate::merge::MergeError;
use crate::rpc::{append_failure, resolve_failure};

impl ResolutionRpc {
    /// Links. The same request again links once.
    pub(super) async fn link_once(
        &self,
        request: v1::LinkRequest,
    ) -> Result<v1::LinkResponse, Failure> {
        let intake = &self.rpc.intake;
        let customer = customer(&request)?;
        let rules = Arc::clone(&intake.namespaces.borrow());
        let asked = request.identifiers.into_iter().enumerate();
        let identifiers = asked.map(|(place, own)| {
            let field = format!("identifiers[{place}]");
            normalized(&rules, &field, own)
        });
        let identifiers: Vec<Identifier> = identifiers.collect::<Result<_, _>>()?;
        audit::subjects(customer);
        let deadline = Some(self.rpc.patience());
        let linked = intake
            .link(
                customer,
                identifiers,
                (&request.reason, &request.request_id),
                deadline,
            )
            .await
            .map_err(merge_failure)?;
        audit::subject(linked.customer);
        let record = intake.store.customer(linked.customer.fragment()).await;
        let record = record.map_err(Failure::store_unavailable)?;
        let operation = linked.operation_id.map(|id| id.to_string());
        Ok(v1::LinkResponse {
            customer: record.map(message),
            merged_customer_ids: linked.merged.iter().map(ToString::to_string).collect(),
            operation_id: operation.unwrap_or_default(),
            position: linked.took.position(intake.positions, StreamName::Events),
        })
    }
}

/// The customer that a request names; there must be two things to link.
fn customer(request: &v1::LinkRequest) -> Result<Option<CustomerId>, Failure> {
    match (request.customer_id.as_str(), request.identifiers.len()) {
        ("", 0 | 1) => {
            let description = "must have at least 2 where `customer_id` is empty";
            let violation = Violation::new("identifiers", description);
            Err(Failure::invalid([violation]))
        }
        ("", _) => Ok(None),
        (id, _) => {
            let id = parse_id("customer_id", id)?;
            match Kind::Customer.fault("customer_id".to_owned(), id) {
                Some(fault) => Err(Failure::invalid([fault])),
                None => Ok(Some(id)),
            }
        }
    }
}

/// The failure of a change that was not carried out, or not announced.
pub(crate) fn merge_failure(error: MergeError) -> Failure {
    match error {
        MergeError::Resolve(error) => resolve_failure(error),
        MergeError::Append(error) => append_failure(error),
    }
}
