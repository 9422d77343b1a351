//! Parses postfixes of an operand: `.field`, `.call(…)`, `["field"]`.

use super::{Parser, describe};
use crate::ast::{Dialect, NodeId, Step, Syntax};
use crate::lexer::{Kind, Token};
use crate::mistake::quote;

impl Parser<'_, '_> {
    /// Reads everything that hangs on an operand.
    pub(super) fn postfix(&mut self, mut operand: NodeId) -> NodeId {
        loop {
            let at = self.tree.node(operand).at;
            if self.take(".") {
                let token = self.peek().clone();
                let Kind::Name(name) = token.kind else {
                    let found = describe(&token.kind);
                    self.mistakes.add(
                        token.at,
                        format!(
                            "expected a name after the dot, found {found}: other names are quoted, as in {}[\"Order ID\"]",
                            self.dialect.root()
                        ),
                    );
                    return self.add(at, token.at, &[], Syntax::Error);
                };
                self.place += 1;
                operand = if self.take("(") {
                    self.call(Some(operand), name, token.at, at)
                } else {
                    self.select(operand, name, &token)
                };
            } else if self.take("[") {
                let token = self.peek().clone();
                if let Some(place) = self.place_in_list(&token.kind) {
                    operand = self.element(operand, place);
                    continue;
                }
                let Kind::Text(name) = &token.kind else {
                    let text = match self.dialect {
                        Dialect::Condition => {
                            "only a name may stand here, such as profile[\"first name\"]"
                        }
                        Dialect::Formula => {
                            "only a name or a place may stand here, such as item[\"first name\"] or item.list[0]"
                        }
                    };
                    self.mistakes.add(token.at, text);
                    self.list_until("]");
                    return self.add(at, token.at, &[], Syntax::Error);
                };
                self.place += 1;
                self.expect("]", "this bracket is never closed");
                operand = self.select(operand, name, &token);
            } else {
                return operand;
            }
        }
    }

    /// Returns the place that a token names in a list, where the dialect has such.
    fn place_in_list(&self, token: &Kind<'_>) -> Option<u32> {
        let Kind::Number(number) = token else {
            return None;
        };
        let is_place = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and in the range"
        )]
        let place = *number as u32;
        (is_place && self.dialect == Dialect::Formula).then_some(place)
    }

    /// Reads the rest of `operand[0]`.
    fn element(&mut self, operand: NodeId, place: u32) -> NodeId {
        self.place += 1;
        self.expect("]", "this bracket is never closed");
        let end = self.last_end();
        let node = self.tree.node_mut(operand);
        if let Syntax::Walk { steps, .. } = &mut node.kind {
            steps.push(Step::Place(place));
            node.end = end;
            return operand;
        }
        let at = node.at;
        let syntax = Syntax::Element { of: operand, place };
        self.add(at, end, &[operand], syntax)
    }

    fn select(&mut self, operand: NodeId, name: &str, token: &Token<'_>) -> NodeId {
        let end = self.last_end();
        let node = self.tree.node_mut(operand);
        match &mut node.kind {
            // It would leave no trace in the path.
            Syntax::Path { .. } if name.is_empty() => {
                let at = node.at;
                self.mistakes
                    .add(token.at, "a field needs a name: this one is empty");
                self.add(at, token.end, &[], Syntax::Error)
            }
            Syntax::Path { rest, .. } => {
                kernel::push_key(rest.get_or_insert_default(), name);
                node.end = end;
                operand
            }
            Syntax::Walk { steps, .. } => {
                steps.push(Step::Field(name.into()));
                node.end = end;
                operand
            }
            Syntax::Error => operand,
            _ => {
                let at = node.at;
                let owners = match self.dialect {
                    Dialect::Condition => "only `profile` and `event` have fields",
                    Dialect::Formula => "only `item`, `body` and `headers` have fields",
                };
                let name = quote(name);
                self.mistakes
                    .add(token.at, format!("there is no field {name} here: {owners}"));
                self.add(at, token.end, &[], Syntax::Error)
            }
        }
    }

    pub(super) fn call(
        &mut self,
        receiver: Option<NodeId>,
        name: &str,
        name_at: usize,
        at: usize,
    ) -> NodeId {
        let arguments = self.list_until(")");
        let end = self.last_end();
        let mut children = arguments.clone();
        children.extend(receiver);
        let syntax = Syntax::Call {
            receiver,
            name: name.into(),
            name_at,
            arguments,
        };
        self.add(at, end, &children, syntax)
    }
}
