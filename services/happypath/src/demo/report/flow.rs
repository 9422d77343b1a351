//! The journey as a drawing: steps from top to bottom, lines as wide as many runs took them.

use super::super::figures::{ExitFigures, JourneyFigures, StepFigures};
use super::drawing::{Drawing, Place, length};
use super::thousands;

const WIDTH: f64 = 960.0;
const STEP_WIDTH: f64 = 330.0;
const STEP_HEIGHT: f64 = 46.0;
const GAP: f64 = 40.0;
const LEFT: f64 = 250.0;
/// The widest line, that of all runs.
const WIDEST: f64 = 22.0;

/// Draws a journey.
pub(super) fn journey(journey: &JourneyFigures) -> Drawing {
    #[expect(clippy::cast_precision_loss, reason = "at most two hundred steps")]
    let height = (STEP_HEIGHT + GAP) * journey.steps.len() as f64;
    let label = format!("Flow of runs through the journey {}", journey.name);
    let mut drawing = Drawing::new(&label, WIDTH, height);
    let arrivals = journey.steps.iter().map(|step| step.arrived);
    let most = arrivals.max().unwrap_or(1).max(1);
    // Lines come first, so that the boxes cover their ends.
    for (number, step) in journey.steps.iter().enumerate() {
        for exit in &step.exits {
            let width = (length(exit.count) / length(most) * WIDEST).max(1.0);
            let next = journey.steps.iter().position(|it| it.name == exit.next);
            match next {
                Some(next) => move_line(&mut drawing, (number, next), step, exit, width),
                None => end_line(&mut drawing, number, step, exit, width),
            }
        }
    }
    for (number, step) in journey.steps.iter().enumerate() {
        step_box(&mut drawing, number, step);
    }
    drawing
}

/// Returns the upper edge of a step.
fn top(number: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most two hundred steps")]
    let number = number as f64;
    number * (STEP_HEIGHT + GAP) + GAP / 2.0
}

/// Draws how runs went from one step to another: straight down to the next one, else around the
/// left side.
fn move_line(
    drawing: &mut Drawing,
    (from, to): (usize, usize),
    step: &StepFigures,
    exit: &ExitFigures,
    width: f64,
) {
    let count = thousands(exit.count);
    let ExitFigures { next, reason, .. } = exit;
    let title = format!("{} to {next}: {count} ({reason})", step.name);
    if to == from + 1 {
        let x = LEFT + STEP_WIDTH / 2.0;
        let (start, end) = ((x, top(from) + STEP_HEIGHT), (x, top(to)));
        drawing.curve(start, end, 0.0, width, title);
        drawing.text(
            x + 8.0 + width / 2.0,
            top(to) - GAP / 2.0 + 4.0,
            "small",
            format!("{count} {reason}"),
        );
    } else {
        let side = LEFT + 24.0;
        #[expect(clippy::cast_precision_loss, reason = "at most two hundred steps")]
        let bend = -(40.0 + 26.0 * to.abs_diff(from) as f64).min(LEFT - 20.0);
        let middle = STEP_HEIGHT / 2.0;
        let (start, end) = ((side, top(from) + middle), (side, top(to) + middle));
        drawing.curve(start, end, bend, width, title);
    }
}

/// Draws how runs ended at a step: to the right, one text for each reason, in the order of the
/// table.
fn end_line(
    drawing: &mut Drawing,
    number: usize,
    step: &StepFigures,
    exit: &ExitFigures,
    width: f64,
) {
    let mut ends = step.exits.iter().filter(|exit| exit.next.is_empty());
    let row = ends.position(|end| std::ptr::eq(end, exit)).unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "a handful of reasons")]
    let y = top(number) + 14.0 + 16.0 * row as f64;
    let x = LEFT + STEP_WIDTH;
    let count = thousands(exit.count);
    let place = Place {
        x,
        y: y - width / 2.0,
        width: 28.0,
        height: width,
    };
    let title = format!("{}: {count} runs ended ({})", step.name, exit.reason);
    drawing.rectangle(place, "end", title);
    let text = format!("{count} {}", exit.reason);
    drawing.text(x + 36.0, y + 4.0, "small", text);
}

fn step_box(drawing: &mut Drawing, number: usize, step: &StepFigures) {
    let (arrived, left, present) = (
        thousands(step.arrived),
        thousands(step.left),
        thousands(step.present),
    );
    let y = top(number);
    let place = Place {
        x: LEFT,
        y,
        width: STEP_WIDTH,
        height: STEP_HEIGHT,
    };
    let name = &step.name;
    drawing.rectangle(
        place,
        "step",
        format!("{name}: in {arrived}, out {left}, present {present}"),
    );
    drawing.text(LEFT + 12.0, y + 19.0, "strong", name);
    drawing.text(
        LEFT + 12.0,
        y + 37.0,
        "small",
        format!("{} · in {arrived} · present {present}", step.kind),
    );
}
