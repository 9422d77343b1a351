//! Checks a formula and compiles it as it goes: from the syntax tree to the program.
//!
//! Values of documents have any type, so that little is known before they come: what can be right
//! for no value is a mistake, and what is wrong for one is unknown.

use crate::ast::{Dialect, NodeId, Step, Syntax, Tree};
use crate::condition::Type;
use crate::lexer::tokenize;
use crate::limits;
use crate::mistake::{Mistake, Mistakes, check_length, did_you_mean, quote};
use crate::parser::parse;
use crate::program::{Arithmetic, Compare};

use super::program::{Part, Root, kind_of_result};

/// The names that a path may begin with.
const ROOTS: [&str; 3] = ["item", "body", "headers"];

/// Checks a source, and returns its program with the headers that it reads.
pub(super) fn check(source: &str) -> Result<(Part, Vec<Box<str>>), Vec<Mistake>> {
    check_length(source, "")?;
    let mut mistakes = Mistakes::default();
    let tokens = tokenize(source, &mut mistakes);
    let (tree, root) = parse(&tokens, Dialect::Formula, &mut mistakes);
    let mut checker = Checker {
        tree: &tree,
        mistakes,
        headers: Vec::new(),
    };
    let part = checker.part(root);
    checker.mistakes.into_result(source)?;
    Ok((part, checker.headers))
}

/// The state of a check.
pub(super) struct Checker<'c> {
    pub(super) tree: &'c Tree,
    mistakes: Mistakes,
    /// The headers that are read.
    headers: Vec<Box<str>>,
}

impl Checker<'_> {
    /// Compiles a node.
    pub(super) fn part(&mut self, id: NodeId) -> Part {
        let tree = self.tree;
        match &tree.node(id).kind {
            // Formulas have no such paths.
            Syntax::Error | Syntax::Path { .. } => Part::Error,
            Syntax::Bool(truth) => Part::Bool(*truth),
            Syntax::Number(number) => Part::Number(*number),
            Syntax::Whole(whole) => Part::Whole(*whole),
            Syntax::Text(text) => Part::Text(text.clone()),
            Syntax::List(items) => self.list(id, items),
            Syntax::Walk { root, steps } => self.path(id, root, steps),
            Syntax::Element { of, place } => {
                let list = self.of_type(*of, Type::List, "a place in brackets");
                Part::Element(Box::new(list), *place)
            }
            Syntax::Call {
                receiver,
                name,
                name_at,
                arguments,
            } => self.call(id, *receiver, name, *name_at, arguments),
            Syntax::Not(inner) => Part::Not(Box::new(self.condition(*inner))),
            Syntax::Negative(inner) => {
                let number = self.of_type(*inner, Type::Number, "`-`");
                Part::Negative(Box::new(number))
            }
            Syntax::All(parts) => {
                Part::All(parts.iter().map(|part| self.condition(*part)).collect())
            }
            Syntax::Any(parts) => {
                Part::Any(parts.iter().map(|part| self.condition(*part)).collect())
            }
            Syntax::Binary {
                operator,
                operator_at,
                left,
                right,
            } => self.binary(operator, *operator_at, *left, *right),
            Syntax::Choice { condition, yes, no } => {
                let condition = self.condition(*condition);
                Part::Choice(Box::new((condition, self.part(*yes), self.part(*no))))
            }
        }
    }

    /// Compiles a node that must be a condition.
    fn condition(&mut self, id: NodeId) -> Part {
        let part = self.part(id);
        let kind = part.kind();
        if !matches!(kind, Type::Bool | Type::Any) {
            let found = describe(kind);
            let text = format!("expected a condition (true or false), found {found}");
            self.mistake(id, text);
            return Part::Error;
        }
        part
    }

    /// Compiles a node that must be of a type; `user` says what needs it.
    pub(super) fn of_type(&mut self, id: NodeId, needed: Type, user: &str) -> Part {
        let part = self.part(id);
        let kind = part.kind();
        if kind != needed && kind != Type::Any {
            let (needed, found) = (describe(needed), describe(kind));
            let hint = match (needed, found) {
                ("a text", "a number") => ": write string(…) for its digits",
                ("a number", "a text") => ": write double(…) or int(…) to read one",
                _ => "",
            };
            self.mistake(id, format!("{user} needs {needed}, found {found}{hint}"));
            return Part::Error;
        }
        part
    }

    fn list(&mut self, id: NodeId, items: &[NodeId]) -> Part {
        if items.len() > limits::LIST_LITERALS {
            let most = limits::LIST_LITERALS;
            self.mistake(id, format!("a list has at most {most} parts"));
            return Part::Error;
        }
        Part::List(items.iter().map(|item| self.part(*item)).collect())
    }

    fn path(&mut self, id: NodeId, root: &str, steps: &[Step]) -> Part {
        let own = match root {
            "item" => Root::Item,
            "body" => Root::Body,
            "headers" => Root::Headers,
            _ => {
                self.unknown_name(id, root);
                return Part::Error;
            }
        };
        if steps.len() > limits::STEPS {
            let most = limits::STEPS;
            self.mistake(id, format!("a path has at most {most} steps"));
            return Part::Error;
        }
        if own == Root::Headers {
            return self.header(id, steps);
        }
        Part::Path(own, steps.into())
    }

    fn header(&mut self, id: NodeId, steps: &[Step]) -> Part {
        let [Step::Field(name)] = steps else {
            self.mistake(
                id,
                "`headers` is used as headers[\"x-topic\"], with one name",
            );
            return Part::Error;
        };
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let small = name.to_ascii_lowercase();
            let text = format!("names of headers are in small letters: write headers[\"{small}\"]");
            self.mistake(id, text.chars().take(300).collect::<String>());
            return Part::Error;
        }
        if !self.headers.contains(name) {
            self.headers.push(name.clone());
        }
        Part::Path(Root::Headers, steps.into())
    }

    fn unknown_name(&mut self, id: NodeId, root: &str) {
        let text = match root {
            "null" => "there is no null: has(item.name) tells whether a value is known".to_owned(),
            "profile" | "event" | "segments" | "events" | "now" => format!(
                "`{root}` is not known here: only `item`, `body` and `headers` of what was sent are"
            ),
            _ => {
                let mut hint = did_you_mean(root, ROOTS);
                if hint.is_empty() {
                    let shown: String = root.chars().take(40).collect();
                    hint = format!(
                        ": a text is written in quotes, a field of what was sent as `item.{shown}`"
                    );
                }
                format!("unknown name {}{hint}", quote(root))
            }
        };
        self.mistake(id, text);
    }

    fn binary(&mut self, operator: &str, at: usize, left: NodeId, right: NodeId) -> Part {
        let (left, right) = (self.part(left), self.part(right));
        let (one, other) = (left.kind(), right.kind());
        let sides = Box::new((left, right));
        let outcome = if operator == "in" {
            match other {
                Type::List | Type::Any => Ok(Part::Among(sides)),
                _ => Err("`in` needs a list on its right, such as [\"a\", \"b\"]".to_owned()),
            }
        } else if let Some(compare) = Compare::of(operator) {
            comparable(compare, one, other).map(|()| Part::Compare(compare, sides))
        } else if let Some(operation) = Arithmetic::of(operator) {
            match kind_of_result(operation, one, other) {
                Some(_) => Ok(Part::Arithmetic(operation, sides)),
                None => Err(no_result(operator, one, other)),
            }
        } else {
            Err(format!("`{operator}` is not an operator"))
        };
        outcome.unwrap_or_else(|message| {
            self.add(at, message);
            Part::Error
        })
    }

    /// Adds a mistake at a node.
    pub(super) fn mistake(&mut self, id: NodeId, message: impl Into<String>) {
        self.add(self.tree.node(id).at, message);
    }

    /// Adds a mistake at a place.
    pub(super) fn add(&mut self, at: usize, message: impl Into<String>) {
        self.mistakes.add(at, message);
    }
}

/// Says why two values cannot be compared, where they cannot.
fn comparable(compare: Compare, one: Type, other: Type) -> Result<(), String> {
    let operator = compare.symbol();
    if one == Type::List || other == Type::List {
        let text = format!("`{operator}` does not compare lists: ask `value in list`");
        return Err(text);
    }
    let is_known = one != Type::Any && other != Type::Any;
    if is_known && one != other {
        let (one, other) = (describe(one), describe(other));
        return Err(format!(
            "{one} and {other} cannot be compared by `{operator}`"
        ));
    }
    if compare.is_order() && (one == Type::Bool || other == Type::Bool) {
        return Err(format!("conditions have no order for `{operator}`"));
    }
    Ok(())
}

fn no_result(operator: &str, one: Type, other: Type) -> String {
    let hint = match (one, other) {
        (Type::Text, Type::Number) | (Type::Number, Type::Text) if operator == "+" => {
            ": write string(…) for the digits of a number"
        }
        (Type::Timestamp | Type::Duration, _) => {
            ": to a timestamp a duration(\"30d\") can be added"
        }
        _ => ": it is for numbers, timestamps and durations, and `+` for texts",
    };
    let (one, other) = (describe(one), describe(other));
    format!("`{operator}` cannot be used between {one} and {other}{hint}")
}

/// A type in words.
pub(super) const fn describe(kind: Type) -> &'static str {
    match kind {
        Type::Bool => "a condition",
        Type::Number => "a number",
        Type::Text => "a text",
        Type::Timestamp => "a timestamp",
        Type::Duration => "a duration",
        Type::List => "a list",
        Type::Any => "a value",
    }
}
