//! Checks calls of functions and methods.

use crate::ast::{NodeId, Syntax};
use crate::condition::Type;
use crate::mistake::{did_you_mean, quote};
use crate::pattern;

use super::check::{Checker, describe};
use super::program::{Function, Part};

impl Checker<'_> {
    /// Compiles a call.
    pub(super) fn call(
        &mut self,
        id: NodeId,
        receiver: Option<NodeId>,
        name: &str,
        name_at: usize,
        arguments: &[NodeId],
    ) -> Part {
        match (receiver, name) {
            (None, "duration") => return self.duration(id, arguments),
            (Some(text), "matches") => return self.matches(id, text, arguments),
            _ => {}
        }
        let (known, is_method) = match receiver {
            None => (&Function::FUNCTIONS[..], false),
            Some(_) => (&Function::METHODS[..], true),
        };
        let found = known.iter().find(|(own, _)| *own == name);
        let Some((_, function)) = found else {
            self.unknown(name, name_at, is_method);
            return Part::Error;
        };
        let all: Vec<NodeId> = receiver.iter().chain(arguments).copied().collect();
        if !self.has_arity(id, name, *function, all.len(), is_method) {
            return Part::Error;
        }
        if *function == Function::Has && !matches!(self.tree.node(all[0]).kind, Syntax::Walk { .. })
        {
            let text = "`has(…)` takes a path, such as has(item.email)";
            self.mistake(all[0], text);
            return Part::Error;
        }
        let parts = all.iter().map(|part| self.argument(*part, *function, name));
        Part::Call(*function, parts.collect())
    }

    fn unknown(&mut self, name: &str, at: usize, is_method: bool) {
        let (kind, own, others) = match is_method {
            true => ("method", &Function::METHODS[..], &Function::FUNCTIONS[..]),
            false => ("function", &Function::FUNCTIONS[..], &Function::METHODS[..]),
        };
        let is_other = others.iter().any(|(other, _)| *other == name) || name == "matches";
        let hint = match (is_other, is_method) {
            (true, true) => format!(": write {name}(…)"),
            (true, false) => format!(": write item.name.{name}(…)"),
            _ => did_you_mean(name, own.iter().map(|(own, _)| *own)),
        };
        self.add(at, format!("unknown {kind} {}{hint}", quote(name)));
    }

    fn has_arity(
        &mut self,
        id: NodeId,
        name: &str,
        function: Function,
        found: usize,
        is_method: bool,
    ) -> bool {
        let Some(arity) = function.arity() else {
            if found == 0 {
                self.mistake(id, format!("`{name}(…)` takes at least one argument"));
            }
            return found > 0;
        };
        if found == arity {
            return true;
        }
        let own = usize::from(is_method);
        let (arity, found) = (arity - own, found - own);
        let plural = if arity == 1 { "" } else { "s" };
        let text = format!("`{name}(…)` takes {arity} argument{plural}, found {found}");
        self.mistake(id, text);
        false
    }

    fn argument(&mut self, id: NodeId, function: Function, name: &str) -> Part {
        let user = format!("`{name}`");
        if function.is_of_texts() {
            return self.of_type(id, Type::Text, &user);
        }
        let part = self.part(id);
        let kind = part.kind();
        let (is_right, needed) = match function {
            Function::Size => (matches!(kind, Type::Text | Type::List), "a text or a list"),
            Function::String => (!matches!(kind, Type::List | Type::Duration), "no list"),
            Function::Int => (
                matches!(kind, Type::Text | Type::Number | Type::Timestamp),
                "a number, a text or a timestamp",
            ),
            Function::Double => (
                matches!(kind, Type::Text | Type::Number),
                "a number or a text",
            ),
            Function::Timestamp => (
                matches!(kind, Type::Text | Type::Number | Type::Timestamp),
                "a text or a number",
            ),
            _ => (true, ""),
        };
        if !is_right && kind != Type::Any {
            let found = describe(kind);
            self.mistake(id, format!("{user} takes {needed}, found {found}"));
            return Part::Error;
        }
        part
    }

    /// Reads a length of time that is written in the source: `duration("30d")` takes no other.
    fn duration(&mut self, id: NodeId, arguments: &[NodeId]) -> Part {
        let wrong = "expected a length of time in quotes, such as duration(\"30d\")";
        let [argument] = arguments else {
            self.mistake(id, wrong);
            return Part::Error;
        };
        let tree = self.tree;
        match &tree.node(*argument).kind {
            Syntax::Text(text) => match text.parse::<kernel::Duration>() {
                Ok(duration) => return Part::Span(duration.as_millis()),
                Err(error) => self.mistake(*argument, error.to_string()),
            },
            Syntax::Error => {}
            _ => self.mistake(*argument, wrong),
        }
        Part::Error
    }

    fn matches(&mut self, id: NodeId, text: NodeId, arguments: &[NodeId]) -> Part {
        let text = self.of_type(text, Type::Text, "`matches`");
        let tree = self.tree;
        let pattern = match arguments {
            [argument] => match &tree.node(*argument).kind {
                Syntax::Text(text) => pattern::compile(text)
                    .map_err(|message| self.mistake(*argument, message))
                    .ok(),
                _ => {
                    self.mistake(*argument, "expected a pattern in quotes, such as \"^FI\"");
                    None
                }
            },
            _ => {
                let found = arguments.len();
                self.mistake(id, format!("`matches(…)` takes 1 argument, found {found}"));
                None
            }
        };
        match pattern {
            Some(pattern) => Part::Matches(Box::new(text), Box::new(pattern)),
            None => Part::Error,
        }
    }
}
