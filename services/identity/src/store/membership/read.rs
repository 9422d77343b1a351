//! Memberships as people ask for them.

use std::collections::BTreeSet;

use kernel::{CustomerId, Timestamp};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use super::MembershipRecord;
use super::put::{by_id, said};
use super::rows::{CUSTOMER, holds, joined, memberships_at, of_customers, span};
use crate::store::IdentityStore;
use crate::store::entity::{fragment, membership};
use crate::store::list::fragments;
use crate::store::operation::fragments_of;

pub(super) async fn one(
    store: &IdentityStore,
    id: Uuid,
) -> Result<Option<MembershipRecord>, DbErr> {
    let connection = store.database.orm();
    let Some(row) = by_id(connection, id).await? else {
        return Ok(None);
    };
    let rows = of_customers(connection, &[row.customer]).await?;
    // Somebody may have merged the customer since: then the row is among those of the other.
    Ok(said(&rows, &span(&rows, &row)))
}

pub(super) async fn of_customer(
    store: &IdentityStore,
    customer: CustomerId,
    at: Timestamp,
    after: Option<(bool, Uuid)>,
    limit: usize,
) -> Result<Vec<MembershipRecord>, DbErr> {
    let rows = of_customers(store.database.orm(), &[customer]).await?;
    let mut memberships = memberships_at(&rows, at);
    memberships.sort_by_key(|it| (!it.is_primary, it.id));
    let after = after.map(|(is_primary, id)| (!is_primary, id));
    memberships.retain(|it| after.is_none_or(|after| (!it.is_primary, it.id) > after));
    memberships.truncate(limit);
    Ok(memberships)
}

/// Goes through the rows of an account by id. Of those that are one membership the first one that
/// holds stands for it.
pub(super) async fn of_account(
    store: &IdentityStore,
    account: CustomerId,
    (at, role): (Timestamp, Option<&str>),
    mut after: Option<Uuid>,
    limit: usize,
) -> Result<Vec<MembershipRecord>, DbErr> {
    let connection = store.database.orm();
    let own = fragments(store, account).await?;
    let mut found = Vec::new();
    while found.len() < limit {
        let wanted = limit - found.len();
        let mut select = page((account, own.len()), (at, role), after);
        select.limit(wanted as u64);
        let mut ids = BTreeSet::new();
        let mut customers = BTreeSet::new();
        for row in connection.query_all(&select).await? {
            ids.insert(row.try_get::<Uuid>("", "membership_id")?);
            customers.insert(CustomerId::new(row.try_get::<Uuid>("", CUSTOMER)?));
        }
        after = ids.last().copied().or(after);
        let customers: Vec<CustomerId> = customers.into_iter().collect();
        let rows = of_customers(connection, &customers).await?;
        let memberships = memberships_at(&rows, at).into_iter();
        found.extend(memberships.filter(|it| it.account == account && ids.contains(&it.id)));
        if ids.len() < wanted {
            break;
        }
    }
    Ok(found)
}

/// The rows of an account that hold at a time, by id behind one, with the customers.
fn page(
    (account, fragment_count): (CustomerId, usize),
    (at, role): (Timestamp, Option<&str>),
    after: Option<Uuid>,
) -> SelectStatement {
    let column = |it| Expr::col((membership::Entity, it));
    let id = || column(membership::Column::MembershipId);
    let own = column(membership::Column::AccountFragmentId);
    let mut select = joined();
    select
        .column((membership::Entity, membership::Column::MembershipId))
        .expr_as(
            Expr::col((Alias::new(CUSTOMER), fragment::Column::RootId)),
            Alias::new(CUSTOMER),
        )
        .cond_where(holds(at))
        .order_by(
            (membership::Entity, membership::Column::MembershipId),
            Order::Asc,
        );
    // With one fragment, as most have, the index has them in this order.
    if fragment_count == 1 {
        select.and_where(own.eq(account.uuid()));
    } else {
        select.and_where(own.in_subquery(fragments_of(account)));
    }
    if let Some(role) = role {
        select.and_where(column(membership::Column::Role).eq(role));
    }
    if let Some(after) = after {
        select.and_where(id().gt(after));
    }
    select
}
