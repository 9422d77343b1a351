//! Where one customer is, from the stored state.

use journey_core::state::{
    Assignment, Customer, EndedRun, HistoryEntry, Passage, Position, Progress, Run,
};
use kernel::CustomerId;
use proto::convert::timestamp;
use proto::journey::v1 as api;

/// Everything that is kept of a customer, for whom all that is shown is loaded.
pub(super) fn answer(customer: CustomerId, state: &Customer) -> api::GetCustomerJourneysResponse {
    let mut positions: Vec<&Position> = state.positions.iter().collect();
    positions.sort_by(|one, other| one.map.cmp(&other.map));
    let mut paths: Vec<_> = state.progress.iter().collect();
    paths.sort_by(|one, other| one.path.cmp(&other.path));
    let active = state.runs.iter().rev().map(run);
    let ended = state.ended.iter().rev().map(|run| ended_run(run));
    api::GetCustomerJourneysResponse {
        customer_id: customer.to_string(),
        runs: active.chain(ended).collect(),
        positions: positions.into_iter().map(position).collect(),
        happy_paths: paths.into_iter().map(|own| progress(own)).collect(),
        history: state.history.iter().map(|own| history(own)).collect(),
        arm_assignments: assignments(customer, state),
    }
}

/// The arms that were given, by split; of each split those that count first. Those are of the
/// oldest customer, to whom versions with different arms may have given several.
fn assignments(customer: CustomerId, state: &Customer) -> Vec<api::ArmAssignment> {
    let mut given: Vec<&Assignment> = state.assignments.iter().collect();
    given.sort_by_key(|own| (&own.journey, &own.step, own.salt_hash, own.given_to));
    let mut first: Option<&Assignment> = None;
    let answer = given.into_iter().map(|own| {
        let of_split = first.filter(|first| first.is_of_split_of(own));
        let oldest = *first.insert(of_split.unwrap_or(own));
        let is_in_effect = oldest.given_to == own.given_to;
        api::ArmAssignment {
            journey: own.journey.as_ref().to_owned(),
            step: own.step.as_ref().to_owned(),
            arm: own.arm.as_ref().to_owned(),
            assign_time: Some(timestamp(own.time)),
            customer_id: own.given_to.unwrap_or(customer).to_string(),
            is_in_effect,
        }
    });
    answer.collect()
}

fn position(position: &Position) -> api::Position {
    api::Position {
        map: position.map.as_ref().to_owned(),
        stage: position.stage.as_ref().to_owned(),
        enter_time: Some(timestamp(position.enter_time)),
    }
}

fn run(run: &Run) -> api::Run {
    api::Run {
        run_id: run.id.to_string(),
        journey: run.journey.as_ref().to_owned(),
        version: run.version,
        key: run.key.as_ref().to_owned(),
        step: run.step.as_ref().to_owned(),
        visit: run.visit,
        start_time: Some(timestamp(run.start_time)),
        due_time: run.due.map(timestamp),
        ..api::Run::default()
    }
}

fn ended_run(run: &EndedRun) -> api::Run {
    api::Run {
        run_id: run.id.to_string(),
        journey: run.journey.as_ref().to_owned(),
        version: run.version,
        key: run.key.as_ref().to_owned(),
        visit: run.visit,
        start_time: Some(timestamp(run.start_time)),
        end_time: Some(timestamp(run.end_time)),
        end_reason: run.reason.code().to_owned(),
        outcome: run.outcome.into(),
        ..api::Run::default()
    }
}

fn progress(progress: &Progress) -> api::HappyPathProgress {
    let reached = |passage: &Passage| api::MilestoneTime {
        milestone: passage.milestone.as_ref().to_owned(),
        time: Some(timestamp(passage.time)),
    };
    let measure = &progress.measure;
    api::HappyPathProgress {
        happy_path: progress.path.as_ref().to_owned(),
        milestones: measure.reached.iter().map(reached).collect(),
        due_time: measure.due.map(timestamp),
        deviations: measure
            .deviations
            .iter()
            .map(|deviation| api::Deviation {
                kind: deviation.kind.into(),
                milestone: deviation.milestone.as_ref().to_owned(),
                time: Some(timestamp(deviation.time)),
            })
            .collect(),
        followed: measure.followed,
    }
}

fn history(entry: &HistoryEntry) -> api::HistoryEntry {
    api::HistoryEntry {
        time: Some(timestamp(entry.time)),
        subject: entry.subject.as_ref().to_owned(),
        run_id: entry.run.map(|run| run.to_string()).unwrap_or_default(),
        step: entry.step.as_ref().to_owned(),
        reason: entry.reason.code().to_owned(),
        detail: entry.detail.as_ref().to_owned(),
    }
}
