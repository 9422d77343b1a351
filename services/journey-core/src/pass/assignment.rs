//! Arms of splits: given by the customer's id, and kept from then on.

use std::sync::Arc;

use kernel::StableHash;

use crate::counter::{Counter, RunCount};
use crate::definition::{Arm, Journey, StepKind, Versions};
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
            salt_hash: salt_hash(salt),
            arm: Arc::from(""),
            time: self.now,
            given_to: None,
            ordinal: run.ordinal,
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

    /// Keeps an assignment instead of those of the same step that no version has any more: runs on
    /// older versions come to their splits still. The oldest make room.
    fn keep_assignment(&mut self, new: Assignment) {
        let versions = self.definitions.journeys.get(&new.journey);
        let stands = |own: &Assignment| {
            let mut versions = versions.into_iter().flat_map(|it| it.by_version.values());
            versions.any(|version| has_arm(version, own))
        };
        let kept = &mut *self.state.assignments;
        kept.retain(|own| own.journey != new.journey || own.step != new.step || stands(own));
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

    /// Takes over the assignments of a customer who was joined into this one. Where the arms that
    /// count for the two of a split differ, that is counted: once for each merge and split.
    pub(super) fn fold_assignments(&mut self, others: Vec<Assignment>) {
        let mut seen: Vec<&Assignment> = Vec::new();
        for other in &others {
            if seen.iter().any(|before| before.is_of_split_of(other)) {
                continue;
            }
            seen.push(other);
            let own = in_effect(&self.state.assignments, other);
            let theirs = in_effect(&others, other);
            let is_shared = own.iter().any(|arm| theirs.contains(arm));
            if !own.is_empty() && !is_shared {
                self.count_conflict(other);
            }
        }
        self.add_assignments(others);
    }

    fn count_conflict(&mut self, of: &Assignment) {
        let versions = self.definitions.journeys.get(&of.journey);
        if let Some(newest) = versions.and_then(Versions::newest) {
            let counter = Counter::Journey {
                journey: &of.journey,
                version: newest.version,
                of: RunCount::ArmConflict(&of.step),
            };
            self.effects.count(counter.key(), 1);
        }
    }

    /// Takes over assignments as they are, beside what this customer was given.
    pub(super) fn add_assignments(&mut self, others: Vec<Assignment>) {
        self.state.assignments.extend(others);
        self.fit_assignments();
    }
}

/// Returns the arms of a split that count for a customer: those that were given to the oldest of
/// those who were joined into them. There is more than one where versions have different arms.
fn in_effect<'a>(given: &'a [Assignment], split: &Assignment) -> Vec<&'a str> {
    let of_split = given.iter().filter(|own| own.is_of_split_of(split));
    let oldest = of_split.clone().map(|own| own.given_to).min();
    of_split
        .filter(|own| Some(own.given_to) == oldest)
        .map(|own| own.arm.as_ref())
        .collect()
}

/// Returns whether a version of a journey has the arm of an assignment.
fn has_arm(version: &Journey, own: &Assignment) -> bool {
    version.steps.iter().any(|step| match &step.kind {
        StepKind::Split { salt, arms } => {
            step.id == own.step
                && salt_hash(salt) == own.salt_hash
                && arms.iter().any(|arm| arm.name == own.arm)
        }
        _ => false,
    })
}

fn salt_hash(salt: &str) -> u64 {
    StableHash::new().with(salt.as_bytes()).finish()
}
