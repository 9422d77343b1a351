//! Parses postfixes of an operand: `.field`, `.call(…)`, `["field"]`.

use super::{Parser, describe};
use crate::ast::{NodeId, Syntax};
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
                            "expected a name after the dot, found {found}: other names are quoted, as in event[\"Order ID\"]"
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
                let Kind::Text(name) = &token.kind else {
                    self.mistakes.add(
                        token.at,
                        "only a name may stand here, such as profile[\"first name\"]",
                    );
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
            Syntax::Error => operand,
            _ => {
                let at = node.at;
                self.mistakes.add(
                    token.at,
                    format!(
                        "there is no field {} here: only `profile` and `event` have fields",
                        quote(name)
                    ),
                );
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
