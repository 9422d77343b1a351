//! States as they are stored: heads and parts apart, what is loaded dropped at random, and what a
//! step or a reader misses loaded before it is asked again.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use decision::{Core as _, Effects, Input, Outcome, PartKey, PartWrites, Poison, step_once};
use messages::stream::v1::{
    ChangeReason, ChangeRecord, Event, Record, SegmentChange, change_record, record::Body,
};
use segmentation_core::{Definitions, MissingParts, PartKind, SegmentationCore, State};

use super::Harness;

impl Harness {
    /// Takes an event on a copy of the state.
    pub(crate) fn try_event(&self, name: &str, at: i64) -> Result<(), Poison> {
        let record = Record {
            customer_id: self.key.clone(),
            time_ms: at,
            body: Some(Body::Event(Event {
                name: name.to_owned(),
                ..Event::default()
            })),
            ..Record::default()
        };
        let mut state = self.state.clone();
        let input = Input::Record(&record);
        loop {
            let mut taken = state.clone();
            let mut effects = Effects::default();
            let (who, now) = (self.customer(), self.watermark);
            let outcome = step_once::<SegmentationCore>(
                &self.definitions,
                &mut taken,
                who,
                input,
                now,
                &mut effects,
            );
            if effects.needs.is_empty() {
                return outcome.map(drop);
            }
            for key in effects.needs {
                let bytes = self.parts[&key].clone();
                SegmentationCore::load_part(&mut state, key, bytes)?;
            }
        }
    }

    /// Takes a record that can never be processed.
    pub(crate) fn refusal(&mut self, body: Body) -> Poison {
        let record = Record {
            customer_id: self.key.clone(),
            body: Some(body),
            ..Record::default()
        };
        let (mut state, mut effects) = (self.state.clone(), Effects::default());
        let (who, now, input) = (self.customer(), self.watermark, Input::Record(&record));
        let refused = step_once::<SegmentationCore>(
            &self.definitions,
            &mut state,
            who,
            input,
            now,
            &mut effects,
        );
        refused.expect_err("it cannot be processed")
    }

    /// Makes every sealed block unreadable, as it is stored, and forgets what was loaded.
    pub(crate) fn damage_blocks(&mut self) {
        let blocks = self.parts.iter_mut();
        for (_, block) in blocks.filter(|(key, _)| key.kind == PartKind::Block as u8) {
            *block = Bytes::from_static(b"\xff");
        }
        self.forget();
    }

    /// Drops what is loaded, as a cache does.
    pub(crate) fn forget(&mut self) {
        self.state = SegmentationCore::decode(&self.head).expect("a state is read back");
    }

    /// Loads what is asked for and not loaded yet.
    pub(super) fn load(&self, state: &mut State, mut keys: Vec<PartKey>) {
        keys.sort_unstable();
        for key in keys {
            let bytes = self.parts.get(&key).expect("what is asked for is stored");
            SegmentationCore::load_part(state, key, bytes.clone()).expect("a part is read back");
        }
    }

    /// Calls the core until it misses nothing, each time from the state before.
    pub(super) fn call<T>(
        &mut self,
        core: impl Fn(&Definitions, &mut State, &mut Effects) -> T,
    ) -> (T, Effects) {
        self.call_with(|definitions, state, effects, _| core(definitions, state, effects))
    }

    /// The same, with the parts of a state that arrived, as far as they were asked for.
    pub(super) fn call_with<T>(
        &mut self,
        core: impl Fn(&Definitions, &mut State, &mut Effects, &BTreeMap<PartKey, Bytes>) -> T,
    ) -> (T, Effects) {
        let mut before = self.state.clone();
        let mut given: Vec<PartKey> = Vec::new();
        loop {
            let mut state = before.clone();
            let mut effects = Effects::default();
            let answer = core(&self.definitions, &mut state, &mut effects, &self.given);
            if effects.needs.is_empty() {
                self.state = state;
                return (answer, effects);
            }
            self.misses += 1;
            for key in &effects.needs {
                assert!(!given.contains(key), "{key} was given already");
            }
            given.extend(&effects.needs);
            let (theirs, own): (Vec<_>, Vec<_>) = effects
                .needs
                .into_iter()
                .partition(|key| self.arrived.contains_key(key));
            let theirs = theirs
                .into_iter()
                .map(|key| (key, self.arrived[&key].clone()));
            self.given.extend(theirs);
            self.load(&mut before, own);
        }
    }

    /// Writes the parts that changed. Returns how many those are, and their bytes.
    pub(super) fn write_parts(&mut self) -> (usize, usize) {
        let mut writes = PartWrites::default();
        SegmentationCore::drain_parts(&mut self.state, &mut writes);
        let (mut dirty, mut bytes) = (0, 0);
        self.dirty.clear();
        for (key, value) in writes {
            dirty += 1;
            bytes += PartKey::STORE_BYTES + value.as_ref().map_or(0, Bytes::len);
            self.dirty.push(key);
            match value {
                Some(value) => drop(self.parts.insert(key, value)),
                None => drop(self.parts.remove(&key)),
            }
        }
        (dirty, bytes)
    }

    /// Writes the head and the parts that changed, and drops what is loaded at random.
    pub(super) fn store(&mut self, outcome: Outcome) {
        let load = SegmentationCore::measure_parts(&self.state);
        let (dirty, mut bytes) = self.write_parts();
        assert!(
            load.dirty >= dirty && load.dirty_bytes >= bytes,
            "{load:?} {dirty} {bytes}"
        );
        assert_eq!(SegmentationCore::measure_parts(&self.state).dirty, 0);
        let keys: BTreeSet<PartKey> = SegmentationCore::part_keys(&self.state)
            .into_iter()
            .collect();
        assert!(
            keys.iter().eq(self.parts.keys()),
            "what is stored is what is listed"
        );
        if outcome != Outcome::Unchanged {
            self.head = SegmentationCore::encode(&self.state);
            bytes += self.head.len();
        }
        self.written = bytes;
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        if (self.seed >> 33).is_multiple_of(4) && !self.head.is_empty() {
            self.forget();
        }
    }

    /// Reads until nothing is missing, as a reader does who looks a few times.
    pub(super) fn read<T>(&self, read: impl Fn(&State) -> Result<T, MissingParts>) -> T {
        let mut state = self.state.clone();
        for _ in 0..6 {
            match read(&state) {
                Ok(answer) => return answer,
                Err(missing) => {
                    let keys = state.parts_to_read(&missing);
                    self.load(&mut state, keys);
                }
            }
        }
        panic!("a reader looks too often");
    }
}

/// A step tells outside all that it tells downstream, and then that the customer left so many
/// segments by a merge, beside memberships of accounts.
pub(super) fn check_told(key: &Bytes, effects: &Effects, left: usize) {
    let facts = effects.records.iter().filter_map(|it| match &it.body {
        Some(Body::Fact(fact)) => Some(fact),
        _ => None,
    });
    let told: Vec<ChangeRecord> = facts
        .flat_map(|fact| &fact.changes)
        .map(|change| ChangeRecord {
            customer_id: key.clone(),
            time_ms: change.time_ms,
            kind: Some(change_record::Kind::Membership(SegmentChange {
                time_ms: 0,
                ..change.clone()
            })),
        })
        .collect();
    let changes = effects.changes.iter();
    let is_of_account =
        |it: &&ChangeRecord| matches!(it.kind, Some(change_record::Kind::Account(_)));
    let changes: Vec<ChangeRecord> = changes.filter(|it| !is_of_account(it)).cloned().collect();
    let (same, by_merge) = changes.split_at(changes.len() - left);
    assert_eq!(same, told);
    for change in by_merge {
        let Some(change_record::Kind::Membership(membership)) = &change.kind else {
            panic!("not of segmentation: {change:?}");
        };
        assert_eq!(membership.reason(), ChangeReason::Merge);
        assert!(!membership.entered && change.customer_id == *key);
    }
}
