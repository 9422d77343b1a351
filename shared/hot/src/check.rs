//! What every store refuses before it touches anything, so that both refuse the same.

use kernel::{PartitionCount, PartitionId};

use crate::{Append, Commit, HotError, limits};

/// Refuses what is over a limit.
fn at_most(what: &'static str, size: usize, limit: usize) -> Result<(), HotError> {
    if size > limit {
        return Err(HotError::TooLarge { what, limit });
    }
    Ok(())
}

/// Refuses a partition that the store does not have.
pub(crate) fn partition(count: PartitionCount, partition: PartitionId) -> Result<(), HotError> {
    if partition.number() >= count.get() {
        return Err(HotError::Invalid(
            "there is no such partition: partitions are numbered from 0 to below the count",
        ));
    }
    Ok(())
}

/// Refuses a commit that no store could take.
pub(crate) fn commit(count: PartitionCount, commit: &Commit) -> Result<(), HotError> {
    at_most(
        "the number of states of a commit",
        commit.states.len(),
        limits::STATES_PER_COMMIT,
    )?;
    let mut bytes = 0;
    for (key, value) in &commit.states {
        at_most("a state key", key.len(), limits::KEY_BYTES)?;
        let size = value.as_ref().map_or(0, |value| value.len());
        at_most("a state", size, limits::STATE_BYTES)?;
        bytes += key.len() + size;
    }
    for (key, _) in &commit.timers {
        at_most("a timer key", key.len(), limits::KEY_BYTES)?;
        bytes += key.len();
    }
    for message in &commit.outbox {
        partition(count, message.to.partition)?;
        bytes += message.payload.len();
    }
    bytes += commit.outputs.iter().map(|(_, it)| it.len()).sum::<usize>();
    bytes += commit
        .counters
        .iter()
        .map(|(name, _)| name.len())
        .sum::<usize>();
    bytes += commit.quarantine.iter().map(|it| it.len()).sum::<usize>();
    at_most("a commit", bytes, limits::COMMIT_BYTES)
}

/// Refuses an append that no store could take.
pub(crate) fn append(count: PartitionCount, append: &Append) -> Result<(), HotError> {
    partition(count, append.to.partition)?;
    at_most("an append", append.payload.len(), limits::COMMIT_BYTES)?;
    let Some(range) = &append.source else {
        return Ok(());
    };
    at_most("a source", range.source.len(), limits::SOURCE_BYTES)?;
    if range.first == 0 || range.first > range.last {
        return Err(HotError::Invalid(
            "a range of a source starts at 1 or above, and does not end before it starts",
        ));
    }
    Ok(())
}
