//! Trails: what each fragment of a merged customer did by itself in maps and on happy paths.
//!
//! Of two customers who are joined, the newer position stands, and each milestone is passed when
//! either passed it first. A trail is as if the fragment had gone on as a customer of its own, so
//! that it can be one again. Who was never merged has none.

use std::sync::Arc;

use super::{Position, Progress, Remembered};
use crate::codec;
use crate::limits;

/// The maps and happy paths of one fragment of a merged customer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trail {
    /// The fragment; 0 is the customer's own.
    pub ordinal: u16,
    /// True where there was no room for it, so that it has nothing: only what is kept of the joined
    /// customer under its ordinal is known.
    pub is_lost: bool,
    /// The positions in maps.
    pub positions: Vec<Position>,
    /// The progress on happy paths, not measured.
    pub progress: Vec<Arc<Progress>>,
    /// The events that happy paths remember of before their beginning.
    pub remembered: Vec<Remembered>,
}

impl Trail {
    /// An empty one of a fragment.
    pub(crate) fn of(ordinal: u16) -> Self {
        Self {
            ordinal,
            ..Self::default()
        }
    }

    /// Returns whether it says nothing.
    pub(crate) const fn is_empty(&self) -> bool {
        self.positions.is_empty() && self.progress.is_empty() && self.remembered.is_empty()
    }

    /// The same as that of another ordinal, with all that it has.
    pub(crate) fn renumbered(mut self, ordinal: u16) -> Self {
        self.ordinal = ordinal;
        for position in &mut self.positions {
            position.ordinal = ordinal;
        }
        for progress in &mut self.progress {
            for passage in &mut Arc::make_mut(progress).passages {
                passage.ordinal = ordinal;
            }
        }
        for event in self.remembered.iter_mut().flat_map(|own| &mut own.events) {
            event.ordinal = ordinal;
        }
        self
    }
}

/// The questions to all trails of a customer, and the changes of them.
pub(crate) trait TrailList {
    /// The trail of a fragment; empty where it did nothing so far.
    fn of_fragment(&self, ordinal: u16) -> Trail;
    /// Replaces the trail of its fragment.
    fn put(&mut self, trail: Trail);
    /// Makes room: the largest are lost first.
    fn shrink(&mut self);
}

impl TrailList for Vec<Trail> {
    fn of_fragment(&self, ordinal: u16) -> Trail {
        let own = self.iter().find(|own| own.ordinal == ordinal);
        own.cloned().unwrap_or_else(|| Trail::of(ordinal))
    }

    fn put(&mut self, trail: Trail) {
        match self.iter_mut().find(|own| own.ordinal == trail.ordinal) {
            Some(own) => *own = trail,
            None => self.push(trail),
        }
    }

    fn shrink(&mut self) {
        let mut sized: Vec<usize> = self.iter().map(codec::trail_bytes).collect();
        while sized.iter().sum::<usize>() > limits::TRAIL_BYTES {
            let places = 0..self.len();
            let largest = places.filter(|place| !self[*place].is_lost);
            let Some(place) = largest.max_by_key(|place| sized[*place]) else {
                return;
            };
            self[place] = Trail {
                is_lost: true,
                ..Trail::of(self[place].ordinal)
            };
            sized[place] = codec::trail_bytes(&self[place]);
        }
    }
}
