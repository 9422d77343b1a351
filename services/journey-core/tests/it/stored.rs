//! Customers as they are stored: a head and parts, of which a step gets what it wants and asks for.

use std::collections::BTreeMap;

use bytes::Bytes;
use decision::limits::HEAD_BYTES;
use decision::{Core as _, Effects, Input, PartKey, PartWrites};
use journey_core::state::State;
use journey_core::{Definitions, JourneyCore, limits};
use kernel::Timestamp;

/// What the store has of a customer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stored {
    is_written: bool,
    pub(crate) head: Bytes,
    pub(crate) parts: BTreeMap<PartKey, Bytes>,
    /// Bytes of the newest commit: the head, and the parts that it wrote.
    pub(crate) written: usize,
}

impl Stored {
    /// Writes what changed of a state, as a commit does.
    pub(crate) fn write(&mut self, state: &mut State) {
        let load = JourneyCore::measure_parts(state);
        let mut writes = PartWrites::default();
        JourneyCore::drain_parts(state, &mut writes);
        let (mut dirty, mut bytes) = (0, 0);
        for (key, value) in writes {
            dirty += 1;
            bytes += value.as_ref().map_or(0, Bytes::len);
            match value {
                Some(value) => drop(self.parts.insert(key, value)),
                None => drop(self.parts.remove(&key)),
            }
        }
        assert!(load.dirty >= dirty && load.dirty_bytes >= bytes, "{load:?}");
        let mut keys = JourneyCore::part_keys(state);
        assert_eq!(JourneyCore::has_parts_apart(state), !keys.is_empty());
        keys.sort_unstable();
        assert!(
            keys.iter().eq(self.parts.keys()),
            "what is stored is listed"
        );
        assert_eq!(JourneyCore::measure_parts(state).dirty, 0);
        self.head = JourneyCore::encode(state);
        self.is_written = true;
        self.written = bytes + self.head.len();
        assert!(self.head.len() <= HEAD_BYTES, "{}", self.head.len());
        assert!(self.bytes() <= limits::STATE_BYTES, "{}", self.bytes());
    }

    /// Reads the head alone.
    pub(crate) fn read(&self) -> State {
        if !self.is_written {
            return State::default();
        }
        JourneyCore::decode(&self.head).expect("its own bytes")
    }

    /// Loads parts of a state that are not loaded.
    pub(crate) fn load(&self, state: &mut State, keys: Vec<PartKey>) {
        let missing = state.not_loaded();
        for key in keys {
            assert!(missing.contains(&key), "{key} is there already");
            let bytes = self.parts[&key].clone();
            JourneyCore::load_part(state, key, bytes).expect("its own bytes");
        }
    }

    /// Calls the core on what is stored, as the engine does: with what an input wants, and then with
    /// what the core asks for, once at the most.
    pub(crate) fn call<T>(
        &self,
        definitions: &Definitions,
        (input, now): (Option<Input<'_>>, Timestamp),
        core: impl Fn(&mut State, &mut Effects) -> T,
    ) -> (T, State, Effects) {
        let mut before = self.read();
        if let Some(input) = input {
            let mut wanted = Vec::new();
            JourneyCore::wants(definitions, &before, input, now, &mut wanted);
            self.load(&mut before, wanted);
        }
        for _ in 0..2 {
            let (mut state, mut effects) = (before.clone(), Effects::default());
            let answer = core(&mut state, &mut effects);
            if effects.needs.is_empty() {
                return (answer, state, effects);
            }
            self.load(&mut before, effects.needs);
        }
        panic!("the core asks again and again");
    }

    /// Bytes of everything.
    pub(crate) fn bytes(&self) -> usize {
        self.head.len() + self.parts.values().map(Bytes::len).sum::<usize>()
    }
}
