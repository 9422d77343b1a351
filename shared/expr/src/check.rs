//! The static type checker, which compiles as it goes: from the syntax tree to typed programs,
//! features and reads.

mod name;

use kernel::Value;

use crate::ast::{Dialect, NodeId, Syntax, Tree};
use crate::condition::{Reads, Scope, Type};
use crate::feature::Feature;
use crate::lexer::tokenize;
use crate::limits;
use crate::mistake::{Mistake, Mistakes, check_length};
use crate::parser::parse;
use crate::program::{Number, Test, Text, Time, Typed};
use crate::term::{Shown, What};

/// A checked expression.
pub(crate) struct Checked {
    pub(crate) kind: Type,
    pub(crate) test: Test,
    pub(crate) features: Vec<Feature>,
    pub(crate) reads: Reads,
    pub(crate) clocks: Vec<(Time, Time)>,
    pub(crate) terms: Vec<Shown>,
}

/// Checks a source; where `is_condition`, it must be one.
pub(crate) fn check(
    source: &str,
    scope: &Scope,
    is_condition: bool,
) -> Result<Checked, Vec<Mistake>> {
    check_length(source, ": move a part into a segment of its own")?;
    let mut mistakes = Mistakes::default();
    let tokens = tokenize(source, &mut mistakes);
    let (tree, root) = parse(&tokens, Dialect::Condition, &mut mistakes);
    let mut checker = Checker {
        tree: &tree,
        scope,
        mistakes,
        features: Vec::new(),
        reads: Reads::default(),
        clocks: Vec::new(),
        terms: Vec::new(),
        filter: None,
    };
    let typed = checker.typed(root);
    let kind = typed.kind();
    let test = if is_condition {
        checker.as_condition(root, typed)
    } else {
        Test::Const(false)
    };
    checker.mistakes.into_result(source)?;
    let mut terms = checker.terms;
    terms.sort_by_key(|term| (term.at, std::cmp::Reverse(term.end)));
    terms.dedup_by_key(|term| (term.at, term.end));
    Ok(Checked {
        kind,
        test,
        features: checker.features,
        reads: checker.reads,
        clocks: checker.clocks,
        terms,
    })
}

/// The state of a check.
pub(crate) struct Checker<'c> {
    pub(crate) tree: &'c Tree,
    pub(crate) scope: &'c Scope,
    pub(crate) mistakes: Mistakes,
    pub(crate) features: Vec<Feature>,
    pub(crate) reads: Reads,
    pub(crate) clocks: Vec<(Time, Time)>,
    pub(crate) terms: Vec<Shown>,
    /// Inside `where(…)`: the properties of the past event that are read there.
    pub(crate) filter: Option<Vec<Box<str>>>,
}

impl Checker<'_> {
    /// Checks a node of any type.
    pub(crate) fn typed(&mut self, id: NodeId) -> Typed {
        let node = self.tree.node(id);
        match &node.kind {
            // Conditions have none of the last two.
            Syntax::Error | Syntax::Walk { .. } | Syntax::Element { .. } => Typed::Error,
            Syntax::Bool(truth) => Typed::Test(Test::Const(*truth)),
            Syntax::Number(number) => Typed::Number(Number::Const(*number)),
            Syntax::Whole(whole) => Typed::Number(Number::Whole(*whole)),
            Syntax::Text(text) => Typed::Text(Text::Const(text.clone())),
            Syntax::List(items) => self.list(id, items),
            Syntax::Path { root, rest } => self.path(id, root, rest.as_deref()),
            Syntax::Call { .. } => self.call(id),
            Syntax::Not(inner) => Typed::Test(Test::Not(Box::new(self.test(*inner)))),
            Syntax::Negative(inner) => match self.number(*inner, "`-`") {
                Some(number) => Typed::Number(Number::Negative(Box::new(number))),
                None => Typed::Error,
            },
            Syntax::All(parts) => {
                let tests = parts.iter().map(|part| self.test(*part)).collect();
                Typed::Test(Test::All(tests))
            }
            Syntax::Any(parts) => {
                let tests = parts.iter().map(|part| self.test(*part)).collect();
                Typed::Test(Test::Any(tests))
            }
            Syntax::Binary {
                operator,
                operator_at,
                left,
                right,
            } => self.binary(id, operator, *operator_at, *left, *right),
            Syntax::Choice { condition, yes, no } => self.choice(id, *condition, *yes, *no),
        }
    }

    /// Checks a node that must be a condition.
    pub(crate) fn test(&mut self, id: NodeId) -> Test {
        let typed = self.typed(id);
        self.as_condition(id, typed)
    }

    fn as_condition(&mut self, id: NodeId, typed: Typed) -> Test {
        match typed {
            Typed::Test(test) => test,
            Typed::Place(place) => Test::Truth(place),
            Typed::Error => Test::Const(false),
            other => {
                let hint = match other {
                    Typed::Number(_) => ": compare it, as in `… > 0`",
                    Typed::Span(_) => ": compare it, as in `… > duration(\"30d\")`",
                    _ => "",
                };
                self.mistake(
                    id,
                    format!(
                        "expected a condition (true or false), found {}{hint}",
                        other.describe()
                    ),
                );
                Test::Const(false)
            }
        }
    }

    /// Checks a node that must be a number; `user` says what needs it.
    pub(crate) fn number(&mut self, id: NodeId, user: &str) -> Option<Number> {
        match self.typed(id) {
            Typed::Number(number) => Some(number),
            Typed::Place(place) => Some(Number::Place(place)),
            Typed::Error => None,
            other => {
                self.mistake(
                    id,
                    format!("{user} needs a number, found {}", other.describe()),
                );
                None
            }
        }
    }

    /// Checks a node that must be a text; `user` says what needs it.
    pub(crate) fn text(&mut self, id: NodeId, user: &str) -> Option<Text> {
        match self.typed(id) {
            Typed::Text(text) => Some(text),
            Typed::Place(place) => Some(Text::Place(place)),
            Typed::Error => None,
            other => {
                self.mistake(
                    id,
                    format!("{user} needs a text, found {}", other.describe()),
                );
                None
            }
        }
    }

    fn list(&mut self, id: NodeId, items: &[NodeId]) -> Typed {
        if items.len() > limits::LIST_LITERALS {
            self.mistake(
                id,
                format!("a list has at most {} literals", limits::LIST_LITERALS),
            );
            return Typed::Error;
        }
        let mut values: Vec<Value> = Vec::with_capacity(items.len());
        for item in items {
            let value = match &self.tree.node(*item).kind {
                Syntax::Text(text) => Value::Text(text.clone()),
                Syntax::Number(number) => Value::from(*number),
                Syntax::Whole(whole) => Value::from(*whole),
                Syntax::Bool(truth) => Value::Bool(*truth),
                Syntax::Error => return Typed::Error,
                _ => {
                    self.mistake(
                        *item,
                        "a list holds literals only, such as [\"FI\", \"SE\"]",
                    );
                    return Typed::Error;
                }
            };
            if let Some(first) = values.first()
                && !is_of_one_type(first, &value)
            {
                self.mistake(*item, "the literals of a list are all of one type");
                return Typed::Error;
            }
            values.push(value);
        }
        Typed::List(values)
    }

    fn choice(&mut self, id: NodeId, condition: NodeId, yes: NodeId, no: NodeId) -> Typed {
        let condition = self.test(condition);
        match (self.typed(yes), self.typed(no)) {
            (Typed::Error, _) | (_, Typed::Error) => Typed::Error,
            (Typed::Test(yes), Typed::Test(no)) => {
                Typed::Test(Test::Choice(Box::new((condition, yes, no))))
            }
            (Typed::Test(yes), Typed::Place(no)) => {
                Typed::Test(Test::Choice(Box::new((condition, yes, Test::Truth(no)))))
            }
            (Typed::Place(yes), Typed::Test(no)) => {
                Typed::Test(Test::Choice(Box::new((condition, Test::Truth(yes), no))))
            }
            (Typed::Number(yes), Typed::Number(no)) => {
                Typed::Number(Number::Choice(Box::new((condition, yes, no))))
            }
            (Typed::Number(yes), Typed::Place(no)) => Typed::Number(Number::Choice(Box::new((
                condition,
                yes,
                Number::Place(no),
            )))),
            (Typed::Place(yes), Typed::Number(no)) => Typed::Number(Number::Choice(Box::new((
                condition,
                Number::Place(yes),
                no,
            )))),
            (Typed::Text(yes), Typed::Text(no)) => {
                Typed::Text(Text::Choice(Box::new((condition, yes, no))))
            }
            (Typed::Text(yes), Typed::Place(no)) => {
                Typed::Text(Text::Choice(Box::new((condition, yes, Text::Place(no)))))
            }
            (Typed::Place(yes), Typed::Text(no)) => {
                Typed::Text(Text::Choice(Box::new((condition, Text::Place(yes), no))))
            }
            (yes, no) => {
                let (yes, no) = (yes.describe(), no.describe());
                self.mistake(
                    id,
                    format!("a choice is between two conditions, two numbers or two texts, found {yes} and {no}"),
                );
                Typed::Error
            }
        }
    }

    /// Records a term for explanations; the inside of a filter has no value of its own.
    pub(crate) fn show(&mut self, id: NodeId, what: What) {
        if self.filter.is_none() {
            let node = self.tree.node(id);
            self.terms.push(Shown {
                at: node.at,
                end: node.end,
                what,
            });
        }
    }

    /// Adds a mistake at a node.
    pub(crate) fn mistake(&mut self, id: NodeId, message: impl Into<String>) {
        self.mistakes.add(self.tree.node(id).at, message);
    }
}

impl Typed {
    /// Its type, in words.
    pub(crate) const fn describe(&self) -> &'static str {
        match self {
            Self::Error => "a mistake",
            Self::Test(_) => "a condition",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Instant(_) => "a timestamp",
            Self::Span(_) => "a duration",
            Self::Place(_) => "a trait or property",
            Self::List(_) => "a list",
        }
    }

    const fn kind(&self) -> Type {
        match self {
            Self::Error | Self::Test(_) => Type::Bool,
            Self::Number(_) => Type::Number,
            Self::Text(_) => Type::Text,
            Self::Instant(_) => Type::Timestamp,
            Self::Span(_) => Type::Duration,
            Self::Place(_) => Type::Any,
            Self::List(_) => Type::List,
        }
    }
}

/// Returns whether two literals are both texts, numbers or truth values.
fn is_of_one_type(first: &Value, second: &Value) -> bool {
    first.as_amount().is_some() && second.as_amount().is_some()
        || std::mem::discriminant(first) == std::mem::discriminant(second)
}
