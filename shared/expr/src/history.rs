//! Checks aggregates over the past: `events("purchase").where(event.value >
//! 10.0).within("30d").sum("value")`.
//!
//! The whole chain becomes one feature; nothing of it is evaluated as calls.

use kernel::{read_name, read_path};

use crate::ast::{NodeId, Syntax};
use crate::check::Checker;
use crate::feature::{Aggregate, Feature, Filter};
use crate::mistake::{did_you_mean, quote};
use crate::program::{Compare, Number, Test, Time, Typed};
use crate::term::What;

/// The methods that narrow a history.
const NARROWING: [&str; 2] = ["where", "within"];
/// The methods that end a chain.
const AGGREGATES: [&str; 9] = [
    "count",
    "exists",
    "sum",
    "avg",
    "min",
    "max",
    "first_time",
    "last_time",
    "since_last",
];

/// One link of a chain.
struct Link<'a> {
    id: NodeId,
    name: &'a str,
    name_at: usize,
    arguments: &'a [NodeId],
}

impl<'c> Checker<'c> {
    /// Returns whether a node is `events(…)` or a chain that begins with it.
    pub(crate) fn is_history(&self, mut id: NodeId) -> bool {
        loop {
            match &self.tree.node(id).kind {
                Syntax::Call {
                    receiver: None,
                    name,
                    ..
                } => return name.as_ref() == "events",
                Syntax::Call {
                    receiver: Some(receiver),
                    ..
                } => id = *receiver,
                _ => return false,
            }
        }
    }

    /// Checks a chain that begins with `events(…)`, from its last link.
    pub(crate) fn history(&mut self, id: NodeId) -> Typed {
        let links = self.links(id);
        if !self.scope.aggregates || self.filter.is_some() {
            let hint = if self.filter.is_some() {
                "inside where(…) only `event.…`, the past event, is known"
            } else {
                "put it into a segment and use segments.has(…)"
            };
            self.mistake(id, format!("`events(…)` is not known here: {hint}"));
            return Typed::Error;
        }
        let [first, narrowing @ ..] = links.as_slice() else {
            return Typed::Error;
        };
        let event = self.event_name(first);
        let Some((last, narrowing)) = narrowing.split_last() else {
            self.missing_aggregate(first);
            return Typed::Error;
        };
        let (mut filter, mut window, mut is_right) = (None, None, true);
        for link in narrowing {
            match link.name {
                "where" if filter.is_some() => {
                    self.mistakes.add(
                        link.name_at,
                        "`where` is given twice: join the conditions with `&&`",
                    );
                }
                "within" if window.is_some() => {
                    self.mistakes
                        .add(link.name_at, "`within` is given twice: keep one");
                }
                "where" => filter = self.filter(link),
                "within" => window = self.window(link),
                name if AGGREGATES.contains(&name) => {
                    self.mistakes
                        .add(link.name_at, format!("`{name}` must come last"));
                    is_right = false;
                }
                name => {
                    self.unknown_link(name, link.name_at);
                    is_right = false;
                }
            }
        }
        if NARROWING.contains(&last.name) {
            // The argument is checked too, so that all mistakes are found at once.
            match last.name {
                "where" => drop(self.filter(last)),
                _ => drop(self.window(last)),
            }
            self.missing_aggregate(last);
            return Typed::Error;
        }
        let Some(aggregate) = self.aggregate(last) else {
            return Typed::Error;
        };
        let Some(event) = event.filter(|_| is_right) else {
            return Typed::Error;
        };
        let slot = self.slot(Feature {
            event,
            filter,
            window,
            aggregate,
        });
        self.measured(id, last.name, slot)
    }

    /// The links of a chain, `events(…)` first.
    fn links(&self, mut id: NodeId) -> Vec<Link<'c>> {
        let tree = self.tree;
        let mut links = Vec::new();
        while let Syntax::Call {
            receiver,
            name,
            name_at,
            arguments,
        } = &tree.node(id).kind
        {
            links.push(Link {
                id,
                name,
                name_at: *name_at,
                arguments,
            });
            match receiver {
                Some(receiver) => id = *receiver,
                None => break,
            }
        }
        links.reverse();
        links
    }

    fn event_name(&mut self, link: &Link<'_>) -> Option<Box<str>> {
        let argument = self.only_argument(link.id, "events", link.arguments)?;
        let tree = self.tree;
        match &tree.node(argument).kind {
            Syntax::Text(name) => match read_name(name) {
                Ok(name) => {
                    let name: Box<str> = name.into();
                    self.reads.events.insert(name.clone());
                    return Some(name);
                }
                Err(fault) => self.mistake(
                    argument,
                    format!("{} is not the name of an event: it {fault}", quote(name)),
                ),
            },
            Syntax::Error => {}
            _ => self.mistake(
                argument,
                "expected the name of an event in quotes, such as events(\"purchase\")",
            ),
        }
        None
    }

    fn filter(&mut self, link: &Link<'_>) -> Option<Filter> {
        let argument = self.only_argument(link.id, "where", link.arguments)?;
        self.filter = Some(Vec::new());
        let test = self.test(argument);
        let mut properties = self.filter.take().unwrap_or_default();
        properties.sort();
        properties.dedup();
        Some(Filter::new(test, properties.into()))
    }

    fn window(&mut self, link: &Link<'_>) -> Option<kernel::Duration> {
        let argument = self.only_argument(link.id, "within", link.arguments)?;
        let tree = self.tree;
        // Both within("30d") and within(duration("30d")) are common CEL.
        let written = match &tree.node(argument).kind {
            Syntax::Call {
                receiver: None,
                name,
                arguments,
                ..
            } if name.as_ref() == "duration" => {
                self.only_argument(argument, "duration", arguments)?
            }
            _ => argument,
        };
        let window = self.duration(written)?;
        if window == kernel::Duration::ZERO {
            self.mistake(written, "a window of no time holds no events");
            return None;
        }
        Some(window)
    }

    fn aggregate(&mut self, link: &Link<'_>) -> Option<Aggregate> {
        let constructor = match link.name {
            "sum" => Aggregate::Sum,
            "avg" => Aggregate::Average,
            "min" => Aggregate::Min,
            "max" => Aggregate::Max,
            _ => {
                let aggregate = match link.name {
                    "count" | "exists" => Aggregate::Count,
                    "first_time" => Aggregate::FirstTime,
                    "last_time" | "since_last" => Aggregate::LastTime,
                    name => {
                        self.unknown_link(name, link.name_at);
                        return None;
                    }
                };
                if !link.arguments.is_empty() {
                    let name = link.name;
                    self.mistakes
                        .add(link.name_at, format!("`{name}()` takes no argument"));
                    return None;
                }
                return Some(aggregate);
            }
        };
        let tree = self.tree;
        match link.arguments {
            [only] => match &tree.node(*only).kind {
                Syntax::Text(property) => match read_path(property) {
                    Ok(path) => return Some(constructor(path.into())),
                    Err(fault) => self.mistake(*only, format!("{} {fault}", quote(property))),
                },
                Syntax::Path { root, rest } if root.as_ref() == "event" => {
                    let property = rest.as_deref().unwrap_or("value");
                    self.mistake(
                        *only,
                        format!("expected the name of a property in quotes: did you mean \"{property}\"?"),
                    );
                }
                _ => self.mistake(*only, "expected the name of a property in quotes"),
            },
            _ => {
                let name = link.name;
                self.mistakes.add(
                    link.name_at,
                    format!("`{name}` takes the name of a property, as in {name}(\"value\")"),
                );
            }
        }
        None
    }

    fn unknown_link(&mut self, name: &str, at: usize) {
        let hint = did_you_mean(name, NARROWING.into_iter().chain(AGGREGATES));
        self.mistakes
            .add(at, format!("there is no {} of events{hint}", quote(name)));
    }

    fn missing_aggregate(&mut self, link: &Link<'_>) {
        self.mistakes.add(
            link.name_at,
            "an aggregate is missing: end with .count(), .exists(), .sum(\"value\"), .avg(…), .min(…), .max(…), \
             .first_time(), .last_time() or .since_last()",
        );
    }

    /// The slot of a feature: equal ones share it.
    fn slot(&mut self, feature: Feature) -> usize {
        if let Some(slot) = self.features.iter().position(|known| *known == feature) {
            return slot;
        }
        self.features.push(feature);
        self.features.len() - 1
    }

    fn measured(&mut self, id: NodeId, aggregate: &str, slot: usize) -> Typed {
        match aggregate {
            "exists" => {
                let test = Test::Numbers(Compare::More, Number::Feature(slot), Number::Const(0.0));
                self.show(id, What::Test(test.clone()));
                Typed::Test(test)
            }
            "first_time" | "last_time" => {
                self.show(id, What::Instant(Time::Feature(slot)));
                Typed::Instant(Time::Feature(slot))
            }
            "since_last" => {
                let since = Time::Subtract(Box::new((Time::Now, Time::Feature(slot))));
                self.show(id, What::Span(since.clone()));
                Typed::Span(since)
            }
            _ => {
                self.show(id, What::Number(Number::Feature(slot)));
                Typed::Number(Number::Feature(slot))
            }
        }
    }
}
