//! Reads the flow of customers through a map from its counters.

use std::collections::BTreeMap;

use journey_core::counter::{Counter, StageCount};
use journey_core::state::Name;
use kernel::CounterKey;
use proto::journey::v1::{GetMapFlowResponse, StageFlow, StageMove};

use super::unsigned;

/// The flow through the stages of a map.
pub(super) fn answer(
    map: String,
    stages: &[Name],
    totals: &BTreeMap<CounterKey, i64>,
) -> GetMapFlowResponse {
    let mut stages: Vec<StageFlow> = stages
        .iter()
        .map(|stage| StageFlow {
            stage: stage.as_ref().to_owned(),
            ..StageFlow::default()
        })
        .collect();
    let mut moves = Vec::new();
    for (key, count) in totals {
        let Some(Counter::Map { of, .. }) = Counter::parse(key) else {
            continue;
        };
        let count = unsigned(*count);
        // Stages that are no longer defined are left out: nobody is there.
        let mut of_stage = |name: &str, add: fn(&mut StageFlow) -> &mut u64| {
            if let Some(stage) = stages.iter_mut().find(|stage| stage.stage == name) {
                *add(stage) += count;
            }
        };
        match of {
            StageCount::In(stage) => of_stage(stage, |stage| &mut stage.in_count),
            StageCount::Out(stage) => of_stage(stage, |stage| &mut stage.out_count),
            StageCount::Present(stage) => of_stage(stage, |stage| &mut stage.present_count),
            StageCount::Move { from, to } => moves.push(StageMove {
                from: from.to_owned(),
                to: to.to_owned(),
                count,
            }),
            StageCount::Refused(_) => {}
        }
    }
    moves.sort_by_key(|moved| std::cmp::Reverse(moved.count));
    GetMapFlowResponse { map, stages, moves }
}
