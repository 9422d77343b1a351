//! Writes that there is something to tell, in the transaction that makes it so.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{CustomerId, Timestamp};
use sea_orm::sea_query::{Expr, OnConflict, Query};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};
use uuid::Uuid;

use super::claim::{Made, claimed_until, evaluate, number, of_pairs};
use super::{AccountNews, Moment};
use crate::chance::Chance;
use crate::limits::ROWS_PER_STATEMENT;
use crate::store::entity::account_news;
use crate::store::membership::rows::{ByCustomer, Members, Pair, Row};

/// A pair that there is something to tell of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Owed {
    pub(in crate::store) pair: Pair,
    /// The time from which it is to be told.
    pub(in crate::store) due: Timestamp,
    pub(in crate::store) is_bulk: bool,
}

/// Writes whom there is something to tell of, for whoever looks next.
pub(in crate::store) async fn owe(
    transaction: &DatabaseTransaction,
    chance: &dyn Chance,
    owed: Vec<Owed>,
    own: Timestamp,
) -> Result<(), DbErr> {
    let rows = owed.into_iter().map(|owed| New {
        id: chance.merge(),
        owed,
        claim_time: own,
        number: 0,
    });
    insert(transaction, rows.collect()).await
}

/// Writes what changed of who is a member of what, and when pairs that were touched change by
/// themselves. The numbers of the accounts are locked. Returns what changed, claimed.
pub(in crate::store) async fn tell_changes(
    transaction: &DatabaseTransaction,
    chance: &dyn Chance,
    ((before, after), rows): (&(Members, Members), &[Row]),
    touched: &BTreeSet<Pair>,
    now: Moment,
) -> Result<Vec<AccountNews>, DbErr> {
    let all = before.keys().chain(after.keys());
    let changed: BTreeSet<&Pair> = all.filter(|it| before.get(*it) != after.get(*it)).collect();
    let mut by_account: BTreeMap<CustomerId, Vec<&Pair>> = BTreeMap::new();
    for pair in &changed {
        by_account.entry(pair.1).or_default().push(pair);
    }
    let mut new = Vec::new();
    let accounts = by_account.iter().map(|(account, it)| (*account, it.len()));
    let mut numbers = number(transaction, &accounts.collect(), now).await?;
    for (account, pairs) in by_account {
        for pair in pairs {
            let next = numbers.entry(account).or_default();
            new.push(New {
                id: chance.merge(),
                owed: Owed {
                    pair: pair.clone(),
                    due: now.at,
                    is_bulk: false,
                },
                claim_time: claimed_until(now.own),
                number: *next,
            });
            *next += 1;
        }
    }
    let own: BTreeSet<Uuid> = new.iter().map(|it| it.id).collect();
    let by_customer = ByCustomer::of(rows);
    for pair in touched.iter().filter(|it| !changed.contains(it)) {
        if let Some(due) = by_customer.next_change(pair, now.at) {
            new.push(New {
                id: chance.merge(),
                owed: Owed {
                    pair: pair.clone(),
                    due,
                    is_bulk: false,
                },
                claim_time: now.own,
                number: 0,
            });
        }
    }
    insert(transaction, new).await?;
    let changed: Vec<Pair> = changed.into_iter().cloned().collect();
    let claimed = of_pairs(transaction, &changed, &own, now).await?;
    let more = more_members(before, after);
    let made = Made { more: &more, rows };
    evaluate(transaction, claimed, Some(made), now).await
}

/// Returns by how many customers each account has more members.
fn more_members(before: &Members, after: &Members) -> BTreeMap<CustomerId, i64> {
    let members = |pairs: &Members| -> BTreeSet<(CustomerId, CustomerId)> {
        pairs.keys().map(|pair| (pair.0, pair.1)).collect()
    };
    let (before, after) = (members(before), members(after));
    let mut more = BTreeMap::new();
    for (sign, its) in [
        (1, after.difference(&before)),
        (-1, before.difference(&after)),
    ] {
        for (_, account) in its {
            *more.entry(*account).or_default() += sign;
        }
    }
    more
}

/// A row to be written.
#[derive(Debug)]
struct New {
    id: Uuid,
    owed: Owed,
    claim_time: Timestamp,
    number: i64,
}

/// A row that a pair has is due as soon as either is, and whoever has claimed it keeps it.
async fn insert(transaction: &DatabaseTransaction, mut rows: Vec<New>) -> Result<(), DbErr> {
    rows.sort_unstable_by(|one, other| one.order().cmp(&other.order()));
    rows.dedup_by(|later, first| later.owed.pair == first.owed.pair);
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        let mut insert = Query::insert();
        insert
            .into_table(account_news::Entity)
            .columns([
                account_news::Column::NewsId,
                account_news::Column::AccountId,
                account_news::Column::CustomerId,
                account_news::Column::Role,
                account_news::Column::DueTime,
                account_news::Column::ClaimTime,
                account_news::Column::Version,
                account_news::Column::IsBulk,
                account_news::Column::NewsNumber,
            ])
            .on_conflict(on_conflict());
        for row in chunk {
            let (customer, account, role) = &row.owed.pair;
            insert.values_panic([
                row.id.into(),
                account.uuid().into(),
                customer.uuid().into(),
                role.as_str().into(),
                row.owed.due.as_millis().into(),
                row.claim_time.as_millis().into(),
                1_i64.into(),
                row.owed.is_bulk.into(),
                row.number.into(),
            ]);
        }
        transaction.execute(&insert).await?;
    }
    Ok(())
}

impl New {
    /// Rows are written in this order, so that no two writers wait for each other.
    fn order(&self) -> (CustomerId, CustomerId, &str, Timestamp) {
        let (customer, account, role) = &self.owed.pair;
        (*account, *customer, role, self.owed.due)
    }
}

fn on_conflict() -> OnConflict {
    let due = "CASE WHEN excluded.due_time < identity_account_news.due_time \
        THEN excluded.due_time ELSE identity_account_news.due_time END";
    let is_bulk = "identity_account_news.is_bulk AND excluded.is_bulk";
    let pair = [
        account_news::Column::AccountId,
        account_news::Column::CustomerId,
        account_news::Column::Role,
    ];
    OnConflict::columns(pair)
        .value(account_news::Column::DueTime, Expr::cust(due))
        .value(
            account_news::Column::Version,
            Expr::cust("identity_account_news.version + 1"),
        )
        .value(account_news::Column::IsBulk, Expr::cust(is_bulk))
        .value(
            account_news::Column::NewsNumber,
            Expr::cust("excluded.news_number"),
        )
        .to_owned()
}
