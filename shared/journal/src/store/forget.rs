//! Removes from the journal what states were that are gone: the commits that wrote them, and the
//! entries that those took.
//!
//! Snapshots are made that lack them, of whoever reads what the commits put out too, and all that
//! is behind is cut as soon as it is a minute old. An older copy of the hot store than that needs
//! the rows that are gone: it is refused, and the store is made of the snapshots.

use std::collections::BTreeSet;

use hot::{Forgotten, HotError, Owner, Slot};
use kernel::PartitionId;

use super::JournaledStore;
use crate::FoldError;
use crate::error::hot_error;
use crate::fold::{cut_behind, needless_upto};
use crate::readers::reader_of;

impl JournaledStore {
    /// Removes the commits of a partition up to some numbers, as far as they can go by now.
    pub(super) async fn forget_upto(
        &self,
        partition: PartitionId,
        upto: &[(Owner, u64)],
    ) -> Result<Forgotten, HotError> {
        let forgotten = self.forget_slots(partition, upto).await;
        forgotten.map_err(|error| match error {
            FoldError::Log(error) => hot_error(partition, error),
            FoldError::Hot(error) => error,
        })
    }

    async fn forget_slots(
        &self,
        partition: PartitionId,
        upto: &[(Owner, u64)],
    ) -> Result<Forgotten, FoldError> {
        let log = self.shared.log.as_ref();
        let slot = |owner| Slot { owner, partition };
        for (owner, seq) in upto {
            if log.head(slot(*owner)).await?.snapshot_seq < *seq {
                self.fold(slot(*owner)).await?;
            }
        }
        self.fold_readers(partition, upto).await?;
        let mut forgotten = Forgotten::DONE;
        for (owner, seq) in upto {
            let slot = slot(*owner);
            let cut = cut_behind(log, slot, &self.shared.options.fold).await?;
            let head = log.head(slot).await?;
            let is_gone = head.first_seq == 0 || head.first_seq > *seq;
            forgotten.rows += cut.removed;
            forgotten.needs_commit |= !is_gone && head.seq <= *seq;
            forgotten.is_done &= is_gone && head.snapshot_seq >= *seq && !cut.looks_back;
        }
        Ok(forgotten)
    }

    /// Makes the snapshots anew of those whose word is lacking that they took what the commits put
    /// out.
    async fn fold_readers(
        &self,
        partition: PartitionId,
        upto: &[(Owner, u64)],
    ) -> Result<(), FoldError> {
        let log = self.shared.log.as_ref();
        let mut readers = BTreeSet::new();
        for (owner, seq) in upto {
            let slot = Slot {
                owner: *owner,
                partition,
            };
            let needless = needless_upto(log, slot).await?;
            if needless.seq < *seq {
                readers.extend(needless.outputs.into_iter().map(reader_of));
            }
        }
        for owner in readers {
            let slot = Slot { owner, partition };
            let head = log.head(slot).await?;
            if head.seq > head.snapshot_seq {
                self.fold(slot).await?;
            }
        }
        Ok(())
    }
}
