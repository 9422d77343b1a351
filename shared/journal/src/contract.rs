//! The contract of the log as a suite of cases, the same for every implementation.
//!
//! A log's tests name how it is opened and how leases are given, and [`log_contract_tests`](crate::log_contract_tests)
//! turns every case into a test. Crashes of databases are not here: each dies in its own way.

mod commits;
mod cuts;
mod entries;
mod snapshots;

use async_trait::async_trait;
use bytes::Bytes;
use hot::{Origin, Owner, Slot, StreamId, StreamName, Writer};
use kernel::PartitionId;

pub use self::commits::{
    a_commit_is_written_once, a_commit_under_another_epoch_is_fenced,
    a_gap_between_commits_is_refused, commits_are_read_in_order_and_in_parts,
    commits_written_at_once_are_all_there, of_two_commits_with_a_number_one_wins,
    the_epochs_of_a_slot_never_fall,
};
pub use self::cuts::{
    commits_are_cut_from_the_first, entries_are_cut_for_one_writer,
    many_entries_are_cut_in_batches, what_is_too_young_is_not_cut,
};
pub use self::entries::{
    an_entry_is_written_once, entries_are_read_for_one_writer, every_process_has_its_own_number,
    places_rise_with_what_was_acknowledged, the_events_of_a_commit_are_entries,
    the_last_entry_of_each_writer_is_known,
};
pub use self::snapshots::{
    a_snapshot_counts_once_it_is_published, a_snapshot_without_all_its_chunks_is_not_published,
    chunks_of_a_snapshot_that_was_replaced_are_gone, of_two_snapshots_one_is_published,
};
use crate::{CommitRow, EntryRow, Journaled, Placed, SharedLog};

/// A log under test.
#[async_trait]
pub trait Subject: Send {
    /// Opens the log, which is empty at first; again, as another process does.
    async fn open(&mut self) -> SharedLog;

    /// Sets the epoch of the lease of a slot.
    async fn lease(&mut self, slot: Slot, epoch: u64);
}

/// Makes a test of every case. Takes an async function that makes a [`Subject`].
#[macro_export]
macro_rules! log_contract_tests {
    ($make:path) => {
        $crate::log_contract_tests! { @cases $make:
            a_commit_is_written_once
            a_commit_under_another_epoch_is_fenced
            a_gap_between_commits_is_refused
            a_snapshot_counts_once_it_is_published
            a_snapshot_without_all_its_chunks_is_not_published
            an_entry_is_written_once
            chunks_of_a_snapshot_that_was_replaced_are_gone
            commits_are_cut_from_the_first
            commits_are_read_in_order_and_in_parts
            commits_written_at_once_are_all_there
            entries_are_cut_for_one_writer
            entries_are_read_for_one_writer
            every_process_has_its_own_number
            many_entries_are_cut_in_batches
            of_two_commits_with_a_number_one_wins
            of_two_snapshots_one_is_published
            places_rise_with_what_was_acknowledged
            the_epochs_of_a_slot_never_fall
            the_events_of_a_commit_are_entries
            the_last_entry_of_each_writer_is_known
            what_is_too_young_is_not_cut
        }
    };
    (@cases $make:path: $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::contract::$case(&mut $make().await).await;
            }
        )*
    };
}

/// The slot that most cases use.
const SLOT: Slot = slot(1);

const fn slot(partition: u16) -> Slot {
    Slot {
        owner: Owner::Segmentation,
        partition: PartitionId::new(partition),
    }
}

/// The stream that most cases use.
const STREAM: StreamId = StreamId {
    name: StreamName::Events,
    partition: PartitionId::new(1),
};

/// A commit of [`SLOT`] at epoch 1.
fn commit(seq: u64) -> CommitRow {
    CommitRow {
        slot: SLOT,
        seq,
        epoch: 1,
        // Names fill all bits.
        batch_id: u64::MAX - seq,
        payload: Bytes::from(format!("commit {seq}")),
        events: Vec::new(),
    }
}

fn entry(writer: u32, seq: u64) -> EntryRow {
    EntryRow {
        stream: STREAM,
        origin: Origin {
            writer: Writer::process(writer),
            seq,
        },
        source: None,
        payload: Bytes::from(format!("entry {seq} of {writer}")),
    }
}

/// The log with commits 1 to `count` of [`SLOT`], whose lease is at epoch 1.
async fn with_commits(subject: &mut impl Subject, count: u64) -> SharedLog {
    let log = subject.open().await;
    subject.lease(SLOT, 1).await;
    for seq in 1..=count {
        let written = log.append_commit(commit(seq)).await.expect("appends");
        assert_eq!(written, Journaled::Written);
    }
    log
}

/// Rows without their places.
fn unplaced<R>(rows: Vec<Placed<R>>) -> Vec<R> {
    rows.into_iter().map(|placed| placed.row).collect()
}

async fn seqs(log: &SharedLog, slot: Slot) -> Vec<u64> {
    let commits = log.commits(slot, 0, usize::MAX).await.expect("reads");
    unplaced(commits).iter().map(|row| row.seq).collect()
}
