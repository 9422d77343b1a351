//! The histories of a customer as parts, each read when it is needed and written when it changed.
//!
//! This is the one place that knows where parts come from and go to. They stand in the value of the state, one behind
//! another; a store that keeps them under keys of their own would change this module alone.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use decision::Poison;
use expr::FeatureId;
use kernel::{StableHash, Timestamp};

use crate::codec;
use crate::feature::{Feature, MissingBlock};
use crate::limits;

/// Names a part of a customer's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartKey {
    /// Which fragment taught it; 0 is the customer's own.
    pub ordinal: u16,
    /// What it is.
    pub kind: PartKind,
    /// The history, or a hash of the history and the number of the block.
    pub name: u64,
}

/// What a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PartKind {
    /// The head of a history: its newest events, and the sums of its sealed blocks.
    Feature = 1,
    /// A sealed block of a history.
    Block = 2,
}

/// A part that a step needs and that is not loaded, or cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the part {0} of the state is missing or cannot be read")]
pub struct MissingPart(pub PartKey);

impl fmt::Display for PartKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind as u8;
        write!(f, "{}.{kind}.{:016x}", self.ordinal, self.name)
    }
}

impl From<MissingPart> for Poison {
    fn from(missing: MissingPart) -> Self {
        Self::new(missing.to_string())
    }
}

/// The histories of a customer, by id and fragment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Features(Vec<Held>);

/// A history that is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    pub(crate) id: FeatureId,
    pub(crate) ordinal: u16,
    /// Absent where nothing ever happened.
    part: Option<Arc<Part>>,
}

/// A history with its blocks, as it was stored or as it is to be stored.
#[derive(Debug, Clone, Default)]
struct Part {
    feature: OnceLock<Option<Feature>>,
    stored: Option<StoredFeature>,
    head: OnceLock<Bytes>,
}

/// A history as it is stored: its head, and its blocks by number.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct StoredFeature {
    pub(crate) head: Bytes,
    pub(crate) blocks: Vec<(u32, Bytes)>,
}

impl Features {
    /// Those that were stored; `empty` are the ones of which nothing happened.
    pub(crate) fn stored(
        features: impl Iterator<Item = (FeatureId, u16, StoredFeature)>,
        empty: impl Iterator<Item = FeatureId>,
    ) -> Self {
        let features = features.map(|(id, ordinal, stored)| Held {
            id,
            ordinal,
            part: Some(Arc::new(Part {
                stored: Some(stored),
                ..Part::default()
            })),
        });
        let empty = empty.map(|id| Held {
            id,
            ordinal: 0,
            part: None,
        });
        let mut held: Vec<Held> = features.chain(empty).collect();
        held.sort_by_key(|held| (held.id, held.ordinal));
        Self(held)
    }

    /// All of them, by id and fragment.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.0.iter()
    }

    /// What each fragment taught of one history.
    pub(crate) fn of(&self, id: FeatureId) -> &[Held] {
        let from = self.0.partition_point(|held| held.id < id);
        let rest = &self.0[from..];
        let until = rest.iter().take_while(|held| held.id == id).count();
        &rest[..until]
    }

    /// Whether a history is kept, of whatever fragment.
    pub(crate) fn has(&self, id: FeatureId) -> bool {
        !self.of(id).is_empty()
    }

    /// Begins to keep one of which nothing happened so far.
    pub(crate) fn begin_empty(&mut self, id: FeatureId) {
        self.begin(id);
    }

    /// The customer's own history of this id, to be changed; a new one where there is none.
    ///
    /// # Errors
    /// [`MissingPart`] where it cannot be read.
    pub(crate) fn own_mut(&mut self, id: FeatureId) -> Result<&mut Feature, MissingPart> {
        let place = self.begin(id);
        self.0[place].feature_mut()
    }

    /// Changes each history, or drops those for which the change says no.
    ///
    /// # Errors
    /// [`MissingPart`] where one cannot be read.
    pub(crate) fn retain(
        &mut self,
        mut is_kept: impl FnMut(&mut Held) -> Result<bool, MissingPart>,
    ) -> Result<(), MissingPart> {
        let mut held = std::mem::take(&mut self.0);
        let mut failed = None;
        held.retain_mut(|held| match is_kept(held) {
            Ok(is_kept) => is_kept,
            Err(missing) => {
                failed = Some(missing);
                true
            }
        });
        self.0 = held;
        failed.map_or(Ok(()), Err)
    }

    /// Takes in the histories of a customer who was joined into this one, as those of fragments of their own.
    ///
    /// # Errors
    /// [`MissingPart`] where more fragments meet than are kept apart and a history cannot be read.
    pub(crate) fn take_in(
        &mut self,
        other: Self,
        first_ordinal: u16,
        now: Timestamp,
    ) -> Result<(), MissingPart> {
        for mut held in other.0 {
            if held.part.is_none() {
                if !self.has(held.id) {
                    self.begin_empty(held.id);
                }
                continue;
            }
            let ordinal = first_ordinal.saturating_add(held.ordinal);
            held.ordinal = ordinal.min(limits::FRAGMENTS - 1);
            match self.place(held.id, held.ordinal) {
                Err(place) => self.0.insert(place, held),
                Ok(place) => {
                    let theirs = held.feature()?.cloned().unwrap_or_default();
                    let own = &mut self.0[place];
                    let (id, ordinal) = (own.id, own.ordinal);
                    let absorbed = own.feature_mut()?.absorb(&theirs, now);
                    absorbed.map_err(|missing| missing.of(id, ordinal))?;
                }
            }
        }
        Ok(())
    }

    /// The parts that changed since they were stored: what a commit has to write.
    pub(crate) fn dirty(&self) -> Vec<PartKey> {
        let mut keys = Vec::new();
        for held in &self.0 {
            let Some(part) = &held.part else { continue };
            let Some(Some(feature)) = part.feature.get() else {
                continue;
            };
            if part.stored.is_none() && part.head.get().is_none() {
                keys.push(held.key());
            }
            let dirty = feature.sealed.iter().filter(|it| it.body.is_dirty());
            keys.extend(dirty.map(|it| MissingBlock(it.number).of(held.id, held.ordinal).0));
        }
        keys
    }

    /// The place of the customer's own history of this id.
    fn begin(&mut self, id: FeatureId) -> usize {
        match self.place(id, 0) {
            Ok(place) => place,
            Err(place) => {
                let ordinal = 0;
                let part = None;
                self.0.insert(place, Held { id, ordinal, part });
                place
            }
        }
    }

    fn place(&self, id: FeatureId, ordinal: u16) -> Result<usize, usize> {
        self.0
            .binary_search_by_key(&(id, ordinal), |held| (held.id, held.ordinal))
    }
}

impl Held {
    /// The history; none where nothing ever happened.
    ///
    /// # Errors
    /// [`MissingPart`] where it cannot be read.
    pub(crate) fn feature(&self) -> Result<Option<&Feature>, MissingPart> {
        match &self.part {
            None => Ok(None),
            Some(part) => part.feature().map(Some).ok_or(MissingPart(self.key())),
        }
    }

    /// The history, to be changed.
    ///
    /// # Errors
    /// [`MissingPart`] where it cannot be read.
    pub(crate) fn feature_mut(&mut self) -> Result<&mut Feature, MissingPart> {
        let key = self.key();
        let part = self.part.get_or_insert_with(|| {
            Arc::new(Part {
                feature: OnceLock::from(Some(Feature::default())),
                ..Part::default()
            })
        });
        part.feature().ok_or(MissingPart(key))?;
        let part = Arc::make_mut(part);
        (part.stored, part.head) = (None, OnceLock::new());
        let feature = part.feature.get_mut().and_then(Option::as_mut);
        feature.ok_or(MissingPart(key))
    }

    /// How it is stored; none where nothing ever happened. What did not change keeps its bytes.
    pub(crate) fn encoded(&self) -> Option<StoredFeature> {
        self.part.as_deref().map(Part::encoded)
    }

    fn key(&self) -> PartKey {
        PartKey {
            ordinal: self.ordinal,
            kind: PartKind::Feature,
            name: self.id.number(),
        }
    }
}

impl MissingBlock {
    /// The part that the block is, of a history.
    pub(crate) fn of(self, id: FeatureId, ordinal: u16) -> MissingPart {
        let name = StableHash::new()
            .with(&id.number().to_le_bytes())
            .with(&self.0.to_le_bytes());
        MissingPart(PartKey {
            ordinal,
            kind: PartKind::Block,
            name: name.finish(),
        })
    }
}

impl Part {
    fn feature(&self) -> Option<&Feature> {
        let read = || codec::read_feature(self.stored.as_ref()?);
        self.feature.get_or_init(read).as_ref()
    }

    fn encoded(&self) -> StoredFeature {
        if let Some(stored) = &self.stored {
            return stored.clone();
        }
        let Some(Some(feature)) = self.feature.get() else {
            return StoredFeature::default();
        };
        let head = self.head.get_or_init(|| codec::write_feature(feature));
        let blocks = feature.sealed.iter();
        StoredFeature {
            head: head.clone(),
            blocks: blocks
                .filter_map(|sealed| Some((sealed.number, sealed.body.encoded()?)))
                .collect(),
        }
    }
}

impl PartialEq for Part {
    /// Parts are the same where they are stored alike.
    fn eq(&self, other: &Self) -> bool {
        self.encoded() == other.encoded()
    }
}
