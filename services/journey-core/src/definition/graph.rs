//! The shape of a journey: every step can be come to, and every loop waits somewhere.

use super::{Step, StepKind};
use decision::Mistakes;

/// Adds the mistakes of the shape.
pub(crate) fn check(steps: &[Step], mistakes: &mut Mistakes) {
    let reached = reachable(steps);
    for (place, step) in steps.iter().enumerate() {
        if !reached[place] {
            mistakes.add(
                format!("steps[{place}]"),
                format!(
                    "no run can come to `{}`: point a step at it, or remove it",
                    step.id
                ),
            );
        }
    }
    if let Some(cycle) = cycle_without_wait(steps) {
        let ids: Vec<&str> = cycle
            .iter()
            .map(|place| steps[*place].id.as_ref())
            .collect();
        mistakes.add(
            format!("steps[{}]", cycle[0]),
            format!(
                "a run would go round {} for ever: put a wait or wait_for into the loop",
                ids.join(", ")
            ),
        );
    }
}

fn reachable(steps: &[Step]) -> Vec<bool> {
    let mut reached = vec![false; steps.len()];
    let mut open = vec![0];
    while let Some(place) = open.pop() {
        if let Some(step) = steps.get(place)
            && !std::mem::replace(&mut reached[place], true)
        {
            open.extend(step.kind.targets().into_iter().flatten());
        }
    }
    reached
}

/// The steps of a loop in which a run never rests, if there is one.
fn cycle_without_wait(steps: &[Step]) -> Option<Vec<usize>> {
    let mut color = vec![Color::New; steps.len()];
    (0..steps.len()).find_map(|start| {
        let mut path = Vec::new();
        visit(steps, start, &mut color, &mut path)
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Color {
    New,
    Open,
    Done,
}

/// Depth first. It nests as deep as there are steps, at most 200.
fn visit(
    steps: &[Step],
    place: usize,
    color: &mut [Color],
    path: &mut Vec<usize>,
) -> Option<Vec<usize>> {
    if StepKind::is_waiting(&steps[place].kind) || color[place] == Color::Done {
        return None;
    }
    if color[place] == Color::Open {
        let first = path.iter().position(|open| *open == place).unwrap_or(0);
        return Some(path[first..].to_vec());
    }
    color[place] = Color::Open;
    path.push(place);
    for target in steps[place].kind.targets().into_iter().flatten() {
        if let Some(cycle) = visit(steps, target, color, path) {
            return Some(cycle);
        }
    }
    path.pop();
    color[place] = Color::Done;
    None
}
