//! The changes that a batch makes to the quarantine, until its commit.
//!
//! It does not decide them.

use std::collections::BTreeMap;

use bytes::Bytes;
use hot::{Commit, QuarantineId, StateWrite, Timer};
use kernel::{Duration, Timestamp};
use messages::convert::timestamp;
use messages::engine::v1::QuarantinedRecord;
use prost::Message as _;

use super::moved_aside::MovedAside;
use super::poison_timer::PoisonTimer;
use crate::key::KeyMap;
use crate::{limits, quarantine};

/// The changes that a batch makes to the quarantine.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    pub(super) entries: Vec<Bytes>,
    pub(super) bytes: u64,
    pub(super) released: Vec<QuarantineId>,
    pub(super) released_bytes: u64,
    /// The records of states that move which were set aside.
    pub(super) moved: Vec<(MovedAside, QuarantineId)>,
    /// Notes about further tries, by entry; absent where one is to be forgotten.
    notes: BTreeMap<QuarantineId, Option<QuarantinedRecord>>,
    /// The timers in quarantine of the customers for whom they changed: all of each.
    pub(super) timers: KeyMap<Vec<PoisonTimer>>,
    /// True once a timer was set aside.
    pub(super) has_new_timer: bool,
}

impl Aside {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.released.clear();
        self.moved.clear();
        self.notes.clear();
        self.timers.clear();
        (self.bytes, self.released_bytes) = (0, 0);
        self.has_new_timer = false;
    }

    /// Returns whether the batch has to end here: the store takes no more of this in one commit,
    /// and a timer that was set aside by this very commit cannot leave with it.
    pub(super) fn is_full(&self) -> bool {
        self.released.len() >= hot::limits::RELEASED_PER_COMMIT || self.has_new_timer
    }

    /// Puts everything into a commit.
    pub(super) fn write(&mut self, commit: &mut Commit) {
        commit.quarantine = std::mem::take(&mut self.entries);
        commit.released.clone_from(&self.released);
        let notes = self.notes.iter().map(|(id, note)| StateWrite {
            key: quarantine::note_key(*id),
            value: note.as_ref().map(|note| note.encode_to_vec().into()),
            timer: Timer::NONE,
            adds_entry: false,
        });
        commit.states.extend(notes);
    }

    /// Returns what an earlier command of the batch noted of an entry.
    pub(super) fn note(&self, id: QuarantineId) -> Option<&QuarantinedRecord> {
        self.notes.get(&id)?.as_ref()
    }

    /// Notes that an entry was tried once more, in vain.
    pub(super) fn raise(&mut self, id: QuarantineId, tries: u32, reason: &str, now: Timestamp) {
        let note = QuarantinedRecord {
            reason: bounded(reason),
            try_count: tries,
            last_try_time: Some(timestamp(now)),
            ..QuarantinedRecord::default()
        };
        self.notes.insert(id, Some(note));
    }

    /// Lets an entry go.
    pub(super) fn release(&mut self, id: QuarantineId, bytes: u64, tries: u32) {
        self.released.push(id);
        self.released_bytes += bytes;
        // The first try is on the entry itself.
        if tries > 1 {
            self.notes.insert(id, None);
        }
    }
}

/// Returns the wait of a timer that cannot be processed, after so many tries.
pub(crate) fn retry_delay(tries: u32) -> Duration {
    let doublings = tries.saturating_sub(1).min(20);
    let wait = limits::TIMER_RETRY_MIN.as_millis() << doublings;
    Duration::from_millis(wait.min(limits::TIMER_RETRY_MAX.as_millis()))
}

/// Cuts a reason to what is kept of it.
pub(super) fn bounded(reason: &str) -> String {
    let mut end = reason.len().min(limits::REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason[..end].to_owned()
}
