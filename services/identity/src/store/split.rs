//! Customers who came out of others, and whose announcement in the streams is owed.
//!
//! As with merges, a split is written before its record is appended, and another look finds what a
//! process that died owes.

use std::collections::HashMap;

use identity_core::EvidenceKind;
use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use uuid::Uuid;

use super::entity::{evidence, fragment, split};
use super::evidence::kind_code;
use super::operation::{id_list, parse_ids};
use super::{IdentityStore, SentAs, signed, unsigned};
use crate::limits::{ANNOUNCE_AFTER, ANNOUNCE_CLAIM, ANNOUNCE_MERGES, ROWS_PER_STATEMENT};

/// A customer who is one of their own again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitRecord {
    /// Its id, which sorts among those of merges by time.
    pub id: Uuid,
    /// The operation that it belongs to.
    pub operation: Uuid,
    /// The customer that came out: the oldest of its fragments.
    pub customer: CustomerId,
    /// The customer that it was part of.
    pub from: CustomerId,
    /// The other fragments of the customer that came out.
    pub fragments: Vec<FragmentId>,
    /// When the first merge that is undone was made; the beginning of time where nobody knows.
    pub merge_time: Timestamp,
    /// The graph epoch: above that of any earlier merge or split of either customer. 0 where an
    /// earlier program wrote it.
    pub graph_epoch: u64,
}

impl IdentityStore {
    pub(super) async fn mark_split(&self, splits: &[Uuid]) -> Result<(), DbErr> {
        if splits.is_empty() {
            return Ok(());
        }
        split::Entity::update_many()
            .col_expr(split::Column::Announced, true.into())
            .filter(split::Column::SplitId.is_in(splits.iter().copied()))
            .exec(self.database.orm())
            .await?;
        Ok(())
    }

    /// Returns the customers that fragments were split off from; `None` where no split was about
    /// any of them, so that all that was accepted for these ids is theirs.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) async fn split_off_from(
        &self,
        fragments: &[FragmentId],
    ) -> Result<Option<Vec<CustomerId>>, DbErr> {
        let own = || fragments.iter().map(|it| it.uuid());
        let rows = split::Entity::find()
            .filter(
                split::Column::CustomerId
                    .is_in(own())
                    .or(split::Column::FromCustomerId.is_in(own())),
            )
            .all(self.database.orm())
            .await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let mut from: Vec<CustomerId> = rows
            .into_iter()
            .map(|row| CustomerId::new(row.from_customer_id))
            .collect();
        from.sort_unstable();
        from.dedup();
        Ok(Some(from))
    }

    /// Finds the splits of an operation, in the order in which they were made.
    ///
    /// # Errors
    /// As the database says.
    pub async fn splits_of(&self, operation: Uuid) -> Result<Vec<SplitRecord>, DbErr> {
        let rows = split::Entity::find()
            .filter(split::Column::OperationId.eq(operation))
            .order_by_asc(split::Column::SplitId)
            .all(self.database.orm())
            .await?;
        rows.iter().map(record).collect()
    }

    /// Finds the splits that events made under some names, in the order in which they were made.
    ///
    /// # Errors
    /// As the database says.
    pub async fn splits_sent_as(
        &self,
        sent: &[SentAs],
    ) -> Result<Vec<(SentAs, SplitRecord)>, DbErr> {
        let rows = split::Entity::find()
            .filter(split::Column::SentAs.is_in(sent.iter().map(|it| it.0)))
            .order_by_asc(split::Column::SplitId)
            .all(self.database.orm())
            .await?;
        let made = rows
            .iter()
            .filter_map(|row| Some((SentAs(row.sent_as?), row)));
        made.map(|(sent, row)| Ok((sent, record(row)?))).collect()
    }

    pub(super) async fn claim_splits(&self, now: Timestamp) -> Result<Vec<SplitRecord>, DbErr> {
        let before = (now - ANNOUNCE_AFTER).as_millis();
        let after = (now + ANNOUNCE_CLAIM).as_millis();
        let own_claim = split::Column::ClaimTime;
        let claim_time = now + ANNOUNCE_CLAIM - ANNOUNCE_AFTER;
        let rows = split::Entity::find()
            .filter(split::Column::Announced.eq(false))
            .filter(own_claim.lte(before).or(own_claim.gt(after)))
            .order_by_asc(split::Column::SplitId)
            .limit(ANNOUNCE_MERGES)
            .all(self.database.orm())
            .await?;
        let mut claimed = Vec::new();
        for row in rows {
            let claim = split::Entity::update_many()
                .col_expr(split::Column::ClaimTime, claim_time.as_millis().into())
                .filter(split::Column::SplitId.eq(row.split_id))
                .filter(split::Column::Announced.eq(false))
                .filter(split::Column::ClaimTime.eq(row.claim_time))
                .exec(self.database.orm())
                .await?;
            if claim.rows_affected == 1 {
                claimed.push(record(&row)?);
            }
        }
        Ok(claimed)
    }
}

/// Writes splits, to be announced.
pub(super) async fn insert_splits(
    transaction: &DatabaseTransaction,
    splits: &[SplitRecord],
    time: Timestamp,
    sent: &HashMap<Uuid, SentAs>,
) -> Result<(), DbErr> {
    if splits.is_empty() {
        return Ok(());
    }
    let mut insert = Query::insert();
    insert.into_table(split::Entity).columns([
        split::Column::SplitId,
        split::Column::OperationId,
        split::Column::CustomerId,
        split::Column::FromCustomerId,
        split::Column::FragmentIds,
        split::Column::MergeTime,
        split::Column::Announced,
        split::Column::ClaimTime,
        split::Column::SentAs,
        split::Column::GraphEpoch,
    ]);
    for split in splits {
        insert.values_panic([
            split.id.into(),
            split.operation.into(),
            split.customer.uuid().into(),
            split.from.uuid().into(),
            id_list(split.fragments.iter().map(|it| it.uuid())).into(),
            split.merge_time.as_millis().into(),
            false.into(),
            time.as_millis().into(),
            sent.get(&split.id).map(|it| it.0).into(),
            signed(split.graph_epoch).into(),
        ]);
    }
    transaction.execute(&insert).await?;
    Ok(())
}

/// Takes back the evidence that ties those who came out by an event to those who stay: it holds
/// nobody together any more.
pub(super) async fn retract_ties(
    transaction: &DatabaseTransaction,
    split: &SplitRecord,
) -> Result<(), DbErr> {
    let kinds = [EvidenceKind::Joined, EvidenceKind::Forced].map(kind_code);
    let theirs: Vec<FragmentId> = std::iter::once(split.customer.fragment())
        .chain(split.fragments.iter().copied())
        .collect();
    for some in theirs.chunks(ROWS_PER_STATEMENT) {
        let own = || some.iter().map(|it| it.uuid());
        let (one, other) = (
            evidence::Column::FragmentId,
            evidence::Column::JoinedFragmentId,
        );
        let rows = evidence::Entity::find()
            .filter(one.is_in(own()).or(other.is_in(own())))
            .filter(evidence::Column::Kind.is_in(kinds))
            .filter(evidence::Column::RetractedBy.is_null())
            .all(transaction)
            .await?;
        for rows in rows.chunks(ROWS_PER_STATEMENT) {
            let ends = rows
                .iter()
                .flat_map(|row| [Some(row.fragment_id), row.joined_fragment_id]);
            let found = fragment::Entity::find()
                .filter(fragment::Column::FragmentId.is_in(ends.flatten()))
                .all(transaction)
                .await?;
            let roots: HashMap<Uuid, Uuid> = found
                .into_iter()
                .map(|row| (row.fragment_id, row.root_id))
                .collect();
            let is_apart = |row: &&evidence::Model| {
                let joined = row.joined_fragment_id.and_then(|it| roots.get(&it));
                joined.is_some_and(|root| roots.get(&row.fragment_id) != Some(root))
            };
            let apart = rows.iter().filter(is_apart);
            let apart: Vec<Uuid> = apart.map(|row| row.evidence_id).collect();
            if !apart.is_empty() {
                evidence::Entity::update_many()
                    .col_expr(evidence::Column::RetractedBy, Expr::val(split.operation))
                    .filter(evidence::Column::EvidenceId.is_in(apart))
                    .exec(transaction)
                    .await?;
            }
        }
    }
    Ok(())
}

fn record(row: &split::Model) -> Result<SplitRecord, DbErr> {
    let fragments = parse_ids(&row.fragment_ids)?;
    Ok(SplitRecord {
        id: row.split_id,
        operation: row.operation_id,
        customer: CustomerId::new(row.customer_id),
        from: CustomerId::new(row.from_customer_id),
        fragments: fragments.into_iter().map(FragmentId::new).collect(),
        merge_time: Timestamp::from_millis(row.merge_time),
        graph_epoch: unsigned(row.graph_epoch.unwrap_or(0))?,
    })
}
