//! A history that is loaded, and how it is stored.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::codec;
use crate::feature::Feature;

/// A history, and how its head is stored once somebody asked.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) feature: Feature,
    bytes: OnceLock<Bytes>,
}

impl Kept {
    pub(super) const fn new(feature: Feature) -> Self {
        Self {
            feature,
            bytes: OnceLock::new(),
        }
    }

    /// A history whose head is stored so.
    pub(super) fn read(feature: Feature, bytes: Bytes) -> Self {
        let bytes = OnceLock::from(bytes);
        Self { feature, bytes }
    }

    /// The history, to be changed.
    pub(super) fn change(&mut self) -> &mut Feature {
        self.bytes = OnceLock::new();
        &mut self.feature
    }

    /// Its head as it is stored.
    pub(super) fn bytes(&self) -> &Bytes {
        self.bytes.get_or_init(|| {
            let bytes = codec::write_feature(&self.feature);
            debug_assert!(bytes.len() <= self.bound(), "{} bytes", bytes.len());
            bytes
        })
    }

    /// Bytes of its head as it is stored.
    pub(super) fn size(&self) -> usize {
        self.bytes().len()
    }

    /// Returns the most bytes that its head takes as it is stored, without writing it where that
    /// was not done: a step asks with every event, and a batch writes once.
    pub(super) fn most_bytes(&self) -> usize {
        self.bytes.get().map_or_else(|| self.bound(), Bytes::len)
    }

    fn bound(&self) -> usize {
        // Two instants, two numbers, and a folded run with its tags.
        const OTHERS: usize = 34 + 100;
        let blocks = &self.feature.sealed;
        let index = if blocks.is_empty() || blocks.is_indexed() {
            0
        } else {
            blocks.index().len() + 4
        };
        OTHERS + index + self.feature.open.most_bytes()
    }

    /// Bytes by which it is surely told whether its head goes apart by its size: the most that it
    /// takes, unless that is too much.
    pub(super) fn rough_bytes(&self) -> usize {
        let most = self.most_bytes();
        if decision::is_apart(false, most) {
            self.size()
        } else {
            most
        }
    }

    /// Bytes of the index that is kept apart; zero where the head has it.
    pub(super) fn index_size(&self) -> usize {
        let blocks = &self.feature.sealed;
        if blocks.is_indexed() {
            blocks.index().len()
        } else {
            0
        }
    }

    /// The numbers of its blocks, in ascending order.
    pub(super) fn numbers(&self) -> Arc<[u32]> {
        let blocks = self.feature.sealed.iter();
        let mut numbers: Vec<u32> = blocks.map(|sealed| sealed.number).collect();
        numbers.sort_unstable();
        numbers.into()
    }
}

impl PartialEq for Kept {
    /// Histories are the same where they are stored alike.
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes() && self.feature.sealed.index() == other.feature.sealed.index()
    }
}
