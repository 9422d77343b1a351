//! Memberships: said, ended and listed.

use ::rpc::{ErrorReason, Failure, PageRequest, Violation};
use hot::StreamName;
use kernel::{CustomerId, Timestamp};
use prost::Message as _;
use proto::convert;
use proto::identity::v1;
use uuid::Uuid;

use super::AccountRpc;
use crate::kind::Kind;
use crate::limits::PAGE_SIZE;
use crate::named::Named;
use crate::rpc::append_failure;
use crate::sender_clock::is_set;
use crate::store::{AccountError, AccountNews, MembershipPut, MembershipRecord, MembershipSource};

impl AccountRpc {
    /// Says that a customer belongs to an account.
    pub(super) async fn put_member(
        &self,
        request: v1::PutMembershipRequest,
    ) -> Result<v1::PutMembershipResponse, Failure> {
        let valid_from = instant("valid_from", request.valid_from.as_ref())?;
        let valid_to = instant("valid_to", request.valid_to.as_ref())?;
        if let (Some(from), Some(to)) = (valid_from, valid_to)
            && from >= to
        {
            return Err(ends_early("valid_to", "`valid_from`"));
        }
        let customer = Named::customer(request.customer);
        let account = Named::account(request.account);
        let customer = self.root(Kind::Customer, "customer", customer).await?;
        let account = self.root(Kind::Account, "account", account).await?;
        let put = MembershipPut {
            customer: customer.fragment(),
            account: account.fragment(),
            role: &request.role,
            source: MembershipSource::Call,
            confidence: request.confidence.unwrap_or(1.0),
            valid_from,
            valid_to,
            is_primary: request.is_primary,
        };
        let store = &self.rpc().intake.store;
        let written = store.put_membership(put, self.rpc().intake.moment()).await;
        let written = written.map_err(|error| failure(error, ("valid_to", customer, account)))?;
        let metrics = &self.rpc().intake.metrics;
        metrics.memberships_begun(put.source, usize::from(written.is_new));
        Ok(v1::PutMembershipResponse {
            position: self.announce(&written.news).await?,
            membership: Some(message(written.membership)),
            created: written.is_new,
        })
    }

    /// Ends a membership.
    pub(super) async fn end_member(
        &self,
        request: v1::EndMembershipRequest,
    ) -> Result<v1::EndMembershipResponse, Failure> {
        let name = request.membership_id;
        let id = Uuid::try_parse(&name).map_err(Failure::internal)?;
        let end = instant("end_time", request.end_time.as_ref())?;
        let intake = &self.rpc().intake;
        let ended = intake.store.end_membership(id, end, intake.moment());
        let ended = ended.await.map_err(|error| match error {
            AccountError::NotFound => {
                Failure::not_found(ErrorReason::MembershipNotFound, "membership", &name)
            }
            AccountError::EndsBeforeBegin { begin } => ends_early("end_time", &begun(begin)),
            other => store_failure(other),
        })?;
        for (customer, account) in ended.pairs {
            intake.pairs.forget(customer, account);
        }
        audit::subjects([ended.membership.customer, ended.membership.account]);
        Ok(v1::EndMembershipResponse {
            position: self.announce(&ended.news).await?,
            membership: Some(message(ended.membership)),
        })
    }

    /// A page of the memberships of an account.
    pub(super) async fn page_of_members(
        &self,
        request: v1::ListMembersRequest,
    ) -> Result<v1::ListMembersResponse, Failure> {
        use v1::list_members_request::Key;
        let at = instant("at", request.at.as_ref())?;
        let filter = [
            "ListMembers",
            &format!("{:?}", request.key),
            &format!("{at:?}"),
            &request.role,
        ];
        let (size, token) = (request.page_size, &request.page_token);
        let page = PageRequest::read(&filter, size, token, PAGE_SIZE)?;
        let named = match request.key {
            Some(Key::AccountId(id)) => Named::Id(id),
            Some(Key::Identifier(identifier)) => Named::Identifier(identifier),
            None => Named::Id(String::new()),
        };
        let account = self.root(Kind::Account, "", named).await?;
        let role = Some(request.role.as_str()).filter(|role| !role.is_empty());
        let after = page.after().and_then(|key| Uuid::from_slice(key).ok());
        let store = &self.rpc().intake.store;
        let at = at.unwrap_or_else(|| self.rpc().intake.moment().at);
        let found = store.members(account, (at, role), after, page.size() + 1);
        let found = found.await.map_err(Failure::store_unavailable)?;
        let told = found.iter().take(page.size());
        audit::subjects(told.map(|it| it.customer));
        let key = |record: &MembershipRecord| record.id.as_bytes().to_vec();
        let (memberships, next_page_token) = cut(&page, found, key);
        Ok(v1::ListMembersResponse {
            memberships,
            next_page_token,
        })
    }

    /// A page of the memberships of a customer.
    pub(super) async fn page_of_memberships(
        &self,
        request: v1::ListMembershipsRequest,
    ) -> Result<v1::ListMembershipsResponse, Failure> {
        use v1::list_memberships_request::Key;
        let at = instant("at", request.at.as_ref())?;
        let filter = [
            "ListMemberships",
            &format!("{:?}", request.key),
            &format!("{at:?}"),
        ];
        let (size, token) = (request.page_size, &request.page_token);
        let page = PageRequest::read(&filter, size, token, PAGE_SIZE)?;
        let named = match request.key {
            Some(Key::CustomerId(id)) => Named::Id(id),
            Some(Key::Identifier(identifier)) => Named::Identifier(identifier),
            None => Named::Id(String::new()),
        };
        let customer = self.root(Kind::Customer, "", named).await?;
        let after = page.after().and_then(read_key);
        let store = &self.rpc().intake.store;
        let at = at.unwrap_or_else(|| self.rpc().intake.moment().at);
        let found = store.memberships(customer, at, after, page.size() + 1);
        let found = found.await.map_err(Failure::store_unavailable)?;
        let told = found.iter().take(page.size());
        audit::subjects(told.map(|it| it.account));
        let (memberships, next_page_token) = cut(&page, found, write_key);
        Ok(v1::ListMembershipsResponse {
            memberships,
            next_page_token,
        })
    }

    /// Tells the streams of what changed, and returns the position of that; empty for nothing.
    async fn announce(&self, news: &[AccountNews]) -> Result<String, Failure> {
        let rpc = self.rpc();
        let told = rpc.intake.announce_memberships(news, Some(rpc.patience()));
        let took = told.await.map_err(append_failure)?;
        Ok(took.position(rpc.intake.positions, StreamName::Events))
    }
}

/// A membership as answers show it.
fn message(record: MembershipRecord) -> v1::Membership {
    let source = match record.source {
        MembershipSource::Call => v1::MembershipSource::Call,
        MembershipSource::Event => v1::MembershipSource::Event,
        MembershipSource::Domain => v1::MembershipSource::Domain,
    };
    v1::Membership {
        membership_id: record.id.to_string(),
        customer_id: record.customer.to_string(),
        account_id: record.account.to_string(),
        role: record.role,
        source: source.into(),
        confidence: record.confidence,
        valid_from: Some(convert::timestamp(record.valid_from)),
        valid_to: record.valid_to.map(convert::timestamp),
        is_primary: record.is_primary,
    }
}

/// Cuts memberships to a page.
fn cut(
    page: &PageRequest,
    found: Vec<MembershipRecord>,
    key: impl Fn(&MembershipRecord) -> Vec<u8>,
) -> (Vec<v1::Membership>, String) {
    let told = found.into_iter().map(|it| (key(&it), message(it)));
    let (memberships, token) = page.cut(
        told.collect(),
        |(key, _)| key.clone(),
        |(_, membership)| membership.encoded_len(),
    );
    (memberships.into_iter().map(|(_, it)| it).collect(), token)
}

/// A page of the memberships of a customer begins after whether one is primary, and its id.
fn write_key(record: &MembershipRecord) -> Vec<u8> {
    [&[u8::from(record.is_primary)], &record.id.as_bytes()[..]].concat()
}

fn read_key(key: &[u8]) -> Option<(bool, Uuid)> {
    let (is_primary, id) = key.split_first()?;
    Some((*is_primary == 1, Uuid::from_slice(id).ok()?))
}

/// Reads a time of a request; the zero time of a language is none, as it is in events.
fn instant(
    field: &str,
    time: Option<&prost_types::Timestamp>,
) -> Result<Option<Timestamp>, Failure> {
    match time.filter(|time| is_set(time)) {
        None => Ok(None),
        Some(time) if convert::is_instant(time) => Ok(Some(convert::instant(time))),
        Some(_) => Err(Failure::invalid([Violation::new(
            field,
            convert::NO_INSTANT,
        )])),
    }
}

/// The refusal of an end that is not after a beginning.
fn ends_early(field: &str, begin: &str) -> Failure {
    let description = format!("must be after {begin}");
    Failure::invalid([Violation::new(field, description)])
}

fn begun(begin: Timestamp) -> String {
    format!("{begin}, when the membership begins")
}

/// The failure of a membership that was not written.
fn failure(
    error: AccountError,
    (end, customer, account): (&str, CustomerId, CustomerId),
) -> Failure {
    match error {
        AccountError::NoCustomer => Kind::Customer.missing(&customer.to_string()),
        AccountError::NoAccount => Kind::Account.missing(&account.to_string()),
        AccountError::EndsBeforeBegin { begin } => ends_early(end, &begun(begin)),
        other => store_failure(other),
    }
}

/// The failure of what was not written, where the request does not say of whom it is.
pub(super) fn store_failure(error: AccountError) -> Failure {
    let message = error.to_string();
    match error {
        AccountError::NoCustomer => Failure::new(ErrorReason::CustomerNotFound, message),
        AccountError::NoAccount => Failure::new(ErrorReason::AccountNotFound, message),
        AccountError::NotFound => Failure::new(ErrorReason::MembershipNotFound, message),
        AccountError::TooManyOfCustomer | AccountError::TooManyOfAccount => {
            Failure::new(ErrorReason::MembershipLimit, message)
        }
        AccountError::TooManyGroups => Failure::new(ErrorReason::BuyingGroupLimit, message),
        AccountError::EndsBeforeBegin { .. } => Failure::new(ErrorReason::InvalidRequest, message),
        AccountError::NotMember { .. } => Failure::new(ErrorReason::NotAMember, message),
        AccountError::Raced => Failure::new(ErrorReason::IdentityContended, message)
            .with_retry_after(crate::limits::RETRY_DELAY),
        AccountError::Database(error) => Failure::store_unavailable(error),
        AccountError::Audit(error) => error.into(),
    }
}
