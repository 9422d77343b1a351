//! The contract of the hot store as a suite of cases, the same for every implementation.
//!
//! A store's tests name how an empty one is made and opened again, and
//! [`contract_tests`](crate::contract_tests) turns every case into a test, or
//! [`restorable_contract_tests`](crate::restorable_contract_tests) where the store can be restored.
//! Crashes of processes are not here: each store dies in its own way.

mod commits;
mod counters;
mod frontier;
mod gate;
mod logs;
mod model;
mod origins;
mod outbox;
mod quarantine;
mod random;
mod reading;
mod restored;
mod streams;
mod timers;
mod unread;

use async_trait::async_trait;
use bytes::Bytes;
use kernel::{PartitionId, Timestamp};

pub use self::commits::{
    a_commit_after_the_epoch_moved_is_fenced, a_commit_over_a_limit_changes_nothing,
    a_commit_whose_reply_was_lost_is_applied_once, a_gap_is_refused,
    a_worker_learns_whether_its_partition_is_where_it_was, an_epoch_is_never_lowered,
    everything_of_a_commit_moves_together, slots_are_apart,
};
pub use self::counters::{
    a_counter_stays_within_its_range, a_group_of_counters_is_dropped_as_a_whole,
    changes_of_counters_add_up, counters_are_read_by_group,
    marks_move_with_the_commit_that_consumed,
};
pub use self::frontier::{
    a_timer_of_a_reader_holds_the_frontier, entries_tell_when_they_were_accepted,
    restored_entries_hold_the_frontier, the_frontier_is_the_oldest_entry_that_is_not_in_effect,
};
pub use self::gate::{
    a_closed_gate_holds_off_everybody, a_gate_closes_once_after_each_opening,
    a_gate_opens_on_higher_epochs, a_gate_that_was_left_behind_is_taken_over,
};
pub use self::logs::{hints_name_the_stream, what_was_acknowledged_is_there_after_reopening};
pub use self::origins::{
    a_restored_stream_holds_what_it_is_given, an_append_with_an_origin_is_taken_in_sequence,
    an_origin_is_read_back_with_its_entry, every_append_in_sequence_moves_the_mark,
};
pub use self::outbox::{
    a_message_is_delivered_once_wherever_the_forwarder_crashes,
    a_worker_trims_only_where_its_partition_is_where_it_was, an_outbox_is_numbered_without_gaps,
};
pub use self::quarantine::{
    a_page_of_the_quarantine_ends_by_its_bytes,
    a_page_of_the_quarantine_goes_on_after_what_was_released, quarantine_is_read_in_pages,
    released_entries_leave_the_quarantine, the_largest_record_is_set_aside_beside_a_full_commit,
};
pub use self::random::agrees_with_the_model;
pub use self::reading::states_of_one_commit_are_read_together;
pub use self::restored::{
    a_partition_is_restored_from_its_journal, a_run_of_commits_is_restored_at_once,
};
pub use self::streams::{
    a_commit_removes_what_it_has_read, a_full_stream_takes_nothing,
    entries_are_read_in_order_after_a_cursor, lag_counts_what_is_left,
    ranges_of_a_source_are_taken_once, sources_are_listed,
    the_source_used_longest_ago_is_forgotten, trimming_removes_what_was_read,
};
pub use self::timers::{
    a_commit_can_fire_an_entry_and_add_it_again, a_new_owner_finds_every_entry,
    entries_of_any_time_come_up, timers_are_due_in_order_and_never_early,
    timers_stand_beside_their_states,
};
pub use self::unread::{
    an_append_is_told_when_it_was_accepted, restored_entries_are_unread_before_all_others,
    what_is_unread_is_told_by_stream, who_waits_is_told_of_the_commit,
};
use crate::{
    Append, Appended, Commit, Owner, SharedHotStore, SharedRestorableStore, Slot, StateWrite,
    StreamId, StreamName, Timer,
};

/// A store under test.
#[async_trait]
pub trait Subject: Send {
    /// Makes an empty store of [`PARTITIONS`] partitions.
    async fn empty(&mut self) -> SharedHotStore;

    /// Closes the store and opens it again, as a new process would.
    async fn reopen(&mut self, store: SharedHotStore) -> SharedHotStore;

    /// Connects to the store once more, as one that can be restored. `None` where it cannot.
    async fn restorable(&mut self) -> Option<SharedRestorableStore> {
        None
    }

    /// Whether what commits write carries its origin.
    fn has_origins(&self) -> bool {
        false
    }

    /// Makes a gate that was closed just now as old as
    /// [`limits::GATE_TTL`](crate::limits::GATE_TTL), where the store can be restored.
    async fn leave_gate_behind(&mut self, partition: PartitionId) {
        unreachable!("partition {partition} has no gate");
    }
}

/// How many partitions the store under test has.
pub const PARTITIONS: u64 = 4;

/// Makes a test of every case about [`HotStore`](crate::HotStore). Takes an async function that
/// makes a [`Subject`].
#[macro_export]
macro_rules! contract_tests {
    ($make:path) => {
        $crate::contract_tests! { @cases $make:
            a_commit_removes_what_it_has_read
            a_commit_after_the_epoch_moved_is_fenced
            a_commit_over_a_limit_changes_nothing
            a_commit_whose_reply_was_lost_is_applied_once
            a_full_stream_takes_nothing
            a_commit_can_fire_an_entry_and_add_it_again
            a_counter_stays_within_its_range
            a_gap_is_refused
            a_group_of_counters_is_dropped_as_a_whole
            a_timer_of_a_reader_holds_the_frontier
            a_worker_trims_only_where_its_partition_is_where_it_was
            a_message_is_delivered_once_wherever_the_forwarder_crashes
            a_new_owner_finds_every_entry
            a_page_of_the_quarantine_ends_by_its_bytes
            a_page_of_the_quarantine_goes_on_after_what_was_released
            an_append_is_told_when_it_was_accepted
            an_epoch_is_never_lowered
            an_outbox_is_numbered_without_gaps
            changes_of_counters_add_up
            counters_are_read_by_group
            entries_are_read_in_order_after_a_cursor
            entries_of_any_time_come_up
            entries_tell_when_they_were_accepted
            everything_of_a_commit_moves_together
            hints_name_the_stream
            lag_counts_what_is_left
            marks_move_with_the_commit_that_consumed
            quarantine_is_read_in_pages
            ranges_of_a_source_are_taken_once
            released_entries_leave_the_quarantine
            slots_are_apart
            states_of_one_commit_are_read_together
            the_frontier_is_the_oldest_entry_that_is_not_in_effect
            the_largest_record_is_set_aside_beside_a_full_commit
            the_source_used_longest_ago_is_forgotten
            timers_are_due_in_order_and_never_early
            timers_stand_beside_their_states
            trimming_removes_what_was_read
            what_is_unread_is_told_by_stream
            what_was_acknowledged_is_there_after_reopening
            who_waits_is_told_of_the_commit
        }

        #[test]
        fn any_sequence_of_operations_agrees_with_the_model() {
            let runtime = ::tokio::runtime::Runtime::new().expect("a runtime");
            let mut subject = runtime.block_on($make());
            $crate::contract::agrees_with_the_model(&runtime, &mut subject);
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

/// Makes a test of every case of a store that can be restored, those of
/// [`contract_tests`](crate::contract_tests) among them.
#[macro_export]
macro_rules! restorable_contract_tests {
    ($make:path) => {
        $crate::contract_tests!($make);
        $crate::contract_tests! { @cases $make:
            a_closed_gate_holds_off_everybody
            a_gate_closes_once_after_each_opening
            a_gate_opens_on_higher_epochs
            a_gate_that_was_left_behind_is_taken_over
            a_partition_is_restored_from_its_journal
            a_run_of_commits_is_restored_at_once
            a_restored_stream_holds_what_it_is_given
            a_worker_learns_whether_its_partition_is_where_it_was
            an_append_with_an_origin_is_taken_in_sequence
            an_origin_is_read_back_with_its_entry
            every_append_in_sequence_moves_the_mark
            restored_entries_are_unread_before_all_others
            restored_entries_hold_the_frontier
            sources_are_listed
        }
    };
}

/// The slot that most cases use.
const SLOT: Slot = Slot {
    owner: Owner::Journey,
    partition: PartitionId::new(1),
};

const fn stream(name: StreamName) -> StreamId {
    StreamId {
        name,
        partition: SLOT.partition,
    }
}

fn text(text: impl Into<String>) -> Bytes {
    Bytes::from(text.into())
}

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A commit of epoch 1 that changes nothing but its number.
fn commit(seq: u64) -> Commit {
    Commit {
        epoch: 1,
        seq,
        batch_id: seq * 1_000_003,
        ..Commit::default()
    }
}

/// A state without a timer.
fn state(key: &str, value: &str) -> StateWrite {
    timed(key, value, Timer::NONE, None).0
}

/// A state whose timer is moved, and the timer that it has then.
fn timed(key: &str, value: &str, timer: Timer, due: Option<i64>) -> (StateWrite, Timer) {
    let (timer, adds_entry) = timer.set(due.map(at));
    let state = StateWrite {
        key: text(key),
        value: Some(text(value)),
        timer,
        adds_entry,
    };
    (state, timer)
}

/// The removal of a state.
fn removed(key: &str) -> StateWrite {
    StateWrite {
        value: None,
        ..state(key, "")
    }
}

/// The values of states, as text.
async fn values(store: &SharedHotStore, keys: &[&str]) -> Vec<Option<String>> {
    let keys: Vec<_> = keys.iter().map(|key| text(*key)).collect();
    let found = store.load(SLOT, &keys).await.expect("loads");
    found
        .into_iter()
        .map(|it| it.map(|it| String::from_utf8_lossy(&it.value).into_owned()))
        .collect()
}

/// An empty store with [`SLOT`] opened at epoch 1.
async fn opened(subject: &mut impl Subject) -> SharedHotStore {
    let store = subject.empty().await;
    store.open(SLOT, 1).await.expect("opens");
    store
}

/// The store that is open, as one that can be restored.
async fn restorable(subject: &mut impl Subject) -> SharedRestorableStore {
    let store = subject.restorable().await;
    store.expect("a store that can be restored")
}

async fn append(store: &SharedHotStore, to: StreamId, payload: &str) -> Appended {
    let append = Append {
        to,
        payload: text(payload),
        source: None,
        origin: None,
    };
    store.append(&append).await.expect("appends")
}

/// All payloads of a stream, as text.
async fn payloads(store: &SharedHotStore, stream: StreamId) -> Vec<String> {
    let entries = store
        .poll(stream, crate::Cursor::START, usize::from(u16::MAX))
        .await
        .expect("polls");
    entries
        .iter()
        .map(|entry| String::from_utf8_lossy(&entry.payload).into_owned())
        .collect()
}
