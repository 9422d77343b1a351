//! Accounts as rows: in the tables that customers are in, told apart by their kind.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, OnConflict, Order, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, Select,
};
use uuid::Uuid;

use super::entity::{account_tally, customer, fragment, membership};
use super::membership::rows::{ACCOUNT, CUSTOMER, holds, joined};
use super::{AccountError, CustomerRecord, IdentityStore};
use crate::limits::ROWS_PER_STATEMENT;

/// The kind of a row of a customer or an account.
pub(super) fn kind(id: CustomerId) -> i16 {
    i16::from(id.is_account())
}

impl IdentityStore {
    /// Lists up to `limit` accounts after one, oldest first.
    ///
    /// # Errors
    /// As the database says.
    pub async fn list_accounts(
        &self,
        after: Option<(Timestamp, CustomerId)>,
        limit: u64,
    ) -> Result<Vec<CustomerRecord>, DbErr> {
        // Not a parameter: the database could not tell that the index of accounts is of use.
        let select = customer::Entity::find().filter(Expr::cust("kind = 1"));
        let rows = page(select, after, limit).all(self.database.orm()).await?;
        self.complete(rows).await
    }

    /// Counts the customers who are members of an account at a time, each once. The account is
    /// given by its canonical id.
    ///
    /// # Errors
    /// As the database says.
    pub async fn member_count(&self, account: CustomerId, at: Timestamp) -> Result<u32, DbErr> {
        member_count(self.database.orm(), account, at).await
    }
}

/// A page of customers or accounts, oldest first.
pub(super) fn page(
    mut select: Select<customer::Entity>,
    after: Option<(Timestamp, CustomerId)>,
    limit: u64,
) -> Select<customer::Entity> {
    if let Some((time, id)) = after {
        let at = customer::Column::CreateTime;
        let same = Condition::all().add(at.eq(time.as_millis()));
        let later = Condition::any().add(at.gt(time.as_millis()));
        select = select.filter(later.add(same.add(customer::Column::CustomerId.gt(id.uuid()))));
    }
    select
        .order_by_asc(customer::Column::CreateTime)
        .order_by_asc(customer::Column::CustomerId)
        .limit(limit)
}

pub(super) async fn member_count(
    connection: &impl ConnectionTrait,
    account: CustomerId,
    at: Timestamp,
) -> Result<u32, DbErr> {
    let counts = member_counts(connection, &[account], at).await?;
    Ok(counts.get(&account).copied().unwrap_or(0))
}

/// Counts the customers who are members of accounts at a time, as of one. Those without members are
/// left out.
pub(super) async fn member_counts(
    connection: &impl ConnectionTrait,
    accounts: &[CustomerId],
    at: Timestamp,
) -> Result<HashMap<CustomerId, u32>, DbErr> {
    let mut counts = HashMap::new();
    for chunk in accounts.chunks(ROWS_PER_STATEMENT) {
        let root = |of: &'static str| (Alias::new(of), fragment::Column::RootId);
        let mut select = joined();
        select
            .expr_as(Expr::col(root(ACCOUNT)), Alias::new("account"))
            .expr_as(
                Expr::col(root(CUSTOMER)).count_distinct(),
                Alias::new("number"),
            )
            .and_where(Expr::col(root(ACCOUNT)).is_in(chunk.iter().map(|it| it.uuid())))
            .cond_where(holds(at))
            .group_by_col(root(ACCOUNT));
        for row in connection.query_all(&select).await? {
            let account = CustomerId::new(row.try_get::<Uuid>("", "account")?);
            let number: i64 = row.try_get("", "number")?;
            counts.insert(account, u32::try_from(number).unwrap_or(u32::MAX));
        }
    }
    Ok(counts)
}

/// Returns the customers or accounts that fragments belong to; none for those that nobody has.
pub(super) async fn roots(
    connection: &impl ConnectionTrait,
    fragments: &[FragmentId],
) -> Result<HashMap<FragmentId, CustomerId>, DbErr> {
    let mut roots = HashMap::new();
    for chunk in fragments.chunks(ROWS_PER_STATEMENT) {
        let rows = fragment::Entity::find()
            .filter(fragment::Column::FragmentId.is_in(chunk.iter().map(|it| it.uuid())))
            .all(connection)
            .await?;
        let rows = rows.into_iter();
        roots.extend(rows.map(|row| {
            let root = CustomerId::new(row.root_id);
            (FragmentId::new(row.fragment_id), root)
        }));
    }
    Ok(roots)
}

/// Returns those of some customers and accounts that are there, neither part of others nor erased.
pub(super) async fn living(
    connection: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = CustomerId>,
) -> Result<BTreeSet<CustomerId>, DbErr> {
    read_living(connection, ids, false).await
}

async fn read_living(
    connection: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = CustomerId>,
    locks: bool,
) -> Result<BTreeSet<CustomerId>, DbErr> {
    let ids: BTreeSet<CustomerId> = ids.into_iter().collect();
    let ids: Vec<CustomerId> = ids.into_iter().collect();
    let mut there = BTreeSet::new();
    for chunk in ids.chunks(ROWS_PER_STATEMENT) {
        let mut select = Query::select();
        select
            .column(customer::Column::CustomerId)
            .from(customer::Entity)
            .and_where(
                Expr::col(customer::Column::CustomerId).is_in(chunk.iter().map(|it| it.uuid())),
            )
            .order_by(customer::Column::CustomerId, Order::Asc);
        if locks {
            select.lock_exclusive();
        }
        for row in connection.query_all(&select).await? {
            there.insert(CustomerId::new(row.try_get::<Uuid>("", "customer_id")?));
        }
    }
    Ok(there)
}

/// Locks the customers and accounts of fragments, by id, as commits do. Returns those of the
/// fragments that belong to one; absent where somebody changed that meanwhile.
pub(super) async fn lock_roots(
    transaction: &DatabaseTransaction,
    fragments: &[FragmentId],
) -> Result<Option<HashMap<FragmentId, CustomerId>>, DbErr> {
    let before = roots(transaction, fragments).await?;
    let living = read_living(transaction, before.values().copied(), true).await?;
    let mut after = roots(transaction, fragments).await?;
    if before != after {
        return Ok(None);
    }
    after.retain(|_, root| living.contains(root));
    Ok(Some(after))
}

/// Ends a transaction: what was written stays, and nothing does where it raced or failed. Returns
/// what was written; absent where it is to be tried again.
pub(super) async fn settle<T>(
    transaction: DatabaseTransaction,
    written: Result<Option<T>, AccountError>,
) -> Result<Option<T>, AccountError> {
    match &written {
        Ok(Some(_)) => transaction.commit().await?,
        Ok(None) | Err(_) => transaction.rollback().await?,
    }
    written
}

/// Adds to the numbers of memberships that name fragments of accounts, and locks these numbers.
pub(super) async fn tally(
    transaction: &DatabaseTransaction,
    added: &BTreeMap<FragmentId, i64>,
) -> Result<(), DbErr> {
    let added: Vec<(&FragmentId, &i64)> = added.iter().collect();
    for chunk in added.chunks(ROWS_PER_STATEMENT) {
        let sum = "identity_account_tally.membership_count + excluded.membership_count";
        let mut insert = Query::insert();
        insert
            .into_table(account_tally::Entity)
            .columns([
                account_tally::Column::FragmentId,
                account_tally::Column::MembershipCount,
                account_tally::Column::NewsNumber,
            ])
            .on_conflict(
                OnConflict::column(account_tally::Column::FragmentId)
                    .value(account_tally::Column::MembershipCount, Expr::cust(sum))
                    .to_owned(),
            );
        for (fragment, number) in chunk {
            insert.values_panic([fragment.uuid().into(), (**number).into(), 0_i64.into()]);
        }
        transaction.execute(&insert).await?;
    }
    Ok(())
}

/// The numbers of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// The memberships that name one of its fragments, those that ended among them.
    pub(super) memberships: i64,
    /// The number of the newest news of any account that is part of it now.
    pub(super) number: i64,
    /// The members that its newest news told of; absent where there are none.
    pub(super) told_count: Option<i64>,
    /// The time as of which they were counted, of any account that is part of it now.
    pub(super) told_time: Option<Timestamp>,
}

/// Reads the numbers of accounts, given by their canonical ids.
pub(super) async fn tallies(
    connection: &impl ConnectionTrait,
    accounts: impl IntoIterator<Item = CustomerId>,
) -> Result<HashMap<CustomerId, Tally>, DbErr> {
    let mut select = Query::select();
    select
        .column((fragment::Entity, fragment::Column::RootId))
        .column((
            account_tally::Entity,
            account_tally::Column::MembershipCount,
        ))
        .column((account_tally::Entity, account_tally::Column::NewsNumber))
        .column((account_tally::Entity, account_tally::Column::FragmentId))
        .column((account_tally::Entity, account_tally::Column::ToldCount))
        .column((account_tally::Entity, account_tally::Column::ToldTime))
        .from(account_tally::Entity)
        .inner_join(
            fragment::Entity,
            Expr::col((fragment::Entity, fragment::Column::FragmentId))
                .equals((account_tally::Entity, account_tally::Column::FragmentId)),
        )
        .and_where(
            Expr::col((fragment::Entity, fragment::Column::RootId))
                .is_in(accounts.into_iter().map(CustomerId::uuid)),
        );
    let mut tallies: HashMap<CustomerId, Tally> = HashMap::new();
    for row in connection.query_all(&select).await? {
        let root = CustomerId::new(row.try_get::<Uuid>("", "root_id")?);
        let own = tallies.entry(root).or_default();
        own.memberships += row.try_get::<i64>("", "membership_count")?;
        own.number = Ord::max(own.number, row.try_get("", "news_number")?);
        let told_time: Option<i64> = row.try_get("", "told_time")?;
        own.told_time = own.told_time.max(told_time.map(Timestamp::from_millis));
        if row.try_get::<Uuid>("", "fragment_id")? == root.uuid() {
            own.told_count = row.try_get("", "told_count")?;
        }
    }
    Ok(tallies)
}

/// Notes the numbers of the newest news of accounts, whose numbers are locked.
pub(super) async fn set_numbers(
    transaction: &DatabaseTransaction,
    numbers: &BTreeMap<CustomerId, i64>,
) -> Result<(), DbErr> {
    let rows = numbers.iter().map(|(account, number)| {
        let number = *number;
        (
            *account,
            Tally {
                number,
                ..Tally::default()
            },
        )
    });
    set(transaction, [account_tally::Column::NewsNumber], rows).await
}

/// Notes how many members the newest news of accounts tell of, as of a time. The numbers of the
/// accounts are locked.
pub(super) async fn set_counts(
    transaction: &DatabaseTransaction,
    counts: &HashMap<CustomerId, u32>,
    at: Timestamp,
) -> Result<(), DbErr> {
    let rows = counts.iter().map(|(account, count)| {
        let told = Tally {
            told_count: Some(i64::from(*count)),
            told_time: Some(at),
            ..Tally::default()
        };
        (*account, told)
    });
    let columns = [
        account_tally::Column::ToldCount,
        account_tally::Column::ToldTime,
    ];
    set(transaction, columns, rows).await
}

/// Sets some columns of the numbers of accounts. The rows are there, since they are locked.
async fn set<const N: usize>(
    transaction: &DatabaseTransaction,
    columns: [account_tally::Column; N],
    rows: impl Iterator<Item = (CustomerId, Tally)>,
) -> Result<(), DbErr> {
    let rows: Vec<(CustomerId, Tally)> = rows.collect();
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        let mut insert = Query::insert();
        insert
            .into_table(account_tally::Entity)
            .columns([
                account_tally::Column::FragmentId,
                account_tally::Column::MembershipCount,
                account_tally::Column::NewsNumber,
                account_tally::Column::ToldCount,
                account_tally::Column::ToldTime,
            ])
            .on_conflict(
                OnConflict::column(account_tally::Column::FragmentId)
                    .update_columns(columns)
                    .to_owned(),
            );
        for (account, own) in chunk {
            insert.values_panic([
                account.uuid().into(),
                0_i64.into(),
                own.number.into(),
                own.told_count.into(),
                own.told_time.map(Timestamp::as_millis).into(),
            ]);
        }
        transaction.execute(&insert).await?;
    }
    Ok(())
}

/// The memberships of one fragment, by id after one, with the roots of both sides.
pub(super) fn memberships_of(
    fragment: FragmentId,
    after: Option<Uuid>,
    limit: u64,
) -> sea_orm::sea_query::SelectStatement {
    let own = match fragment.is_account() {
        true => membership::Column::AccountFragmentId,
        false => membership::Column::CustomerFragmentId,
    };
    let column = |it| Expr::col((membership::Entity, it));
    let mut select = joined();
    select
        .and_where(column(own).eq(fragment.uuid()))
        .order_by(
            (membership::Entity, membership::Column::MembershipId),
            Order::Asc,
        )
        .limit(limit);
    if let Some(after) = after {
        select.and_where(column(membership::Column::MembershipId).gt(after));
    }
    select
}
