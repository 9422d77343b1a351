//! Compiles happy paths.

use std::collections::BTreeMap;

use messages::journey::v1 as api;

use kernel::Duration;

use super::names::{Known, unknown};
use super::{HappyPath, Milestone, trigger};
use crate::limits;
use decision::Mistakes;

/// Compiles a happy path. `maps` tells for each map which path, if any, it has by now.
pub(crate) fn compile(
    path: &api::HappyPath,
    version: u32,
    maps: &mut BTreeMap<String, Option<String>>,
    known: &mut Known<'_>,
    mistakes: &mut Mistakes,
) -> Option<HappyPath> {
    check_map(path, maps, mistakes);
    if path.milestones.len() < 2 {
        mistakes.add("milestones", "a happy path needs at least two milestones");
    }
    let named = path.milestones.iter().enumerate();
    trigger::check_unique(
        mistakes,
        named.map(|(i, milestone)| (format!("milestones[{i}].name"), milestone.name.as_str())),
        "milestone",
    );
    let last = path.milestones.len().saturating_sub(1);
    let mut milestones = Vec::with_capacity(path.milestones.len());
    for (i, milestone) in path.milestones.iter().enumerate() {
        let at = format!("milestones[{i}]");
        if i == 0 && !milestone.within.is_empty() {
            mistakes.add(
                format!("{at}.within"),
                "the first milestone begins the path and has no deadline: drop `within`",
            );
        }
        if (i == 0 || i == last) && milestone.optional {
            mistakes.add(
                format!("{at}.optional"),
                "the first and the last milestone cannot be left out: drop `optional`",
            );
        }
        let trigger = trigger::compile(
            milestone.trigger.as_ref(),
            &format!("{at}.trigger"),
            known,
            mistakes,
        );
        let within =
            trigger::optional_duration(&milestone.within, &format!("{at}.within"), mistakes);
        if let Some(trigger) = trigger {
            milestones.push(Milestone {
                name: milestone.name.as_str().into(),
                trigger,
                within,
                optional: milestone.optional,
            });
        }
    }
    let horizon = horizon(path, mistakes);
    mistakes.is_empty().then(|| HappyPath {
        name: path.name.as_str().into(),
        version,
        milestones,
        horizon,
    })
}

/// How far back a path remembers.
fn horizon(path: &api::HappyPath, mistakes: &mut Mistakes) -> Duration {
    let horizon = trigger::optional_duration(&path.horizon, "horizon", mistakes);
    if horizon.is_some_and(|own| own > limits::HORIZON) {
        mistakes.add(
            "horizon",
            format!(
                "`{}` is too long: at most {}",
                path.horizon,
                limits::HORIZON
            ),
        );
    }
    horizon.unwrap_or(limits::HORIZON)
}

fn check_map(
    path: &api::HappyPath,
    maps: &mut BTreeMap<String, Option<String>>,
    mistakes: &mut Mistakes,
) {
    match maps.get_mut(&path.map) {
        None => mistakes.add(
            "map",
            unknown("map", &path.map, maps.keys().map(String::as_str)),
        ),
        Some(Some(other)) => mistakes.add(
            "map",
            format!(
                "`{}` has the happy path `{other}` already: a map has one",
                path.map
            ),
        ),
        Some(taken) => *taken = Some(path.name.clone()),
    }
}
