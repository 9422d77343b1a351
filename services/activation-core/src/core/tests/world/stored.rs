//! A state as it is stored: the head and the parts that are kept apart, each step with those parts
//! alone that were named before it. What comes of that is what comes of a whole state.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// A state as it is stored.
#[derive(Debug, Default)]
pub(in crate::core::tests) struct Stored {
    /// Absent, as empty, before the first write.
    pub(in crate::core::tests) head: Bytes,
    pub(in crate::core::tests) parts: BTreeMap<PartKey, Bytes>,
    /// Bytes that the last write took: the head, and the parts with their keys.
    pub(in crate::core::tests) written: usize,
    /// The state of the step that was taken last.
    taken: State,
}

impl Stored {
    /// Calls the core with a state that is whole and with this one. Both cause the same.
    pub(super) fn call<T: PartialEq + std::fmt::Debug>(
        &mut self,
        definitions: &Definitions,
        whole: &mut State,
        (input, now): (Input<'_>, Timestamp),
        core: impl Fn(&mut State, &mut Effects) -> T,
    ) -> (T, Effects) {
        let mut effects = Effects::default();
        let answer = core(whole, &mut effects);
        let mut own = ActivationCore::decode(&self.head).expect("what was written");
        let mut wanted = Vec::new();
        ActivationCore::wants(definitions, &own, input, now, &mut wanted);
        self.load(&mut own, &wanted);
        let mut same = Effects::default();
        assert_eq!(core(&mut own, &mut same), answer);
        assert_eq!(same.needs, [], "all that is needed was named before");
        assert_eq!(format!("{same:?}"), format!("{effects:?}"));
        self.taken = own;
        (answer, effects)
    }

    /// Writes what the step that was taken last left, which is the same as a whole state.
    pub(super) fn write(&mut self, whole: &State) {
        let measured = ActivationCore::measure_parts(&self.taken);
        let mut writes = PartWrites::default();
        ActivationCore::drain_parts(&mut self.taken, &mut writes);
        let (mut dirty, mut bytes) = (0, 0);
        for (key, value) in writes {
            dirty += 1;
            bytes += PartKey::STORE_BYTES + value.as_ref().map_or(0, Bytes::len);
            match value {
                Some(value) => drop(self.parts.insert(key, value)),
                None => drop(self.parts.remove(&key)),
            }
        }
        assert!(measured.dirty >= dirty && measured.dirty_bytes >= bytes);
        assert_eq!(ActivationCore::measure_parts(&self.taken).dirty, 0);
        let listed: BTreeSet<_> = ActivationCore::part_keys(&self.taken).into_iter().collect();
        assert!(listed.iter().eq(self.parts.keys()), "stored as listed");
        let has_parts = ActivationCore::has_parts_apart(&self.taken);
        assert!(has_parts || listed.is_empty());
        self.head = ActivationCore::encode(&self.taken);
        self.written = bytes + self.head.len();
        assert_eq!(self.read().encode_whole(), whole.encode_whole());
    }

    /// Reads all of it.
    pub(in crate::core::tests) fn read(&self) -> State {
        let mut state = ActivationCore::decode(&self.head).expect("what was written");
        let all: Vec<PartKey> = self.parts.keys().copied().collect();
        self.load(&mut state, &all);
        state
    }

    fn load(&self, state: &mut State, keys: &[PartKey]) {
        for key in keys {
            let bytes = self.parts.get(key).expect("what is asked for is stored");
            ActivationCore::load_part(state, *key, bytes.clone()).expect("a part");
        }
    }
}
