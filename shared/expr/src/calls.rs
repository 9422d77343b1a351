//! Checks calls: functions, and methods of texts and of `segments`.

use std::sync::Arc;

use kernel::{Duration, Timestamp};

use crate::ast::{NodeId, Syntax};
use crate::check::Checker;
use crate::mistake::{did_you_mean, quote};
use crate::pattern;
use crate::program::{Number, Test, Text, TextTest, Time, Typed};
use crate::term::What;

/// The functions.
const FUNCTIONS: [&str; 5] = ["has", "size", "duration", "timestamp", "events"];
/// The methods of texts.
const METHODS: [&str; 5] = ["contains", "startsWith", "endsWith", "matches", "size"];

impl Checker<'_> {
    /// Checks a call.
    pub(crate) fn call(&mut self, id: NodeId) -> Typed {
        let tree = self.tree;
        let Syntax::Call {
            receiver,
            name,
            name_at,
            arguments,
        } = &tree.node(id).kind
        else {
            return Typed::Error;
        };
        match receiver {
            None => self.function(id, name, arguments),
            Some(receiver) if self.is_history(*receiver) => self.history(id),
            Some(receiver) => match &tree.node(*receiver).kind {
                Syntax::Path { root, rest: None } if root.as_ref() == "segments" => {
                    self.segment(id, name, *name_at, arguments)
                }
                _ => self.method(id, *receiver, name, *name_at, arguments),
            },
        }
    }

    fn function(&mut self, id: NodeId, name: &str, arguments: &[NodeId]) -> Typed {
        if name == "events" {
            return self.history(id);
        }
        if !FUNCTIONS.contains(&name) {
            let hint = if METHODS.contains(&name) {
                format!(": did you mean `profile.name.{name}(…)`?")
            } else {
                did_you_mean(name, FUNCTIONS)
            };
            self.mistake(id, format!("unknown function {}{hint}", quote(name)));
            return Typed::Error;
        }
        let Some(argument) = self.only_argument(id, name, arguments) else {
            return Typed::Error;
        };
        match name {
            "has" => self.has(id, argument),
            "size" => self.size(id, argument),
            "duration" => self.duration(argument).map_or(Typed::Error, |span| {
                Typed::Span(Time::Span(span.as_millis()))
            }),
            _ => self.timestamp(argument),
        }
    }

    /// The one argument of a call.
    pub(crate) fn only_argument(
        &mut self,
        id: NodeId,
        name: &str,
        arguments: &[NodeId],
    ) -> Option<NodeId> {
        if let [only] = arguments {
            return Some(*only);
        }
        let found = arguments.len();
        self.mistake(id, format!("`{name}(…)` takes one argument, found {found}"));
        None
    }

    fn has(&mut self, id: NodeId, argument: NodeId) -> Typed {
        let tree = self.tree;
        let place = match &tree.node(argument).kind {
            Syntax::Error => return Typed::Error,
            Syntax::Path { root, rest } if matches!(root.as_ref(), "profile" | "event") => {
                self.place(argument, root, rest.as_deref())
            }
            _ => {
                self.mistake(
                    argument,
                    "`has(…)` takes a trait or property, such as has(profile.plan)",
                );
                None
            }
        };
        let Some(place) = place else {
            return Typed::Error;
        };
        self.show(id, What::Test(Test::Has(place.clone())));
        Typed::Test(Test::Has(place))
    }

    fn size(&mut self, id: NodeId, argument: NodeId) -> Typed {
        let number = match self.typed(argument) {
            Typed::Text(text) => Number::SizeOf(text),
            Typed::Place(place) => Number::Size(place),
            Typed::List(values) => {
                let length = u32::try_from(values.len()).map_or(f64::MAX, f64::from);
                return Typed::Number(Number::Const(length));
            }
            Typed::Error => return Typed::Error,
            other => {
                let found = other.describe();
                self.mistake(
                    argument,
                    format!("`size` takes a text or a list, found {found}"),
                );
                return Typed::Error;
            }
        };
        self.show(id, What::Number(number.clone()));
        Typed::Number(number)
    }

    /// Reads a length of time that is written in the source: `duration("30d")` takes no other.
    pub(crate) fn duration(&mut self, argument: NodeId) -> Option<Duration> {
        let tree = self.tree;
        match &tree.node(argument).kind {
            Syntax::Text(text) => match text.parse::<Duration>() {
                Ok(duration) => return Some(duration),
                Err(error) => self.mistake(argument, error.to_string()),
            },
            Syntax::Error => {}
            _ => self.mistake(
                argument,
                "expected a length of time in quotes, such as \"30d\" or \"1h30m\"",
            ),
        }
        None
    }

    fn timestamp(&mut self, argument: NodeId) -> Typed {
        match self.text(argument, "`timestamp`") {
            Some(Text::Const(text)) => match text.parse::<Timestamp>() {
                Ok(instant) => Typed::Instant(Time::Instant(instant.as_millis())),
                Err(_) => {
                    self.mistake(
                        argument,
                        format!(
                            "{} is not a timestamp: write it as in \"2026-01-31T00:00:00Z\"",
                            quote(&text)
                        ),
                    );
                    Typed::Error
                }
            },
            Some(text) => Typed::Instant(Time::Parse(Box::new(text))),
            None => Typed::Error,
        }
    }

    fn segment(&mut self, id: NodeId, name: &str, name_at: usize, arguments: &[NodeId]) -> Typed {
        if name != "has" {
            let message = format!(
                "`segments` has no {}: did you mean segments.has(\"name\")?",
                quote(name)
            );
            self.mistakes.add(name_at, message);
            return Typed::Error;
        }
        if self.filter.is_some() {
            self.mistake(
                id,
                "inside where(…) only `event.…`, the past event, is known",
            );
            return Typed::Error;
        }
        let Some(argument) = self.only_argument(id, "segments.has", arguments) else {
            return Typed::Error;
        };
        let tree = self.tree;
        let Syntax::Text(segment) = &tree.node(argument).kind else {
            self.mistake(argument, "expected the name of a segment in quotes");
            return Typed::Error;
        };
        if let Some(known) = &self.scope.segments
            && !known.contains(segment.as_ref())
        {
            let hint = did_you_mean(segment, known.iter().map(String::as_str));
            self.mistake(
                argument,
                format!("there is no segment {}{hint}", quote(segment)),
            );
            return Typed::Error;
        }
        self.reads.segments.insert(segment.clone());
        let test = Test::InSegment(segment.clone());
        self.show(id, What::Test(test.clone()));
        Typed::Test(test)
    }

    fn method(
        &mut self,
        id: NodeId,
        receiver: NodeId,
        name: &str,
        name_at: usize,
        arguments: &[NodeId],
    ) -> Typed {
        if name == "size" && arguments.is_empty() {
            return self.size(id, receiver);
        }
        let test = match name {
            "contains" => Some(TextTest::Contains),
            "startsWith" => Some(TextTest::StartsWith),
            "endsWith" => Some(TextTest::EndsWith),
            "matches" => None,
            _ => {
                let hint = did_you_mean(name, METHODS);
                self.mistakes
                    .add(name_at, format!("unknown method {}{hint}", quote(name)));
                return Typed::Error;
            }
        };
        let text = self.text(receiver, &format!("`{name}`"));
        let Some(argument) = self.only_argument(id, name, arguments) else {
            return Typed::Error;
        };
        let test = match test {
            Some(test) => {
                let part = self.text(argument, &format!("`{name}`"));
                text.zip(part)
                    .map(|(text, part)| Test::Affix(test, text, part))
            }
            None => {
                let regex = self.regex(argument);
                text.zip(regex)
                    .map(|(text, regex)| Test::Matches(text, Arc::new(regex)))
            }
        };
        let Some(test) = test else {
            return Typed::Error;
        };
        self.show(id, What::Test(test.clone()));
        Typed::Test(test)
    }

    fn regex(&mut self, argument: NodeId) -> Option<regex_lite::Regex> {
        let tree = self.tree;
        let Syntax::Text(pattern) = &tree.node(argument).kind else {
            self.mistake(argument, "expected a pattern in quotes, such as \"^FI\"");
            return None;
        };
        let compiled = pattern::compile(pattern);
        compiled
            .map_err(|message| self.mistake(argument, message))
            .ok()
    }
}
