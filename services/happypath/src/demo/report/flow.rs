//! The journey as a drawing: steps from top to bottom, lines as wide as many runs took them.

use super::super::figures::{ExitFigures, JourneyFigures, StepFigures};
use super::svg::{Drawing, length, thousands};

const WIDTH: f64 = 960.0;
const STEP_WIDTH: f64 = 330.0;
const STEP_HEIGHT: f64 = 46.0;
const GAP: f64 = 40.0;
const LEFT: f64 = 250.0;
/// The widest line, that of all runs.
const WIDEST: f64 = 22.0;

/// Draws a journey.
pub(super) fn journey(journey: &JourneyFigures) -> String {
    if journey.steps.is_empty() {
        return "<p>The journey has no steps yet.</p>".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "at most two hundred steps")]
    let height = (STEP_HEIGHT + GAP) * journey.steps.len() as f64;
    let mut drawing = Drawing::new(WIDTH, height);
    let most = journey
        .steps
        .iter()
        .map(|step| step.arrived)
        .max()
        .unwrap_or(1)
        .max(1);
    // Lines first, so that the boxes cover their ends.
    for (place, step) in journey.steps.iter().enumerate() {
        for exit in &step.exits {
            line(&mut drawing, journey, place, exit, most);
        }
    }
    for (place, step) in journey.steps.iter().enumerate() {
        stop(&mut drawing, place, step);
    }
    drawing.finish(&format!(
        "Flow of runs through the journey {}",
        journey.name
    ))
}

fn top(place: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most two hundred steps")]
    let place = place as f64;
    place * (STEP_HEIGHT + GAP) + GAP / 2.0
}

fn line(
    drawing: &mut Drawing,
    journey: &JourneyFigures,
    place: usize,
    exit: &ExitFigures,
    most: u64,
) {
    let width = (length(exit.count) / length(most) * WIDEST).max(1.0);
    let from = &journey.steps[place].name;
    let count = thousands(exit.count);
    match journey.steps.iter().position(|step| step.name == exit.next) {
        Some(target) if target == place + 1 => {
            let title = format!("{from} to {}: {count} ({})", exit.next, exit.reason);
            let x = LEFT + STEP_WIDTH / 2.0;
            drawing.curve(
                (x, top(place) + STEP_HEIGHT),
                (x, top(target)),
                0.0,
                width,
                "line",
                &title,
            );
            drawing.text(
                x + 8.0 + width / 2.0,
                top(target) - GAP / 2.0 + 4.0,
                "small",
                &format!("{count} {}", exit.reason),
            );
        }
        Some(target) => {
            let title = format!("{from} to {}: {count} ({})", exit.next, exit.reason);
            let side = LEFT + 24.0;
            #[expect(clippy::cast_precision_loss, reason = "at most two hundred steps")]
            let bend = -(40.0 + 26.0 * target.abs_diff(place) as f64).min(LEFT - 20.0);
            let middle = STEP_HEIGHT / 2.0;
            drawing.curve(
                (side, top(place) + middle),
                (side, top(target) + middle),
                bend,
                width,
                "line",
                &title,
            );
        }
        None => {
            // Ends of runs leave to the right, one text each, in the table's order.
            let place_of_exit = ends(&journey.steps[place])
                .position(|end| std::ptr::eq(end, exit))
                .unwrap_or(0);
            #[expect(clippy::cast_precision_loss, reason = "a handful of reasons")]
            let y = top(place) + 14.0 + 16.0 * place_of_exit as f64;
            let x = LEFT + STEP_WIDTH;
            let title = format!("{from}: {count} runs ended ({})", exit.reason);
            drawing.rectangle(x, y - width / 2.0, 28.0, width, "end", &title);
            drawing.text(
                x + 36.0,
                y + 4.0,
                "small",
                &format!("{count} {}", exit.reason),
            );
        }
    }
}

fn ends(step: &StepFigures) -> impl Iterator<Item = &ExitFigures> {
    step.exits.iter().filter(|exit| exit.next.is_empty())
}

fn stop(drawing: &mut Drawing, place: usize, step: &StepFigures) {
    let title = format!(
        "{}: in {}, out {}, present {}",
        step.name,
        thousands(step.arrived),
        thousands(step.left),
        thousands(step.present)
    );
    let y = top(place);
    drawing.rectangle(LEFT, y, STEP_WIDTH, STEP_HEIGHT, "step", &title);
    drawing.text(LEFT + 12.0, y + 19.0, "strong", &step.name);
    drawing.text(
        LEFT + 12.0,
        y + 37.0,
        "small",
        &format!(
            "{} · in {} · present {}",
            step.kind,
            thousands(step.arrived),
            thousands(step.present)
        ),
    );
}
