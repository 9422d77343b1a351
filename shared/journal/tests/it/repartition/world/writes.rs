//! The changes that commits of a world make.

use std::collections::BTreeSet;

use bytes::Bytes;
use hot::{
    Commit, CounterKey, OutboxMessage, Owner, Slot, StateWrite, StreamId, StreamName, Timer,
};
use kernel::Timestamp;

use super::{World, batch};

impl World {
    pub(super) fn write_states(&mut self, slot: Slot, commit: &mut Commit) {
        let mut keys = BTreeSet::new();
        for _ in 0..=self.below(3) {
            let id = self.customer(Some(slot.partition));
            keys.insert(id.as_bytes().to_vec());
            let mut part = id.as_bytes().to_vec();
            part.extend([u8::try_from(self.below(3)).expect("small"); 11]);
            keys.insert(part);
        }
        for key in keys {
            let value = (self.below(6) > 0).then(|| Bytes::from(self.sent.to_be_bytes().to_vec()));
            let due = (self.below(3) == 0 && value.is_some())
                .then(|| Timestamp::from_millis(self.sent.cast_signed() * 7));
            let (timer, adds_entry) = Timer::NONE.set(due);
            commit.states.push(StateWrite {
                key: key.into(),
                value,
                timer,
                adds_entry,
            });
        }
        for name in ["in", "out"] {
            let group = format!("group {}", self.below(3));
            let key = CounterKey {
                group: group.into(),
                name: name.into(),
            };
            commit.counters.push((key, self.below(9).cast_signed() - 4));
        }
        if self.below(20) == 0 {
            commit
                .dropped_groups
                .push(format!("group {}", self.below(3)).into());
        }
        commit.counters.sort_by(|one, other| one.0.cmp(&other.0));
    }

    pub(super) fn write_outputs(&mut self, slot: Slot, commit: &mut Commit) {
        let outputs = match slot.owner {
            Owner::Segmentation => [StreamName::Facts, StreamName::FactsBulk],
            Owner::Journey => [StreamName::Actions, StreamName::ActionsBulk],
            _ => [StreamName::Events, StreamName::EventsBulk],
        };
        for name in outputs {
            if self.below(2) == 0 {
                let customers = [
                    self.customer(Some(slot.partition)),
                    self.customer(Some(slot.partition)),
                ];
                let records = customers.map(|id| self.record(id, false));
                commit
                    .outputs
                    .push((name, batch(records.to_vec(), commit.seq, 0)));
            }
        }
        if self.below(2) == 0 {
            let to = self.customer(None);
            let partition = self.count.partition_of(to.fragment());
            let open = self.open.get_mut(&slot).expect("it is open");
            open.messages += 1;
            let number = (open.epoch << 32) | open.messages;
            let record = self.record(to, true);
            commit.outbox.push(OutboxMessage {
                to: StreamId {
                    name: outputs[0],
                    partition,
                },
                payload: batch(vec![record], 0, number),
            });
        }
    }
}
