//! What the log refuses, in the words of the hot store.

use hot::HotError;
use kernel::PartitionId;

use crate::LogError;

/// Says what a failure of the log means to whoever called the hot store.
pub(crate) fn hot_error(partition: PartitionId, error: LogError) -> HotError {
    match error {
        LogError::Fenced { partition, epoch } => HotError::Fenced {
            partition,
            epoch,
            // The log only knows that the lease has gone on.
            current: epoch.saturating_add(1),
        },
        LogError::Gap { partition, seq } => HotError::Gap {
            partition,
            seq,
            current: seq,
        },
        error @ LogError::Unavailable(_) => HotError::unavailable(error),
        LogError::Damaged(_) => HotError::Damaged(format!("partition {partition}: {error}")),
    }
}
