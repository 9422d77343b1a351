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
    let of = Texts(suffix);
    Figures {
        events: 164_539,
        customers: 2_469,
        events_by_name: vec![of.named("purchase", 3)],
        seconds: 12.0,
        events_per_second: 13_711.6,
        months: vec![
            Month {
                month: of.text("2017-01"),
                stages: vec![of.named("a", 3), of.named("b", 1)],
            },
            Month {
                month: of.text("2017-02"),
                stages: vec![of.named("a", 1), of.named("b", 7)],
            },
        ],
        map: of.map(),
        happy_path: of.happy_path(),
        segments: vec![SegmentFigures {
            name: of.text("s"),
            expression: of.text("events(\"purchase\").count() < 3"),
            members: 5,
        }],
        journey: of.journey(),
        activations: vec![ActivationFigures {
            channel: of.text("c"),
            status: of.text("delivered"),
            reason: of.text("DELIVERED"),
            count: 4,
        }],
    }
}

/// Figures whose texts end with this suffix.
struct Texts<'a>(&'a str);

impl Texts<'_> {
    fn text(&self, text: &str) -> String {
        format!("{text}{}", self.0)
    }

    fn named(&self, name: &str, count: u64) -> Named {
        Named {
            name: self.text(name),
            count,
        }
    }

    fn map(&self) -> MapFigures {
        MapFigures {
            name: self.text("m"),
            stages: vec![StageFigures {
                name: self.text("a"),
                arrived: 4,
                left: 3,
                present: 1,
            }],
            moves: vec![MoveFigures {
                from: String::new(),
                to: self.text("a"),
                count: 4,
            }],
        }
    }

    fn happy_path(&self) -> HappyPathFigures {
        HappyPathFigures {
            name: self.text("h"),
            started: 1_559,
            followed: 187,
            under_way: 3,
            milestones: vec![self.named("received", 1_559), self.named("redeemed", 191)],
            deviations: vec![DeviationFigures {
                kind: self.text("stalled"),
                milestone: self.text("redeemed"),
                count: 9,
            }],
        }
    }

    fn journey(&self) -> JourneyFigures {
        JourneyFigures {
            name: self.text("j"),
            entered: 10,
            active: 2,
            reasons: vec![self.named("COMPLETED", 8)],
            steps: vec![
                self.step("first", self.text("second")),
                self.step("second", String::new()),
            ],
        }
    }

    fn step(&self, name: &str, next: String) -> StepFigures {
        StepFigures {
            name: self.text(name),
            kind: self.text("wait_for"),
            arrived: 10,
            left: 9,
            present: 1,
            exits: vec![ExitFigures {
                next,
                reason: self.text("WAIT_TIMEOUT"),
                count: 9,
            }],
        }
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
