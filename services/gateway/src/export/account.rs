//! The export of an account: asks one service after the other, page by page.

use proto::gateway::v1::export_account_request::Key;
use proto::gateway::v1::{ExportAccountRequest, ExportAccountResponse};
use proto::identity::v1::account_service_client::AccountServiceClient;
use proto::identity::v1::get_account_request::Key as AccountKey;
use proto::identity::v1::{
    Account, GetAccountRequest, ListBuyingGroupsRequest, ListMembersRequest, list_members_request,
};
use tonic::Status;

use super::Asker;
use super::line::{Section, Sender};
use super::subject::{Gathered, PAGE, Subject};

/// An export under way.
pub(super) struct GatherAccount {
    subject: Subject<ExportAccountResponse>,
    account: Account,
}

impl GatherAccount {
    /// Finds the account.
    ///
    /// # Errors
    /// As identity answers.
    pub(super) async fn begin(
        asker: Asker,
        request: ExportAccountRequest,
        sender: Sender<ExportAccountResponse>,
    ) -> Result<Self, Status> {
        let key = request.key.map(|key| match key {
            Key::AccountId(id) => AccountKey::AccountId(id),
            Key::Identifier(identifier) => AccountKey::Identifier(identifier),
        });
        let mut client = AccountServiceClient::new(asker.calls());
        let answer = client.get_account(asker.asks(GetAccountRequest { key }));
        let account = answer.await?.into_inner().account.unwrap_or_default();
        Ok(Self {
            subject: Subject::new(asker, account.account_id.clone(), sender),
            account,
        })
    }

    /// Sends all lines.
    ///
    /// # Errors
    /// As the first service that does not answer says: the export is not whole then.
    pub(super) async fn run(mut self) -> Gathered {
        self.subject.tell(Section::Account, &self.account).await?;
        self.subject.evidence().await?;
        self.subject.history().await?;
        self.subject.profile().await?;
        self.members().await?;
        self.buying_groups().await?;
        self.subject.events().await?;
        self.subject.teller.end(Section::OF_ACCOUNT).await
    }

    async fn members(&mut self) -> Gathered {
        let mut client = AccountServiceClient::new(self.subject.asker.calls());
        let mut page_token = String::new();
        loop {
            let message = ListMembersRequest {
                key: Some(list_members_request::Key::AccountId(
                    self.subject.id.clone(),
                )),
                page_size: PAGE,
                page_token,
                ..ListMembersRequest::default()
            };
            let answer = client.list_members(self.subject.asker.asks(message));
            let answer = answer.await?.into_inner();
            self.subject
                .tell_all(Section::Member, answer.memberships)
                .await?;
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                return Ok(());
            }
        }
    }

    async fn buying_groups(&mut self) -> Gathered {
        let mut client = AccountServiceClient::new(self.subject.asker.calls());
        let mut page_token = String::new();
        loop {
            let message = ListBuyingGroupsRequest {
                account_id: self.subject.id.clone(),
                page_size: PAGE,
                page_token,
            };
            let answer = client.list_buying_groups(self.subject.asker.asks(message));
            let answer = answer.await?.into_inner();
            self.subject
                .tell_all(Section::BuyingGroup, answer.buying_groups)
                .await?;
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                return Ok(());
            }
        }
    }
}

impl std::fmt::Debug for GatherAccount {
    /// Leaves out the account.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatherAccount").finish_non_exhaustive()
    }
}
