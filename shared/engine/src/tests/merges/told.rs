//! The merges that consumers outside are told.

use std::collections::BTreeMap;

use changes::{ChangeSink, Pending, Place};
use hot::{Owner, PENDING_CHANGES};
use kernel::{CustomerId, PartitionId};
use messages::stream::v1::{ChangeBatch, change_record::Kind};
use proptest::prelude::*;
use prost::Message as _;

use super::records::number;
use super::together::Together;
use super::world::World;

/// A log that never takes anything: all changes stay in the store.
#[derive(Debug)]
pub(super) struct NoLog;

impl ChangeSink for NoLog {
    fn open(&self, _: Owner, _: PartitionId, _: u64, _: Vec<Pending>) {}

    fn push(&self, _: Owner, _: PartitionId, _: Pending) {}

    fn logged(&self, _: Owner, _: PartitionId) -> Place {
        Place::default()
    }

    fn close(&self, _: Owner, _: PartitionId, _: u64) {}
}

/// The survivors that each customer was told to be joined into, as often as it was told.
fn merges_told(world: &World) -> BTreeMap<u16, Vec<u16>> {
    let mut told: BTreeMap<u16, Vec<u16>> = BTreeMap::new();
    let states = world.slots().into_iter();
    let states = states.flat_map(|slot| world.memory.states(slot));
    for (_, stored) in states.filter(|(key, _)| key.starts_with(PENDING_CHANGES.as_bytes())) {
        let pending = Pending::load(&stored.value).expect("changes");
        let batch = ChangeBatch::decode(pending.changes).expect("a batch");
        for change in batch.changes {
            let Some(Kind::MergedIntoId(into)) = change.kind else {
                panic!("nothing else is told: {change:?}");
            };
            let [from, into] = [change.customer_id, into]
                .map(|id| number(CustomerId::try_from_bytes(&id).expect("a customer")));
            told.entry(from).or_default().push(into);
        }
    }
    told
}

/// Everybody who was joined into another was told once, and who follows that comes to the oldest.
pub(super) fn check_told(
    world: &World,
    together: &Together,
    customers: u16,
) -> Result<(), TestCaseError> {
    let told = merges_told(world);
    for who in 1..=customers {
        let own = told.get(&who).map_or(&[][..], Vec::as_slice);
        let is_joined = together.oldest(who) != who;
        prop_assert_eq!(own.len(), usize::from(is_joined), "{} into {:?}", who, own);
        // Each is older than the one before.
        let mut at = who;
        while let Some([into]) = told.get(&at).map(Vec::as_slice) {
            prop_assert!(*into < at);
            at = *into;
        }
        prop_assert_eq!(at, together.oldest(who));
    }
    Ok(())
}
