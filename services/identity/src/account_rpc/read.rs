//! Reads accounts.

use ::rpc::{Failure, PageRequest};
use prost::Message as _;
use proto::identity::v1;

use super::AccountRpc;
use super::message::account;
use crate::limits::PAGE_SIZE;
use crate::named::Named;
use crate::page_key;

impl AccountRpc {
    /// An account, and how many members it has.
    pub(super) async fn read_account(
        &self,
        request: v1::GetAccountRequest,
    ) -> Result<v1::GetAccountResponse, Failure> {
        use v1::get_account_request::Key;
        let named = match request.key {
            Some(Key::AccountId(id)) => Named::Id(id),
            Some(Key::Identifier(identifier)) => Named::Identifier(identifier),
            None => Named::Id(String::new()),
        };
        let record = self.account(named).await?;
        let id = record.id;
        let now = self.rpc().intake.moment().at;
        let store = &self.rpc().intake.store;
        let count = store.member_count(id, now).await;
        let count = count.map_err(Failure::store_unavailable)?;
        let account = v1::Account {
            member_count: count,
            ..account(&self.rules(), record)
        };
        Ok(v1::GetAccountResponse {
            account: Some(account),
        })
    }

    /// A page of accounts, oldest first.
    pub(super) async fn page_of_accounts(
        &self,
        request: &v1::ListAccountsRequest,
    ) -> Result<v1::ListAccountsResponse, Failure> {
        let (size, token) = (request.page_size, &request.page_token);
        let page = PageRequest::read(&["ListAccounts"], size, token, PAGE_SIZE)?;
        let after = page.after().and_then(page_key::read_subject);
        let limit = page.size() as u64 + 1;
        let found = self.rpc().intake.store.list_accounts(after, limit).await;
        let found = found.map_err(Failure::store_unavailable)?;
        audit::subjects(found.iter().take(page.size()).map(|it| it.id));
        let rules = self.rules();
        let accounts = found.into_iter();
        let accounts = accounts.map(|it| {
            (
                page_key::write(it.create_time, it.id.uuid()),
                account(&rules, it),
            )
        });
        let (accounts, next_page_token) = page.cut(
            accounts.collect(),
            |(key, _)| key.clone(),
            |(_, account)| account.encoded_len(),
        );
        Ok(v1::ListAccountsResponse {
            accounts: accounts.into_iter().map(|(_, it)| it).collect(),
            next_page_token,
        })
    }
}
