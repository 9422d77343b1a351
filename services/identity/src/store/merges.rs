//! Merges whose announcement in the streams is owed.
//!
//! A merge is written before its record is appended. Where the process dies in between, another look
//! finds it.

use std::collections::HashMap;

use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::entity::{fragment, merge};
use super::{IdentityStore, SentAs, unsigned};
use crate::limits::{ANNOUNCE_AFTER, ANNOUNCE_CLAIM, ANNOUNCE_MERGES};

/// A merge that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergeRecord {
    /// Its id.
    pub id: Uuid,
    /// The customer that is gone.
    pub from: CustomerId,
    /// The customer that survived it.
    pub into: CustomerId,
    /// The graph epoch: above that of any earlier merge or split of either customer. 0 where an
    /// earlier program wrote it.
    pub graph_epoch: u64,
}

impl IdentityStore {
    pub(super) async fn mark_merged(
        &self,
        merges: impl Iterator<Item = MergeRecord>,
    ) -> Result<(), DbErr> {
        let ids: Vec<Uuid> = merges.map(|merge| merge.id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        merge::Entity::update_many()
            .col_expr(merge::Column::Announced, true.into())
            .filter(merge::Column::MergeId.is_in(ids))
            .exec(self.database.orm())
            .await?;
        Ok(())
    }

    /// Finds the merges that were made by what was sent under some names, each with a fragment of
    /// its customer, in the order in which they were made. A merge of other customers is not found.
    ///
    /// # Errors
    /// As the database says.
    pub async fn merges_sent_as(
        &self,
        sent: &[(SentAs, FragmentId)],
    ) -> Result<Vec<(SentAs, MergeRecord)>, DbErr> {
        let rows = merge::Entity::find()
            .filter(merge::Column::SentAs.is_in(sent.iter().map(|(it, _)| it.0)))
            .filter(merge::Column::RetractedBy.is_null())
            .order_by_asc(merge::Column::MergeId)
            .all(self.database.orm())
            .await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let whose: HashMap<SentAs, Uuid> = sent.iter().map(|(it, own)| (*it, own.uuid())).collect();
        let from = rows.iter().map(|row| row.from_customer_id);
        let fragments = from.chain(whose.values().copied());
        let roots = fragment::Entity::find()
            .filter(fragment::Column::FragmentId.is_in(fragments))
            .all(self.database.orm())
            .await?;
        let roots: HashMap<Uuid, Uuid> = roots
            .into_iter()
            .map(|row| (row.fragment_id, row.root_id))
            .collect();
        let made = rows.iter().filter_map(|row| {
            let sent = SentAs(row.sent_as?);
            let root = roots.get(&row.from_customer_id)?;
            (roots.get(whose.get(&sent)?)? == root).then(|| record(row).map(|it| (sent, it)))
        });
        made.collect()
    }

    pub(super) async fn claim_merges(&self, now: Timestamp) -> Result<Vec<MergeRecord>, DbErr> {
        let before = (now - ANNOUNCE_AFTER).as_millis();
        let after = (now + ANNOUNCE_CLAIM).as_millis();
        let own_claim = merge::Column::ClaimTime;
        // They are overdue again so long after this time.
        let claim_time = now + ANNOUNCE_CLAIM - ANNOUNCE_AFTER;
        let rows = merge::Entity::find()
            .filter(merge::Column::Announced.eq(false))
            .filter(own_claim.lte(before).or(own_claim.gt(after)))
            .order_by_asc(merge::Column::MergeId)
            .limit(ANNOUNCE_MERGES)
            .all(self.database.orm())
            .await?;
        let mut claimed = Vec::new();
        for row in rows {
            let claim = merge::Entity::update_many()
                .col_expr(merge::Column::ClaimTime, claim_time.as_millis().into())
                .filter(merge::Column::MergeId.eq(row.merge_id))
                .filter(merge::Column::Announced.eq(false))
                .filter(merge::Column::ClaimTime.eq(row.claim_time))
                .exec(self.database.orm())
                .await?;
            if claim.rows_affected == 1 {
                claimed.push(record(&row)?);
            }
        }
        Ok(claimed)
    }
}

fn record(row: &merge::Model) -> Result<MergeRecord, DbErr> {
    Ok(MergeRecord {
        id: row.merge_id,
        from: CustomerId::new(row.from_customer_id),
        into: CustomerId::new(row.into_customer_id),
        graph_epoch: unsigned(row.graph_epoch.unwrap_or(0))?,
    })
}
