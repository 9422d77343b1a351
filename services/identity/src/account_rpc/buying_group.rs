//! Buying groups: made, read and deleted.

use std::collections::HashMap;

use ::rpc::{ErrorReason, Failure, PageRequest, Violation};
use kernel::{CustomerId, FragmentId};
use prost::Message as _;
use proto::convert;
use proto::identity::v1;
use uuid::Uuid;

use super::AccountRpc;
use super::membership::store_failure;
use super::message::texts;
use crate::customers::parse_id;
use crate::kind::Kind;
use crate::limits::PAGE_SIZE;
use crate::named::Named;
use crate::store::{AccountError, BuyingGroupRecord, Slot};

impl AccountRpc {
    /// Makes or replaces a buying group.
    pub(super) async fn put_group(
        &self,
        request: v1::PutBuyingGroupRequest,
    ) -> Result<v1::PutBuyingGroupResponse, Failure> {
        let slots = slots(&request.slots)?;
        let account = Named::account(request.account);
        let account = self.root(Kind::Account, "account", account).await?;
        let store = &self.rpc().intake.store;
        let (opportunity, now) = (&request.opportunity, self.rpc().intake.moment().at);
        let put = store.put_buying_group(account.fragment(), opportunity, &slots, now);
        let (record, created) = put.await.map_err(|error| match error {
            AccountError::NotMember { slot, customer } => not_a_member(&slots, slot, customer),
            AccountError::NoAccount => Kind::Account.missing(&account.to_string()),
            other => store_failure(other),
        })?;
        audit::subjects(customers(&record));
        Ok(v1::PutBuyingGroupResponse {
            buying_group: Some(message(record)),
            created,
        })
    }

    /// A buying group.
    pub(super) async fn read_group(
        &self,
        request: v1::GetBuyingGroupRequest,
    ) -> Result<v1::GetBuyingGroupResponse, Failure> {
        let name = request.buying_group_id;
        let id = Uuid::try_parse(&name).map_err(Failure::internal)?;
        let store = &self.rpc().intake.store;
        let found = store.buying_group(id, self.rpc().intake.moment().at).await;
        let found = found.map_err(Failure::store_unavailable)?;
        let record = found.ok_or_else(|| missing(&name))?;
        audit::subject(record.account);
        audit::subjects(customers(&record));
        Ok(v1::GetBuyingGroupResponse {
            buying_group: Some(message(record)),
        })
    }

    /// A page of buying groups.
    pub(super) async fn page_of_groups(
        &self,
        request: v1::ListBuyingGroupsRequest,
    ) -> Result<v1::ListBuyingGroupsResponse, Failure> {
        let filter = ["ListBuyingGroups", &request.account_id];
        let (size, token) = (request.page_size, &request.page_token);
        let page = PageRequest::read(&filter, size, token, PAGE_SIZE)?;
        let account = match request.account_id.as_str() {
            "" => None,
            id => Some(
                self.root(Kind::Account, "", Named::Id(id.to_owned()))
                    .await?,
            ),
        };
        let after = page.after().and_then(|key| Uuid::from_slice(key).ok());
        let limit = page.size() as u64 + 1;
        let store = &self.rpc().intake.store;
        let found = store.buying_groups(account, self.rpc().intake.moment().at, after, limit);
        let found = found.await.map_err(Failure::store_unavailable)?;
        for record in found.iter().take(page.size()) {
            audit::subject(record.account);
            audit::subjects(customers(record));
        }
        let (groups, next_page_token) = page.cut(
            found.into_iter().map(|it| (it.id, message(it))).collect(),
            |(id, _)| id.as_bytes().to_vec(),
            |(_, group)| group.encoded_len(),
        );
        Ok(v1::ListBuyingGroupsResponse {
            buying_groups: groups.into_iter().map(|(_, it)| it).collect(),
            next_page_token,
        })
    }

    /// Deletes a buying group.
    pub(super) async fn remove_group(
        &self,
        request: v1::DeleteBuyingGroupRequest,
    ) -> Result<v1::DeleteBuyingGroupResponse, Failure> {
        let name = request.buying_group_id;
        let id = Uuid::try_parse(&name).map_err(Failure::internal)?;
        let deleted = self.rpc().intake.store.delete_buying_group(id).await;
        match deleted.map_err(store_failure)? {
            true => Ok(v1::DeleteBuyingGroupResponse {}),
            false => Err(missing(&name)),
        }
    }
}

fn missing(name: &str) -> Failure {
    Failure::not_found(ErrorReason::BuyingGroupNotFound, "buying group", name)
}

/// Reads slots: each role once, with ids of customers.
fn slots(asked: &[v1::RoleSlot]) -> Result<Vec<Slot<FragmentId>>, Failure> {
    let mut roles: HashMap<&str, usize> = HashMap::with_capacity(asked.len());
    let (mut read, mut faults) = (Vec::with_capacity(asked.len()), Vec::new());
    for (place, slot) in asked.iter().enumerate() {
        let path = format!("slots[{place}]");
        if let Some(first) = roles.get(slot.role.as_str()) {
            let description = format!("is that of slots[{first}] too: give each role once");
            faults.push(Violation::new("role", description).under(&path));
        } else {
            roles.insert(&slot.role, place);
        }
        let mut customers = Vec::with_capacity(slot.customer_ids.len());
        for (own, id) in slot.customer_ids.iter().enumerate() {
            let field = format!("{path}.customer_ids[{own}]");
            let id = parse_id(&field, id)?;
            faults.extend(Kind::Customer.fault(field, id));
            customers.push(id.fragment());
        }
        read.push(Slot {
            role: slot.role.clone(),
            required_count: slot.required_count,
            customers,
        });
    }
    match faults.is_empty() {
        true => Ok(read),
        false => Err(Failure::invalid(faults)),
    }
}

/// The refusal of somebody in a slot who is no member.
fn not_a_member(slots: &[Slot<FragmentId>], slot: usize, customer: usize) -> Failure {
    let named = slots.get(slot).and_then(|it| it.customers.get(customer));
    let id = named.map(ToString::to_string).unwrap_or_default();
    let field = format!("slots[{slot}].customer_ids[{customer}]");
    let message = format!("the customer {id} is no member of the account");
    let violation = Violation::new(
        field,
        "is no member of the account now: say so first with PutMembership, or leave it out",
    );
    Failure::new(ErrorReason::NotAMember, message).with_violations([violation])
}

fn customers(record: &BuyingGroupRecord) -> impl Iterator<Item = CustomerId> {
    record
        .slots
        .iter()
        .flat_map(|slot| slot.customers.iter().copied())
}

/// A buying group as answers show it.
fn message(record: BuyingGroupRecord) -> v1::BuyingGroup {
    let slots = record.slots.into_iter().map(|slot| v1::RoleSlot {
        role: slot.role,
        required_count: slot.required_count,
        customer_ids: texts(&slot.customers),
    });
    v1::BuyingGroup {
        buying_group_id: record.id.to_string(),
        account_id: record.account.to_string(),
        opportunity: record.opportunity,
        slots: slots.collect(),
        completeness: record.completeness,
        create_time: Some(convert::timestamp(record.create_time)),
        update_time: Some(convert::timestamp(record.update_time)),
    }
}
