//! Writes compiled programs in their canonical form: texts that mean the same for reasons of
//! spelling alone are one text.
//!
//! The form is that of [`FORM`]. Whitespace, brackets, quotes and the spelling of numbers, lengths
//! of time and instants do not count; neither does the order or repetition of what `&&`, `||` and
//! `in` take, nor the direction of a comparison. Nothing else is rewritten: `!(a == b)` stays apart
//! from `a != b`, which differs where a value is missing.

use std::fmt::Write as _;

use kernel::{Duration, Timestamp, Value};

use crate::feature::{Aggregate, Feature};
use crate::program::{Compare, Item, Number, Place, Test, Text, TextTest, Time};

/// The version of the form. It is a part of every [`FeatureId`](crate::FeatureId): a new form
/// forgets what was kept.
pub(crate) const FORM: u8 = 1;

/// The precedence of a text, as the parser reads it; the loosest first.
mod binding {
    pub(super) const CHOICE: u8 = 1;
    pub(super) const ANY: u8 = 2;
    pub(super) const ALL: u8 = 3;
    pub(super) const RELATION: u8 = 4;
    pub(super) const SUM: u8 = 5;
    pub(super) const ATOM: u8 = 7;
}

/// Returns the canonical text of a condition that reads these features.
pub(crate) fn canonical(test: &Test, features: &[Feature]) -> Box<str> {
    Writer { features }.test(test).text.into()
}

/// A text in canonical form, and what must be known to put it into another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Written {
    text: String,
    binding: u8,
    /// The parts of a chain of `&&` or `||`.
    parts: Vec<Self>,
    /// Says that it is the bare name of a place that is used as a condition.
    is_bare: bool,
}

impl Written {
    fn new(text: String, binding: u8) -> Self {
        Self {
            text,
            binding,
            parts: Vec::new(),
            is_bare: false,
        }
    }

    fn atom(text: impl Into<String>) -> Self {
        Self::new(text.into(), binding::ATOM)
    }

    /// The text for where only what binds so tightly can stand.
    fn at_least(&self, binding: u8) -> String {
        if self.binding < binding {
            format!("({})", self.text)
        } else {
            self.text.clone()
        }
    }

    /// The condition for where a bare place would be read as a value.
    fn into_condition(self) -> Self {
        if self.is_bare {
            Self::new(format!("{} == true", self.text), binding::RELATION)
        } else {
            self
        }
    }
}

struct Writer<'a> {
    features: &'a [Feature],
}

impl Writer<'_> {
    fn test(&self, test: &Test) -> Written {
        match test {
            Test::Const(truth) => Written::atom(truth.to_string()),
            Test::All(tests) => self.chain(tests, binding::ALL, " && "),
            Test::Any(tests) => self.chain(tests, binding::ANY, " || "),
            Test::Not(test) => {
                Written::atom(format!("!{}", self.test(test).at_least(binding::ATOM)))
            }
            Test::Choice(parts) => choice(
                &self.test(&parts.0),
                &self.test(&parts.1).into_condition(),
                &self.test(&parts.2).into_condition(),
            ),
            Test::Truth(place) => Written {
                is_bare: true,
                ..Written::atom(place_text(place))
            },
            Test::Has(place) => Written::atom(format!("has({})", place_text(place))),
            Test::InSegment(name) => Written::atom(format!("segments.has({})", quoted(name))),
            Test::Numbers(compare, left, right) => relation(
                *compare,
                (is_constant(left), self.number(left)),
                (is_constant(right), self.number(right)),
            ),
            Test::Texts(compare, left, right) => relation(
                *compare,
                (matches!(left, Text::Const(_)), self.text(left)),
                (matches!(right, Text::Const(_)), self.text(right)),
            ),
            Test::Times(compare, left, right) => relation(
                *compare,
                (is_fixed(left), self.time(left)),
                (is_fixed(right), self.time(right)),
            ),
            Test::Values(compare, left, right) => relation(
                *compare,
                (false, Written::atom(place_text(left))),
                (false, Written::atom(place_text(right))),
            ),
            Test::Tests(equal, parts) => relation(
                equality(*equal),
                (false, self.test(&parts.0).into_condition()),
                (false, self.test(&parts.1).into_condition()),
            ),
            Test::TruthIs(equal, place, test) => {
                let operator = equality(*equal).symbol();
                let test = self.test(test).into_condition().at_least(binding::SUM);
                let text = format!("{} {operator} {test}", place_text(place));
                Written::new(text, binding::RELATION)
            }
            Test::Among(item, values) => self.among(item, &list(values)),
            Test::Within(item, place) => self.among(item, &place_text(place)),
            Test::Affix(test, text, part) => self.method(text, affix(*test), &self.text(part).text),
            Test::Matches(text, regex) => self.method(text, "matches", &quoted(regex.as_str())),
        }
    }

    /// Joins parts, each once, in the order of their texts; chains inside of chains are one.
    fn chain(&self, tests: &[Test], binding: u8, operator: &str) -> Written {
        let mut parts: Vec<Written> = Vec::with_capacity(tests.len());
        for test in tests {
            let written = self.test(test);
            if written.binding == binding {
                parts.extend(written.parts);
            } else {
                parts.push(written);
            }
        }
        parts.sort();
        parts.dedup();
        if parts.len() == 1
            && let Some(only) = parts.pop()
        {
            return only;
        }
        let texts: Vec<String> = parts.iter().map(|it| it.at_least(binding + 1)).collect();
        Written {
            parts,
            ..Written::new(texts.join(operator), binding)
        }
    }

    fn among(&self, item: &Item, list: &str) -> Written {
        let item = match item {
            Item::Place(place) => Written::atom(place_text(place)),
            Item::Number(number) => self.number(number),
            Item::Text(text) => self.text(text),
            Item::Test(test) => self.test(test).into_condition(),
        };
        let text = format!("{} in {list}", item.at_least(binding::SUM));
        Written::new(text, binding::RELATION)
    }

    fn method(&self, receiver: &Text, name: &str, argument: &str) -> Written {
        let receiver = self.text(receiver).at_least(binding::ATOM);
        Written::atom(format!("{receiver}.{name}({argument})"))
    }

    fn number(&self, number: &Number) -> Written {
        if let Some(constant) = constant(number) {
            return Written::atom(number_text(constant));
        }
        match number {
            Number::Const(number) => Written::atom(number_text(*number)),
            Number::Whole(whole) => Written::atom(whole.to_string()),
            Number::Place(place) => Written::atom(place_text(place)),
            Number::Feature(slot) => Written::atom(self.feature(*slot)),
            Number::Size(place) => Written::atom(format!("size({})", place_text(place))),
            Number::SizeOf(text) => Written::atom(format!("size({})", self.text(text).text)),
            Number::Negative(number) => {
                Written::atom(format!("-{}", self.number(number).at_least(binding::ATOM)))
            }
            Number::Arithmetic(operation, parts) => sum(
                operation.symbol(),
                &self.number(&parts.0),
                &self.number(&parts.1),
            ),
            Number::Choice(parts) => choice(
                &self.test(&parts.0),
                &self.number(&parts.1),
                &self.number(&parts.2),
            ),
        }
    }

    fn text(&self, text: &Text) -> Written {
        match text {
            Text::Const(text) => Written::atom(quoted(text)),
            Text::Place(place) => Written::atom(place_text(place)),
            Text::Choice(parts) => choice(
                &self.test(&parts.0),
                &self.text(&parts.1),
                &self.text(&parts.2),
            ),
        }
    }

    fn time(&self, time: &Time) -> Written {
        match time {
            Time::Instant(millis) => {
                let instant = Timestamp::from_millis(*millis).to_string();
                Written::atom(format!("timestamp({})", quoted(&instant)))
            }
            Time::Span(millis) => {
                let span = Duration::from_millis(*millis);
                Written::atom(format!("duration(\"{span}\")"))
            }
            Time::Now => Written::atom("now"),
            Time::FirstSeen => Written::atom("first_seen"),
            Time::LastSeen => Written::atom("last_seen"),
            Time::Feature(slot) => Written::atom(self.feature(*slot)),
            Time::Parse(text) => Written::atom(format!("timestamp({})", self.text(text).text)),
            Time::Add(parts) => sum("+", &self.time(&parts.0), &self.time(&parts.1)),
            Time::Subtract(parts) => sum("-", &self.time(&parts.0), &self.time(&parts.1)),
        }
    }

    fn feature(&self, slot: usize) -> String {
        let feature = &self.features[slot];
        let mut text = format!("events({})", quoted(&feature.event));
        if let Some(filter) = &feature.filter {
            let _ = write!(text, ".where({})", filter.canonical());
        }
        if let Some(window) = feature.window {
            let _ = write!(text, ".within(\"{window}\")");
        }
        let _ = match &feature.aggregate {
            Aggregate::Count => write!(text, ".count()"),
            Aggregate::Sum(name) => write!(text, ".sum({})", quoted(name)),
            Aggregate::Average(name) => write!(text, ".avg({})", quoted(name)),
            Aggregate::Min(name) => write!(text, ".min({})", quoted(name)),
            Aggregate::Max(name) => write!(text, ".max({})", quoted(name)),
            Aggregate::FirstTime => write!(text, ".first_time()"),
            Aggregate::LastTime => write!(text, ".last_time()"),
        };
        text
    }
}

fn choice(condition: &Written, yes: &Written, no: &Written) -> Written {
    let parts = [condition, yes, no].map(|part| part.at_least(binding::ANY));
    let [condition, yes, no] = parts;
    Written::new(format!("{condition} ? {yes} : {no}"), binding::CHOICE)
}

fn sum(operator: &str, left: &Written, right: &Written) -> Written {
    let (left, right) = (left.at_least(binding::ATOM), right.at_least(binding::ATOM));
    Written::new(format!("{left} {operator} {right}"), binding::SUM)
}

/// Writes a comparison; what is fixed stands on the right, else the greater text.
fn relation(compare: Compare, left: (bool, Written), right: (bool, Written)) -> Written {
    let flipped = compare.flipped();
    // Of one text on both sides the comparison alone is exchanged.
    let is_right = left < right || left == right && compare.symbol() <= flipped.symbol();
    let (compare, left, right) = if is_right {
        (compare, left.1, right.1)
    } else {
        (flipped, right.1, left.1)
    };
    let (left, right) = (left.at_least(binding::SUM), right.at_least(binding::SUM));
    Written::new(
        format!("{left} {} {right}", compare.symbol()),
        binding::RELATION,
    )
}

const fn equality(is_equal: bool) -> Compare {
    if is_equal {
        Compare::Equal
    } else {
        Compare::Unequal
    }
}

const fn affix(test: TextTest) -> &'static str {
    match test {
        TextTest::Contains => "contains",
        TextTest::StartsWith => "startsWith",
        TextTest::EndsWith => "endsWith",
    }
}

/// The value of a number that is written in the source, whatever its signs.
pub(crate) fn constant(number: &Number) -> Option<f64> {
    match number {
        Number::Const(number) => Some(*number),
        Number::Negative(number) => constant(number).map(|number| -number),
        _ => None,
    }
}

fn is_constant(number: &Number) -> bool {
    matches!(number, Number::Whole(_)) || constant(number).is_some()
}

const fn is_fixed(time: &Time) -> bool {
    matches!(time, Time::Instant(_) | Time::Span(_))
}

/// The shortest text that reads back as the same number; whole ones have a point, because large
/// ones need an exponent.
fn number_text(number: f64) -> String {
    // Zero has no sign here: no operation tells the two apart.
    let number = if number == 0.0 { 0.0 } else { number };
    format!("{number:?}")
}

fn place_text(place: &Place) -> String {
    let mut text = if place.is_event { "event" } else { "profile" }.to_owned();
    for key in kernel::path_keys(&place.name) {
        if is_identifier(&key) {
            let _ = write!(text, ".{key}");
        } else {
            let _ = write!(text, "[{}]", quoted(&key));
        }
    }
    text
}

fn is_identifier(part: &str) -> bool {
    part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The literals of a list, each once, in the order of their texts.
fn list(values: &[Value]) -> String {
    let literal = |value: &Value| match value {
        Value::Text(text) => quoted(text),
        Value::Number(number) => number_text(*number),
        // A list holds no lists.
        Value::Bool(_) | Value::Integer(_) | Value::List(_) | Value::Json(_) => value.to_string(),
    };
    let mut texts: Vec<String> = values.iter().map(literal).collect();
    texts.sort();
    texts.dedup();
    format!("[{}]", texts.join(", "))
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
