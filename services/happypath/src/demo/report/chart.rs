//! Bars: stages by month, and the happy path as a funnel.

use super::super::figures::{HappyPathFigures, Month};
use super::svg::{Drawing, length, thousands};
use super::{share, table};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 300.0;
const LABELS: f64 = 28.0;
/// Colours of the style sheet, used in turn.
const COLOURS: usize = 6;

/// One stacked bar a month, a colour a stage, and the same figures as a table.
pub(super) fn months(months: &[Month]) -> String {
    let Some(last) = months.last() else {
        return "<p>No month was played.</p>".to_owned();
    };
    let most = months
        .iter()
        .map(|month| month.stages.iter().map(|stage| stage.count).sum::<u64>())
        .max()
        .unwrap_or(0);
    let scale = (HEIGHT - LABELS) / length(most.max(1));
    #[expect(clippy::cast_precision_loss, reason = "a dozen months")]
    let step = WIDTH / months.len() as f64;
    let mut drawing = Drawing::new(WIDTH, HEIGHT);
    let mut x = 0.0;
    for month in months {
        let mut y = HEIGHT - LABELS;
        for (place, stage) in month.stages.iter().enumerate() {
            let height = length(stage.count) * scale;
            y -= height;
            let title = format!(
                "{}, {}: {}",
                month.month,
                stage.name,
                thousands(stage.count)
            );
            drawing.rectangle(
                x + 4.0,
                y,
                step - 8.0,
                height,
                &format!("c{}", place % COLOURS),
                &title,
            );
        }
        drawing.text(x + step / 2.0, HEIGHT - 8.0, "middle small", &month.month);
        x += step;
    }
    let legend: String = last
        .stages
        .iter()
        .enumerate()
        .map(|(place, stage)| {
            format!(
                "<li><i class=\"c{}\"></i>{}</li>",
                place % COLOURS,
                stage.name
            )
        })
        .collect();
    let mut header = vec!["month"];
    header.extend(last.stages.iter().map(|stage| stage.name.as_str()));
    let rows = months.iter().map(|month| {
        let counts = month.stages.iter().map(|stage| thousands(stage.count));
        std::iter::once(month.month.clone()).chain(counts).collect()
    });
    format!(
        "<ul class=\"legend\">{legend}</ul>{}<details><summary>The figures</summary>{}</details>",
        drawing.finish("Customers in each stage at the end of each month"),
        table(&header, 1, rows)
    )
}

/// One bar a milestone, as long as many customers reached it.
pub(super) fn funnel(path: &HappyPathFigures) -> String {
    const BAR: f64 = 44.0;
    const NAMES: f64 = 300.0;
    #[expect(clippy::cast_precision_loss, reason = "at most twenty milestones")]
    let mut drawing = Drawing::new(WIDTH, BAR * path.milestones.len() as f64);
    let mut y = 0.0;
    for milestone in &path.milestones {
        let width = (WIDTH - NAMES) * length(milestone.count) / length(path.started.max(1));
        let part = share(milestone.count, path.started);
        let count = format!("{} customers, {part}", thousands(milestone.count));
        let title = format!("{}: {count} of those who began", milestone.name);
        drawing.text(0.0, y + 18.0, "strong", &milestone.name);
        drawing.text(0.0, y + 35.0, "small", &count);
        drawing.rectangle(NAMES, y + 6.0, width.max(2.0), BAR - 12.0, "c0", &title);
        y += BAR;
    }
    drawing.finish("Customers who reached each milestone of the happy path")
}
