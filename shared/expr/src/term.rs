//! The terms of a condition, shown to people with their values.

use kernel::{Duration, Timestamp};

use crate::eval::View;
use crate::program::{Number, Place, Test, Time};
use crate::subject::Subject;

/// One term of a condition and its value for a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Its text, as in the source.
    pub text: String,
    /// Its value, for people: `true`, `2`, `"pro"`, `30d`, or `unknown`.
    pub value: String,
}

/// A term as it is compiled: the bytes of its text, and how its value is found.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) at: usize,
    pub(crate) end: usize,
    pub(crate) what: What,
}

/// The value of a term that is shown.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Test(Test),
    Number(Number),
    Instant(Time),
    Span(Time),
    Place(Place),
}

impl Shown {
    pub(crate) fn explain<S: Subject + ?Sized>(&self, view: &View<'_, S>, source: &str) -> Term {
        let value = match &self.what {
            What::Test(test) => Some(view.test(test).to_string()),
            What::Number(number) => view.amount(number).map(|number| number.to_string()),
            What::Instant(time) => view
                .time(time)
                .map(|millis| Timestamp::from_millis(millis).to_string()),
            What::Span(time) => view.time(time).map(show_span),
            What::Place(place) => view.value(place).map(ToString::to_string),
        };
        let mut value = value.unwrap_or_else(|| "unknown".to_owned());
        if let Some(remark) = self.feature().and_then(|slot| view.remark(slot)) {
            value = format!("{value} ({remark})");
        }
        Term {
            text: source.get(self.at..self.end).unwrap_or_default().to_owned(),
            value,
        }
    }

    /// The feature that it shows, where it shows nothing else.
    fn feature(&self) -> Option<usize> {
        match &self.what {
            What::Number(Number::Feature(slot)) | What::Instant(Time::Feature(slot)) => Some(*slot),
            What::Span(Time::Subtract(parts)) => match &**parts {
                (Time::Now, Time::Feature(slot)) => Some(*slot),
                _ => None,
            },
            _ => None,
        }
    }
}

fn show_span(millis: i64) -> String {
    let span = Duration::from_millis(millis.saturating_abs());
    format!("{}{span}", if millis < 0 { "-" } else { "" })
}
