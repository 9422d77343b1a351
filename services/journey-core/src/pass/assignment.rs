//! Arms of splits: given by the customer's id, and kept from then on.

use std::sync::Arc;

use kernel::StableHash;

use crate::counter::{Counter, RunCount};
use crate::definition::Arm;
use crate::limits;
use crate::run_id::bucket;
use crate::state::{Assignment, Run};

use super::Pass;

impl Pass<'_> {
    /// Returns the arm of a split that the customer has: the one that was given, as long as the
    /// version at hand has it, and otherwise the one that the customer's id comes to.
    pub(super) fn arm_of<'a>(&mut self, run: &Run, salt: &str, arms: &'a [Arm]) -> Option<&'a Arm> {
        let new = Assignment {
            journey: Arc::clone(&run.journey),
            step: Arc::clone(&run.step),
            salt_hash: StableHash::new().with(salt.as_bytes()).finish(),
            arm: Arc::from(""),
            time: self.now,
            given_to: None,
        };
        let given = self.state.assignments.iter();
        let given = given.filter(|own| own.is_of_split_of(&new));
        let mut given: Vec<&Assignment> = given.collect();
        // The customer's own first, then that of the oldest of those who were joined into them.
        given.sort_by_key(|own| own.given_to);
        let kept = given
            .iter()
            .find_map(|own| arms.iter().find(|arm| arm.name == own.arm));
        if kept.is_some() {
            return kept;
        }
        let bucket = bucket(salt, self.customer);
        let arm = arms.iter().find(|arm| bucket < arm.until)?;
        self.keep_assignment(Assignment {
            arm: Arc::clone(&arm.name),
            ..new
        });
        Some(arm)
    }

    /// Keeps an assignment instead of those of the same step that no version has any more. The
    /// oldest make room.
    fn keep_assignment(&mut self, new: Assignment) {
        let kept = &mut *self.state.assignments;
        kept.retain(|own| own.journey != new.journey || own.step != new.step);
        kept.push(new);
        self.fit_assignments();
    }

    fn fit_assignments(&mut self) {
        let bytes = |own: &Assignment| {
            limits::ASSIGNMENT_FRAME_BYTES + own.journey.len() + own.step.len() + own.arm.len()
        };
        let kept = &mut *self.state.assignments;
        let mut taken: usize = kept.iter().map(bytes).sum();
        while taken > limits::ASSIGNMENT_BYTES {
            let oldest = kept.iter().enumerate().min_by_key(|(_, own)| own.time);
            let Some((place, _)) = oldest else {
                return;
            };
            taken -= bytes(&kept.remove(place));
        }
    }

    /// Takes over an assignment of a customer who was joined into this one. One that differs from
    /// what this one was given is kept beside it, and counted.
    pub(super) fn fold_assignment(&mut self, other: Assignment) {
        let kept = &mut *self.state.assignments;
        let of_split = kept.iter_mut().filter(|own| own.is_of_split_of(&other));
        let mut differs = false;
        for own in of_split {
            if own.arm == other.arm {
                own.given_to = own.given_to.min(other.given_to);
                return;
            }
            differs = true;
        }
        let (journey, step) = (Arc::clone(&other.journey), Arc::clone(&other.step));
        kept.push(other);
        self.fit_assignments();
        let versions = self.definitions.journeys.get(&journey);
        let newest = versions.and_then(|versions| versions.by_version.keys().next_back());
        if let (true, Some(version)) = (differs, newest) {
            let counter = Counter::Journey {
                journey: &journey,
                version: *version,
                of: RunCount::ArmConflict(&step),
            };
            self.effects.count(counter.key(), 1);
        }
    }
}
