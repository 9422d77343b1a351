//! Changes for consumers outside, between the commits that cause them and the log of changes.
//!
//! 1. A commit stores what it changed in states of its own, so that it is there exactly if the
//!    commit is in effect.
//! 2. After the commit the sink has it, and brings it to the log in the background.
//! 3. Once the log has it, a later commit writes over the state, or removes it.
//!
//! The states have numbers, which are used again: whoever opens the partition loads them all and
//! needs no list. Each says its place itself. It is not the number of the commit, which comes again
//! where a store loses its newest writes: the log would take another change for one that it has.

use std::fmt;

use bytes::Bytes;
use changes::{Pending, Place, SharedChangeSink};
use hot::{Commit, HotError, HotStore, Slot, StateKey, StateWrite};
use messages::stream::v1::ChangeRecord;

use super::build::removal;
use super::packer::pack;
use crate::limits;

/// The changes of a batch, encoded as they come. Its buffer is used again.
#[derive(Debug, Default)]
pub(crate) struct ChangePacker {
    encoded: Vec<u8>,
    /// The end of each piece but the last one.
    ends: Vec<usize>,
}

impl ChangePacker {
    /// Adds a change.
    pub(crate) fn push(&mut self, change: &ChangeRecord) {
        let before = self.encoded.len();
        pack(change, &mut self.encoded);
        let begin = self.ends.last().copied().unwrap_or_default();
        let is_over = self.encoded.len() - begin > limits::CHANGES_PER_STATE_BYTES;
        if is_over && before > begin {
            self.ends.push(before);
        }
    }

    /// Bytes encoded so far.
    pub(crate) const fn bytes(&self) -> usize {
        self.encoded.len()
    }

    /// Returns the changes in pieces that each fit into a state, unless one change alone does not.
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let begins = [0].into_iter().chain(self.ends.iter().copied());
        let ends = self.ends.iter().copied().chain([self.encoded.len()]);
        let pieces = begins.zip(ends).filter(|(begin, end)| begin < end);
        pieces.map(|(begin, end)| &self.encoded[begin..end])
    }

    pub(crate) fn clear(&mut self) {
        self.encoded.clear();
        self.ends.clear();
    }
}

/// The changes of a partition that its store has, and the way to the log.
pub(super) struct ChangeQueue {
    sink: SharedChangeSink,
    slot: Slot,
    epoch: u64,
    /// Counts what is stored under this lease, so that all places are different and in order.
    count: u64,
    /// The states in use, by number.
    stored: Vec<Option<Stored>>,
    /// The log has everything up to here.
    logged: Place,
    /// True where all that the log has is to go at once, and not some with each commit.
    removes_all: bool,
    is_open: bool,
}

/// A state of changes.
#[derive(Debug, Clone, Copy)]
struct Stored {
    place: Place,
    bytes: usize,
}

/// The states of changes that a commit writes and removes.
#[derive(Debug, Default)]
pub(super) struct ChangeWrites {
    written: Vec<(u16, Pending)>,
    removed: Vec<u16>,
}

impl ChangeQueue {
    /// The queue under a new lease, before the partition was opened.
    pub(super) const fn new(sink: SharedChangeSink, slot: Slot, epoch: u64) -> Self {
        let logged = Place { epoch: 0, seq: 0 };
        Self {
            sink,
            slot,
            epoch,
            count: 0,
            stored: Vec::new(),
            logged,
            removes_all: false,
            is_open: false,
        }
    }

    /// Takes over what the store has, and hands it to the sink. Places keep being new ones.
    pub(super) async fn open(&mut self, hot: &dyn HotStore) -> Result<(), HotError> {
        let loaded = hot.load(self.slot, &change_keys()).await?;
        self.stored.clear();
        let mut waiting = Vec::new();
        for (number, state) in (0..).zip(loaded) {
            let Some(state) = state else {
                continue;
            };
            let pending = Pending::load(&state.value).ok_or_else(|| {
                let reason = "is no place with changes behind it";
                HotError::Damaged(format!("the state {:?} {reason}", key_of(number)))
            })?;
            self.put(number, Some(Stored::of(&pending)));
            waiting.push(pending);
        }
        waiting.sort_unstable_by_key(|pending| pending.place);
        self.logged = Place::default();
        let Slot { owner, partition } = self.slot;
        self.sink.open(owner, partition, self.epoch, waiting);
        self.is_open = true;
        Ok(())
    }

    /// Looks how far the log is. Returns whether the worker has to wait for it.
    pub(super) fn is_full(&mut self) -> bool {
        let Slot { owner, partition } = self.slot;
        self.logged = self.sink.logged(owner, partition);
        let (mut states, mut bytes) = (0, 0);
        for stored in self.stored.iter().flatten() {
            if stored.place > self.logged {
                states += 1;
                bytes += stored.bytes;
            }
        }
        let most = limits::CHANGE_STATES - limits::CHANGE_STATES_PER_COMMIT;
        states > most || bytes >= limits::CHANGES_BYTES
    }

    /// Returns whether it is worth a commit to remove what the log has. As far as is known: an idle
    /// worker looks again after a while.
    pub(super) fn keeps_much_that_is_logged(&self) -> bool {
        let stored = self.stored.iter().flatten();
        let mut logged = stored.filter(|stored| stored.place <= self.logged);
        if self.removes_all {
            return logged.next().is_some();
        }
        logged.map(|stored| stored.bytes).sum::<usize>() >= limits::LOGGED_BYTES
    }

    /// Has all states go that are stored now, as soon as the log has them: they may have something
    /// of a customer who is erased.
    pub(super) const fn remove_logged(&mut self) {
        self.removes_all = true;
    }

    /// Adds the changes of a batch to its commit, and removes some that the log has.
    pub(super) fn write(&mut self, changes: &ChangePacker, commit: &mut Commit) -> ChangeWrites {
        let mut writes = ChangeWrites::default();
        let (stored, so_far) = (&self.stored, self.logged);
        let at = |number: u16| stored.get(usize::from(number)).copied().flatten();
        let is_logged = |number: &u16| at(*number).is_some_and(|it| it.place <= so_far);
        let mut logged = (0..limits::CHANGE_STATES).filter(is_logged);
        // Those beyond the states that there are belong to a commit that no store takes.
        let mut free = (0..=u16::MAX).filter(|number| at(*number).is_none());
        for piece in changes.pieces() {
            let number = logged.next().or_else(|| free.next());
            let number = number.expect("there are more numbers than pieces");
            self.count += 1;
            let place = Place {
                epoch: self.epoch,
                seq: self.count,
            };
            let (pending, stored) = Pending::store(place, piece);
            commit.states.push(StateWrite {
                value: Some(stored),
                ..removal(key_of(number))
            });
            writes.written.push((number, pending));
        }
        let most = if self.removes_all {
            usize::from(limits::CHANGE_STATES)
        } else {
            limits::LOGGED_PER_COMMIT
        };
        for number in logged.take(most) {
            commit.states.push(removal(key_of(number)));
            writes.removed.push(number);
        }
        writes
    }

    /// Takes note that a commit took effect, and hands its changes to the sink.
    pub(super) fn settle(&mut self, writes: ChangeWrites) {
        let Slot { owner, partition } = self.slot;
        for number in writes.removed {
            self.put(number, None);
        }
        self.removes_all &= self.stored.iter().any(Option::is_some);
        for (number, pending) in writes.written {
            self.put(number, Some(Stored::of(&pending)));
            self.sink.push(owner, partition, pending);
        }
    }

    fn put(&mut self, number: u16, stored: Option<Stored>) {
        let at = usize::from(number);
        if self.stored.len() <= at {
            self.stored.resize(at + 1, None);
        }
        self.stored[at] = stored;
    }
}

impl Drop for ChangeQueue {
    fn drop(&mut self) {
        if self.is_open {
            let Slot { owner, partition } = self.slot;
            self.sink.close(owner, partition, self.epoch);
        }
    }
}

impl fmt::Debug for ChangeQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeQueue")
            .field("slot", &self.slot)
            .field("logged", &self.logged)
            .finish_non_exhaustive()
    }
}

impl Stored {
    const fn of(pending: &Pending) -> Self {
        Self {
            place: pending.place,
            bytes: pending.changes.len(),
        }
    }
}

/// Returns the keys of all states of changes of a slot.
pub(crate) fn change_keys() -> Vec<StateKey> {
    (0..limits::CHANGE_STATES).map(key_of).collect()
}

/// Returns the key of a state of changes.
fn key_of(number: u16) -> StateKey {
    let prefix = hot::PENDING_CHANGES.as_bytes();
    let key = [prefix, &number.to_be_bytes()];
    Bytes::from(key.concat())
}

#[cfg(test)]
mod tests {
    use messages::stream::v1::{ChangeBatch, MapMoved, change_record::Kind};
    use prost::Message as _;

    use super::*;

    fn change(name: &str) -> ChangeRecord {
        ChangeRecord {
            customer_id: vec![1; 16].into(),
            time_ms: 7,
            kind: Some(Kind::Position(MapMoved {
                journey_map: name.to_owned(),
                ..MapMoved::default()
            })),
        }
    }

    #[test]
    fn pieces_fit_into_states_and_are_all_changes_in_order() {
        let large = "x".repeat(limits::CHANGES_PER_STATE_BYTES / 3);
        let largest = "x".repeat(limits::CHANGES_PER_STATE_BYTES + 1);
        let names = ["a", &large, &large, "b", &large, &largest, "c"];
        let mut packer = ChangePacker::default();
        assert_eq!(packer.pieces().count(), 0);
        for name in names {
            packer.push(&change(name));
        }
        let pieces: Vec<_> = packer.pieces().collect();
        let over = |piece: &&&[u8]| piece.len() > limits::CHANGES_PER_STATE_BYTES;
        assert_eq!(
            pieces.iter().filter(over).count(),
            1,
            "the largest is alone"
        );
        let read = pieces
            .iter()
            .flat_map(|piece| ChangeBatch::decode(*piece).expect("a batch").changes);
        assert!(read.eq(names.map(change)));
        assert_eq!(pieces.len(), 4);
        assert_eq!(
            pieces.iter().map(|piece| piece.len()).sum::<usize>(),
            packer.bytes()
        );
        packer.clear();
        assert_eq!((packer.bytes(), packer.pieces().count()), (0, 0));
    }

    #[test]
    fn a_commit_of_legal_size_has_no_more_pieces_than_wait_for_it() {
        let half = limits::CHANGES_PER_STATE_BYTES / 2;
        let mut packer = ChangePacker::default();
        // The worst case: no two of them fit into one piece.
        while packer.bytes() < hot::limits::COMMIT_BYTES - half {
            packer.push(&change(&"x".repeat(half)));
        }
        let pieces = u16::try_from(packer.pieces().count()).expect("a few");
        assert!(pieces <= limits::CHANGE_STATES_PER_COMMIT, "{pieces}");
    }

    #[test]
    fn keys_are_of_no_customer() {
        for number in [0, 255, u16::MAX] {
            assert!(crate::key::key_of(&key_of(number)).is_none());
        }
    }
}
