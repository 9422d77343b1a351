//! Reads the numbers of those on a happy path from its counters.

use std::collections::BTreeMap;

use journey_core::counter::{Counter, PathCount};
use journey_core::state::Name;
use kernel::CounterKey;
use proto::journey::v1::{DeviationCount, MeasureHappyPathResponse, MilestoneReach};

use super::unsigned;

/// The measure of a happy path.
pub(super) fn answer(
    happy_path: String,
    milestones: &[Name],
    totals: &BTreeMap<CounterKey, i64>,
) -> MeasureHappyPathResponse {
    let mut answer = MeasureHappyPathResponse {
        happy_path,
        milestones: milestones
            .iter()
            .map(|milestone| MilestoneReach {
                milestone: milestone.as_ref().to_owned(),
                reached_count: 0,
            })
            .collect(),
        ..MeasureHappyPathResponse::default()
    };
    for (key, count) in totals {
        let Some(Counter::Path { of, .. }) = Counter::parse(key) else {
            continue;
        };
        let count = unsigned(*count);
        match of {
            PathCount::Started => answer.started_count += count,
            PathCount::UnderWay => answer.under_way_count += count,
            PathCount::Followed => answer.followed_count += count,
            PathCount::Reached(milestone) => {
                let mut reaches = answer.milestones.iter_mut();
                if let Some(reach) = reaches.find(|reach| reach.milestone == milestone) {
                    reach.reached_count += count;
                }
            }
            PathCount::Deviation { kind, milestone } if count > 0 => {
                answer.deviations.push(DeviationCount {
                    kind: kind.into(),
                    milestone: milestone.to_owned(),
                    count,
                });
            }
            PathCount::Deviation { .. } | PathCount::Refused(_) => {}
        }
    }
    let place = |milestone: &str| milestones.iter().position(|own| own.as_ref() == milestone);
    answer
        .deviations
        .sort_by_key(|deviation| (place(&deviation.milestone), deviation.kind));
    answer
}
