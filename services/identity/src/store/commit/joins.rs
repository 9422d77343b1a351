//! Merges and splits of a batch, with the history of what moved.

use std::collections::BTreeMap;

use identity_core::{Changes, EvidenceKind, Step};
use kernel::{CustomerId, FragmentId};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};
use uuid::Uuid;

use super::Cause;
use super::epochs::GraphEpochs;
use crate::chance::Chance;
use crate::store::entity::{cannot_link, customer, fragment, merge};
use crate::store::operation::{OperationKind, OperationRecord, insert_operation};
use crate::store::split::insert_splits;
use crate::store::{MergeRecord, News, SentBy, SplitRecord, signed};

/// Redirects the fragments of merged and split customers straight to where they end up, and records
/// the merges and splits. Returns them in order.
pub(super) async fn join(
    transaction: &DatabaseTransaction,
    changes: &Changes,
    cause: Cause<'_>,
    (sent, chance, epochs): (&SentBy, &dyn Chance, &mut GraphEpochs),
) -> Result<Vec<News>, DbErr> {
    lift_cannot_links(transaction, sent.lifted()).await?;
    redirect(transaction, changes).await?;
    let operations = moves(changes, cause, chance);
    let news = news(changes, (chance, epochs), &operations);
    let places = || changes.steps().map(Step::event_place);
    let merges = news.iter().zip(places());
    let merges = merges.filter_map(|(it, place)| Some((it.merge()?, place)));
    insert_merges(transaction, merges.collect(), cause, sent).await?;
    let by = news.iter().zip(places());
    let by = by.filter_map(|(it, place)| Some((it.id(), sent.event(place)?)));
    let splits: Vec<SplitRecord> = news.iter().filter_map(News::split).cloned().collect();
    insert_splits(transaction, &splits, cause.time, &by.collect()).await?;
    for (record, about) in operations.into_values() {
        insert_operation(transaction, &record, about, None).await?;
    }
    Ok(news)
}

async fn redirect(transaction: &DatabaseTransaction, changes: &Changes) -> Result<(), DbErr> {
    let mut by_root: BTreeMap<CustomerId, Vec<Uuid>> = BTreeMap::new();
    for (from, into) in &changes.redirects {
        by_root.entry(*into).or_default().push(from.uuid());
    }
    for (root, losers) in by_root {
        let mut update = Query::update();
        update
            .table(fragment::Entity)
            .value(fragment::Column::RootId, root.uuid())
            .and_where(Expr::col(fragment::Column::RootId).is_in(losers.iter().copied()));
        transaction.execute(&update).await?;
        let mut delete = Query::delete();
        delete
            .from_table(customer::Entity)
            .and_where(Expr::col(customer::Column::CustomerId).is_in(losers));
        transaction.execute(&delete).await?;
    }
    let mut fitted: BTreeMap<CustomerId, Vec<FragmentId>> = BTreeMap::new();
    for refit in &changes.refits {
        fitted.entry(refit.to).or_default().push(refit.fragment);
    }
    for (root, fragments) in fitted {
        set_root(transaction, root, &fragments).await?;
    }
    Ok(())
}

/// Gives fragments to a customer.
pub(in crate::store) async fn set_root(
    transaction: &DatabaseTransaction,
    root: CustomerId,
    fragments: &[FragmentId],
) -> Result<(), DbErr> {
    let mut update = Query::update();
    update
        .table(fragment::Entity)
        .value(fragment::Column::RootId, root.uuid())
        .and_where(
            Expr::col(fragment::Column::FragmentId).is_in(fragments.iter().map(|it| it.uuid())),
        );
    transaction.execute(&update).await?;
    Ok(())
}

/// Takes back that some customers must never be joined, by the word of somebody who knows.
async fn lift_cannot_links(
    transaction: &DatabaseTransaction,
    customers: &[CustomerId],
) -> Result<(), DbErr> {
    if customers.len() < 2 {
        return Ok(());
    }
    let own = || -> SelectStatement {
        let mut own = Query::select();
        own.column(fragment::Column::FragmentId)
            .from(fragment::Entity)
            .and_where(
                Expr::col(fragment::Column::RootId).is_in(customers.iter().map(|it| it.uuid())),
            );
        own
    };
    let mut delete = Query::delete();
    delete
        .from_table(cannot_link::Entity)
        .and_where(Expr::col(cannot_link::Column::FragmentA).in_subquery(own()))
        .and_where(Expr::col(cannot_link::Column::FragmentB).in_subquery(own()));
    transaction.execute(&delete).await?;
    Ok(())
}

/// The operations of a batch that are no merges, by the number of their event: identifiers that
/// went to other customers, or to nobody.
fn moves(
    changes: &Changes,
    cause: Cause<'_>,
    chance: &dyn Chance,
) -> BTreeMap<usize, (OperationRecord, Vec<FragmentId>)> {
    let mut operations: BTreeMap<usize, (OperationRecord, Vec<FragmentId>)> = BTreeMap::new();
    for row in &changes.evidence {
        if !matches!(row.kind, EvidenceKind::Moved | EvidenceKind::Released) {
            continue;
        }
        let origin = cause.origins.origin(row.event_place);
        let (record, about) = operations.entry(row.event_place).or_insert_with(|| {
            let record = OperationRecord {
                id: chance.merge(),
                kind: OperationKind::Move,
                time: cause.time,
                from: Vec::new(),
                to: Vec::new(),
                event_id: origin.event_id.to_owned(),
                request_id: cause.request_id.to_owned(),
                reason: if row.reason.is_empty() {
                    cause.reason.to_owned()
                } else {
                    row.reason.to_owned()
                },
                retracted_by: None,
            };
            (record, Vec::new())
        });
        let from = row.joined.unwrap_or(row.fragment);
        push_new(&mut record.from, from.into());
        if row.kind == EvidenceKind::Moved {
            let mut fitted = changes.refits.iter();
            let fitted = fitted.find(|it| it.fragment == row.fragment);
            let to = fitted.map_or_else(|| row.fragment.into(), |it| it.to);
            push_new(&mut record.to, to);
        }
        about.extend([from, row.fragment]);
    }
    operations
}

fn push_new(list: &mut Vec<CustomerId>, id: CustomerId) {
    if !list.contains(&id) {
        list.push(id);
    }
}

/// The merges and splits of a batch in their order, each with an id and a graph epoch.
fn news(
    changes: &Changes,
    (chance, epochs): (&dyn Chance, &mut GraphEpochs),
    operations: &BTreeMap<usize, (OperationRecord, Vec<FragmentId>)>,
) -> Vec<News> {
    let news = changes.steps().map(|step| {
        let graph_epoch = epochs.take(step);
        match step {
            Step::Merge(merge) => News::Merge(MergeRecord {
                id: chance.merge(),
                from: merge.from,
                into: merge.into,
                graph_epoch,
            }),
            Step::Split(split) => {
                let id = chance.merge();
                let operation = operations.get(&split.event_place);
                let others = split.fragments.iter().copied();
                News::Split(SplitRecord {
                    id,
                    operation: operation.map_or_else(|| chance.merge(), |(record, _)| record.id),
                    customer: split.into,
                    from: split.from,
                    fragments: others.filter(|it| *it != split.into.fragment()).collect(),
                    merge_time: kernel::Timestamp::MIN,
                    graph_epoch,
                })
            }
        }
    });
    news.collect()
}

async fn insert_merges(
    transaction: &DatabaseTransaction,
    merges: Vec<(MergeRecord, usize)>,
    cause: Cause<'_>,
    sent: &SentBy,
) -> Result<(), DbErr> {
    if merges.is_empty() {
        return Ok(());
    }
    let mut insert = Query::insert();
    insert.into_table(merge::Entity).columns([
        merge::Column::MergeId,
        merge::Column::FromCustomerId,
        merge::Column::IntoCustomerId,
        merge::Column::Reason,
        merge::Column::RequestId,
        merge::Column::CreateTime,
        merge::Column::Announced,
        merge::Column::ClaimTime,
        merge::Column::SentAs,
        merge::Column::EventId,
        merge::Column::GraphEpoch,
    ]);
    for (merge, place) in merges {
        let event_id = Some(cause.origins.origin(place).event_id);
        let event_id = event_id.filter(|it| !it.is_empty()).map(str::to_owned);
        let sent = sent.event(place).or_else(|| sent.merge(merge.from));
        insert.values_panic([
            merge.id.into(),
            merge.from.uuid().into(),
            merge.into.uuid().into(),
            cause.reason.into(),
            cause.request_id.into(),
            cause.time.as_millis().into(),
            false.into(),
            cause.time.as_millis().into(),
            sent.map(|it| it.0).into(),
            event_id.into(),
            signed(merge.graph_epoch).into(),
        ]);
    }
    transaction.execute(&insert).await?;
    Ok(())
}
