//! Parts of kinds that this version of a core does not know.
//!
//! A newer version wrote them. They are listed in the head like all others, kept as they are, and
//! written back unchanged, so that two versions can work side by side and the newer one can come
//! back.

use std::collections::BTreeMap;

use bytes::Bytes;
use messages::engine::state_v1::OtherPart;

use super::{Part, PartKey, PartLoad, PartWrites, fragment_ordinal, read_ordinal};
use crate::Poison;

/// Parts of kinds that this version of a core does not know: raw, inline or apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnknownParts {
    parts: BTreeMap<PartKey, Part<Bytes>>,
}

impl UnknownParts {
    /// Reads what [`listed`](Self::listed) or [`whole`](Self::whole) wrote.
    ///
    /// # Errors
    /// [`Poison`] where a key is none.
    pub fn read(stored: Vec<OtherPart>) -> Result<Self, Poison> {
        let mut others = Self::default();
        for message in stored {
            let kind = u8::try_from(message.kind);
            let key = PartKey {
                ordinal: read_ordinal(message.ordinal)?,
                kind: kind.map_err(|_| Poison::new("the kind of a part is too large"))?,
                name: message.name,
            };
            let part = message
                .apart_bytes
                .map_or_else(|| Part::inline(message.body), Part::apart);
            others.insert(key, part);
        }
        Ok(others)
    }

    /// Lists them for the head, each with its bytes unless it is kept apart. Right after
    /// [`drain`](Self::drain).
    #[must_use]
    pub fn listed(&self) -> Vec<OtherPart> {
        let parts = self.iter();
        parts
            .map(|(key, part)| write(key, part, part.stored_bytes()))
            .collect()
    }

    /// Writes them with all their bytes, as they move to a survivor. All of them are loaded.
    #[must_use]
    pub fn whole(&self) -> Vec<OtherPart> {
        self.iter()
            .map(|(key, part)| write(key, part, None))
            .collect()
    }

    /// Takes in those of a customer who was joined into this one. Of two under one key the
    /// survivor's stays.
    pub fn take_in(&mut self, other: &Self, first_ordinal: u16) {
        for (key, part) in other.iter() {
            let Ok(Some(value)) = part.get() else {
                continue;
            };
            let key = PartKey {
                ordinal: fragment_ordinal(first_ordinal, key.ordinal),
                ..key
            };
            self.parts.entry(key).or_insert_with(|| {
                let mut part = Part::default();
                part.set(value.clone());
                part
            });
        }
    }

    /// Takes out those of fragments that leave, each under the ordinal that it has there. All of
    /// them are loaded.
    #[must_use]
    pub fn split_off(&mut self, ordinal_of: impl Fn(u16) -> Option<u16>) -> Self {
        let mut gone = Self::default();
        for (key, part) in &mut self.parts {
            let Some(ordinal) = ordinal_of(key.ordinal) else {
                continue;
            };
            if let Ok(Some(value)) = part.get() {
                let value = value.clone();
                let new = gone.parts.entry(PartKey { ordinal, ..*key });
                new.or_default().set(value);
            }
            part.remove();
        }
        gone
    }

    /// The keys of those that are kept apart and not loaded.
    pub fn not_loaded(&self) -> impl Iterator<Item = PartKey> {
        let parts = self.iter().filter(|(_, part)| part.is_not_loaded());
        parts.map(|(key, _)| key)
    }

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

fn write(key: PartKey, part: &Part<Bytes>, apart_bytes: Option<u32>) -> OtherPart {
    let body = part.get().ok().flatten().filter(|_| apart_bytes.is_none());
    OtherPart {
        ordinal: key.ordinal.into(),
        kind: key.kind.into(),
        name: key.name,
        body: body.cloned().unwrap_or_default(),
        apart_bytes,
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
        assert_eq!(parts.not_loaded().collect::<Vec<_>>(), [key(2)]);
        let part = parts.part_mut(key(2)).expect("it is listed");
        part.load(large.clone());
        let moved = UnknownParts::read(parts.whole()).expect("parts");
        parts.part_mut(key(2)).expect("it is listed").remove();
        let to = PartKey {
            ordinal: 3,
            ..key(2)
        };
        parts.take_in(&moved, 3);
        let mut writes = PartWrites::default();
        parts.drain(&mut writes);
        let writes: Vec<_> = writes.into_iter().collect();
        assert_eq!(writes, [(key(2), None), (to, Some(large))]);
        assert_eq!(parts.keys_apart().collect::<Vec<_>>(), [to]);
    }

    #[test]
    fn what_is_listed_is_read_back() {
        let mut parts = UnknownParts::default();
        parts.insert(key(1), Part::inline(Bytes::from_static(b"small")));
        parts.insert(key(2), Part::apart(5_000));
        assert_eq!(UnknownParts::read(parts.listed()), Ok(parts));
        let foreign = OtherPart {
            kind: 256,
            ..OtherPart::default()
        };
        assert!(UnknownParts::read(vec![foreign]).is_err());
    }
}
