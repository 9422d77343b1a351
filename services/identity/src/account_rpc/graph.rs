//! Joins accounts and takes them apart, as customers are.

use ::rpc::{ErrorReason, Failure};
use hot::StreamName;
use proto::identity::v1;

use super::AccountRpc;
use super::message::{account, texts};
use crate::kind::Kind;
use crate::merge::MergeError;
use crate::resolution::merge_failure;
use crate::resolve::ResolveError;

impl AccountRpc {
    /// Joins accounts.
    pub(super) async fn merge(
        &self,
        request: v1::MergeAccountsRequest,
    ) -> Result<v1::MergeAccountsResponse, Failure> {
        let accounts = Kind::Account.ids("account_ids", &request.account_ids)?;
        audit::subjects(accounts.iter().copied());
        let (reason, id) = (&request.reason, &request.request_id);
        let rpc = self.rpc();
        let intake = &rpc.intake;
        let merged = intake.merge(&accounts, reason, id, Some(rpc.patience()));
        let (into, merged, took) = merged.await.map_err(failure)?;
        let record = intake.store.customer(into.fragment()).await;
        let record = record.map_err(Failure::store_unavailable)?;
        let rules = self.rules();
        Ok(v1::MergeAccountsResponse {
            account: record.map(|it| account(&rules, it)),
            merged_account_ids: texts(&merged),
            position: took.position(intake.positions, StreamName::Events),
        })
    }

    /// Takes accounts apart.
    pub(super) async fn unmerge(
        &self,
        request: v1::UnmergeAccountsRequest,
    ) -> Result<v1::UnmergeAccountsResponse, Failure> {
        let parted = self.resolution.take_apart(Kind::Account, neutral(request));
        let mut parted = parted.await?;
        let rules = self.rules();
        Ok(v1::UnmergeAccountsResponse {
            operation_id: parted.operation_id(),
            remaining_evidence: parted.take_remaining(),
            accounts: parted
                .done
                .customers
                .into_iter()
                .map(|it| account(&rules, it))
                .collect(),
            indivisible: parted.indivisible,
            position: parted.position,
        })
    }
}

/// A request in the words of one about customers.
fn neutral(request: v1::UnmergeAccountsRequest) -> v1::UnmergeCustomersRequest {
    use v1::unmerge_accounts_request::By;
    use v1::unmerge_customers_request::By as Neutral;
    v1::UnmergeCustomersRequest {
        request_id: request.request_id,
        customer_id: request.account_id,
        by: request.by.map(|by| match by {
            By::OperationId(id) => Neutral::OperationId(id),
            By::FragmentId(id) => Neutral::FragmentId(id),
            By::Identifier(identifier) => Neutral::Identifier(identifier),
            By::EventId(id) => Neutral::EventId(id),
        }),
        dry_run: request.dry_run,
        reason: request.reason,
    }
}

/// The failure of a merge, in words about accounts.
fn failure(error: MergeError) -> Failure {
    match error {
        MergeError::Resolve(ResolveError::NotFound(id)) => Kind::Account.missing(&id.to_string()),
        MergeError::Resolve(ResolveError::TooLarge(large)) => {
            let message = large.to_string().replace("customer", "account");
            Failure::new(ErrorReason::MergeRefused, message)
        }
        error => merge_failure(error),
    }
}
