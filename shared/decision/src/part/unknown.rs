//! Parts of kinds that this version of a core does not know.
//!
//! A newer version wrote them. They are listed in the head like all others, kept as they are, and
//! written back unchanged, so that two versions can work side by side and the newer one can come
//! back.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Part, PartKey, PartLoad, PartWrites};

/// Parts of kinds that this version of a core does not know: raw, inline or apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnknownParts {
    parts: BTreeMap<PartKey, Part<Bytes>>,
}

impl UnknownParts {
    /// Takes a part as the head lists it.
    pub fn insert(&mut self, key: PartKey, part: Part<Bytes>) {
        self.parts.insert(key, part);
    }

    /// A part, to be loaded, or to be removed where its customer's other parts of the ordinal are.
    pub fn part_mut(&mut self, key: PartKey) -> Option<&mut Part<Bytes>> {
        self.parts.get_mut(&key)
    }

    /// All of them, for the head to list.
    pub fn iter(&self) -> impl Iterator<Item = (PartKey, &Part<Bytes>)> {
        self.parts.iter().map(|(key, part)| (*key, part))
    }

    /// Tells whether every part is of a known kind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Writes what was put in anew, such as by a merge, and forgets what was removed.
    pub fn drain(&mut self, writes: &mut PartWrites) {
        for (key, part) in &mut self.parts {
            part.drain(*key, Bytes::len, Clone::clone, writes);
        }
        self.parts.retain(|_, part| !part.is_absent());
    }

    /// The keys of those that are kept apart.
    pub fn keys_apart(&self) -> impl Iterator<Item = PartKey> {
        self.iter()
            .filter(|(_, part)| part.stored_bytes().is_some())
            .map(|(key, _)| key)
    }

    /// Adds what they take to a state's parts.
    pub fn measure(&self, load: &mut PartLoad) {
        for part in self.parts.values() {
            part.measure(Bytes::len, load);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: u64) -> PartKey {
        PartKey {
            ordinal: 0,
            kind: 200,
            name,
        }
    }

    #[test]
    fn what_is_not_known_is_carried_along_unchanged() {
        let mut parts = UnknownParts::default();
        parts.insert(key(1), Part::inline(Bytes::from_static(b"small")));
        parts.insert(key(2), Part::apart(5_000));
        let mut writes = PartWrites::default();
        let before = parts.clone();
        parts.drain(&mut writes);
        assert!(writes.is_empty(), "{writes:?}");
        assert_eq!(parts, before);
        assert_eq!(parts.keys_apart().collect::<Vec<_>>(), [key(2)]);
    }

    #[test]
    fn what_is_not_known_moves_with_a_merge() {
        let large = Bytes::from(vec![7; 5_000]);
        let mut parts = UnknownParts::default();
        parts.insert(key(2), Part::apart(5_000));
        let part = parts.part_mut(key(2)).expect("it is listed");
        part.load(large.clone());
        let moved = part.get().expect("it is loaded").cloned();
        part.remove();
        let mut taken = Part::default();
        taken.set(moved.expect("it is there"));
        let to = PartKey {
            ordinal: 3,
            ..key(2)
        };
        parts.insert(to, taken);
        let mut writes = PartWrites::default();
        parts.drain(&mut writes);
        let writes: Vec<_> = writes.into_iter().collect();
        assert_eq!(writes, [(key(2), None), (to, Some(large))]);
        assert_eq!(parts.keys_apart().collect::<Vec<_>>(), [to]);
    }
}
