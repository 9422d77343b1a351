//! Positions: in which stage of each map the customer is.

use std::sync::Arc;

use kernel::Reason;

use crate::counter::{Counter, StageCount};
use crate::definition::{JourneyMap, Readers, Stage};
use crate::limits;
use crate::state::{Name, Position};

use super::Pass;
use super::happening::{Happening, Match};

impl Pass<'_> {
    /// Moves the customer in every map that a fact concerns.
    pub(super) fn move_positions(&mut self, readers: &[&Readers], happening: &Happening<'_>) {
        let mut done: Vec<&Name> = Vec::new();
        for readers in readers {
            for map in &readers.maps {
                if !done.contains(&&map.name) {
                    done.push(&map.name);
                    self.move_in(map, happening);
                }
            }
        }
    }

    fn move_in(&mut self, map: &JourneyMap, happening: &Happening<'_>) {
        let place = self.position_place(&map.name);
        let here = place.map(|place| self.state.positions[place].clone());
        // The newest event says where a customer is; one that comes late does not bring anybody
        // back.
        if here
            .as_ref()
            .is_some_and(|here| self.since < here.enter_time)
        {
            return;
        }
        let from = here.as_ref().map(|here| &here.stage);
        let Some(stage) = map.stages.iter().find(|stage| {
            stage.admits(from)
                && stage
                    .enter
                    .iter()
                    .any(|trigger| happening.matches(trigger, &self.state) == Match::Yes)
        }) else {
            return;
        };
        if from == Some(&stage.name) {
            return;
        }
        if here.is_none() && self.state.positions.len() >= limits::POSITIONS {
            return self.refuse_position(&map.name);
        }
        let from: Name = from.map_or_else(|| Name::from(""), Arc::clone);
        if here.is_some() {
            self.count_stage(&map.name, StageCount::Out(&from), 1);
            self.count_stage(&map.name, StageCount::Present(&from), -1);
        }
        self.count_stage(&map.name, StageCount::In(&stage.name), 1);
        self.count_stage(&map.name, StageCount::Present(&stage.name), 1);
        let moved = StageCount::Move {
            from: &from,
            to: &stage.name,
        };
        self.count_stage(&map.name, moved, 1);
        let position = Position {
            map: Arc::clone(&map.name),
            stage: Arc::clone(&stage.name),
            enter_time: self.since,
            ordinal: self.ordinal,
        };
        self.tell_position(&position, &from, Reason::StageEntered);
        self.note(&map.name, None, &stage.name, Reason::StageEntered, from);
        match place {
            Some(place) => self.state.positions[place] = position,
            None => self.state.positions.push(position),
        }
    }

    /// Says that the customer has positions in as many other maps as one may have.
    pub(super) fn refuse_position(&mut self, map: &Name) {
        self.count_stage(map, StageCount::Refused(Reason::PositionLimit), 1);
        self.note_refusal(map, Reason::PositionLimit, Name::from(""));
    }

    /// Lets go of positions in maps and stages that are not defined any more.
    pub(super) fn drop_undefined_positions(&mut self) {
        let definitions = self.definitions;
        let is_gone = |position: &Position| {
            definitions
                .maps
                .get(&position.map)
                .is_none_or(|map| !map.stages.iter().any(|stage| stage.name == position.stage))
        };
        while let Some(place) = self.state.positions.iter().position(is_gone) {
            let position = self.state.positions.remove(place);
            self.effects.lack_definition();
            self.count_stage(&position.map, StageCount::Out(&position.stage), 1);
            self.count_stage(&position.map, StageCount::Present(&position.stage), -1);
            self.tell_left(&position, Reason::StageRemoved);
            self.changed = true;
        }
    }

    pub(super) fn position_place(&self, map: &Name) -> Option<usize> {
        self.state.positions.iter().position(|own| own.map == *map)
    }

    pub(super) fn count_stage(&mut self, map: &str, of: StageCount<'_>, change: i64) {
        self.count(Counter::Map { map, of }, change);
    }
}

impl Stage {
    /// Returns whether a customer may come here from a stage, or from outside the map.
    fn admits(&self, from: Option<&Name>) -> bool {
        self.from.anywhere || from.map_or(self.from.outside, |from| self.from.stages.contains(from))
    }
}
