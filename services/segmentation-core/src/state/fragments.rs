//! The fragments of a merged customer: all that happened to each of them alone, so that an unmerge
//! gives it back. A customer who was never merged has none of them, and pays nothing.
//!
//! Each is a part of its own, in the head or apart. Histories and ids of events are not here: each
//! of these says its fragment itself. So does each of the newest events; here are those that had no
//! room among them.

mod fragment;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use decision::limits::FRAGMENTS;
use decision::{
    AnySection, PartKey, PartLoad, PartWrites, Poison, Section, fragment_ordinal, make_room,
};
use messages::engine::state_v1::OtherPart;

use super::{MissingParts, PartKind};
use crate::limits;

pub(crate) use fragment::Fragment;
use fragment::Kept;

/// The ordinal that all fragments share for which there is no other.
pub(crate) const LAST: u16 = FRAGMENTS - 1;

/// The fragments of a merged customer. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Fragments {
    /// By ordinal; absent for one to which nothing happened.
    own: BTreeMap<u16, Section<Kept>>,
    /// Those whose small histories were joined into those of the last one.
    pub(crate) joined: BTreeSet<u16>,
    /// Those that came before fragments were told apart: all but their histories is the customer's.
    pub(crate) older: BTreeSet<u16>,
    /// Parts in the store of fragments that are gone.
    gone: Vec<PartKey>,
}

impl Fragments {
    /// Returns whether there are none: the customer was never merged.
    pub(crate) fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// Returns whether anything that is here happened to a fragment.
    pub(crate) fn has(&self, ordinal: u16) -> bool {
        self.own.contains_key(&ordinal)
    }

    /// The ordinals of all of them.
    pub(crate) fn ordinals(&self) -> impl Iterator<Item = u16> {
        self.own.keys().copied()
    }

    /// Returns a fragment; an empty one where nothing happened to it.
    ///
    /// # Errors
    /// [`MissingParts`] where it is not loaded.
    pub(crate) fn of(&self, ordinal: u16) -> Result<Fragment, MissingParts> {
        match self.own.get(&ordinal) {
            Some(section) if section.is_not_loaded() => Err(MissingParts(vec![key(ordinal)])),
            Some(section) => Ok(section.value().cloned().unwrap_or_default()),
            None => Ok(Fragment::default()),
        }
    }

    /// Returns all of them, by ordinal.
    ///
    /// # Errors
    /// [`MissingParts`]: all that are not loaded.
    pub(crate) fn all(&self) -> Result<BTreeMap<u16, Fragment>, MissingParts> {
        let missing = MissingParts(self.not_loaded().collect());
        missing.or(())?;
        let ordinals = self.own.keys();
        ordinals
            .map(|ordinal| Ok((*ordinal, self.of(*ordinal)?)))
            .collect()
    }

    /// Puts a fragment in its place. One to which nothing happened goes.
    pub(crate) fn put(&mut self, ordinal: u16, fragment: Fragment) {
        if fragment == Fragment::default() {
            self.remove(ordinal);
        } else {
            self.own.entry(ordinal).or_default().replace(fragment);
        }
    }

    /// Puts fragments in the place of all that there are.
    pub(crate) fn replace(&mut self, fragments: BTreeMap<u16, Fragment>) {
        let gone = self.own.keys().filter(|own| !fragments.contains_key(own));
        let gone: Vec<u16> = gone.copied().collect();
        gone.into_iter().for_each(|own| self.remove(own));
        let staying = |own: &u16| fragments.contains_key(own);
        self.joined.retain(staying);
        self.older.retain(staying);
        for (ordinal, own) in fragments {
            self.put(ordinal, own);
        }
    }

    /// Forgets a fragment.
    fn remove(&mut self, ordinal: u16) {
        if let Some(section) = self.own.remove(&ordinal) {
            self.gone
                .extend(section.stored_bytes().map(|_| key(ordinal)));
        }
    }

    /// Forgets all of them: the customer is as one who was never merged.
    pub(crate) fn clear(&mut self) {
        let ordinals: Vec<u16> = self.own.keys().copied().collect();
        ordinals.into_iter().for_each(|own| self.remove(own));
        self.joined.clear();
        self.older.clear();
    }

    /// Takes in those of a customer who was joined into this one. They stay as they are stored,
    /// under their new keys, but for those that share the last ordinal.
    ///
    /// # Errors
    /// [`MissingParts`] where one is to share the last ordinal and is not loaded.
    pub(crate) fn take_in(&mut self, other: Self, first_ordinal: u16) -> Result<(), MissingParts> {
        let gone = other.gone.iter();
        let raised = gone.filter_map(|key| key.raised(first_ordinal));
        self.gone.extend(raised);
        for (own, theirs) in [
            (&mut self.joined, &other.joined),
            (&mut self.older, &other.older),
        ] {
            let raised = theirs.iter().map(|it| fragment_ordinal(first_ordinal, *it));
            own.extend(raised.filter(|it| *it < LAST));
        }
        let mut missing = MissingParts::default();
        let mut last = Vec::new();
        for (ordinal, section) in other.own {
            let stored = key(ordinal).raised(first_ordinal);
            let raised = fragment_ordinal(first_ordinal, ordinal);
            if raised < LAST {
                self.own.insert(raised, section);
            } else if section.is_not_loaded() {
                missing.0.extend(stored);
            } else {
                self.gone
                    .extend(stored.filter(|_| section.stored_bytes().is_some()));
                last.extend(section.value().cloned());
            }
        }
        missing.or(())?;
        if last.is_empty() {
            return Ok(());
        }
        let mut all = self.of(LAST)?;
        last.iter().for_each(|own| all.join(own));
        self.put(LAST, all);
        Ok(())
    }

    /// Sends the largest apart until the rest has room in the head.
    pub(crate) fn settle(&mut self) {
        let sections = self.own.values_mut();
        let sections = sections.map(|own| own as &mut dyn AnySection).collect();
        make_room(sections, limits::FRAGMENTS_BYTES);
    }

    /// Lists them for the head, each whole unless it is kept apart.
    pub(crate) fn listed(&self) -> impl Iterator<Item = OtherPart> {
        self.own.iter().map(|(ordinal, section)| {
            let apart_bytes = section.stored_bytes();
            let body = section.encoded().filter(|_| apart_bytes.is_none());
            OtherPart {
                ordinal: (*ordinal).into(),
                kind: (PartKind::Fragment as u8).into(),
                name: 0,
                body: body.cloned().unwrap_or_default(),
                apart_bytes,
            }
        })
    }

    /// Takes one as the head lists it.
    ///
    /// # Errors
    /// [`Poison`] where it cannot be read.
    pub(crate) fn insert(&mut self, ordinal: u16, part: OtherPart) -> Result<(), Poison> {
        let section = match part.apart_bytes {
            Some(bytes) => Section::apart(bytes),
            None => Section::inline(part.body)?,
        };
        self.own.insert(ordinal, section);
        Ok(())
    }

    /// Takes one as it is stored.
    ///
    /// # Errors
    /// [`Poison`] where it is not listed, or cannot be read.
    pub(super) fn load(&mut self, key: PartKey, bytes: &Bytes) -> Result<(), Poison> {
        let section = self.own.get_mut(&key.ordinal);
        let section = section.ok_or_else(|| Poison::new("the state does not list it"))?;
        section.load(bytes)
    }

    /// Hands out what changed, and marks it clean.
    pub(super) fn drain(&mut self, writes: &mut PartWrites) {
        for (ordinal, section) in &mut self.own {
            section.drain(key(*ordinal), writes);
        }
        for key in self.gone.drain(..) {
            writes.remove_unless_written(key);
        }
    }

    /// All parts that are not loaded.
    pub(crate) fn not_loaded(&self) -> impl Iterator<Item = PartKey> {
        let own = self.own.iter();
        own.filter(|(_, section)| section.is_not_loaded())
            .map(|(ordinal, _)| key(*ordinal))
    }

    /// All parts that the store keeps apart.
    pub(super) fn keys_apart(&self) -> impl Iterator<Item = PartKey> {
        let own = self.own.iter();
        let stored = own.filter(|(_, section)| section.stored_bytes().is_some());
        let stored = stored.map(|(ordinal, _)| key(*ordinal));
        stored.chain(self.gone.iter().copied())
    }

    /// Adds what they take to a state's parts.
    pub(super) fn measure(&self, load: &mut PartLoad) {
        self.own.values().for_each(|section| section.measure(load));
        load.dirty += self.gone.len();
        load.dirty_bytes += self.gone.len() * PartKey::STORE_BYTES;
    }
}

/// The key of a fragment.
const fn key(ordinal: u16) -> PartKey {
    PartKey {
        ordinal,
        kind: PartKind::Fragment as u8,
        name: 0,
    }
}
