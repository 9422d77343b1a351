//! The gRPC surface of accounts, of who belongs to them, and of buying groups.

mod buying_group;
mod graph;
mod membership;
mod message;
mod named;
mod put;
mod read;

use ::rpc::{Deadline, Failure, TraceParent, validate};
use proto::identity::v1;
use proto::identity::v1::account_service_server::{AccountService, AccountServiceServer};
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use crate::resolution::ResolutionRpc;
use crate::rpc::IdentityRpc;

const PUT_ACCOUNT: &str = "happypath.identity.v1.AccountService/PutAccount";
const MERGE: &str = "happypath.identity.v1.AccountService/MergeAccounts";
const UNMERGE: &str = "happypath.identity.v1.AccountService/UnmergeAccounts";
const PUT_MEMBERSHIP: &str = "happypath.identity.v1.AccountService/PutMembership";
const END_MEMBERSHIP: &str = "happypath.identity.v1.AccountService/EndMembership";
const PUT_GROUP: &str = "happypath.identity.v1.AccountService/PutBuyingGroup";
const DELETE_GROUP: &str = "happypath.identity.v1.AccountService/DeleteBuyingGroup";

/// Serves accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AccountRpc {
    resolution: ResolutionRpc,
}

impl AccountRpc {
    /// Serves beside the service of resolution.
    pub const fn new(resolution: ResolutionRpc) -> Self {
        Self { resolution }
    }

    /// The server for `tonic`'s router.
    pub fn into_server(self) -> AccountServiceServer<Self> {
        AccountServiceServer::new(self).max_decoding_message_size(kernel::limits::MESSAGE_BYTES)
    }

    /// The service of events.
    const fn rpc(&self) -> &IdentityRpc {
        &self.resolution.rpc
    }
}

/// Carries out a change in a task of its own: where the deadline of its caller passes between the
/// change and the answer, that is kept for whoever sends the request again.
async fn to_the_end<R: Send + 'static>(
    work: impl Future<Output = Result<R, Status>> + Send + 'static,
) -> Result<Response<R>, Status> {
    let work = audit::Operation::carry(work);
    let work = TraceParent::scope(TraceParent::current(), work);
    let work = Deadline::scope(Deadline::current(), work);
    match tokio::spawn(Box::pin(work.in_current_span())).await {
        Ok(answer) => answer.map(Response::new),
        Err(error) => Err(Failure::internal(error).into()),
    }
}

#[tonic::async_trait]
impl AccountService for AccountRpc {
    async fn put_account(
        &self,
        request: Request<v1::PutAccountRequest>,
    ) -> Result<Response<v1::PutAccountResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let own = self.clone();
        let work = async move {
            let work = || own.put(request.clone());
            let (idempotency, id) = (&own.rpc().idempotency, &request.request_id);
            idempotency
                .run_repeatable(PUT_ACCOUNT, id, &request, work)
                .await
        };
        to_the_end(work).await
    }

    async fn get_account(
        &self,
        request: Request<v1::GetAccountRequest>,
    ) -> Result<Response<v1::GetAccountResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.read_account(request).await?))
    }

    async fn list_accounts(
        &self,
        request: Request<v1::ListAccountsRequest>,
    ) -> Result<Response<v1::ListAccountsResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.page_of_accounts(&request).await?))
    }

    async fn merge_accounts(
        &self,
        request: Request<v1::MergeAccountsRequest>,
    ) -> Result<Response<v1::MergeAccountsResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let own = self.clone();
        let work = async move {
            let work = || own.merge(request.clone());
            let (idempotency, id) = (&own.rpc().idempotency, &request.request_id);
            idempotency.run(MERGE, id, &request, work).await
        };
        to_the_end(work).await
    }

    async fn unmerge_accounts(
        &self,
        request: Request<v1::UnmergeAccountsRequest>,
    ) -> Result<Response<v1::UnmergeAccountsResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let own = self.clone();
        let work = async move {
            let work = || own.unmerge(request.clone());
            let (idempotency, id) = (&own.rpc().idempotency, &request.request_id);
            idempotency.run(UNMERGE, id, &request, work).await
        };
        to_the_end(work).await
    }

    async fn put_membership(
        &self,
        request: Request<v1::PutMembershipRequest>,
    ) -> Result<Response<v1::PutMembershipResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let own = self.clone();
        let work = async move {
            let work = || own.put_member(request.clone());
            let (idempotency, id) = (&own.rpc().idempotency, &request.request_id);
            idempotency.run(PUT_MEMBERSHIP, id, &request, work).await
        };
        to_the_end(work).await
    }

    async fn end_membership(
        &self,
        request: Request<v1::EndMembershipRequest>,
    ) -> Result<Response<v1::EndMembershipResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let own = self.clone();
        let work = async move {
            let work = || own.end_member(request.clone());
            let (idempotency, id) = (&own.rpc().idempotency, &request.request_id);
            idempotency.run(END_MEMBERSHIP, id, &request, work).await
        };
        to_the_end(work).await
    }

    async fn list_members(
        &self,
        request: Request<v1::ListMembersRequest>,
    ) -> Result<Response<v1::ListMembersResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.page_of_members(request).await?))
    }

    async fn list_memberships(
        &self,
        request: Request<v1::ListMembershipsRequest>,
    ) -> Result<Response<v1::ListMembershipsResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.page_of_memberships(request).await?))
    }

    async fn put_buying_group(
        &self,
        request: Request<v1::PutBuyingGroupRequest>,
    ) -> Result<Response<v1::PutBuyingGroupResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let own = self.clone();
        let work = async move {
            let work = || own.put_group(request.clone());
            let (idempotency, id) = (&own.rpc().idempotency, &request.request_id);
            idempotency.run(PUT_GROUP, id, &request, work).await
        };
        to_the_end(work).await
    }

    async fn get_buying_group(
        &self,
        request: Request<v1::GetBuyingGroupRequest>,
    ) -> Result<Response<v1::GetBuyingGroupResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.read_group(request).await?))
    }

    async fn list_buying_groups(
        &self,
        request: Request<v1::ListBuyingGroupsRequest>,
    ) -> Result<Response<v1::ListBuyingGroupsResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Ok(Response::new(self.page_of_groups(request).await?))
    }

    async fn delete_buying_group(
        &self,
        request: Request<v1::DeleteBuyingGroupRequest>,
    ) -> Result<Response<v1::DeleteBuyingGroupResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        let own = self.clone();
        let work = async move {
            let work = || own.remove_group(request.clone());
            let (idempotency, id) = (&own.rpc().idempotency, &request.request_id);
            idempotency.run(DELETE_GROUP, id, &request, work).await
        };
        to_the_end(work).await
    }
}
