//! Writes memberships by the word of calls.

use std::collections::{BTreeMap, BTreeSet};

use audit::{Act, Operation};
use kernel::{CustomerId, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::rows::{
    Key, Pair, Row, columns, joined, of_customers, pairs_at, primary, read, span, union,
};
use super::{
    AccountError, EndedMembership, MembershipPut, MembershipRecord, MembershipSource, Moment,
    WrittenMembership,
};
use crate::limits::{
    MEMBERSHIPS_OF_ACCOUNT, MEMBERSHIPS_OF_CUSTOMER, RESOLVE_ATTEMPTS, ROWS_PER_STATEMENT,
};
use crate::store::account::{lock_roots, settle, tallies, tally};
use crate::store::account_news::owe::tell_changes;
use crate::store::entity::membership;
use crate::store::{AccountNews, IdentityStore, moved, unsigned};

pub(super) async fn put(
    store: &IdentityStore,
    put: MembershipPut<'_>,
    now: Moment,
) -> Result<WrittenMembership, AccountError> {
    for _ in 0..RESOLVE_ATTEMPTS {
        let transaction = store.database.begin_write().await?;
        let written = write(&transaction, store, put, now).await;
        if let Some(written) = settle(transaction, written).await? {
            return Ok(written);
        }
    }
    Err(AccountError::Raced)
}

async fn write(
    transaction: &DatabaseTransaction,
    store: &IdentityStore,
    put: MembershipPut<'_>,
    now: Moment,
) -> Result<Option<WrittenMembership>, AccountError> {
    let fragments = [put.customer, put.account];
    let Some(roots) = lock_roots(transaction, &fragments).await? else {
        return Ok(None);
    };
    let customer = *roots.get(&put.customer).ok_or(AccountError::NoCustomer)?;
    let account = *roots.get(&put.account).ok_or(AccountError::NoAccount)?;
    let before = of_customers(transaction, &[customer]).await?;
    let key: Key<'_> = (customer, account, put.role, put.source);
    let own: Vec<&Row> = before.iter().filter(|row| row.key() == key).collect();
    let replaced = replaced(&own, put, now.at);
    let is_new = replaced.is_empty();
    let known = replaced.iter().map(|row| row.valid_from).min();
    let begin = put.valid_from.or(known).unwrap_or(now.at);
    if put.valid_to.is_some_and(|end| end <= begin) {
        return Err(AccountError::EndsBeforeBegin { begin });
    }
    let mut written: BTreeSet<Uuid> = replaced.iter().map(|row| row.id).collect();
    let mut after = before.clone();
    if is_new {
        check_limits(transaction, (&before, account)).await?;
        let id = store.chance.merge();
        written.insert(id);
        after.push(Row {
            id,
            fragments: (put.customer, put.account),
            customer,
            account,
            role: put.role.to_owned(),
            source: put.source,
            confidence: put.confidence,
            valid_from: begin,
            valid_to: put.valid_to,
            primary_time: None,
        });
    }
    for row in &mut after {
        if written.contains(&row.id) {
            row.confidence = put.confidence;
            row.valid_from = put.valid_from.unwrap_or(row.valid_from);
            row.valid_to = put.valid_to;
            row.primary_time = put.is_primary.then_some(now.at);
        } else if put.is_primary {
            row.primary_time = None;
        }
    }
    let news = save(transaction, store, (&before, &after), now).await?;
    let membership = said(&after, &written).ok_or(AccountError::NotFound)?;
    if put.source == MembershipSource::Call {
        record(transaction, "identity.put_membership", &membership).await?;
    }
    Ok(Some(WrittenMembership {
        membership,
        is_new,
        news,
    }))
}

/// Returns the rows in whose place a membership is put: those that hold at any time that it does.
/// Without a beginning those that have not ended. What ended before stays as it was.
fn replaced<'a>(own: &[&'a Row], put: MembershipPut<'_>, now: Timestamp) -> Vec<&'a Row> {
    let is_replaced = |row: &Row| match put.valid_from {
        None => !row.has_ended(now),
        Some(from) => !row.has_ended(from) && put.valid_to.is_none_or(|to| row.valid_from < to),
    };
    let own = own.iter().copied();
    own.filter(|row| is_replaced(row)).collect()
}

/// Refuses a further membership beyond the limits. Those that ended count, since they are kept.
async fn check_limits(
    transaction: &DatabaseTransaction,
    (own, account): (&[Row], CustomerId),
) -> Result<(), AccountError> {
    if own.len() as u64 >= MEMBERSHIPS_OF_CUSTOMER {
        return Err(AccountError::TooManyOfCustomer);
    }
    let tallies = tallies(transaction, [account]).await?;
    let there = tallies.get(&account).map_or(0, |it| it.memberships);
    if unsigned(there)? >= MEMBERSHIPS_OF_ACCOUNT {
        return Err(AccountError::TooManyOfAccount);
    }
    Ok(())
}

pub(super) async fn end(
    store: &IdentityStore,
    id: Uuid,
    end: Option<Timestamp>,
    now: Moment,
) -> Result<EndedMembership, AccountError> {
    for _ in 0..RESOLVE_ATTEMPTS {
        let transaction = store.database.begin_write().await?;
        let ended = write_end(&transaction, store, (id, end), now).await;
        if let Some(ended) = settle(transaction, ended).await? {
            return Ok(ended);
        }
    }
    Err(AccountError::Raced)
}

async fn write_end(
    transaction: &DatabaseTransaction,
    store: &IdentityStore,
    (id, end): (Uuid, Option<Timestamp>),
    now: Moment,
) -> Result<Option<EndedMembership>, AccountError> {
    let found = by_id(transaction, id).await?;
    let (one, other) = found.ok_or(AccountError::NotFound)?.fragments;
    let Some(roots) = lock_roots(transaction, &[one, other]).await? else {
        return Ok(None);
    };
    let customer = *roots.get(&one).ok_or(AccountError::NotFound)?;
    if !roots.contains_key(&other) {
        return Err(AccountError::NotFound);
    }
    let before = of_customers(transaction, &[customer]).await?;
    // Somebody erased meanwhile has none.
    let named = before.iter().find(|row| row.id == id);
    let own = span(&before, named.ok_or(AccountError::NotFound)?);
    let end = match end_of(&before, &own) {
        Some(ended) if ended <= now.at => end.filter(|end| *end < ended),
        _ => Some(end.unwrap_or(now.at)),
    };
    let mut after = before.clone();
    let rows = || before.iter().filter(|row| own.contains(&row.id));
    if let Some(end) = end {
        let begin = rows().map(|row| row.valid_from).min().unwrap_or(end);
        if end <= begin {
            return Err(AccountError::EndsBeforeBegin { begin });
        }
        let ended = after.iter_mut().filter(|row| own.contains(&row.id));
        ended.for_each(|row| row.valid_to = Some(end));
    }
    let pairs: Vec<_> = rows().map(|row| row.fragments).collect();
    let news = save(transaction, store, (&before, &after), now).await?;
    let membership = said(&after, &own).ok_or(AccountError::NotFound)?;
    let ends = pairs.iter().flat_map(|pair| [pair.0, pair.1]);
    moved::note(transaction, &ends.filter(|_| end.is_some()).collect()).await?;
    record(transaction, "identity.end_membership", &membership).await?;
    Ok(Some(EndedMembership {
        membership,
        pairs,
        news,
    }))
}

/// The end of rows; absent where one has none.
fn end_of(rows: &[Row], own: &BTreeSet<Uuid>) -> Option<Timestamp> {
    let own = rows.iter().filter(|row| own.contains(&row.id));
    let ends = own.map(|row| row.valid_to);
    ends.reduce(|one, other| Some(one?.max(other?))).flatten()
}

/// A membership of some rows as it was said, at whatever time it holds.
pub(super) fn said(rows: &[Row], own: &BTreeSet<Uuid>) -> Option<MembershipRecord> {
    let own: Vec<&Row> = rows.iter().filter(|row| own.contains(&row.id)).collect();
    let customer = own.first()?.customer;
    let of_customer = rows.iter().filter(|row| row.customer == customer);
    let first = primary(of_customer, None);
    let is_primary = first.is_some_and(|first| own.iter().any(|row| row.id == first.id));
    union(&own, is_primary)
}

/// Reads one row.
pub(super) async fn by_id(
    connection: &impl ConnectionTrait,
    id: Uuid,
) -> Result<Option<Row>, DbErr> {
    let mut select = joined();
    columns(&mut select);
    select.and_where(Expr::col((membership::Entity, membership::Column::MembershipId)).eq(id));
    let row = connection.query_one(&select).await?;
    row.map(|row| read(&row)).transpose()
}

/// Writes the rows of customers that are not as before, and what is to be told of it. Returns what
/// the caller tells.
pub(super) async fn save(
    transaction: &DatabaseTransaction,
    store: &IdentityStore,
    (before, after): (&[Row], &[Row]),
    now: Moment,
) -> Result<Vec<AccountNews>, DbErr> {
    let known: BTreeMap<Uuid, &Row> = before.iter().map(|row| (row.id, row)).collect();
    let is_new = |row: &&Row| !known.contains_key(&row.id);
    let new: Vec<&Row> = after.iter().filter(is_new).collect();
    let changed = after.iter().filter(|row| !is_new(row));
    let changed = changed.filter(|row| known.get(&row.id) != Some(row));
    let changed: Vec<&Row> = changed.collect();
    insert(transaction, &new).await?;
    for row in &changed {
        update(transaction, row).await?;
    }
    let written = || new.iter().chain(&changed).copied();
    let customers: BTreeSet<CustomerId> = written().map(|row| row.customer).collect();
    // With a membership that ends later, another one of merged customers is the primary one then.
    let primary = after.iter().filter(|row| row.primary_time.is_some());
    let primary = primary.filter(|row| customers.contains(&row.customer));
    let touched: BTreeSet<Pair> = written().chain(primary).map(Row::pair).collect();
    let pairs = (pairs_at(before, now.at), pairs_at(after, now.at));
    let mut tallied = BTreeMap::new();
    for pair in pairs.0.keys().chain(pairs.1.keys()) {
        if pairs.0.get(pair) != pairs.1.get(pair) {
            // Locked before the news, as everywhere.
            tallied.insert(pair.1.fragment(), 0);
        }
    }
    for row in &new {
        *tallied.entry(row.fragments.1).or_insert(0) += 1;
    }
    tally(transaction, &tallied).await?;
    let chance = store.chance.as_ref();
    tell_changes(transaction, chance, (&pairs, after), &touched, now).await
}

async fn insert(transaction: &DatabaseTransaction, rows: &[&Row]) -> Result<(), DbErr> {
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        let mut insert = Query::insert();
        insert.into_table(membership::Entity).columns([
            membership::Column::MembershipId,
            membership::Column::CustomerFragmentId,
            membership::Column::AccountFragmentId,
            membership::Column::Role,
            membership::Column::Source,
            membership::Column::Confidence,
            membership::Column::ValidFrom,
            membership::Column::ValidTo,
            membership::Column::PrimaryTime,
        ]);
        for row in chunk {
            insert.values_panic([
                row.id.into(),
                row.fragments.0.uuid().into(),
                row.fragments.1.uuid().into(),
                row.role.as_str().into(),
                row.source.code().into(),
                row.confidence.into(),
                row.valid_from.as_millis().into(),
                row.valid_to.map(Timestamp::as_millis).into(),
                row.primary_time.map(Timestamp::as_millis).into(),
            ]);
        }
        transaction.execute(&insert).await?;
    }
    Ok(())
}

async fn update(transaction: &DatabaseTransaction, row: &Row) -> Result<(), DbErr> {
    let millis = |time: Option<Timestamp>| Expr::val(time.map(Timestamp::as_millis));
    membership::Entity::update_many()
        .col_expr(membership::Column::Confidence, Expr::val(row.confidence))
        .col_expr(
            membership::Column::ValidFrom,
            Expr::val(row.valid_from.as_millis()),
        )
        .col_expr(membership::Column::ValidTo, millis(row.valid_to))
        .col_expr(membership::Column::PrimaryTime, millis(row.primary_time))
        .filter(membership::Column::MembershipId.eq(row.id))
        .exec(transaction)
        .await?;
    Ok(())
}

async fn record(
    transaction: &DatabaseTransaction,
    action: &'static str,
    membership: &MembershipRecord,
) -> Result<(), AccountError> {
    if let Some(operation) = Operation::current() {
        let act = Act::done(action, membership.id.to_string()).of(membership.customer);
        operation.record(transaction, vec![act]).await?;
    }
    Ok(())
}
