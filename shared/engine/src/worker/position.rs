//! Where a worker is in its partition: what the last commit made of it, and the name of the next
//! one.
//!
//! It does not know the inputs, nor the states.

use hot::{Commit, Head, Slot, Standing};
use kernel::{Timestamp, split_mix};

use super::time::Overtaking;
use crate::limits;

/// Where a worker is in its partition.
#[derive(Debug)]
pub(crate) struct Position {
    pub(crate) slot: Slot,
    pub(crate) epoch: u64,
    pub(crate) commit_seq: u64,
    /// Counts the batches that were tried under this lease, so that each has a name of its own.
    attempts: u64,
    /// Counts the messages to other partitions under this lease, so that each has a number of its
    /// own.
    messages: u64,
    /// The latest `now` of a live record or timer. Kept across owners on stream time only.
    pub(crate) watermark: Timestamp,
    /// The index of timers has nothing before this instant; absent: nothing is known.
    pub(crate) no_timer_before: Option<Timestamp>,
    /// The instant before which there is no timer, as others find it in the store.
    pub(crate) told_next_due: Option<Timestamp>,
    pub(crate) forwarded_seq: u64,
    pub(crate) outbox_waits: bool,
    /// The timers that did not wait for the services before this one, since these were last heard
    /// to go on.
    pub(super) overtaking: Overtaking,
}

impl Position {
    /// The position under a new lease, before the partition was opened.
    pub(crate) fn new(slot: Slot, epoch: u64) -> Self {
        Self {
            slot,
            epoch,
            commit_seq: 0,
            attempts: 0,
            messages: 0,
            watermark: Timestamp::MIN,
            no_timer_before: None,
            told_next_due: None,
            forwarded_seq: 0,
            outbox_waits: true,
            overtaking: Overtaking::default(),
        }
    }

    /// Takes over what the store says. Batches and messages keep having names of their own.
    pub(crate) fn open(&mut self, head: &Head) {
        self.commit_seq = head.commit_seq;
        self.watermark = head.watermark.unwrap_or(Timestamp::MIN);
        self.no_timer_before = None;
        self.told_next_due = head.next_due;
        self.forwarded_seq = head.forwarded_seq;
        self.outbox_waits = true;
    }

    /// Begins the next commit, under a name that no other batch has.
    pub(crate) fn next_commit(&mut self) -> Commit {
        self.attempts += 1;
        let seq = self.commit_seq + 1;
        Commit {
            epoch: self.epoch,
            seq,
            batch_id: batch_id(self.epoch, seq, self.attempts),
            ..Commit::default()
        }
    }

    /// Returns the number of the next message to another partition. It is greater than that of any
    /// earlier one, also of those that the store has lost: the stream that a message goes to may
    /// have taken one of these.
    pub(crate) fn next_message(&mut self) -> u64 {
        self.messages += 1;
        let before_lease = self.epoch.saturating_mul(limits::MESSAGES_PER_LEASE);
        before_lease.saturating_add(self.messages)
    }

    /// Takes note that a commit took effect.
    pub(crate) fn settle(
        &mut self,
        commit: &Commit,
        watermark: Timestamp,
        no_timer_before: Option<Timestamp>,
    ) {
        self.commit_seq = commit.seq;
        self.watermark = watermark;
        self.told_next_due = commit.next_due.or(self.told_next_due);
        self.no_timer_before = no_timer_before;
        self.outbox_waits |= !commit.outbox.is_empty();
    }

    /// Where the worker believes the partition to be.
    pub(crate) const fn standing(&self) -> Standing {
        Standing {
            slot: self.slot,
            epoch: self.epoch,
            commit_seq: self.commit_seq,
        }
    }
}

/// Makes a name that no other batch has.
fn batch_id(epoch: u64, seq: u64, attempt: u64) -> u64 {
    let parts = [epoch, seq, attempt].into_iter();
    parts.fold(0, |id, part| split_mix(id ^ part))
}

#[cfg(test)]
mod tests {
    use hot::Owner;
    use kernel::PartitionId;

    use super::*;

    #[test]
    fn numbers_of_messages_grow_over_openings_and_leases() {
        let slot = Slot {
            owner: Owner::Segmentation,
            partition: PartitionId::new(0),
        };
        let mut numbers = Vec::new();
        for epoch in 1..3 {
            let mut position = Position::new(slot, epoch);
            for _ in 0..2 {
                numbers.push(position.next_message());
                // The store has lost everything.
                position.open(&Head::default());
            }
        }
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    }
}
