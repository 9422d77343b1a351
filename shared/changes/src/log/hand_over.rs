//! Hands the log over to other partitions: when their number changes, commits are numbered anew.
//!
//! Nobody works meanwhile. What the old partitions have still pending goes into the log in the
//! transaction that changes everything else.

use kernel::{Owner, PartitionId};
use sea_orm::DatabaseTransaction;

use crate::rows::{Filling, append};
use crate::{ChangeLog, Damaged, Pending, WriteError, head, mark};

impl ChangeLog {
    /// Brings what partitions have pending to the log, but for what it has already, and forgets how
    /// far it has come with them. Returns the number of changes. Of a partition the pending ones
    /// come oldest first.
    ///
    /// # Errors
    /// [`WriteError`]; one whose bytes are no changes is refused. Roll the transaction back.
    pub async fn hand_over(
        &self,
        transaction: &DatabaseTransaction,
        pending: impl IntoIterator<Item = (Owner, PartitionId, Vec<Pending>)> + Send,
    ) -> Result<u64, WriteError> {
        let (mut head, now) = head::lock(&self.database, transaction).await?;
        let marks = mark::read(transaction).await?;
        let (mut filling, mut changes) = (Filling::default(), 0);
        for (owner, partition, pending) in pending {
            let logged = marks.get(&owner).map(|marks| marks.of(partition));
            let logged = logged.unwrap_or_default();
            for commit in pending.iter().filter(|commit| commit.place > logged) {
                let added = filling.add(&commit.changes).map_err(|why| {
                    let place = commit.place;
                    let of = format!(
                        "what commit {} of epoch {} left for the log in partition {partition} of {}",
                        place.seq,
                        place.epoch,
                        owner.name()
                    );
                    Damaged::new(of, why)
                })?;
                changes += u64::from(added);
            }
        }
        append(transaction, &mut head, now, filling.finish()).await?;
        head::write(transaction, &head).await?;
        mark::clear(transaction).await?;
        Ok(changes)
    }
}
