//! The program of a formula: a tree that is evaluated without a look at the source.

use regex_lite::Regex;

use crate::ast::Step;
use crate::condition::Type;
use crate::program::{Arithmetic, Compare};

/// The name that a path begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Root {
    Item,
    Body,
    Headers,
}

/// One part of a formula.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// A mistake that was reported.
    Error,
    Bool(bool),
    Number(f64),
    /// A whole number that no double holds.
    Whole(i128),
    Text(Box<str>),
    /// A length of time, in milliseconds.
    Span(i64),
    List(Box<[Part]>),
    Path(Root, Box<[Step]>),
    Element(Box<Part>, u32),
    Not(Box<Part>),
    Negative(Box<Part>),
    All(Box<[Part]>),
    Any(Box<[Part]>),
    Compare(Compare, Box<(Part, Part)>),
    Among(Box<(Part, Part)>),
    Arithmetic(Arithmetic, Box<(Part, Part)>),
    Choice(Box<(Part, Part, Part)>),
    Matches(Box<Part>, Box<Regex>),
    Call(Function, Box<[Part]>),
}

/// A function, or a method with its receiver as the first argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Has,
    Size,
    Coalesce,
    String,
    Int,
    Double,
    Timestamp,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    UpperAscii,
    Trim,
    Split,
    Replace,
}

impl Function {
    /// The functions, by name.
    pub(super) const FUNCTIONS: [(&str, Self); 7] = [
        ("has", Self::Has),
        ("size", Self::Size),
        ("coalesce", Self::Coalesce),
        ("string", Self::String),
        ("int", Self::Int),
        ("double", Self::Double),
        ("timestamp", Self::Timestamp),
    ];

    /// The methods, by name.
    pub(super) const METHODS: [(&str, Self); 9] = [
        ("size", Self::Size),
        ("contains", Self::Contains),
        ("startsWith", Self::StartsWith),
        ("endsWith", Self::EndsWith),
        ("lowerAscii", Self::LowerAscii),
        ("upperAscii", Self::UpperAscii),
        ("trim", Self::Trim),
        ("split", Self::Split),
        ("replace", Self::Replace),
    ];

    /// The number of its arguments, receiver included; none where it takes any.
    pub(super) const fn arity(self) -> Option<usize> {
        match self {
            Self::Coalesce => None,
            Self::Has
            | Self::Size
            | Self::String
            | Self::Int
            | Self::Double
            | Self::Timestamp
            | Self::LowerAscii
            | Self::UpperAscii
            | Self::Trim => Some(1),
            Self::Contains | Self::StartsWith | Self::EndsWith | Self::Split => Some(2),
            Self::Replace => Some(3),
        }
    }

    /// Returns whether it takes texts only.
    pub(super) const fn is_of_texts(self) -> bool {
        matches!(
            self,
            Self::Contains
                | Self::StartsWith
                | Self::EndsWith
                | Self::LowerAscii
                | Self::UpperAscii
                | Self::Trim
                | Self::Split
                | Self::Replace
        )
    }

    /// The type of its result.
    const fn kind(self) -> Type {
        match self {
            Self::Has | Self::Contains | Self::StartsWith | Self::EndsWith => Type::Bool,
            Self::Size | Self::Int | Self::Double => Type::Number,
            Self::String | Self::LowerAscii | Self::UpperAscii | Self::Trim | Self::Replace => {
                Type::Text
            }
            Self::Timestamp => Type::Timestamp,
            Self::Split => Type::List,
            Self::Coalesce => Type::Any,
        }
    }
}

impl Part {
    /// The type of its value, as far as the source tells.
    pub(super) fn kind(&self) -> Type {
        match self {
            Self::Bool(_)
            | Self::Not(_)
            | Self::All(_)
            | Self::Any(_)
            | Self::Compare(..)
            | Self::Among(_)
            | Self::Matches(..) => Type::Bool,
            Self::Number(_) | Self::Whole(_) | Self::Negative(_) => Type::Number,
            Self::Path(Root::Headers, _) | Self::Text(_) => Type::Text,
            Self::Span(_) => Type::Duration,
            Self::List(_) => Type::List,
            Self::Error | Self::Path(..) | Self::Element(..) => Type::Any,
            Self::Arithmetic(operation, sides) => {
                kind_of_result(*operation, sides.0.kind(), sides.1.kind()).unwrap_or(Type::Any)
            }
            Self::Choice(parts) => common(parts.1.kind(), parts.2.kind()),
            Self::Call(Function::Coalesce, arguments) => {
                let kinds = arguments.iter().map(Self::kind);
                kinds.reduce(common).unwrap_or(Type::Any)
            }
            Self::Call(function, _) => function.kind(),
        }
    }
}

/// The type of a value that is of one of two types.
fn common(one: Type, other: Type) -> Type {
    if one == other { one } else { Type::Any }
}

/// The type of the result of an operation; none where it is for no values of these types.
pub(super) fn kind_of_result(operation: Arithmetic, left: Type, right: Type) -> Option<Type> {
    use Arithmetic::{Add, Subtract};
    use Type::{Any, Duration, Number, Text, Timestamp};
    let result = match (operation, left, right) {
        (Add | Subtract, Any, Any) => Any,
        (_, Number | Any, Number | Any) => Number,
        (Add, Text | Any, Text | Any) => Text,
        (Add, Timestamp, Duration | Any)
        | (Add, Duration, Timestamp)
        | (Subtract, Timestamp, Duration) => Timestamp,
        (Add | Subtract, Duration, Duration) | (Subtract, Timestamp, Timestamp) => Duration,
        (Add | Subtract, Duration | Any, Any | Duration) | (Subtract, Timestamp, Any) => Any,
        (Add | Subtract, Any, Timestamp) => Any,
        _ => return None,
    };
    Some(result)
}
