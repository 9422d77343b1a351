//! Compiles journeys.

mod step;

use kernel::read_path;
use messages::journey::v1::{self as api, OnMergeConflict, Reentry};

use super::names::Known;
use super::reads::trigger_reads;
use super::{Entry, Journey, Subscription, Trigger, TriggerKind, graph, trigger};
use decision::Mistakes;

/// Compiles one version of a journey.
pub(crate) fn compile(
    journey: &api::Journey,
    version: u32,
    known: &mut Known<'_>,
    mistakes: &mut Mistakes,
) -> Option<Journey> {
    if journey.steps.is_empty() {
        mistakes.add("steps", "a journey needs at least one step");
    }
    let entry = entry(journey.entry.as_ref(), known, mistakes);
    let ids = journey.steps.iter().enumerate();
    trigger::check_unique(
        mistakes,
        ids.map(|(i, step)| (format!("steps[{i}].id"), step.id.as_str())),
        "step",
    );
    let steps: Vec<_> = journey
        .steps
        .iter()
        .enumerate()
        .map(|(place, _)| step::compile(journey, place, known, mistakes))
        .collect();
    let goals = journey.goals.iter();
    let goals = subscriptions(
        goals.map(|goal| (goal.name.as_str(), goal.trigger.as_ref())),
        "goals",
        "goal",
        known,
        mistakes,
    );
    let exits = journey.exits.iter();
    let exits = subscriptions(
        exits.map(|exit| (exit.name.as_str(), exit.trigger.as_ref())),
        "exits",
        "exit rule",
        known,
        mistakes,
    );
    let on_merge_conflict = on_merge_conflict(journey.on_merge_conflict, mistakes);
    // The shape is judged only where every step is known, lest one mistake be told many times.
    let steps = steps.into_iter().collect::<Option<Vec<_>>>()?;
    graph::check(&steps, mistakes);
    let entry = entry?;
    mistakes.is_empty().then(|| Journey {
        name: journey.name.as_str().into(),
        version,
        entry,
        trigger_reads: trigger_reads(&steps),
        steps,
        goals,
        exits,
        on_merge_conflict,
    })
}

/// Reads what happens to two runs of one key at a merge: the older customer's goes on where nothing
/// is said.
fn on_merge_conflict(stored: i32, mistakes: &mut Mistakes) -> OnMergeConflict {
    match OnMergeConflict::try_from(stored) {
        Ok(OnMergeConflict::Unspecified) => OnMergeConflict::KeepOlder,
        Ok(known) => known,
        Err(_) => {
            mistakes.add(
                "on_merge_conflict",
                "say what happens to two runs of one key when customers are joined: ON_MERGE_CONFLICT_KEEP_OLDER, ON_MERGE_CONFLICT_KEEP_NEWER, ON_MERGE_CONFLICT_KEEP_BOTH or ON_MERGE_CONFLICT_RESTART",
            );
            OnMergeConflict::KeepOlder
        }
    }
}

fn entry(
    entry: Option<&api::Entry>,
    known: &mut Known<'_>,
    mistakes: &mut Mistakes,
) -> Option<Entry> {
    let Some(entry) = entry else {
        mistakes.add("entry", "a journey needs an entry: say what starts a run");
        return None;
    };
    if entry.triggers.is_empty() {
        mistakes.add(
            "entry.triggers",
            "must have at least one: say what starts a run",
        );
    }
    let triggers = entry.triggers.iter().enumerate();
    let triggers: Vec<Option<Trigger>> = triggers
        .map(|(i, cause)| {
            let path = format!("entry.triggers[{i}]");
            trigger::compile(Some(cause), &path, known, mistakes)
        })
        .collect();
    let reentry = Reentry::try_from(entry.reentry).unwrap_or(Reentry::Unspecified);
    if reentry == Reentry::Unspecified {
        mistakes.add(
            "entry.reentry",
            "say what happens when it triggers again: REENTRY_NEVER, REENTRY_AFTER_EXIT, REENTRY_AFTER_COOLDOWN or REENTRY_REPLACE",
        );
    }
    let cooldown = trigger::optional_duration(&entry.cooldown, "entry.cooldown", mistakes);
    if reentry == Reentry::AfterCooldown && entry.cooldown.is_empty() {
        mistakes.add(
            "entry.cooldown",
            "REENTRY_AFTER_COOLDOWN needs a cool-down, such as 30d",
        );
    }
    if reentry != Reentry::AfterCooldown && !entry.cooldown.is_empty() {
        mistakes.add(
            "entry.cooldown",
            "only REENTRY_AFTER_COOLDOWN has a cool-down: choose it, or drop `cooldown`",
        );
    }
    let max_age = trigger::optional_duration(&entry.max_age, "entry.max_age", mistakes);
    let triggers: Vec<Trigger> = triggers.into_iter().collect::<Option<_>>()?;
    let is_event = |trigger: &Trigger| matches!(trigger.kind, TriggerKind::Event(_));
    if !entry.key.is_empty() && !triggers.iter().all(is_event) {
        mistakes.add(
            "entry.key",
            "a key is a property of the event that starts the run: use `event` triggers, or drop `key`",
        );
    }
    let key = match entry.key.as_str() {
        "" => None,
        key => read_path(key)
            .map_err(|fault| mistakes.add("entry.key", fault.to_string()))
            .ok(),
    };
    Some(Entry {
        triggers,
        key: key.map(Into::into),
        reentry,
        cooldown: cooldown.unwrap_or_default(),
        max_age,
    })
}

fn subscriptions<'a>(
    list: impl Iterator<Item = (&'a str, Option<&'a api::Trigger>)> + Clone,
    field: &str,
    what: &str,
    known: &mut Known<'_>,
    mistakes: &mut Mistakes,
) -> Vec<Subscription> {
    let named = list.clone().enumerate();
    trigger::check_unique(
        mistakes,
        named.map(|(i, (name, _))| (format!("{field}[{i}].name"), name)),
        what,
    );
    list.enumerate()
        .filter_map(|(i, (name, cause))| {
            let path = format!("{field}[{i}].trigger");
            let trigger = trigger::compile(cause, &path, known, mistakes)?;
            Some(Subscription {
                name: name.into(),
                trigger,
            })
        })
        .collect()
}
