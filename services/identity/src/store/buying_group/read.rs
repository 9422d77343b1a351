//! Buying groups as people ask for them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::{BuyingGroupRecord, Slot};
use crate::store::account::{living, roots};
use crate::store::damaged;
use crate::store::entity::{buying_group, buying_group_member, buying_group_slot};
use crate::store::membership::rows::{of_customers, pairs_at};
use crate::store::operation::fragments_of;

pub(super) async fn list(
    connection: &impl ConnectionTrait,
    account: Option<CustomerId>,
    at: Timestamp,
    (after, limit): (Option<Uuid>, u64),
) -> Result<Vec<BuyingGroupRecord>, DbErr> {
    let mut select = buying_group::Entity::find();
    if let Some(account) = account {
        let own = buying_group::Column::AccountFragmentId.in_subquery(fragments_of(account));
        select = select.filter(own);
    }
    if let Some(after) = after {
        select = select.filter(buying_group::Column::BuyingGroupId.gt(after));
    }
    let rows = select
        .order_by_asc(buying_group::Column::BuyingGroupId)
        .limit(limit)
        .all(connection)
        .await?;
    complete(connection, rows, at).await
}

/// Adds the roles to groups, with those who are members of the account at a time.
pub(super) async fn complete(
    connection: &impl ConnectionTrait,
    rows: Vec<buying_group::Model>,
    at: Timestamp,
) -> Result<Vec<BuyingGroupRecord>, DbErr> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids = || rows.iter().map(|row| row.buying_group_id);
    let slots = buying_group_slot::Entity::find()
        .filter(buying_group_slot::Column::BuyingGroupId.is_in(ids()))
        .order_by_asc(buying_group_slot::Column::BuyingGroupId)
        .order_by_asc(buying_group_slot::Column::Place)
        .all(connection)
        .await?;
    let people = buying_group_member::Entity::find()
        .filter(buying_group_member::Column::BuyingGroupId.is_in(ids()))
        .order_by_asc(buying_group_member::Column::Place)
        .all(connection)
        .await?;
    let named = people.iter().map(|row| row.customer_fragment_id);
    let accounts = rows.iter().map(|row| row.account_fragment_id);
    let fragments: BTreeSet<FragmentId> = named.chain(accounts).map(FragmentId::new).collect();
    let fragments: Vec<FragmentId> = fragments.into_iter().collect();
    let roots = roots(connection, &fragments).await?;
    let members = members(connection, &people, &roots, at).await?;
    let mut by_slot: BTreeMap<(Uuid, i16), Vec<CustomerId>> = BTreeMap::new();
    for row in &people {
        let customer = roots.get(&FragmentId::new(row.customer_fragment_id));
        let slot = by_slot
            .entry((row.buying_group_id, row.slot_place))
            .or_default();
        slot.extend(customer.filter(|it| !slot.contains(it)).copied());
    }
    let mut by_group: HashMap<Uuid, Vec<buying_group_slot::Model>> = HashMap::new();
    for slot in slots {
        by_group.entry(slot.buying_group_id).or_default().push(slot);
    }
    let groups = rows.into_iter().map(|row| {
        let fragment = FragmentId::new(row.account_fragment_id);
        let account = roots
            .get(&fragment)
            .copied()
            .unwrap_or_else(|| fragment.into());
        let slots = by_group.remove(&row.buying_group_id).unwrap_or_default();
        let slots = slots.into_iter().map(|slot| {
            let place = (slot.buying_group_id, slot.place);
            let mut customers = by_slot.remove(&place).unwrap_or_default();
            customers.retain(|it| members.contains(&(*it, account)));
            Ok(Slot {
                role: slot.role,
                required_count: u32::try_from(slot.required_count)
                    .map_err(|_| damaged("the size of a slot"))?,
                customers,
            })
        });
        let slots = slots.collect::<Result<Vec<_>, DbErr>>()?;
        Ok(BuyingGroupRecord {
            id: row.buying_group_id,
            account,
            opportunity: row.opportunity,
            completeness: completeness(&slots),
            slots,
            create_time: Timestamp::from_millis(row.create_time),
            update_time: Timestamp::from_millis(row.update_time),
        })
    });
    groups.collect()
}

/// The customers of some places, each with the accounts that they are members of at a time.
async fn members(
    connection: &impl ConnectionTrait,
    people: &[buying_group_member::Model],
    roots: &HashMap<FragmentId, CustomerId>,
    at: Timestamp,
) -> Result<BTreeSet<(CustomerId, CustomerId)>, DbErr> {
    let customers = people
        .iter()
        .map(|row| FragmentId::new(row.customer_fragment_id));
    let customers = customers.filter_map(|it| roots.get(&it).copied());
    let customers = living(connection, customers).await?;
    let customers: Vec<CustomerId> = customers.into_iter().collect();
    let rows = of_customers(connection, &customers).await?;
    let pairs = pairs_at(&rows, at).into_keys();
    Ok(pairs
        .map(|(customer, account, _)| (customer, account))
        .collect())
}

/// The share of required places that are filled.
fn completeness(slots: &[Slot<CustomerId>]) -> f64 {
    let required: u32 = slots.iter().map(|slot| slot.required_count).sum();
    let filled = slots.iter().map(|slot| {
        let there = u32::try_from(slot.customers.len()).unwrap_or(u32::MAX);
        there.min(slot.required_count)
    });
    match required {
        0 => 1.0,
        _ => f64::from(filled.sum::<u32>()) / f64::from(required),
    }
}
