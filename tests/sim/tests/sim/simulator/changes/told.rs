//! The log tells all that is known of customers: a consumer who reads all of it needs to ask
//! nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use hot::StateKey;
use prost::Message as _;
use proto::stream::v1::{ChangeBatch, ChangeRecord, change_record::Kind};

use super::{ChangeLog, Installation};
use crate::simulator::picture::Picture;

/// A customer, and the name of something that they are in or at.
type Of = (StateKey, String);

/// The knowledge of a consumer who has read all changes.
#[derive(Debug, Default)]
struct Known {
    members: BTreeSet<Of>,
    stages: BTreeMap<Of, String>,
    /// By the id of the run, its step.
    runs: BTreeMap<(StateKey, bytes::Bytes), String>,
}

impl Known {
    fn take(&mut self, change: ChangeRecord) {
        let customer = change.customer_id;
        match change.kind {
            Some(Kind::Membership(change)) => {
                let of = (customer, change.segment);
                if change.entered {
                    self.members.insert(of);
                } else {
                    self.members.remove(&of);
                }
            }
            Some(Kind::Position(moved)) => {
                put(
                    &mut self.stages,
                    (customer, moved.journey_map),
                    moved.to_stage,
                );
            }
            Some(Kind::Transition(moved)) => {
                put(&mut self.runs, (customer, moved.run_id), moved.to_step);
            }
            // All that a customer had is told of beside it.
            Some(
                Kind::MergedIntoId(_)
                | Kind::SplitFromId(_)
                | Kind::ErasedById(_)
                | Kind::Activation(_)
                | Kind::Account(_),
            )
            | None => {}
        }
    }
}

/// The place that somebody came to; none after they left for good.
fn put<K: Ord>(all: &mut BTreeMap<K, String>, of: K, place: String) {
    if place.is_empty() {
        all.remove(&of);
    } else {
        all.insert(of, place);
    }
}

/// The log tells what the states say.
pub(super) fn check(installation: &Installation, log: &ChangeLog, picture: &Picture) {
    let mut told = Known::default();
    for pending in log.state().rows.values().flatten() {
        let batch = ChangeBatch::decode(pending.changes.clone()).expect("a batch");
        batch.changes.into_iter().for_each(|it| told.take(it));
    }
    let mut known = Known::default();
    for (key, (_, state)) in &picture.profiles {
        let segments = state.memberships().iter();
        let segments = segments.map(|it| it.segment.as_ref().to_owned());
        known
            .members
            .extend(segments.map(|segment| (key.clone(), segment)));
    }
    for (key, (head, state)) in &picture.journeys {
        let state = state.open();
        for position in state.positions.iter() {
            let of = (key.clone(), position.map.as_ref().to_owned());
            known.stages.insert(of, position.stage.as_ref().to_owned());
        }
        for run in state.runs.iter().filter(|_| head.redirect.is_none()) {
            let id = bytes::Bytes::copy_from_slice(run.id.as_bytes());
            let step = run.step.as_ref().to_owned();
            known.runs.insert((key.clone(), id), step);
        }
    }
    compare(installation, "memberships", &told.members, &known.members);
    compare(installation, "positions", &told.stages, &known.stages);
    compare(installation, "runs", &told.runs, &known.runs);
}

fn compare<T: PartialEq + Debug>(installation: &Installation, what: &str, told: &T, known: &T) {
    if told != known {
        let world = installation.world();
        world.violate(format!(
            "the log tells of {what} {told:#?}, and states are {known:#?}"
        ));
    }
}
