//! The program of an expression: typed trees that are evaluated without a look at types or the
//! source.
//!
//! A missing value is `None` on the way up and makes the comparison that meets it false.

use std::cmp::Ordering;
use std::sync::Arc;

use kernel::Value;
use regex_lite::Regex;

/// A condition: true or false, never unknown.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Const(bool),
    All(Box<[Test]>),
    Any(Box<[Test]>),
    Not(Box<Test>),
    Choice(Box<(Test, Test, Test)>),
    /// A value used as a condition: it holds where the value is `true`.
    Truth(Place),
    Has(Place),
    InSegment(Box<str>),
    Numbers(Compare, Number, Number),
    Texts(Compare, Text, Text),
    Times(Compare, Time, Time),
    Values(Compare, Place, Place),
    /// Compares two conditions; `true` where they must be equal.
    Tests(bool, Box<(Test, Test)>),
    /// Compares a value with a condition.
    TruthIs(bool, Place, Box<Test>),
    /// Asks whether a list of literals has the item.
    Among(Item, Box<[Value]>),
    /// Asks whether a list in the profile or event has the item.
    Within(Item, Place),
    Affix(TextTest, Text, Text),
    Matches(Text, Arc<Regex>),
}

/// A comparison of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// A question about two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

/// A value that the subject knows by name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    pub(crate) is_event: bool,
    pub(crate) name: Box<str>,
}

/// A number, if it is known.
#[derive(Debug, Clone)]
pub(crate) enum Number {
    Const(f64),
    /// A whole number that no double holds.
    Whole(i128),
    Place(Place),
    Feature(usize),
    Size(Place),
    SizeOf(Text),
    Negative(Box<Number>),
    Arithmetic(Arithmetic, Box<(Number, Number)>),
    Choice(Box<(Test, Number, Number)>),
}

/// An operation on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// A text, if it is known.
#[derive(Debug, Clone)]
pub(crate) enum Text {
    Const(Box<str>),
    Place(Place),
    Choice(Box<(Test, Text, Text)>),
}

/// An instant or a length of time in milliseconds, if it is known.
#[derive(Debug, Clone)]
pub(crate) enum Time {
    /// A fixed instant.
    Instant(i64),
    /// A fixed length of time.
    Span(i64),
    Now,
    FirstSeen,
    LastSeen,
    Feature(usize),
    Parse(Box<Text>),
    Add(Box<(Time, Time)>),
    Subtract(Box<(Time, Time)>),
}

/// Something looked for in a list.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Place(Place),
    Number(Number),
    Text(Text),
    Test(Box<Test>),
}

/// A compiled expression of any type.
#[derive(Debug, Clone)]
pub(crate) enum Typed {
    /// A mistake that was reported.
    Error,
    Test(Test),
    Number(Number),
    Text(Text),
    Instant(Time),
    Span(Time),
    /// A value whose type is known only when it is read.
    Place(Place),
    List(Vec<Value>),
}

impl Compare {
    /// The comparison of an operator.
    pub(crate) fn of(operator: &str) -> Option<Self> {
        Some(match operator {
            "==" => Self::Equal,
            "!=" => Self::Unequal,
            "<" => Self::Less,
            "<=" => Self::AtMost,
            ">" => Self::More,
            ">=" => Self::AtLeast,
            _ => return None,
        })
    }

    /// The operator, as the canonical form writes it.
    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        }
    }

    /// The comparison that says the same with its sides exchanged.
    pub(crate) const fn flipped(self) -> Self {
        match self {
            Self::Equal | Self::Unequal => self,
            Self::Less => Self::More,
            Self::AtMost => Self::AtLeast,
            Self::More => Self::Less,
            Self::AtLeast => Self::AtMost,
        }
    }

    /// Returns whether it is one of order, not of equality.
    pub(crate) fn is_order(self) -> bool {
        !matches!(self, Self::Equal | Self::Unequal)
    }

    /// Returns whether it holds for two values in this order.
    pub(crate) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::More => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

impl TextTest {
    /// Returns whether it holds.
    pub(crate) fn holds(self, text: &str, part: &str) -> bool {
        match self {
            Self::Contains => text.contains(part),
            Self::StartsWith => text.starts_with(part),
            Self::EndsWith => text.ends_with(part),
        }
    }
}

impl Arithmetic {
    /// The operation of an operator.
    pub(crate) fn of(operator: &str) -> Option<Self> {
        Some(match operator {
            "+" => Self::Add,
            "-" => Self::Subtract,
            "*" => Self::Multiply,
            "/" => Self::Divide,
            "%" => Self::Remainder,
            _ => return None,
        })
    }

    /// The operator, as the canonical form writes it.
    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }

    /// The result; none where it is no finite number.
    pub(crate) fn apply(self, left: f64, right: f64) -> Option<f64> {
        let result = match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Remainder => left % right,
        };
        result.is_finite().then_some(result)
    }
}

impl Time {
    /// Returns the milliseconds by which it grows in one, while nothing happens.
    pub(crate) fn slope(&self) -> i64 {
        match self {
            Self::Now => 1,
            Self::Instant(_)
            | Self::Span(_)
            | Self::FirstSeen
            | Self::LastSeen
            | Self::Feature(_)
            | Self::Parse(_) => 0,
            Self::Add(parts) => parts.0.slope() + parts.1.slope(),
            Self::Subtract(parts) => parts.0.slope() - parts.1.slope(),
        }
    }
}
