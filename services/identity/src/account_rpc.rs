//! The gRPC surface of accounts, of who belongs to them, and of buying groups.

use ::rpc::validate;
use proto::identity::v1;
use proto::identity::v1::account_service_server::{AccountService, AccountServiceServer};
use tonic::{Request, Response, Status};

use crate::rpc::IdentityRpc;

/// Serves accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AccountRpc {
    rpc: IdentityRpc,
}

impl AccountRpc {
    /// Serves beside the service of events.
    pub const fn new(rpc: IdentityRpc) -> Self {
        Self { rpc }
    }

    /// The server for `tonic`'s router.
    pub fn into_server(self) -> AccountServiceServer<Self> {
        AccountServiceServer::new(self).max_decoding_message_size(kernel::limits::MESSAGE_BYTES)
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
        Err(Status::unimplemented("not yet"))
    }

    async fn get_account(
        &self,
        request: Request<v1::GetAccountRequest>,
    ) -> Result<Response<v1::GetAccountResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Err(Status::unimplemented("not yet"))
    }

    async fn list_accounts(
        &self,
        request: Request<v1::ListAccountsRequest>,
    ) -> Result<Response<v1::ListAccountsResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Err(Status::unimplemented("not yet"))
    }

    async fn merge_accounts(
        &self,
        request: Request<v1::MergeAccountsRequest>,
    ) -> Result<Response<v1::MergeAccountsResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Err(Status::unimplemented("not yet"))
    }

    async fn unmerge_accounts(
        &self,
        request: Request<v1::UnmergeAccountsRequest>,
    ) -> Result<Response<v1::UnmergeAccountsResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Err(Status::unimplemented("not yet"))
    }

    async fn put_membership(
        &self,
        request: Request<v1::PutMembershipRequest>,
    ) -> Result<Response<v1::PutMembershipResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Err(Status::unimplemented("not yet"))
    }

    async fn end_membership(
        &self,
        request: Request<v1::EndMembershipRequest>,
    ) -> Result<Response<v1::EndMembershipResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Err(Status::unimplemented("not yet"))
    }

    async fn list_members(
        &self,
        request: Request<v1::ListMembersRequest>,
    ) -> Result<Response<v1::ListMembersResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Err(Status::unimplemented("not yet"))
    }

    async fn list_memberships(
        &self,
        request: Request<v1::ListMembershipsRequest>,
    ) -> Result<Response<v1::ListMembershipsResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Err(Status::unimplemented("not yet"))
    }

    async fn put_buying_group(
        &self,
        request: Request<v1::PutBuyingGroupRequest>,
    ) -> Result<Response<v1::PutBuyingGroupResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Err(Status::unimplemented("not yet"))
    }

    async fn get_buying_group(
        &self,
        request: Request<v1::GetBuyingGroupRequest>,
    ) -> Result<Response<v1::GetBuyingGroupResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Err(Status::unimplemented("not yet"))
    }

    async fn list_buying_groups(
        &self,
        request: Request<v1::ListBuyingGroupsRequest>,
    ) -> Result<Response<v1::ListBuyingGroupsResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Err(Status::unimplemented("not yet"))
    }

    async fn delete_buying_group(
        &self,
        request: Request<v1::DeleteBuyingGroupRequest>,
    ) -> Result<Response<v1::DeleteBuyingGroupResponse>, Status> {
        let request = request.into_inner();
        validate(&request)?;
        Err(Status::unimplemented("not yet"))
    }
}
