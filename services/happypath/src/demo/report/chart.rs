//! Bars: stages by month, and the happy path as a funnel.

use super::super::figures::{HappyPathFigures, Month};
use super::drawing::{Drawing, Place, length};
use super::{share, thousands};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 300.0;
const LABELS: f64 = 28.0;
/// Colours of the style sheet, used in turn.
pub(super) const COLOURS: usize = 6;

/// Draws one stacked bar a month, a colour a stage.
pub(super) fn months(months: &[Month]) -> Drawing {
    let most = months
        .iter()
        .map(|month| month.stages.iter().map(|stage| stage.count).sum::<u64>())
        .max()
        .unwrap_or(0);
    let scale = (HEIGHT - LABELS) / length(most.max(1));
    #[expect(clippy::cast_precision_loss, reason = "a dozen months")]
    let step = WIDTH / months.len() as f64;
    let label = "Customers in each stage at the end of each month";
    let mut drawing = Drawing::new(label, WIDTH, HEIGHT);
    let mut x = 0.0;
    for month in months {
        let mut y = HEIGHT - LABELS;
        for (number, stage) in month.stages.iter().enumerate() {
            let height = length(stage.count) * scale;
            y -= height;
            let count = thousands(stage.count);
            let place = Place {
                x: x + 4.0,
                y,
                width: step - 8.0,
                height,
            };
            drawing.rectangle(
                place,
                &format!("c{}", number % COLOURS),
                format!("{}, {}: {count}", month.month, stage.name),
            );
        }
        let middle = x + step / 2.0;
        drawing.text(middle, HEIGHT - 8.0, "middle small", &month.month);
        x += step;
    }
    drawing
}

/// Draws one bar a milestone, as long as many customers reached it.
pub(super) fn funnel(path: &HappyPathFigures) -> Drawing {
    const BAR: f64 = 44.0;
    const NAMES: f64 = 300.0;
    #[expect(clippy::cast_precision_loss, reason = "at most twenty milestones")]
    let height = BAR * path.milestones.len() as f64;
    let label = "Customers who reached each milestone of the happy path";
    let mut drawing = Drawing::new(label, WIDTH, height);
    let mut y = 0.0;
    for milestone in &path.milestones {
        let width = (WIDTH - NAMES) * length(milestone.count) / length(path.started.max(1));
        let part = share(milestone.count, path.started);
        let count = format!("{} customers, {part}", thousands(milestone.count));
        let title = format!("{}: {count} of those who began", milestone.name);
        drawing.text(0.0, y + 18.0, "strong", &milestone.name);
        drawing.text(0.0, y + 35.0, "small", count);
        let place = Place {
            x: NAMES,
            y: y + 6.0,
            width: width.max(2.0),
            height: BAR - 12.0,
        };
        drawing.rectangle(place, "c0", title);
        y += BAR;
    }
    drawing
}
