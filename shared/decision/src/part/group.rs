//! Groups: lists whose entries stand in several sections, so that a change of one entry writes the
//! section that has it, and no other.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::{AnySection, PartKey, PartLoad, PartWrites, Piece, Section};

/// The kind of a group: its entries, and the section that each stands in.
pub trait Grouped: Piece<Value = Vec<Self::Entry>> {
    /// One entry of the list.
    type Entry: Clone + PartialEq + fmt::Debug + Send + Sync;

    /// True where sections stand in the order of their keys, false where they stand in the order of
    /// their first entries.
    const IS_SORTED: bool = true;

    /// Returns the key of the section that an entry stands in. An entry keeps it for good.
    fn key_of(entry: &Self::Entry) -> PartKey;
}

/// The sections of a group, each under its key; absent for none, which most groups have.
type Sections<P> = Option<Arc<Vec<(PartKey, Section<P>)>>>;

fn listed<P: Grouped>(sections: &Sections<P>) -> &[(PartKey, Section<P>)] {
    sections
        .as_ref()
        .map_or(&[], |sections| sections.as_slice())
}

/// A list that stands in several sections. Cheap to clone.
pub struct Group<P: Grouped> {
    sections: Sections<P>,
    /// Parts in the store of sections that are gone.
    gone: Vec<PartKey>,
}

impl<P: Grouped> Group<P> {
    /// Takes a section as the head has or lists it: at its place where the group is not sorted,
    /// which is not after the end.
    pub fn restore(&mut self, place: usize, key: PartKey, section: Section<P>) {
        let sections = Arc::make_mut(self.sections.get_or_insert_default());
        let place = if P::IS_SORTED {
            sections.partition_point(|(own, _)| *own < key)
        } else {
            place.min(sections.len())
        };
        sections.insert(place, (key, section));
    }

    /// Lends the list to a step.
    pub fn lend(&self) -> LentGroup<P> {
        LentGroup {
            sections: self.sections.clone(),
            joined: OnceCell::new(),
            is_missed: Cell::new(false),
            is_changed: false,
        }
    }

    /// Takes back what was lent. The sections count as changed that have other entries than before.
    pub fn take_back(&mut self, lent: LentGroup<P>) {
        let Some(entries) = lent.into_changed() else {
            return;
        };
        let mut grouped: Vec<(PartKey, Vec<P::Entry>)> = Vec::new();
        for entry in entries {
            let key = P::key_of(&entry);
            match grouped.iter_mut().find(|(own, _)| *own == key) {
                Some((_, own)) => own.push(entry),
                None => grouped.push((key, vec![entry])),
            }
        }
        if P::IS_SORTED {
            grouped.sort_by_key(|(key, _)| *key);
        }
        let before = self.sections.take().map(Arc::unwrap_or_clone);
        let mut before = before.unwrap_or_default();
        let mut sections = Vec::with_capacity(grouped.len());
        for (key, entries) in grouped {
            let place = before.iter().position(|(own, _)| *own == key);
            let known = place.map(|place| before.swap_remove(place).1);
            let mut section = known.unwrap_or_default();
            section.replace(entries);
            sections.push((key, section));
        }
        let stored = before
            .into_iter()
            .filter(|(_, own)| own.stored_bytes().is_some());
        self.gone.extend(stored.map(|(key, _)| key));
        self.sections = (!sections.is_empty()).then(|| Arc::new(sections));
    }

    /// Each section with its key, in order.
    pub fn iter(&self) -> impl Iterator<Item = (PartKey, &Section<P>)> {
        let sections = listed(&self.sections).iter();
        sections.map(|(key, section)| (*key, section))
    }

    /// Each section with its key, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (PartKey, &mut Section<P>)> {
        let sections = self.sections.as_mut().map(Arc::make_mut);
        let sections = sections.into_iter().flatten();
        sections.map(|(key, section)| (*key, section))
    }

    /// Hands out what changed, and marks it clean.
    pub fn drain(&mut self, writes: &mut PartWrites) {
        if self.iter().any(|(_, section)| section.is_dirty()) {
            for (key, section) in self.iter_mut() {
                section.drain(key, writes);
            }
        }
        for key in self.gone.drain(..) {
            writes.remove_unless_written(key);
        }
    }

    /// Adds what it takes to a state's parts.
    pub fn measure(&self, load: &mut PartLoad) {
        for (_, section) in self.iter() {
            section.measure(load);
        }
        load.dirty += self.gone.len();
        load.dirty_bytes += self.gone.len() * PartKey::STORE_BYTES;
    }

    /// All parts that the store keeps apart.
    pub fn keys_apart(&self) -> impl Iterator<Item = PartKey> {
        let stored = self.iter().filter(|(_, own)| own.stored_bytes().is_some());
        stored.map(|(key, _)| key).chain(self.gone.iter().copied())
    }

    /// All parts that are not loaded.
    pub fn not_loaded(&self) -> impl Iterator<Item = PartKey> {
        let missing = self.iter().filter(|(_, own)| own.is_not_loaded());
        missing.map(|(key, _)| key)
    }
}

/// The list of a group in the hands of a step, put together when it is first looked at.
///
/// # Contract
/// As [`super::Lent`]: one of which a section is not loaded reads as an empty one, and takes note
/// of that.
pub struct LentGroup<P: Grouped> {
    sections: Sections<P>,
    joined: OnceCell<Vec<P::Entry>>,
    is_missed: Cell<bool>,
    is_changed: bool,
}

impl<P: Grouped> LentGroup<P> {
    /// Returns whether it was looked at and is not loaded.
    pub const fn is_missed(&self) -> bool {
        self.is_missed.get()
    }

    /// Returns the list where it may have changed.
    fn into_changed(self) -> Option<Vec<P::Entry>> {
        if self.is_changed && !self.is_missed() {
            self.joined.into_inner()
        } else {
            None
        }
    }

    fn join(&self) -> Vec<P::Entry> {
        let sections = listed(&self.sections).iter().map(|(_, section)| section);
        if sections.clone().any(AnySection::is_not_loaded) {
            self.is_missed.set(true);
            return Vec::new();
        }
        let entries = sections.filter_map(Section::value).flatten();
        entries.cloned().collect()
    }
}

impl<P: Grouped> Deref for LentGroup<P> {
    type Target = Vec<P::Entry>;

    /// A list in one section is read where it is.
    fn deref(&self) -> &Vec<P::Entry> {
        let only = match (self.joined.get(), listed(&self.sections)) {
            (None, [(_, section)]) => section.value(),
            _ => None,
        };
        only.unwrap_or_else(|| self.joined.get_or_init(|| self.join()))
    }
}

impl<P: Grouped> DerefMut for LentGroup<P> {
    fn deref_mut(&mut self) -> &mut Vec<P::Entry> {
        self.is_changed = true;
        if self.joined.get().is_none() {
            self.joined = OnceCell::from(self.join());
        }
        self.joined.get_mut().expect("just put together")
    }
}

impl<P: Grouped> Clone for Group<P> {
    fn clone(&self) -> Self {
        Self {
            sections: self.sections.clone(),
            gone: self.gone.clone(),
        }
    }
}

impl<P: Grouped> Default for Group<P> {
    /// An empty list, of which nothing is stored.
    fn default() -> Self {
        Self {
            sections: None,
            gone: Vec::new(),
        }
    }
}

impl<P: Grouped> fmt::Debug for Group<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<P: Grouped> PartialEq for Group<P> {
    /// Groups are the same where their sections say the same, wherever those are stored.
    fn eq(&self, other: &Self) -> bool {
        listed(&self.sections) == listed(&other.sections)
    }
}

impl<P: Grouped> fmt::Debug for LentGroup<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Poison;

    /// Numbers by their hundreds, in two bytes each.
    struct Hundreds;

    impl Piece for Hundreds {
        type Value = Vec<u16>;

        fn is_empty(value: &Vec<u16>) -> bool {
            value.is_empty()
        }

        fn encode(value: &Vec<u16>) -> Bytes {
            let bytes = value.iter().flat_map(|own| own.to_be_bytes());
            bytes.collect::<Vec<u8>>().into()
        }

        fn decode(bytes: &Bytes) -> Result<Vec<u16>, Poison> {
            let pairs = bytes.chunks(2);
            Ok(pairs
                .map(|own| u16::from_be_bytes([own[0], own[1]]))
                .collect())
        }
    }

    impl Grouped for Hundreds {
        type Entry = u16;

        fn key_of(entry: &u16) -> PartKey {
            key(entry / 100)
        }
    }

    fn key(hundred: u16) -> PartKey {
        PartKey {
            ordinal: 0,
            kind: 1,
            name: hundred.into(),
        }
    }

    fn change(group: &mut Group<Hundreds>, change: impl FnOnce(&mut Vec<u16>)) -> Vec<u64> {
        let mut lent = group.lend();
        change(&mut lent);
        group.take_back(lent);
        for (_, section) in group.iter_mut() {
            section.send_apart();
        }
        let mut load = PartLoad::default();
        group.measure(&mut load);
        let mut writes = PartWrites::default();
        group.drain(&mut writes);
        let keys: Vec<u64> = writes.into_iter().map(|(key, _)| key.name).collect();
        assert_eq!(load.dirty, keys.len(), "measured as it is drained");
        keys
    }

    #[test]
    fn a_change_of_one_entry_writes_its_section_alone() {
        let mut group = Group::<Hundreds>::default();
        assert_eq!(
            change(&mut group, |all| all.extend([301, 7, 101, 302])),
            [0, 1, 3]
        );
        assert_eq!(*group.lend(), [7, 101, 301, 302]);
        assert_eq!(change(&mut group, |all| all.retain(|own| *own != 302)), [3]);
        assert!(change(&mut group, |all| all.reverse()).is_empty());
        assert_eq!(change(&mut group, |all| all.retain(|own| *own > 100)), [0]);
        let mut apart: Vec<u64> = group.keys_apart().map(|key| key.name).collect();
        apart.sort_unstable();
        assert_eq!(apart, [1, 3]);
        let lent = group.lend();
        assert_eq!(lent.len(), 2);
        group.take_back(lent);
        assert_eq!(change(&mut group, |_| {}), [0; 0], "it was only read");
    }

    #[test]
    fn a_section_that_was_removed_comes_back_in_the_same_commit() {
        let mut group = Group::<Hundreds>::default();
        change(&mut group, |all| all.push(5));
        for entries in [vec![], vec![6]] {
            let mut lent = group.lend();
            *lent = entries;
            group.take_back(lent);
        }
        let mut writes = PartWrites::default();
        for (_, section) in group.iter_mut() {
            section.send_apart();
        }
        group.drain(&mut writes);
        let written = writes
            .into_iter()
            .map(|(key, it)| (key, it.map(|it| it.len())));
        assert_eq!(written.collect::<Vec<_>>(), [(key(0), Some(2))]);
    }

    #[test]
    fn a_list_of_which_a_section_is_not_loaded_is_missed_and_stays() {
        let mut group = Group::<Hundreds>::default();
        group.restore(0, key(1), Section::apart(2));
        let bytes = Bytes::from_static(&[0, 7]);
        group.restore(0, key(0), Section::inline(bytes).expect("a number"));
        assert_eq!(group.not_loaded().collect::<Vec<_>>(), [key(1)]);
        let mut lent = group.lend();
        lent.push(8);
        assert!(lent.is_missed());
        group.take_back(lent);
        let bytes = Bytes::from_static(&[0, 101]);
        for (_, section) in group.iter_mut().filter(|(own, _)| *own == key(1)) {
            section.load(&bytes).expect("a number");
        }
        assert_eq!(*group.lend(), [7, 101]);
    }
}
