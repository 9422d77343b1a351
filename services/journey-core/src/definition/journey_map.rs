//! Compiles maps.

use messages::journey::v1 as api;

use super::names::{Known, unknown};
use super::{From, JourneyMap, Stage, trigger};
use decision::Mistakes;

/// What `from` calls customers who are not in the map yet.
const OUTSIDE: &str = "outside";

/// Compiles a map.
pub(crate) fn compile(
    map: &api::JourneyMap,
    version: u32,
    known: &mut Known<'_>,
    mistakes: &mut Mistakes,
) -> Option<JourneyMap> {
    if map.stages.is_empty() {
        mistakes.add("stages", "a map needs at least one stage");
    }
    let named = map.stages.iter().enumerate();
    trigger::check_unique(
        mistakes,
        named.map(|(i, stage)| (format!("stages[{i}].name"), stage.name.as_str())),
        "stage",
    );
    let mut stages = Vec::with_capacity(map.stages.len());
    for (i, stage) in map.stages.iter().enumerate() {
        if stage.name == OUTSIDE {
            mistakes.add(
                format!("stages[{i}].name"),
                "`outside` stands for customers who are not in the map: choose another name",
            );
        }
        let enter = stage.enter.iter().enumerate().filter_map(|(j, enter)| {
            trigger::compile(
                Some(enter),
                &format!("stages[{i}].enter[{j}]"),
                known,
                mistakes,
            )
        });
        let enter = enter.collect();
        stages.push(Stage {
            name: stage.name.as_str().into(),
            enter,
            from: from(map, stage, i, mistakes),
        });
    }
    check_reachable(&stages, mistakes);
    mistakes.is_empty().then(|| JourneyMap {
        name: map.name.as_str().into(),
        version,
        stages,
    })
}

fn from(map: &api::JourneyMap, stage: &api::Stage, i: usize, mistakes: &mut Mistakes) -> From {
    let mut from = From {
        anywhere: stage.from.is_empty(),
        ..From::default()
    };
    let existing = map.stages.iter().map(|stage| stage.name.as_str());
    for (j, name) in stage.from.iter().enumerate() {
        if name == OUTSIDE {
            from.outside = true;
        } else if existing.clone().any(|existing| existing == name) {
            from.stages.push(name.as_str().into());
        } else {
            // Whoever was meant comes from somewhere: one mistake, told once.
            from.anywhere = true;
            mistakes.add(
                format!("stages[{i}].from[{j}]"),
                unknown("stage", name, existing.clone().chain([OUTSIDE])),
            );
        }
    }
    from
}

/// A stage that only customers of unreachable stages come to is one that nobody ever sees.
fn check_reachable(stages: &[Stage], mistakes: &mut Mistakes) {
    let mut reached: Vec<bool> = stages
        .iter()
        .map(|stage| stage.from.anywhere || stage.from.outside)
        .collect();
    loop {
        let next: Vec<bool> = stages
            .iter()
            .zip(&reached)
            .map(|(stage, own)| {
                *own || stages
                    .iter()
                    .zip(&reached)
                    .any(|(other, reached)| *reached && stage.from.stages.contains(&other.name))
            })
            .collect();
        if next == reached {
            break;
        }
        reached = next;
    }
    for (i, _) in reached.iter().enumerate().filter(|(_, reached)| !**reached) {
        mistakes.add(
            format!("stages[{i}].from"),
            "no customer can come here: name `outside` or a stage that customers do come to",
        );
    }
}
