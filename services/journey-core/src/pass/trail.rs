//! Trails: each fact is taken by the fragment that it happened to, too, as if that were a customer of
//! its own. Nothing is counted or told of it. Conditions see what is known of the joined customer.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::definition::Readers;
use crate::state::{Customer, Measure, Passage, Progress, Remembered, Trail, TrailList as _};

use super::Pass;
use super::happening::Happening;
use super::remember::{add, early_event};

impl Pass<'_> {
    /// Takes a fact into the trail of the fragment that it happened to, before the joined customer
    /// takes it. Nothing is done for who was never merged.
    pub(super) fn follow(&mut self, readers: &[&Readers], happening: &Happening<'_>) {
        let is_heard = |own: &&Readers| !own.maps.is_empty() || !own.paths.is_empty();
        if !readers.iter().any(is_heard) {
            return;
        }
        if self.state.trails.is_empty() {
            // So far all is the customer's own.
            if self.ordinal == 0 {
                return;
            }
            *self.state.trails = self.own_trails();
        }
        let trail = self.state.trails.of_fragment(self.ordinal);
        if trail.is_lost {
            return;
        }
        let followed = self.on_trail(trail.clone(), |pass| {
            pass.refresh_trail();
            pass.move_positions(readers, happening);
            pass.measure_paths(readers, happening);
        });
        let followed = unmeasured(followed);
        if followed != trail {
            self.put_trails([followed]);
        }
    }

    /// Adds trails to those of the customer, which have none of these fragments, or replaces them.
    pub(super) fn put_trails(&mut self, trails: impl IntoIterator<Item = Trail>) {
        let kept = &mut *self.state.trails;
        trails.into_iter().for_each(|trail| kept.put(trail));
        kept.sort_by_key(|own| own.ordinal);
        kept.shrink();
        self.changed = true;
    }

    /// The trails of the customer; where none are kept, what is known under each ordinal. There is
    /// one of the customer's own at least.
    pub(super) fn own_trails(&self) -> Vec<Trail> {
        let mut trails = self.trails_of(&self.state);
        if !trails.iter().any(|own| own.ordinal == 0) {
            trails.put(Trail::of(0));
            trails.sort_by_key(|own| own.ordinal);
        }
        trails
    }

    /// The trails of a customer; where none are kept, what is known under each ordinal. So one that
    /// was lost has at least what counts for the joined customer.
    pub(super) fn trails_of(&self, customer: &Customer) -> Vec<Trail> {
        if customer.trails.is_empty() {
            return self.told_apart(customer);
        }
        customer.trails.to_vec()
    }

    /// Puts together what is known of a customer under each ordinal.
    pub(super) fn told_apart(&self, customer: &Customer) -> Vec<Trail> {
        let mut trails: BTreeMap<u16, Trail> = BTreeMap::new();
        let mut of = |ordinal: u16, change: &mut dyn FnMut(&mut Trail)| {
            change(trails.entry(ordinal).or_insert_with(|| Trail::of(ordinal)));
        };
        for position in customer.positions.iter() {
            let mut push = |trail: &mut Trail| trail.positions.push(position.clone());
            of(position.ordinal, &mut push);
        }
        for progress in customer.progress.iter() {
            for ordinal in ordinals_of(&progress.passages) {
                of(ordinal, &mut |trail| self.tell_apart(progress, trail));
            }
        }
        for own in customer.remembered.iter() {
            for event in &own.events {
                let mut push = |trail: &mut Trail| {
                    let events = events_of(&mut trail.remembered, &own.path);
                    add(&mut events.events, event.clone());
                };
                of(event.ordinal, &mut push);
            }
        }
        trails.into_values().collect()
    }

    /// Takes the passages of a trail's fragment out of those of a joined customer. Where they lack
    /// the beginning of the path, they came too early.
    fn tell_apart(&self, progress: &Progress, trail: &mut Trail) {
        let passages = progress.passages.iter();
        let passages = passages.filter(|own| own.ordinal == trail.ordinal).cloned();
        let passages: Vec<Passage> = passages.collect();
        let path = self.definitions.paths.get(&progress.path);
        let first = path.map(|path| &path.milestones[0].name);
        if passages.iter().any(|own| Some(&own.milestone) == first) {
            trail.progress.push(Arc::new(Progress {
                passages,
                measure: Measure::default(),
                ..progress.clone()
            }));
        } else if path.is_some() {
            let events = events_of(&mut trail.remembered, &progress.path);
            let early = passages.into_iter().map(early_event);
            early.for_each(|event| add(&mut events.events, event));
        }
    }

    /// Puts the trails of several fragments together, as a merge of them would: those of the lowest
    /// ordinal take in the others. They are measured.
    pub(super) fn join_trails(&mut self, trails: &[Trail]) -> Trail {
        let told_apart = self.told_apart(&self.state);
        let mut trails = trails.iter().map(|own| match own.is_lost {
            true => told_apart.of_fragment(own.ordinal),
            false => own.clone(),
        });
        let first = trails.next().unwrap_or_default();
        let rest: Vec<Trail> = trails.collect();
        self.on_trail(first, |pass| {
            pass.refresh_trail();
            for trail in rest {
                for position in trail.positions {
                    pass.fold_position(position, kernel::Reason::Merged);
                }
                for progress in trail.progress {
                    pass.fold_progress(Arc::unwrap_or_clone(progress));
                }
                pass.fold_remembered(trail.remembered);
            }
        })
    }

    /// Works on a trail in the place of the joined customer. What that causes beyond the trail is
    /// nothing.
    fn on_trail(&mut self, trail: Trail, work: impl FnOnce(&mut Self)) -> Trail {
        let effects = std::mem::take(&mut *self.effects);
        let changed = self.changed;
        let history = std::mem::take(&mut *self.state.history);
        let own = self.swap_places(Trail {
            is_lost: false,
            ..trail
        });
        work(self);
        let worked = self.swap_places(own);
        *self.state.history = history;
        self.changed = changed;
        let silent = std::mem::replace(&mut *self.effects, effects);
        if silent.lacks_definition {
            self.effects.lack_definition();
        }
        worked
    }

    /// Puts the places of a trail into the state, and returns those that were there.
    fn swap_places(&mut self, trail: Trail) -> Trail {
        Trail {
            positions: std::mem::replace(&mut *self.state.positions, trail.positions),
            progress: std::mem::replace(&mut *self.state.progress, trail.progress),
            remembered: std::mem::replace(&mut *self.state.remembered, trail.remembered),
            ..trail
        }
    }

    /// Lets go of what is not defined any more, and measures the rest.
    fn refresh_trail(&mut self) {
        self.drop_undefined_positions();
        self.refresh_paths();
        for place in 0..self.state.progress.len() {
            let name = &self.state.progress[place].path;
            if let Some(path) = self.definitions.paths.get(name) {
                self.remeasure(place, path);
            }
        }
    }
}

/// A trail as it is kept: measures follow from the passages.
pub(super) fn unmeasured(mut trail: Trail) -> Trail {
    for progress in &mut trail.progress {
        if progress.measure != Measure::default() {
            Arc::make_mut(progress).measure = Measure::default();
        }
    }
    trail
}

fn ordinals_of(passages: &[Passage]) -> Vec<u16> {
    let mut ordinals: Vec<u16> = passages.iter().map(|own| own.ordinal).collect();
    ordinals.sort_unstable();
    ordinals.dedup();
    ordinals
}

fn events_of<'a>(all: &'a mut Vec<Remembered>, path: &crate::state::Name) -> &'a mut Remembered {
    let place = all.iter().position(|own| own.path == *path);
    let place = place.unwrap_or_else(|| {
        all.push(Remembered {
            path: Arc::clone(path),
            events: Vec::new(),
        });
        all.len() - 1
    });
    &mut all[place]
}
