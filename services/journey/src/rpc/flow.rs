//! Reads the flow of runs through a journey from its counters.

use std::collections::BTreeMap;

use journey_core::Definitions;
use journey_core::counter::{Counter, RunCount};
use kernel::CounterKey;
use proto::journey::v1::{GetFlowResponse, ReasonCount, StepExit, StepFlow};

use super::unsigned;

/// The flow through the versions whose counters these are.
pub(super) fn answer(
    definitions: &Definitions,
    journey: String,
    versions: &[u32],
    totals: &BTreeMap<CounterKey, i64>,
) -> GetFlowResponse {
    let mut answer = GetFlowResponse {
        steps: outline(definitions, &journey, versions),
        journey,
        ..GetFlowResponse::default()
    };
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for (key, count) in totals {
        let Some(Counter::Journey { of, .. }) = Counter::parse(key) else {
            continue;
        };
        let count = unsigned(*count);
        match of {
            RunCount::Entered => answer.entered_count += count,
            RunCount::Active => answer.active_count += count,
            RunCount::Ended(reason) | RunCount::Refused(reason) => {
                *reasons.entry(reason.code()).or_default() += count;
            }
            RunCount::In(step) => step_of(&mut answer.steps, step).in_count += count,
            RunCount::Out(step) => step_of(&mut answer.steps, step).out_count += count,
            RunCount::Present(step) => step_of(&mut answer.steps, step).present_count += count,
            RunCount::Exit { step, next, reason } => {
                add_exit(step_of(&mut answer.steps, step), next, reason.code(), count);
            }
            RunCount::Arm { .. } | RunCount::ArmConflict(_) | RunCount::Milestone(_) => {}
        }
    }
    answer.reasons = reasons
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| ReasonCount {
            reason: reason.to_owned(),
            count,
        })
        .collect();
    for step in &mut answer.steps {
        step.exits
            .sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.next.cmp(&b.next)));
    }
    answer
}

/// The steps in order: those of the newest version first, then those that only older ones have.
fn outline(definitions: &Definitions, journey: &str, versions: &[u32]) -> Vec<StepFlow> {
    let mut steps: Vec<StepFlow> = Vec::new();
    for version in versions {
        for outline in definitions.steps(journey, *version).unwrap_or_default() {
            if !steps.iter().any(|step| step.step == outline.id.as_ref()) {
                steps.push(StepFlow {
                    step: outline.id.as_ref().to_owned(),
                    kind: outline.kind.to_owned(),
                    ..StepFlow::default()
                });
            }
        }
    }
    steps
}

/// The step of a name; one that no kept version has any more comes last and has no kind.
fn step_of<'a>(steps: &'a mut Vec<StepFlow>, name: &str) -> &'a mut StepFlow {
    let place = steps.iter().position(|step| step.step == name);
    let place = place.unwrap_or_else(|| {
        steps.push(StepFlow {
            step: name.to_owned(),
            ..StepFlow::default()
        });
        steps.len() - 1
    });
    &mut steps[place]
}

fn add_exit(step: &mut StepFlow, next: &str, reason: &str, count: u64) {
    let known = |exit: &&mut StepExit| exit.next == next && exit.reason == reason;
    match step.exits.iter_mut().find(known) {
        Some(exit) => exit.count += count,
        None => step.exits.push(StepExit {
            next: next.to_owned(),
            reason: reason.to_owned(),
            count,
        }),
    }
}
