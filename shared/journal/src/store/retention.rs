//! Cuts the event log by age, also where nothing is folded because nothing happens.

use std::time::Duration;

use hot::{Slot, StreamName};

use super::JournaledStore;
use crate::fold::{CutRows, cut_events};
use crate::readers::reader_of;
use crate::{FoldError, limits};

impl JournaledStore {
    /// Cuts the events of the slots whose turn it is, one after the other, as it is no more urgent than a snapshot.
    pub(super) async fn cut_events_due(&self) {
        let Some(retention) = self.shared.options.fold.event_retention else {
            return;
        };
        let reader = reader_of(StreamName::Events);
        let due = self.shared.folds.take_cuts(reader, interval(retention));
        for (slot, is_old) in due {
            match self.cut_events(slot, is_old).await {
                Ok(cut) => {
                    if cut.has_more {
                        self.shared.folds.cut_again(slot);
                    }
                    tracing::debug!(
                        partition = slot.partition.number(),
                        cut = cut.removed,
                        "cut the event log"
                    );
                }
                Err(error) => {
                    // The next round tries again.
                    self.shared.folds.cut_again(slot);
                    tracing::warn!(
                        partition = slot.partition.number(),
                        error = &error as &dyn std::error::Error,
                        "the event log was not cut; trying again"
                    );
                }
            }
        }
    }

    /// Cuts the events of a slot. Where old ones stay only because its snapshot is older still, it is made anew: a slot
    /// with little to do is not folded otherwise.
    async fn cut_events(&self, slot: Slot, is_old: bool) -> Result<CutRows, FoldError> {
        let log = self.shared.log.as_ref();
        let cut = cut_events(log, slot, &self.shared.options.fold).await?;
        if !(cut.is_held && is_old) {
            return Ok(cut);
        }
        self.fold(slot).await?;
        self.shared.folds.folded(slot);
        let after = cut_events(log, slot, &self.shared.options.fold).await?;
        Ok(CutRows {
            removed: cut.removed + after.removed,
            ..after
        })
    }
}

/// How long after a cut the next one is worth it.
fn interval(retention: kernel::Duration) -> Duration {
    let millis = u64::try_from(retention.as_millis()).unwrap_or(0);
    let share = Duration::from_millis(millis) / limits::EVENT_CUTS;
    share.clamp(limits::EVENT_CUT_LEAST, limits::EVENT_CUT_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_cut_soon_after_they_are_too_old_and_not_all_the_time() {
        for (retention, seconds) in [("0s", 60), ("1h", 150), ("1d", 3_600), ("90d", 21_600)] {
            let retention = retention.parse().expect("a duration");
            assert_eq!(interval(retention), Duration::from_secs(seconds));
        }
    }
}
