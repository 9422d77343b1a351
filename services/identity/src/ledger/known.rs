//! The marks of one import in memory, and how far its batches were read.

use std::sync::atomic::Ordering;

use identity_core::Tally;
use kernel::Timestamp;
use sea_orm::DbErr;

use super::marks::{Mark, read_marks};
use super::{Import, ImportError, Ledgers};
use crate::limits::{IMPORT_GRACE, IMPORT_RETENTION, LEDGER_PAGE};
use crate::store::{IdentityStore, TakenBatch};

/// The marks of an import that are known.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) marks: Tally<Mark>,
    /// The number of the newest batch that is known.
    pub(super) last: u64,
    /// When the oldest batch with a mark was taken; absent for none.
    oldest: Option<Timestamp>,
}

impl Known {
    /// Adds the marks of a batch that this process took.
    pub(super) fn add(
        &mut self,
        number: u64,
        time: Timestamp,
        marks: impl IntoIterator<Item = Mark>,
    ) {
        self.last = number;
        self.oldest = Some(self.oldest.map_or(time, |oldest| oldest.min(time)));
        for mark in marks {
            self.marks.add(mark);
        }
    }

    /// Returns whether it knows something that it is to have forgotten.
    pub(super) fn is_stale(&self, now: Timestamp) -> bool {
        let until = now - IMPORT_RETENTION - IMPORT_GRACE;
        self.oldest.is_some_and(|oldest| oldest < until)
    }

    fn take(&mut self, batch: &TakenBatch, now: Timestamp) {
        if batch.time < now - IMPORT_RETENTION {
            // Its number counts all the same.
            self.last = batch.number;
        } else {
            self.add(batch.number, batch.time, read_marks(&batch.marks));
        }
    }
}

impl Import {
    /// Reads what the database has of the import beyond what is known, and which of its batches
    /// may not be in their streams.
    ///
    /// # Errors
    /// [`ImportError::MemoryFull`] and [`ImportError::Database`].
    pub(super) async fn catch_up(
        &self,
        known: &mut Known,
        (ledgers, store): (&Ledgers, &IdentityStore),
        now: Timestamp,
    ) -> Result<(), ImportError> {
        loop {
            let page = store.import_batches(self.digest(), known.last).await?;
            for batch in &page {
                known.take(batch, now);
            }
            self.weigh(known);
            ledgers.make_room()?;
            if (page.len() as u64) < LEDGER_PAGE {
                break;
            }
        }
        // Read behind the batches: whatever they are still to be brought to their streams is there.
        Ok(self.find_pending(store).await?)
    }

    /// Takes note of how much memory the marks take.
    pub(super) fn weigh(&self, known: &Known) {
        let bytes = known.marks.bytes();
        self.slot.bytes.store(bytes, Ordering::Relaxed);
    }

    async fn find_pending(&self, store: &IdentityStore) -> Result<(), DbErr> {
        let pending = store.pending_of_import(self.digest()).await?;
        let time = store.import_accept_time(self.digest()).await?;
        self.slot.batches().found(&pending, time);
        Ok(())
    }
}
