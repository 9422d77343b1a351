//! What every store refuses before it touches anything, so that all refuse the same.

use std::collections::HashSet;

use kernel::{PartitionCount, PartitionId};

use crate::{Append, Commit, Committed, HotError, Slot, Standing, StateWrite, limits};

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

/// Refuses an epoch that is not the partition's, and a commit that is neither its next nor its last
/// one.
pub(crate) fn follows(
    slot: Slot,
    (current_epoch, current_seq): (u64, u64),
    (epoch, seq): (u64, u64),
) -> Result<(), HotError> {
    let partition = slot.partition;
    if epoch != current_epoch {
        return Err(HotError::Fenced {
            partition,
            epoch,
            current: current_epoch,
        });
    }
    if seq != current_seq && Some(seq) != current_seq.checked_add(1) {
        return Err(HotError::Gap {
            partition,
            seq,
            current: current_seq,
        });
    }
    Ok(())
}

/// Refuses a partition that is not where its worker believes it to be.
pub(crate) fn stands(
    at: Standing,
    (current_epoch, current_seq): (u64, u64),
) -> Result<(), HotError> {
    let seq = at.commit_seq.saturating_add(1);
    follows(at.slot, (current_epoch, current_seq), (at.epoch, seq))?;
    if at.commit_seq != current_seq {
        // Somebody has committed since.
        return Err(HotError::Gap {
            partition: at.slot.partition,
            seq,
            current: current_seq,
        });
    }
    Ok(())
}

/// Tells whether a commit is the next one after `(epoch, seq, batch_id)`; the answer to the last
/// one is repeated.
pub(crate) fn next(
    slot: Slot,
    (epoch, seq, batch_id): (u64, u64, u64),
    commit: &Commit,
) -> Result<Option<Committed>, HotError> {
    follows(slot, (epoch, seq), (commit.epoch, commit.seq))?;
    if commit.seq != seq {
        return Ok(None);
    }
    if seq > 0 && commit.batch_id == batch_id {
        return Ok(Some(Committed::AlreadyApplied));
    }
    Err(HotError::Gap {
        partition: slot.partition,
        seq: commit.seq,
        current: seq,
    })
}

/// Refuses a commit that no store could take.
pub(crate) fn commit(count: PartitionCount, commit: &Commit) -> Result<(), HotError> {
    at_most(
        "the number of states of a commit",
        commit.states.len(),
        limits::STATES_PER_COMMIT,
    )?;
    at_most(
        "the number of fired timers of a commit",
        commit.fired.len(),
        limits::FIRED_PER_COMMIT,
    )?;
    quarantine(commit)?;
    let mut bytes = states(&commit.states)?;
    for (key, _) in &commit.fired {
        at_most("a timer key", key.len(), limits::KEY_BYTES)?;
        bytes += key.len();
    }
    for message in &commit.outbox {
        partition(count, message.to.partition)?;
        bytes += message.payload.len();
    }
    bytes += commit.outputs.iter().map(|(_, it)| it.len()).sum::<usize>();
    bytes += counters(commit)?;
    at_most("a commit", bytes, limits::COMMIT_BYTES)
}

/// Refuses changes of counters that no store could take; returns their bytes.
fn counters(commit: &Commit) -> Result<usize, HotError> {
    at_most(
        "the number of dropped groups of a commit",
        commit.dropped_groups.len(),
        limits::DROPPED_PER_COMMIT,
    )?;
    let mut bytes = 0;
    for group in &commit.dropped_groups {
        at_most("a group of counters", group.len(), limits::COUNTER_BYTES)?;
        bytes += group.len();
    }
    for (key, change) in &commit.counters {
        at_most(
            "a group of counters",
            key.group.len(),
            limits::COUNTER_BYTES,
        )?;
        at_most(
            "the name of a counter",
            key.name.len(),
            limits::COUNTER_BYTES,
        )?;
        bytes += key.group.len() + key.name.len() + size_of_val(change);
    }
    Ok(bytes)
}

/// Refuses what no quarantine could take.
fn quarantine(commit: &Commit) -> Result<(), HotError> {
    for entry in &commit.quarantine {
        at_most(
            "a quarantined entry",
            entry.len(),
            limits::QUARANTINED_BYTES,
        )?;
    }
    at_most(
        "what a commit sets aside",
        commit.quarantine.iter().map(|it| it.len()).sum(),
        limits::QUARANTINED_PER_COMMIT_BYTES,
    )?;
    at_most(
        "the number of released entries of a commit",
        commit.released.len(),
        limits::RELEASED_PER_COMMIT,
    )
}

/// Refuses states that no store could take; returns their bytes.
pub(crate) fn states(states: &[StateWrite]) -> Result<usize, HotError> {
    let mut seen = HashSet::with_capacity(states.len());
    let mut bytes = 0;
    for state in states {
        at_most("a state key", state.key.len(), limits::KEY_BYTES)?;
        let size = state.value.as_ref().map_or(0, |value| value.len());
        at_most("a state", size, limits::STATE_BYTES)?;
        bytes += state.key.len() + size;
        if !seen.insert(&state.key[..]) {
            return Err(HotError::Invalid(
                "a state occurs twice in one commit: write it once, as it is in the end",
            ));
        }
        timer(state)?;
    }
    Ok(bytes)
}

/// Refuses a timer that would be lost.
fn timer(state: &StateWrite) -> Result<(), HotError> {
    let timer = state.timer;
    if timer.due.is_some() && timer.entry.is_none_or(|entry| timer.due < Some(entry)) {
        return Err(HotError::Invalid(
            "a timer is due before the entry of the index that leads to it: make it with Timer::set",
        ));
    }
    if state.adds_entry && (timer.entry.is_none() || state.value.is_none()) {
        return Err(HotError::Invalid(
            "a state adds an entry to the index of timers and has none: say what Timer::set said",
        ));
    }
    Ok(())
}

/// Refuses an append that no store could take.
///
/// # Errors
/// [`HotError::TooLarge`] where a part is over a limit, [`HotError::Invalid`] where it contradicts
/// itself.
pub fn append(count: PartitionCount, append: &Append) -> Result<(), HotError> {
    partition(count, append.to.partition)?;
    at_most("an append", append.payload.len(), limits::COMMIT_BYTES)?;
    if append.origin.is_some_and(|origin| origin.seq == 0) {
        return Err(HotError::Invalid("the entries of a writer count from 1"));
    }
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kernel::Timestamp;

    use super::*;
    use crate::Timer;

    fn write(due: Option<i64>, entry: Option<i64>, adds_entry: bool) -> StateWrite {
        StateWrite {
            key: Bytes::from_static(b"key"),
            value: Some(Bytes::from_static(b"state")),
            timer: Timer {
                due: due.map(Timestamp::from_millis),
                entry: entry.map(Timestamp::from_millis),
            },
            adds_entry,
        }
    }

    #[test]
    fn a_timer_that_would_be_lost_is_refused() {
        let cases = [
            (write(None, None, false), true),
            (write(Some(5), Some(5), true), true),
            (write(Some(6), Some(5), false), true),
            (write(None, Some(5), false), true),
            (write(Some(5), None, false), false),
            (write(Some(4), Some(5), false), false),
            (write(None, None, true), false),
        ];
        for (state, is_right) in cases {
            assert_eq!(
                states(std::slice::from_ref(&state)).is_ok(),
                is_right,
                "{state:?}"
            );
        }
    }

    #[test]
    fn a_state_is_written_once() {
        let twice = [write(None, None, false), write(None, None, false)];
        assert!(matches!(states(&twice), Err(HotError::Invalid(_))));
    }
}
