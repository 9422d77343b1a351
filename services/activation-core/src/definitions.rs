//! Everything that was published for activation, compiled as a whole.

use std::collections::HashMap;
use std::fmt;

use messages::activation::v1 as api;

use crate::channel::{self, Channel};
use crate::policy::{self, Policy};
use crate::template::Templates;

/// What was published: compiled, immutable, replaced as a whole.
#[derive(Debug)]
pub struct Definitions {
    channels: HashMap<Box<str>, Channel>,
    templates: Templates,
    policy: Policy,
}

/// The kinds of definition that activation owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A channel.
    Channel,
    /// A template.
    Template,
    /// A policy.
    Policy,
}

impl fmt::Display for Kind {
    /// Writes the word that a definition file begins with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Channel => "channel",
            Self::Template => "template",
            Self::Policy => "policy",
        })
    }
}

/// A mistake in a definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} `{name}`: {path}: {message}")]
pub struct Mistake {
    /// The kind of the definition.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The field within it, such as `webhook.url`.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Definitions {
    /// Nothing published yet: the default policy, and no channel to send through.
    pub fn empty() -> Self {
        Self {
            channels: HashMap::new(),
            templates: Templates::default(),
            policy: Policy::default(),
        }
    }

    /// Compiles a whole set.
    ///
    /// # Errors
    /// Every [`Mistake`] of every definition.
    pub fn compile<'a>(
        channels: impl IntoIterator<Item = &'a api::Channel>,
        templates: impl IntoIterator<Item = &'a api::Template>,
        policies: impl IntoIterator<Item = &'a api::Policy>,
    ) -> Result<Self, Vec<Mistake>> {
        Self::empty().compile_next(channels, templates, policies)
    }

    /// Compiles the set that follows this one, as [`compile`](Self::compile) does.
    ///
    /// Templates of this set are taken over, so that the cost follows what changed.
    ///
    /// # Errors
    /// Those of [`compile`](Self::compile).
    pub fn compile_next<'a>(
        &self,
        channels: impl IntoIterator<Item = &'a api::Channel>,
        templates: impl IntoIterator<Item = &'a api::Template>,
        policies: impl IntoIterator<Item = &'a api::Policy>,
    ) -> Result<Self, Vec<Mistake>> {
        let templates: Vec<&api::Template> = templates.into_iter().collect();
        let mut all = Self {
            templates: self.templates.retained(&templates),
            ..Self::empty()
        };
        let mut mistakes = Vec::new();
        for channel in channels {
            match channel::compile(channel) {
                Ok(compiled) => {
                    all.channels.insert(channel.name.as_str().into(), compiled);
                }
                Err(found) => mistakes.extend(found.into_iter().map(|(path, message)| Mistake {
                    kind: Kind::Channel,
                    name: channel.name.clone(),
                    path: path.to_owned(),
                    message,
                })),
            }
        }
        for template in templates {
            if all.templates.has_texts_of(template) {
                continue;
            }
            if let Err(found) = all.templates.add(template) {
                mistakes.extend(found.into_iter().map(|(part, mistake)| Mistake {
                    kind: Kind::Template,
                    name: template.name.clone(),
                    path: part.to_string(),
                    message: mistake.to_string(),
                }));
            }
        }
        for policy in policies {
            match policy::compile(policy) {
                Ok(compiled) => all.policy = compiled,
                Err(found) => mistakes.extend(found.into_iter().map(|(path, message)| Mistake {
                    kind: Kind::Policy,
                    name: policy.name.clone(),
                    path,
                    message,
                })),
            }
        }
        if mistakes.is_empty() {
            Ok(all)
        } else {
            Err(mistakes)
        }
    }

    /// A channel.
    pub fn channel(&self, name: &str) -> Option<&Channel> {
        self.channels.get(name)
    }

    /// The templates.
    pub const fn templates(&self) -> &Templates {
        &self.templates
    }

    /// The policy.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_of_every_definition_is_found_at_once() {
        let channel = api::Channel {
            name: "hook".to_owned(),
            ..api::Channel::default()
        };
        let template = api::Template {
            name: "hello".to_owned(),
            subject: "{{ a".to_owned(),
            body: "x\ny {% macro m() %}".to_owned(),
        };
        let mistakes = Definitions::compile(
            [&channel],
            [&template],
            [&api::Policy {
                exempt_purposes: vec![String::new()],
                ..api::Policy::default()
            }],
        )
        .expect_err("mistakes");
        let places: Vec<_> = mistakes
            .iter()
            .map(|mistake| format!("{} {} {}", mistake.kind, mistake.name, mistake.path))
            .collect();
        assert_eq!(
            places,
            [
                "channel hook kind",
                "template hello subject",
                "template hello body",
                "policy  exempt_purposes[0]"
            ]
        );
        assert!(mistakes[2].message.starts_with("line 2: `macro`"));
    }

    #[test]
    fn the_set_that_follows_is_the_one_that_is_compiled_from_scratch() {
        let template = |name: &str, body: &str| api::Template {
            name: name.to_owned(),
            subject: "Hello".to_owned(),
            body: body.to_owned(),
        };
        let first = [template("a", "A"), template("b", "B")];
        let last = Definitions::compile([], &first, []).expect("valid");
        let second = [template("a", "A"), template("c", "C")];
        let next = last.compile_next([], &second, []).expect("valid");
        let has = |name| next.templates().contains(name);
        assert_eq!((has("a"), has("b"), has("c")), (true, false, true));
        let third = [template("a", "{{ a"), template("c", "{% macro m() %}")];
        assert_eq!(
            next.compile_next([], &third, []).expect_err("mistakes"),
            Definitions::compile([], &third, []).expect_err("mistakes")
        );
    }
}
