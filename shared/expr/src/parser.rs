//! Builds the syntax tree: a Pratt parser (Pratt 1973) with bounded depth and a bounded number of
//! nodes.
//!
//! Chains (`a.b.c`, `!!x`, `a && b && c`, `1 + 2 + 3`) are loops; only brackets, arguments and
//! choices recurse.

mod postfix;

use crate::ast::{Dialect, Node, NodeId, Syntax, Tree};
use crate::lexer::{Kind, Token};
use crate::limits;
use crate::mistake::{Mistakes, quote};

/// Binding powers of operators, the loosest first.
mod power {
    pub(super) const CHOICE: u8 = 1;
    pub(super) const ANY: u8 = 2;
    pub(super) const ALL: u8 = 3;
    pub(super) const RELATION: u8 = 4;
    pub(super) const SUM: u8 = 5;
    pub(super) const PRODUCT: u8 = 6;
}

/// Parses a whole source.
pub(crate) fn parse(
    tokens: &[Token<'_>],
    dialect: Dialect,
    mistakes: &mut Mistakes,
) -> (Tree, NodeId) {
    let mut parser = Parser {
        tokens,
        dialect,
        place: 0,
        nesting: 0,
        tree: Tree::default(),
        mistakes,
    };
    let root = parser.expression(power::CHOICE);
    if parser.peek().kind != Kind::End {
        let token = parser.peek().clone();
        let hint = match token.kind {
            Kind::Symbol(")") => ": it closes nothing",
            Kind::Symbol("]") => ": it closes no list",
            Kind::Symbol("{") => ": there are no maps",
            Kind::Name(_) if parser.follows_name() => &format!(
                ": a name of several words is quoted, as in {}[\"Order ID\"]",
                dialect.root()
            ),
            _ => ": expected an operator, such as `&&`, or the end",
        };
        parser.mistakes.add(
            token.at,
            format!("unexpected {}{hint}", describe(&token.kind)),
        );
    }
    (parser.tree, root)
}

struct Parser<'t, 's> {
    tokens: &'t [Token<'s>],
    dialect: Dialect,
    place: usize,
    nesting: usize,
    tree: Tree,
    mistakes: &'t mut Mistakes,
}

impl<'s> Parser<'_, 's> {
    fn expression(&mut self, min_power: u8) -> NodeId {
        self.nesting += 1;
        if self.nesting > limits::DEPTH {
            return self.give_up(self.too_deep());
        }
        let mut left = self.operand();
        while let Some((operator, power)) = self.infix() {
            if power < min_power {
                break;
            }
            let operator_at = self.peek().at;
            self.place += 1;
            left = match operator {
                "?" => self.choice(left),
                "&&" | "||" => {
                    let right = self.expression(power + 1);
                    self.chain(operator, left, right)
                }
                _ => {
                    let right = self.expression(power + 1);
                    let syntax = Syntax::Binary {
                        operator,
                        operator_at,
                        left,
                        right,
                    };
                    self.join(left, right, &[left, right], syntax)
                }
            };
        }
        self.nesting -= 1;
        left
    }

    /// The operator at hand, if it is one that joins two operands.
    fn infix(&mut self) -> Option<(&'static str, u8)> {
        let token = self.peek();
        let operator = match token.kind {
            Kind::Symbol(symbol) => symbol,
            Kind::Name("in") => "in",
            Kind::Name(foreign @ ("and" | "AND" | "or" | "OR")) => {
                let ours = if foreign.eq_ignore_ascii_case("and") {
                    "&&"
                } else {
                    "||"
                };
                let at = token.at;
                self.mistakes.add(
                    at,
                    format!("`{foreign}` is not an operator: did you mean `{ours}`?"),
                );
                ours
            }
            _ => return None,
        };
        let power = match operator {
            "?" => power::CHOICE,
            "||" => power::ANY,
            "&&" => power::ALL,
            "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" => power::RELATION,
            "+" | "-" => power::SUM,
            "*" | "/" | "%" => power::PRODUCT,
            _ => return None,
        };
        Some((operator, power))
    }

    /// Joins `a && b` and `c` into one node, so that long chains stay shallow.
    fn chain(&mut self, operator: &str, left: NodeId, right: NodeId) -> NodeId {
        let (end, depth) = {
            let right = self.tree.node(right);
            (right.end, right.depth + 1)
        };
        let left_node = self.tree.node_mut(left);
        match (operator, &mut left_node.kind) {
            ("&&", Syntax::All(parts)) | ("||", Syntax::Any(parts)) => {
                parts.push(right);
                left_node.end = end;
                left_node.depth = left_node.depth.max(depth);
                let depth = left_node.depth;
                if depth > limits::DEPTH {
                    return self.give_up(self.too_deep());
                }
                left
            }
            ("&&", _) => self.join(left, right, &[left, right], Syntax::All(vec![left, right])),
            _ => self.join(left, right, &[left, right], Syntax::Any(vec![left, right])),
        }
    }

    fn choice(&mut self, condition: NodeId) -> NodeId {
        let yes = self.expression(power::CHOICE);
        self.expect(":", "a choice is written `condition ? this : that`");
        let no = self.expression(power::CHOICE);
        let syntax = Syntax::Choice { condition, yes, no };
        self.join(condition, no, &[condition, yes, no], syntax)
    }

    fn operand(&mut self) -> NodeId {
        let first = self.place;
        while matches!(self.peek().kind, Kind::Symbol("!" | "-")) {
            self.place += 1;
        }
        let operators = first..self.place;
        if operators.len() > limits::DEPTH {
            return self.give_up(self.too_deep());
        }
        let mut operand = self.primary();
        operand = self.postfix(operand);
        for place in operators.rev() {
            let token = &self.tokens[place];
            let (at, is_not) = (token.at, token.kind == Kind::Symbol("!"));
            let syntax = match &self.tree.node(operand).kind {
                _ if is_not => Syntax::Not(operand),
                Syntax::Number(number) => Syntax::Number(-number),
                Syntax::Whole(whole) => Syntax::Whole(-whole),
                _ => Syntax::Negative(operand),
            };
            let end = self.tree.node(operand).end;
            operand = self.add(at, end, &[operand], syntax);
        }
        operand
    }

    fn primary(&mut self) -> NodeId {
        let token = self.peek().clone();
        let syntax = match token.kind {
            Kind::Number(number) => Syntax::Number(number),
            Kind::Whole(whole) => Syntax::Whole(whole),
            Kind::Text(text) => Syntax::Text(text),
            Kind::Name("true") => Syntax::Bool(true),
            Kind::Name("false") => Syntax::Bool(false),
            Kind::Bad => Syntax::Error,
            Kind::Name(name) if name != "in" => return self.name(name, &token),
            Kind::Symbol("(") => return self.parenthesis(),
            Kind::Symbol("[") => {
                self.place += 1;
                let literals = self.list_until("]");
                let end = self.last_end();
                return self.add(token.at, end, &literals.clone(), Syntax::List(literals));
            }
            other => return self.missing_operand(&other, token.at),
        };
        self.place += 1;
        self.add(token.at, token.end, &[], syntax)
    }

    fn name(&mut self, name: &'s str, token: &Token<'s>) -> NodeId {
        self.place += 1;
        if self.take("(") {
            return self.call(None, name, token.at, token.at);
        }
        let root = name.into();
        let syntax = match self.dialect {
            Dialect::Condition => Syntax::Path { root, rest: None },
            Dialect::Formula => Syntax::Walk {
                root,
                steps: Vec::new(),
            },
        };
        self.add(token.at, token.end, &[], syntax)
    }

    fn parenthesis(&mut self) -> NodeId {
        let at = self.peek().at;
        self.place += 1;
        let inner = self.expression(power::CHOICE);
        self.expect(")", "this bracket is never closed");
        let end = self.last_end();
        // The node covers its brackets, so that the text of a term is whole.
        let node = self.tree.node_mut(inner);
        (node.at, node.end) = (at, end);
        inner
    }

    /// Reports that an operand is missing and skips to where one may go on.
    fn missing_operand(&mut self, found: &Kind<'_>, at: usize) -> NodeId {
        let found = describe(found);
        self.mistakes
            .add(at, format!("expected a value, found {found}"));
        while !matches!(
            self.peek().kind,
            Kind::End | Kind::Symbol(")" | "]" | "," | "&&" | "||" | "?" | ":")
        ) {
            self.place += 1;
        }
        self.add(at, at, &[], Syntax::Error)
    }

    /// Reads expressions between commas up to a closing bracket, and the bracket.
    fn list_until(&mut self, close: &'static str) -> Vec<NodeId> {
        let mut items = Vec::new();
        if self.take(close) {
            return items;
        }
        loop {
            items.push(self.expression(power::CHOICE));
            if !self.take(",") || (close == "]" && self.peek().kind == Kind::Symbol("]")) {
                break;
            }
        }
        self.expect(close, "this bracket is never closed");
        items
    }

    /// Returns whether the token before this one is a name or a keyword.
    fn follows_name(&self) -> bool {
        let before = self.place.checked_sub(1);
        before.is_some_and(|before| matches!(self.tokens[before].kind, Kind::Name(_)))
    }

    fn expect(&mut self, symbol: &'static str, otherwise: &str) {
        if !self.take(symbol) {
            let token = self.peek();
            let (at, found) = (token.at, describe(&token.kind));
            self.mistakes.add(
                at,
                format!("expected `{symbol}`, found {found}: {otherwise}"),
            );
        }
    }

    fn take(&mut self, symbol: &'static str) -> bool {
        let is_here = self.peek().kind == Kind::Symbol(symbol);
        self.place += usize::from(is_here);
        is_here
    }

    fn peek(&self) -> &Token<'s> {
        // The last token is the end, and nothing moves past it but a reported mistake.
        &self.tokens[self.place.min(self.tokens.len() - 1)]
    }

    fn last_end(&self) -> usize {
        self.tokens[self.place.saturating_sub(1).min(self.tokens.len() - 1)].end
    }

    fn join(&mut self, first: NodeId, last: NodeId, children: &[NodeId], syntax: Syntax) -> NodeId {
        let (at, end) = (self.tree.node(first).at, self.tree.node(last).end);
        self.add(at, end, children, syntax)
    }

    fn add(&mut self, at: usize, end: usize, children: &[NodeId], kind: Syntax) -> NodeId {
        let deepest = children
            .iter()
            .map(|child| self.tree.node(*child).depth)
            .max()
            .unwrap_or(0);
        let depth = deepest + 1;
        if depth > limits::DEPTH {
            return self.give_up(self.too_deep());
        }
        if self.tree.nodes.len() >= limits::NODES {
            return self.give_up(format!(
                "the expression has more than {} parts: {}",
                limits::NODES,
                self.dialect.remedy()
            ));
        }
        self.tree.nodes.push(Node {
            at,
            end,
            depth,
            kind,
        });
        NodeId(self.tree.nodes.len() - 1)
    }

    fn too_deep(&self) -> String {
        let remedy = match self.dialect {
            Dialect::Condition => "move a part into a segment of its own and use segments.has(…)",
            Dialect::Formula => self.dialect.remedy(),
        };
        format!(
            "the expression nests deeper than {} levels: {remedy}",
            limits::DEPTH
        )
    }

    /// Stops reading: a limit is reached.
    fn give_up(&mut self, message: String) -> NodeId {
        let at = self.peek().at;
        self.mistakes.add_last(at, message);
        self.place = self.tokens.len() - 1;
        self.tree.nodes.push(Node {
            at,
            end: at,
            depth: 1,
            kind: Syntax::Error,
        });
        NodeId(self.tree.nodes.len() - 1)
    }
}

fn describe(kind: &Kind<'_>) -> String {
    match kind {
        Kind::Number(number) => format!("`{number}`"),
        Kind::Whole(whole) => format!("`{whole}`"),
        Kind::Text(_) => "a text".to_owned(),
        Kind::Name(name) => quote(name),
        Kind::Symbol(symbol) => format!("`{symbol}`"),
        Kind::Bad => "a mistake".to_owned(),
        Kind::End => "the end".to_owned(),
    }
}
