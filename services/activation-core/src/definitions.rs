//! Everything that was published for activation, compiled as a whole.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use decision::{Mistake, Mistakes, Names, Source};
use messages::activation::v1 as api;
use messages::definition::v1::definition::Kind;

use crate::channel::{self, Channel};
use crate::policy::{self, Policy};
use crate::template::Templates;

/// What was published: compiled, immutable, replaced as a whole.
#[derive(Debug)]
pub struct Definitions {
    channels: HashMap<Box<str>, Channel>,
    templates: Templates,
    policy: Policy,
    /// The names of all journeys; absent where nothing is known of them.
    journeys: Option<Arc<BTreeSet<String>>>,
}

impl Definitions {
    /// Nothing published yet: the default policy, and no channel to send through.
    pub fn empty() -> Self {
        Self {
            channels: HashMap::new(),
            templates: Templates::default(),
            policy: Policy::default(),
            journeys: None,
        }
    }

    /// Compiles channels, templates and the policy.
    ///
    /// # Errors
    /// Every [`Mistake`] of every definition, in their order.
    pub fn compile(sources: &[Source<'_>], names: &Names) -> Result<Self, Vec<Mistake>> {
        Self::empty().compile_next(sources, names)
    }

    /// Compiles the set that follows this one, as [`compile`](Self::compile) does.
    ///
    /// Templates of this set are taken over, so that the cost follows what changed.
    ///
    /// # Errors
    /// Those of [`compile`](Self::compile).
    pub fn compile_next(
        &self,
        sources: &[Source<'_>],
        names: &Names,
    ) -> Result<Self, Vec<Mistake>> {
        let current = || {
            let places = sources.iter().enumerate();
            places.filter(|(_, source)| source.is_current)
        };
        let mut templates: Vec<&api::Template> = current()
            .filter_map(|(_, source)| template_of(source))
            .collect();
        let gone = gone_templates(sources, &templates);
        templates.extend(&gone);
        let mut all = Self {
            templates: self.templates.retained(&templates),
            journeys: names.journeys.clone(),
            ..Self::empty()
        };
        let mut found = Vec::new();
        for (place, source) in current() {
            let mut mistakes = Mistakes::new(place);
            all.add(source.kind, &mut mistakes);
            found.extend(mistakes.into_vec());
        }
        for template in gone {
            if !all.templates.has_texts_of(template) {
                // One that this version does not understand is left out.
                let _ = all.templates.add(template);
            }
        }
        if found.is_empty() {
            Ok(all)
        } else {
            Err(found)
        }
    }

    /// Adds one definition, if it is of a kind that activation owns and has no mistake.
    fn add(&mut self, kind: &Kind, mistakes: &mut Mistakes) {
        match kind {
            Kind::Channel(channel) => match channel::compile(channel) {
                Ok(compiled) => {
                    self.channels.insert(channel.name.as_str().into(), compiled);
                }
                Err(found) => found
                    .into_iter()
                    .for_each(|(path, message)| mistakes.add(path, message)),
            },
            Kind::Template(template) if template.medium.is_none() => {
                mistakes.add(
                    "text",
                    "a template needs a `text`, with a subject and a body",
                );
            }
            Kind::Template(template) if self.templates.has_texts_of(template) => {}
            Kind::Template(template) => {
                if let Err(found) = self.templates.add(template) {
                    found.into_iter().for_each(|(part, mistake)| {
                        mistakes.add(format!("text.{part}"), mistake.to_string());
                    });
                }
            }
            Kind::Policy(policy) => match policy::compile(policy) {
                Ok(compiled) => self.policy = compiled,
                Err(found) => found
                    .into_iter()
                    .for_each(|(path, message)| mistakes.add(path, message)),
            },
            _ => {}
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

    /// Returns whether a journey is defined, or nothing is known of journeys.
    pub fn may_have_journey(&self, name: &str) -> bool {
        let known = self.journeys.as_ref();
        known.is_none_or(|known| known.contains(name))
    }

    /// The policy.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }
}

fn template_of<'a>(source: &Source<'a>) -> Option<&'a api::Template> {
    match source.kind {
        Kind::Template(template) => Some(template),
        _ => None,
    }
}

/// The newest version of each template that was deleted: runs on older versions of a journey still
/// send it.
fn gone_templates<'a>(
    sources: &[Source<'a>],
    current: &[&'a api::Template],
) -> Vec<&'a api::Template> {
    let gone = sources.iter().filter(|source| !source.is_current);
    let mut known: BTreeSet<&str> = current.iter().map(|own| own.name.as_str()).collect();
    gone.filter_map(template_of)
        .filter(|own| own.medium.is_some() && known.insert(&own.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::text_template;

    #[test]
    fn every_mistake_of_every_definition_is_found_at_once() {
        let kinds = [
            Kind::Channel(api::Channel {
                name: "hook".to_owned(),
                ..api::Channel::default()
            }),
            Kind::Template(text_template("hello", "{{ a", "x\ny {% macro m() %}")),
            Kind::Template(api::Template {
                name: "empty".to_owned(),
                medium: None,
            }),
            Kind::Policy(api::Policy {
                exempt_purposes: vec![String::new()],
                ..api::Policy::default()
            }),
        ];
        let sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
        let mistakes = Definitions::compile(&sources, &Names::default()).expect_err("mistakes");
        let places: Vec<_> = mistakes
            .iter()
            .map(|mistake| (mistake.source, mistake.path.as_str()))
            .collect();
        assert_eq!(
            places,
            [
                (0, "kind"),
                (1, "text.subject"),
                (1, "text.body"),
                (2, "text"),
                (3, "exempt_purposes[0]")
            ]
        );
        assert!(mistakes[2].message.starts_with("line 2: `macro`"));
    }

    #[test]
    fn a_template_that_was_deleted_is_sent_on_in_its_newest_version() {
        let template = |name: &str, body: &str| Kind::Template(text_template(name, "Hello", body));
        let kinds = [
            template("a", "A2"),
            template("a", "A1"),
            template("b", "B2"),
            template("b", "B1"),
            template("c", "{{ c"),
        ];
        let mut sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
        for source in &mut sources[1..] {
            source.is_current = false;
        }
        let all = Definitions::compile(&sources, &Names::default()).expect("valid");
        let again = all
            .compile_next(&sources, &Names::default())
            .expect("valid");
        for set in [all, again] {
            let has = |name, body| {
                let template = text_template(name, "Hello", body);
                set.templates().has_texts_of(&template)
            };
            assert!(has("a", "A2") && has("b", "B2"));
            assert!(!has("a", "A1") && !has("b", "B1") && !set.templates().contains("c"));
        }
    }

    #[test]
    fn the_set_that_follows_is_the_one_that_is_compiled_from_scratch() {
        let template = |name: &str, body: &str| Kind::Template(text_template(name, "Hello", body));
        let names = Names::default();
        let first = [template("a", "A"), template("b", "B")];
        let first = first.each_ref().map(Source::current);
        let last = Definitions::compile(&first, &names).expect("valid");
        let second = [template("a", "A"), template("c", "C")];
        let second = second.each_ref().map(Source::current);
        let next = last.compile_next(&second, &names).expect("valid");
        let has = |name| next.templates().contains(name);
        assert_eq!((has("a"), has("b"), has("c")), (true, false, true));
        let third = [template("a", "{{ a"), template("c", "{% macro m() %}")];
        let third = third.each_ref().map(Source::current);
        assert_eq!(
            next.compile_next(&third, &names).expect_err("mistakes"),
            Definitions::compile(&third, &names).expect_err("mistakes")
        );
    }
}
