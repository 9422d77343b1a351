//! Takes what is owed, and reads what there is to tell.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kernel::{CustomerId, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::{AccountNews, Moment};
use crate::limits::{ACCOUNT_NEWS_TAKEN, ANNOUNCE_AFTER, ANNOUNCE_CLAIM};
use crate::store::account::{living, member_counts, set_counts, set_numbers, tallies, tally};
use crate::store::entity::account_news;
use crate::store::membership::rows::{ByCustomer, Pair, Row, of_customers, pairs_at};
use crate::store::{IdentityStore, unsigned};

/// The time that a claim is written with: it is overdue again so long after the claim.
pub(super) fn claimed_until(own: Timestamp) -> Timestamp {
    own + ANNOUNCE_CLAIM - ANNOUNCE_AFTER
}

/// The claims that nobody has any more. As with merges, one that is claimed for longer than that
/// was claimed by a clock that is wrong, or this one is.
pub(super) fn is_unclaimed<C: ColumnTrait>(claim_time: C, own: Timestamp) -> Condition {
    let before = (own - ANNOUNCE_AFTER).as_millis();
    let after = (own + ANNOUNCE_CLAIM).as_millis();
    Condition::any()
        .add(claim_time.lte(before))
        .add(claim_time.gt(after))
}

pub(super) async fn claim(store: &IdentityStore, now: Moment) -> Result<Vec<AccountNews>, DbErr> {
    let connection = store.database.orm();
    let mut rows = Vec::new();
    // One after the other, so that the index leads to what is due.
    for is_bulk in [false, true] {
        let some = account_news::Entity::find()
            .filter(account_news::Column::IsBulk.eq(is_bulk))
            .filter(account_news::Column::DueTime.lte(now.at.as_millis()))
            .filter(is_unclaimed(account_news::Column::ClaimTime, now.own))
            .order_by_asc(account_news::Column::DueTime)
            .limit(ACCOUNT_NEWS_TAKEN.saturating_sub(rows.len() as u64))
            .all(connection)
            .await?;
        rows.extend(some);
    }
    let mut claimed = Vec::new();
    for row in rows {
        if claim_one(connection, &row, now).await? {
            claimed.push(row);
        }
    }
    if claimed.is_empty() {
        return Ok(Vec::new());
    }
    let transaction = store.database.begin_write().await?;
    let news = evaluate(&transaction, claimed, None, now).await?;
    transaction.commit().await?;
    Ok(news)
}

async fn claim_one(
    connection: &impl ConnectionTrait,
    row: &account_news::Model,
    now: Moment,
) -> Result<bool, DbErr> {
    let until = Expr::val(claimed_until(now.own).as_millis());
    let claim = account_news::Entity::update_many()
        .col_expr(account_news::Column::ClaimTime, until)
        .filter(account_news::Column::NewsId.eq(row.news_id))
        .filter(account_news::Column::ClaimTime.eq(row.claim_time))
        .exec(connection)
        .await?;
    Ok(claim.rows_affected == 1)
}

/// Reads the rows of pairs that were just written, and claims those that nobody has.
pub(super) async fn of_pairs(
    transaction: &DatabaseTransaction,
    pairs: &[Pair],
    own: &BTreeSet<Uuid>,
    now: Moment,
) -> Result<Vec<account_news::Model>, DbErr> {
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: BTreeSet<(Uuid, Uuid, &str)> = pairs
        .iter()
        .map(|(customer, account, role)| (customer.uuid(), account.uuid(), role.as_str()))
        .collect();
    let ids = |of: fn(&Pair) -> CustomerId| -> BTreeSet<Uuid> {
        pairs.iter().map(|pair| of(pair).uuid()).collect()
    };
    let rows = account_news::Entity::find()
        .filter(account_news::Column::AccountId.is_in(ids(|pair| pair.1)))
        .filter(account_news::Column::CustomerId.is_in(ids(|pair| pair.0)))
        .all(transaction)
        .await?;
    let mut claimed = Vec::new();
    for row in rows {
        if !wanted.contains(&(row.customer_id, row.account_id, row.role.as_str())) {
            continue;
        }
        let is_free = row.claim_time <= now.own.as_millis();
        if own.contains(&row.news_id) || is_free && claim_one(transaction, &row, now).await? {
            claimed.push(row);
        }
    }
    Ok(claimed)
}

/// Draws the next numbers of accounts, so many of each. Returns the first one of each. The numbers
/// are locked.
pub(super) async fn number(
    transaction: &DatabaseTransaction,
    wanted: &BTreeMap<CustomerId, usize>,
    now: Moment,
) -> Result<BTreeMap<CustomerId, i64>, DbErr> {
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let there = tallies(transaction, wanted.keys().copied()).await?;
    let (mut first, mut newest) = (BTreeMap::new(), BTreeMap::new());
    for (account, count) in wanted {
        let last = there.get(account).map_or(0, |it| it.number);
        // Beginning with the time, the numbers of an account that comes out of another are above
        // those that the other had.
        let last = Ord::max(last, now.own.as_millis());
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        newest.insert(*account, last.saturating_add(count));
        first.insert(*account, last.saturating_add(1));
    }
    set_numbers(transaction, &newest).await?;
    Ok(first)
}

/// A change that whoever made it tells of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made<'a> {
    /// The number of members by which each account has more. The numbers of accounts are locked.
    pub(super) more: &'a BTreeMap<CustomerId, i64>,
    /// All rows of the customers, as they are now.
    pub(super) rows: &'a [Row],
}

/// Reads what there is to tell of claimed rows. Rows of whoever is gone altogether are deleted.
///
/// Members are counted, but where the caller knows by how many there are more now: counting takes
/// long in a large account.
pub(super) async fn evaluate(
    transaction: &DatabaseTransaction,
    rows: Vec<account_news::Model>,
    made: Option<Made<'_>>,
    now: Moment,
) -> Result<Vec<AccountNews>, DbErr> {
    let more = made.map(|it| it.more);
    let customers: BTreeSet<CustomerId> = rows.iter().map(customer_of).collect();
    let mut accounts: BTreeSet<CustomerId> = rows.iter().map(account_of).collect();
    accounts.extend(more.into_iter().flat_map(BTreeMap::keys));
    let there = living(transaction, customers.iter().chain(&accounts).copied()).await?;
    accounts.retain(|it| there.contains(it));
    let read = match made {
        Some(_) => Vec::new(),
        None => {
            // All at once, in their order, so that no two claims wait for each other.
            let locked = accounts.iter().map(|it| (it.fragment(), 0));
            tally(transaction, &locked.collect()).await?;
            let customers: Vec<CustomerId> = customers.into_iter().collect();
            of_customers(transaction, &customers).await?
        }
    };
    let memberships = made.map_or(read.as_slice(), |it| it.rows);
    let numbers = numbers(transaction, (&rows, &there), now).await?;
    let pairs = pairs_at(memberships, now.at);
    let by_customer = ByCustomer::of(memberships);
    let counts = counts(transaction, &accounts, more, now).await?;
    let mut gone = Vec::new();
    let mut news = Vec::new();
    for row in rows {
        let (customer, account) = (customer_of(&row), account_of(&row));
        let (tells_customer, tells_account) = (there.contains(&customer), there.contains(&account));
        if !tells_customer && !tells_account {
            gone.push(row.news_id);
            continue;
        }
        let pair = (customer, account, row.role);
        let is_primary = pairs.get(&pair).copied();
        news.push(AccountNews {
            id: row.news_id,
            version: unsigned(row.version)?,
            next_time: by_customer.next_change(&pair, now.at),
            customer,
            account,
            role: pair.2,
            is_member: is_primary.is_some(),
            is_primary: is_primary.unwrap_or(false),
            member_count: counts.get(&account).copied().unwrap_or(0),
            number: unsigned(
                numbers
                    .get(&row.news_id)
                    .copied()
                    .unwrap_or(row.news_number),
            )?,
            time: now.at,
            tells_customer,
            tells_account,
            is_bulk: row.is_bulk,
        });
    }
    if !gone.is_empty() {
        account_news::Entity::delete_many()
            .filter(account_news::Column::NewsId.is_in(gone))
            .exec(transaction)
            .await?;
    }
    news.sort_unstable_by_key(|it| it.number);
    Ok(news)
}

/// Returns how many members accounts have, and notes that this is told. Their numbers are locked.
///
/// Others may have told of changes since `now`, before the numbers were locked, or by a clock that
/// is ahead of this one: nobody counts as of an earlier time than they did.
async fn counts(
    transaction: &DatabaseTransaction,
    accounts: &BTreeSet<CustomerId>,
    more: Option<&BTreeMap<CustomerId, i64>>,
    now: Moment,
) -> Result<HashMap<CustomerId, u32>, DbErr> {
    let before = tallies(transaction, accounts.iter().copied()).await?;
    let last = before.values().filter_map(|it| it.told_time).max();
    let at = last.map_or(now.at, |last| last.max(now.at));
    let told = |account: &CustomerId| {
        let told = before.get(account).filter(|_| more.is_some());
        told.and_then(|it| it.told_count)
    };
    let unknown = accounts.iter().filter(|it| told(it).is_none());
    let unknown: Vec<CustomerId> = unknown.copied().collect();
    let counted = member_counts(transaction, &unknown, at).await?;
    let mut counts = HashMap::new();
    for account in accounts {
        let more = more.and_then(|it| it.get(account)).copied();
        let count = match told(account) {
            None => counted.get(account).copied().unwrap_or(0),
            Some(told) => {
                let count = told.saturating_add(more.unwrap_or(0));
                u32::try_from(Ord::max(count, 0)).unwrap_or(u32::MAX)
            }
        };
        counts.insert(*account, count);
    }
    set_counts(transaction, &counts, at).await?;
    Ok(counts)
}

/// Draws the numbers of rows that have none yet, and notes them.
async fn numbers(
    transaction: &DatabaseTransaction,
    (rows, there): (&[account_news::Model], &BTreeSet<CustomerId>),
    now: Moment,
) -> Result<HashMap<Uuid, i64>, DbErr> {
    let mut wanted: BTreeMap<CustomerId, usize> = BTreeMap::new();
    let without = rows.iter().filter(|row| row.news_number == 0);
    let without: Vec<&account_news::Model> = without.collect();
    for row in &without {
        *wanted.entry(account_of(row)).or_default() += 1;
    }
    // An account that is gone is told nothing, and keeps no numbers.
    let (kept, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
        wanted.into_iter().partition(|(it, _)| there.contains(it));
    let mut next = number(transaction, &kept, now).await?;
    next.extend(gone.into_keys().map(|it| (it, now.own.as_millis())));
    let mut numbers = HashMap::new();
    for row in without {
        let number = next.entry(account_of(row)).or_default();
        numbers.insert(row.news_id, *number);
        account_news::Entity::update_many()
            .col_expr(account_news::Column::NewsNumber, Expr::val(*number))
            .filter(account_news::Column::NewsId.eq(row.news_id))
            .filter(account_news::Column::Version.eq(row.version))
            .exec(transaction)
            .await?;
        *number += 1;
    }
    Ok(numbers)
}

fn customer_of(row: &account_news::Model) -> CustomerId {
    CustomerId::new(row.customer_id)
}

fn account_of(row: &account_news::Model) -> CustomerId {
    CustomerId::new(row.account_id)
}

/// Deletes what is told. What changes later by itself is owed again then, and what changed since is
/// owed at once.
pub(super) async fn mark(store: &IdentityStore, news: &[AccountNews]) -> Result<(), DbErr> {
    let connection = store.database.orm();
    let mut told: BTreeMap<u64, Vec<Uuid>> = BTreeMap::new();
    for it in news {
        match it.next_time {
            None => told.entry(it.version).or_default().push(it.id),
            Some(next) => rest(connection, it, next).await?,
        }
    }
    for (version, ids) in told {
        account_news::Entity::delete_many()
            .filter(account_news::Column::NewsId.is_in(ids))
            .filter(account_news::Column::Version.eq(crate::store::signed(version)))
            .exec(connection)
            .await?;
    }
    let ids: Vec<Uuid> = news.iter().map(|it| it.id).collect();
    if !ids.is_empty() {
        account_news::Entity::update_many()
            .col_expr(account_news::Column::ClaimTime, Expr::val(0_i64))
            .filter(account_news::Column::NewsId.is_in(ids))
            .exec(connection)
            .await?;
    }
    Ok(())
}

async fn rest(
    connection: &impl ConnectionTrait,
    it: &AccountNews,
    next: Timestamp,
) -> Result<(), DbErr> {
    account_news::Entity::update_many()
        .col_expr(account_news::Column::DueTime, Expr::val(next.as_millis()))
        .col_expr(account_news::Column::NewsNumber, Expr::val(0_i64))
        .filter(account_news::Column::NewsId.eq(it.id))
        .filter(account_news::Column::Version.eq(crate::store::signed(it.version)))
        .exec(connection)
        .await?;
    Ok(())
}
