//! Changes of customers that wait in a world for the log of changes.

use changes::{Pending, Place};
use hot::{Commit, HotStore as _, Slot, StateWrite, Timer};
use messages::stream::v1::{ChangeBatch, ChangeRecord, MapMoved, change_record::Kind};
use prost::Message as _;

use super::World;

/// A change with a name of its own.
pub(in super::super) fn change(name: &str) -> ChangeRecord {
    let position = MapMoved {
        journey_map: name.to_owned(),
        ..MapMoved::default()
    };
    ChangeRecord {
        customer_id: vec![1; 16].into(),
        time_ms: 7,
        kind: Some(Kind::Position(position)),
    }
}

/// Some changes, and what a slot stores of them.
pub(in super::super) fn pending(place: (u64, u64), names: &[&str]) -> (Pending, bytes::Bytes) {
    let changes = names.iter().map(|name| change(name)).collect();
    let (epoch, seq) = place;
    let encoded = ChangeBatch { changes }.encode_to_vec();
    Pending::store(Place { epoch, seq }, &encoded)
}

impl World {
    /// Commits changes as a worker does, the oldest of them under the greatest number.
    pub(in super::super) async fn pend(&mut self, slot: Slot, waiting: &[((u64, u64), &[&str])]) {
        self.open(slot).await;
        let states = (0_u16..).zip(waiting.iter().rev());
        let states = states.map(|(number, (place, names))| StateWrite {
            key: [hot::PENDING_CHANGES.as_bytes(), &number.to_be_bytes()]
                .concat()
                .into(),
            value: Some(pending(*place, names).1),
            timer: Timer::NONE,
            adds_entry: false,
        });
        let commit = Commit {
            states: states.collect(),
            ..self.commit(slot)
        };
        self.store.commit(slot, &commit).await.expect("commits");
    }
}
