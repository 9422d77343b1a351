//! Fragments that merges and unmerges give to others, and whose memberships go with them.
//!
//! The transaction writes which fragments went where, if they have memberships at all. Whoever
//! looks for what is overdue goes through these some at a time, so that a merge of large accounts
//! is as fast as any. Whoever comes out of another is told of all memberships anew, since those of
//! the time before the two were one may have changed meanwhile.

use std::collections::{BTreeMap, HashMap};

use identity_core::Changes;
use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::Moment;
use super::claim::{claimed_until, is_unclaimed};
use super::owe::{Owed, owe};
use crate::chance::Chance;
use crate::limits::{
    ACCOUNT_MOVES_TAKEN, ANNOUNCE_AFTER, EARLIEST, MEMBERSHIPS_MOVED, MEMBERSHIPS_TOLD_LIVE,
    ROWS_PER_STATEMENT,
};
use crate::store::IdentityStore;
use crate::store::account::{living, memberships_of};
use crate::store::entity::{account_move, fragment, membership};
use crate::store::membership::rows::{ACCOUNT, Pair, Row, columns, joined, of_customers, read};

/// A fragment that goes from one customer or account to another.
type Move = (FragmentId, CustomerId, CustomerId);

/// Notes which fragments with memberships go elsewhere by a batch, before they do.
pub(in crate::store) async fn note_moves(
    transaction: &DatabaseTransaction,
    changes: &Changes,
    (time, chance): (Timestamp, &dyn Chance),
) -> Result<(), DbErr> {
    if changes.redirects.is_empty() && changes.refits.is_empty() {
        return Ok(());
    }
    let into: HashMap<CustomerId, CustomerId> = changes.redirects.iter().copied().collect();
    let fitted = changes.refits.iter().map(|it| (it.fragment, it.to));
    let fitted: HashMap<FragmentId, CustomerId> = fitted.collect();
    let column = |it| Expr::col((fragment::Entity, it));
    // Nothing that is empty: no index would be used then.
    let mut is_moved = Condition::any();
    if !into.is_empty() {
        let losers = into.keys().map(|it| it.uuid());
        is_moved = is_moved.add(column(fragment::Column::RootId).is_in(losers));
    }
    if !fitted.is_empty() {
        let own = fitted.keys().map(|it| it.uuid());
        is_moved = is_moved.add(column(fragment::Column::FragmentId).is_in(own));
    }
    let moved = with_memberships(transaction, is_moved).await?;
    let moves = moved.into_iter().filter_map(|(fragment, from)| {
        let to = fitted.get(&fragment).or_else(|| into.get(&from))?;
        Some((fragment, from, *to))
    });
    insert(transaction, moves.collect(), (time, chance)).await
}

/// Notes which fragments with memberships come out of a customer or an account.
pub(in crate::store) async fn note_parts(
    transaction: &DatabaseTransaction,
    from: CustomerId,
    parts: &[Vec<FragmentId>],
    (time, chance): (Timestamp, &dyn Chance),
) -> Result<(), DbErr> {
    let roots = parts.iter().filter_map(|part| Some((part, *part.first()?)));
    let into: HashMap<FragmentId, CustomerId> = roots
        .flat_map(|(part, root)| part.iter().map(move |it| (*it, root.into())))
        .collect();
    if into.is_empty() {
        return Ok(());
    }
    let ids = into.keys().map(|it| it.uuid());
    let own = Expr::col((fragment::Entity, fragment::Column::FragmentId)).is_in(ids);
    let moved = with_memberships(transaction, Condition::all().add(own)).await?;
    let left = parts.iter().filter(|_| from.is_account());
    let without = left.filter(|part| part.iter().all(|it| !moved.contains_key(it)));
    let without = without.filter_map(|part| part.first().copied().map(CustomerId::from));
    tell_of_nobody(transaction, from, without.collect(), (time, chance)).await?;
    let moves = moved.into_keys();
    let moves = moves.filter_map(|it| Some((it, from, *into.get(&it)?)));
    insert(transaction, moves.collect(), (time, chance)).await
}

/// Has accounts without members that come out of another one told so, by way of a member of that
/// one: they may have had some before they were one.
async fn tell_of_nobody(
    transaction: &DatabaseTransaction,
    from: CustomerId,
    accounts: Vec<CustomerId>,
    (time, chance): (Timestamp, &dyn Chance),
) -> Result<(), DbErr> {
    if accounts.is_empty() {
        return Ok(());
    }
    let root = Expr::col((Alias::new(ACCOUNT), fragment::Column::RootId));
    let mut select = joined();
    columns(&mut select);
    select.and_where(root.eq(from.uuid())).limit(1);
    let Some(row) = transaction.query_one(&select).await? else {
        return Ok(());
    };
    let member = read(&row)?;
    let owed = accounts.into_iter().map(|account| Owed {
        pair: (member.customer, account, member.role.clone()),
        due: EARLIEST,
        is_bulk: false,
    });
    owe(transaction, chance, owed.collect(), time).await
}

/// Returns the fragments that have memberships, each with whom it belongs to.
async fn with_memberships(
    transaction: &DatabaseTransaction,
    condition: Condition,
) -> Result<BTreeMap<FragmentId, CustomerId>, DbErr> {
    let named_by = |column: membership::Column| -> SelectStatement {
        let mut named = Query::select();
        named.expr(Expr::val(1)).from(membership::Entity).and_where(
            Expr::col((membership::Entity, column))
                .equals((fragment::Entity, fragment::Column::FragmentId)),
        );
        named
    };
    let has_any = Condition::any()
        .add(Expr::exists(named_by(
            membership::Column::CustomerFragmentId,
        )))
        .add(Expr::exists(named_by(
            membership::Column::AccountFragmentId,
        )));
    let rows = fragment::Entity::find()
        .filter(condition)
        .filter(has_any)
        .all(transaction)
        .await?;
    let rows = rows.into_iter();
    let roots = rows.map(|row| {
        (
            FragmentId::new(row.fragment_id),
            CustomerId::new(row.root_id),
        )
    });
    Ok(roots.collect())
}

async fn insert(
    transaction: &DatabaseTransaction,
    moves: Vec<Move>,
    (time, chance): (Timestamp, &dyn Chance),
) -> Result<(), DbErr> {
    let moves: Vec<Move> = moves.into_iter().filter(|it| it.1 != it.2).collect();
    for chunk in moves.chunks(ROWS_PER_STATEMENT) {
        let mut insert = Query::insert();
        insert.into_table(account_move::Entity).columns([
            account_move::Column::MoveId,
            account_move::Column::FragmentId,
            account_move::Column::FromId,
            account_move::Column::IntoId,
            account_move::Column::ClaimTime,
        ]);
        for (fragment, from, into) in chunk {
            insert.values_panic([
                chance.merge().into(),
                fragment.uuid().into(),
                from.uuid().into(),
                into.uuid().into(),
                time.as_millis().into(),
            ]);
        }
        transaction.execute(&insert).await?;
    }
    Ok(())
}

/// Goes through the memberships of some fragments, as far as one look does.
pub(super) async fn look_through(store: &IdentityStore, now: Moment) -> Result<(), DbErr> {
    let connection = store.database.orm();
    let rows = account_move::Entity::find()
        .filter(is_unclaimed(account_move::Column::ClaimTime, now.own))
        .order_by_asc(account_move::Column::MoveId)
        .limit(ACCOUNT_MOVES_TAKEN)
        .all(connection)
        .await?;
    for row in rows {
        let until = Expr::val(claimed_until(now.own).as_millis());
        let claim = account_move::Entity::update_many()
            .col_expr(account_move::Column::ClaimTime, until)
            .filter(account_move::Column::MoveId.eq(row.move_id))
            .filter(account_move::Column::ClaimTime.eq(row.claim_time))
            .exec(connection)
            .await?;
        if claim.rows_affected == 1 {
            look(store, &row, now).await?;
        }
    }
    Ok(())
}

/// Writes of whom there is something to tell: of everybody on the other side, in the one that the
/// fragment left and in the one that has it.
async fn look(store: &IdentityStore, row: &account_move::Model, now: Moment) -> Result<(), DbErr> {
    let transaction = store.database.begin_write().await?;
    let (limit, is_bulk) = match row.after_id {
        None => (MEMBERSHIPS_TOLD_LIVE, false),
        Some(_) => (MEMBERSHIPS_MOVED, true),
    };
    let moved = FragmentId::new(row.fragment_id);
    let mut select = memberships_of(moved, row.after_id, limit);
    columns(&mut select);
    let rows = transaction.query_all(&select).await?;
    let found: Vec<Row> = rows.iter().map(read).collect::<Result<_, _>>()?;
    let ends = [row.from_id, row.into_id].map(CustomerId::new);
    // A merge tells nothing of those that ended. Whoever comes out of another may have been told
    // last, before they were one, that it is a member.
    let comes_out = !living(&transaction, [ends[0]]).await?.is_empty();
    let held = found.iter();
    let held = held.filter(|it| comes_out || it.valid_to.is_none_or(|to| to > now.at));
    let mut pairs: Vec<Pair> = Vec::new();
    for it in held {
        pairs.extend(ends.map(|end| match moved.is_account() {
            true => (it.customer, end, it.role.clone()),
            false => (end, it.account, it.role.clone()),
        }));
    }
    if !moved.is_account() && row.after_id.is_none() {
        // Another one may be the primary one now, of whoever stays or was there.
        let rows = of_customers(&transaction, &ends).await?;
        let primary = rows.iter().filter(|it| it.primary_time.is_some());
        pairs.extend(primary.map(Row::pair));
    }
    let owed = pairs.into_iter().map(|pair| Owed {
        pair,
        due: now.at,
        is_bulk,
    });
    // Due at once: there is no caller who tells it.
    let unclaimed = now.own - ANNOUNCE_AFTER;
    owe(
        &transaction,
        store.chance.as_ref(),
        owed.collect(),
        unclaimed,
    )
    .await?;
    let own = account_move::Column::MoveId.eq(row.move_id);
    match found.last().filter(|_| found.len() as u64 == limit) {
        None => {
            let delete = account_move::Entity::delete_many().filter(own);
            delete.exec(&transaction).await?;
        }
        Some(last) => {
            account_move::Entity::update_many()
                .col_expr(account_move::Column::AfterId, Expr::val(last.id))
                .col_expr(account_move::Column::ClaimTime, Expr::val(0_i64))
                .filter(own)
                .exec(&transaction)
                .await?;
        }
    }
    transaction.commit().await
}
