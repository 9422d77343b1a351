//! The report against figures that hold every kind of text.

use super::*;
use crate::demo::figures::{
    ActivationFigures, DeviationFigures, ExitFigures, HappyPathFigures, JourneyFigures, MapFigures,
    Month, MoveFigures, Named, SegmentFigures, StageFigures, StepFigures,
};

/// Renders figures whose every text ends with a suffix.
fn rendered(suffix: &str) -> String {
    html(&figures(suffix)).expect("the templates fit the figures")
}

fn figures(suffix: &str) -> Figures {
    let text = |text: &str| format!("{text}{suffix}");
    let named = |name: &str, count: u64| Named {
        name: text(name),
        count,
    };
    let step = |name: &str, next: &str| StepFigures {
        name: text(name),
        kind: text("wait_for"),
        arrived: 10,
        left: 9,
        present: 1,
        exits: vec![ExitFigures {
            next: if next.is_empty() {
                String::new()
            } else {
                text(next)
            },
            reason: text("WAIT_TIMEOUT"),
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
                month: text("2017-01"),
                stages: vec![named("a", 3), named("b", 1)],
            },
            Month {
                month: text("2017-02"),
                stages: vec![named("a", 1), named("b", 7)],
            },
        ],
        map: MapFigures {
            name: text("m"),
            stages: vec![StageFigures {
                name: text("a"),
                arrived: 4,
                left: 3,
                present: 1,
            }],
            moves: vec![MoveFigures {
                from: String::new(),
                to: text("a"),
                count: 4,
            }],
        },
        happy_path: HappyPathFigures {
            name: text("h"),
            started: 1_559,
            followed: 187,
            under_way: 3,
            milestones: vec![named("received", 1_559), named("redeemed", 191)],
            deviations: vec![DeviationFigures {
                kind: text("stalled"),
                milestone: text("redeemed"),
                count: 9,
            }],
        },
        segments: vec![SegmentFigures {
            name: text("s"),
            expression: text("events(\"purchase\").count() < 3"),
            members: 5,
        }],
        journey: JourneyFigures {
            name: text("j"),
            entered: 10,
            active: 2,
            reasons: vec![named("COMPLETED", 8)],
            steps: vec![step("first", "second"), step("second", "")],
        },
        activations: vec![ActivationFigures {
            channel: text("c"),
            status: text("delivered"),
            reason: text("DELIVERED"),
            count: 4,
        }],
    }
}

#[test]
fn the_report_stands_alone() {
    let html = rendered("");
    for outside in ["http://", "https://", "<script", "url(", "@import", "<link"] {
        assert!(!html.contains(outside), "{outside}");
    }
}

#[test]
fn texts_of_users_are_escaped() {
    assert!(rendered("").contains("events(&quot;purchase&quot;).count() &lt; 3"));
}

#[test]
fn markup_in_names_is_shown_as_text() {
    const MARKUP: &str =
        "</title></text></style><script>alert('x')</script>\" onload=\"y\" &{{ 1 }}";
    const SHOWN: &str = "&lt;&#x2f;title&gt;&lt;&#x2f;text&gt;&lt;&#x2f;style&gt;&lt;script&gt;alert(&#x27;x&#x27;)\
                         &lt;&#x2f;script&gt;&quot; onload=&quot;y&quot; &amp;{{ 1 }}";
    let html = rendered(MARKUP);
    assert!(!html.contains("<script"), "{html}");
    assert!(!html.contains("onload=\""), "{html}");
    for (place, text) in [
        ("a segment's name", format!("<td>s{SHOWN}</td>")),
        ("a stage in the legend", format!("</i>b{SHOWN}</li>")),
        (
            "a stage over a column",
            format!("<th class=\"number\">b{SHOWN}</th>"),
        ),
        ("a month in a drawing", format!(">2017-02{SHOWN}</text>")),
        (
            "a title in a drawing",
            format!("<title>first{SHOWN}: in 10, out 9, present 1</title>"),
        ),
        ("a label", format!("journey j{SHOWN}\">")),
    ] {
        assert!(html.contains(&text), "{place}: {html}");
    }
    // Nothing is lost or added beside the texts: the page has the same elements.
    let elements = |html: &str| html.matches('<').count();
    assert_eq!(elements(&html), elements(&rendered("")));
}

#[test]
fn every_figure_is_there() {
    let html = rendered("");
    for text in [
        "164,539",
        "1,559",
        "187",
        "13712",
        "12.0 s",
        "WAIT_TIMEOUT",
        "2017-02",
        "stalled",
        "(outside)",
        "0.6 %",
    ] {
        assert!(html.contains(text), "{text}");
    }
}

#[test]
fn a_year_that_was_not_played_has_a_report_too() {
    let mut figures = figures("");
    figures.months.clear();
    figures.journey.steps.clear();
    figures.happy_path.milestones.clear();
    let html = html(&figures).expect("the templates fit the figures");
    assert!(html.contains("No month was played."));
    assert!(html.contains("The journey has no steps yet."));
}

#[test]
fn counts_are_grouped() {
    for (count, text) in [
        (0, "0"),
        (999, "999"),
        (1_000, "1,000"),
        (1_234_567, "1,234,567"),
    ] {
        assert_eq!(thousands(count), text);
    }
}

#[test]
fn shares_of_nothing_are_none() {
    assert_eq!(
        (share(1, 0), share(1, 3)),
        ("–".to_owned(), "33.3 %".to_owned())
    );
}
