//! From definitions of namespaces to what screening and planning use.

use std::collections::{HashMap, HashSet};

use decision::{Mistake, Mistakes, Names, Source};
use messages::definition::v1::definition::Kind;
use messages::identity::v1;

use crate::blocked::unquote;
use crate::limits::{IDENTIFIERS_PER_CUSTOMER, NAMESPACES};
use crate::namespace::{Namespace, Namespaces, Normalizer};

impl Namespaces {
    /// Compiles the namespaces of an installation; none at all gives the default ones.
    ///
    /// # Errors
    /// Every [`Mistake`] of every definition, in their order.
    pub fn compile(sources: &[Source<'_>], _names: &Names) -> Result<Self, Vec<Mistake>> {
        let mut found = Vec::new();
        let mut namespaces = Vec::new();
        let mut names: HashSet<&str> = HashSet::new();
        let mut priorities: HashMap<u32, &str> = HashMap::new();
        for (place, source) in sources.iter().enumerate() {
            let Kind::Namespace(definition) = source.kind else {
                continue;
            };
            let mut mistakes = Mistakes::new(place);
            if names.len() >= NAMESPACES {
                let message =
                    format!("one namespace too many: at most {NAMESPACES} can be defined");
                mistakes.add("name", message);
            }
            if !names.insert(&definition.name) {
                mistakes.add("name", format!("`{}` is defined twice", definition.name));
            }
            check_priority(definition, &mut priorities, &mut mistakes);
            namespaces.extend(namespace(definition, &mut mistakes));
            found.extend(mistakes.into_vec());
        }
        match (found.is_empty(), namespaces.is_empty()) {
            (false, _) => Err(found),
            (true, true) => Ok(Self::default()),
            (true, false) => Ok(Self::new(namespaces)),
        }
    }
}

fn check_priority<'a>(
    definition: &'a v1::Namespace,
    priorities: &mut HashMap<u32, &'a str>,
    mistakes: &mut Mistakes,
) {
    let priority = definition.priority;
    if !(1..=1_000).contains(&priority) {
        mistakes.add("priority", "expected 1 to 1000; 1 is kept longest");
    } else if let Some(other) = priorities.insert(priority, &definition.name) {
        let message =
            format!("{priority} is the priority of `{other}` too; each namespace needs its own");
        mistakes.add("priority", message);
    }
}

fn namespace(definition: &v1::Namespace, mistakes: &mut Mistakes) -> Option<Namespace> {
    if !(1..=IDENTIFIERS_PER_CUSTOMER).contains(&definition.limit) {
        let message = format!("expected 1 to {IDENTIFIERS_PER_CUSTOMER} values a customer");
        mistakes.add("limit", message);
    }
    let normalizer = match v1::Normalizer::try_from(definition.normalizer) {
        Ok(v1::Normalizer::Unspecified | v1::Normalizer::Trim) => Normalizer::Trim,
        Ok(v1::Normalizer::Lowercase) => Normalizer::Lowercase,
        Ok(v1::Normalizer::Email) => Normalizer::Email,
        Err(_) => {
            let message = "expected NORMALIZER_TRIM, NORMALIZER_LOWERCASE or NORMALIZER_EMAIL";
            mistakes.add("normalizer", message);
            return None;
        }
    };
    Some(Namespace {
        name: definition.name.as_str().into(),
        priority: definition.priority,
        limit: definition.limit,
        normalizer,
        blocked: definition
            .blocked_values
            .iter()
            .map(|value| unquote(value).to_lowercase().into_boxed_str())
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(name: &str, priority: u32, limit: u32) -> v1::Namespace {
        v1::Namespace {
            name: name.to_owned(),
            priority,
            limit,
            ..Default::default()
        }
    }

    fn compile(definitions: &[v1::Namespace]) -> Result<Namespaces, Vec<Mistake>> {
        let kinds: Vec<Kind> = definitions.iter().cloned().map(Kind::Namespace).collect();
        let sources: Vec<Source<'_>> = kinds.iter().map(Source::current).collect();
        Namespaces::compile(&sources, &Names::default())
    }

    fn check(definitions: &[v1::Namespace], expected: &[(usize, &str, &str)]) {
        let mistakes = compile(definitions).expect_err("a mistake");
        let seen: Vec<_> = mistakes
            .iter()
            .map(|mistake| {
                (
                    mistake.source,
                    mistake.path.as_str(),
                    mistake.message.as_str(),
                )
            })
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        check(
            &[
                namespace("email", 1, 5),
                namespace("phone", 1, 0),
                namespace("email", 2, 1),
                v1::Namespace {
                    normalizer: 77,
                    ..namespace("x", 0, 2_000)
                },
            ],
            &[
                (
                    1,
                    "priority",
                    "1 is the priority of `email` too; each namespace needs its own",
                ),
                (1, "limit", "expected 1 to 1000 values a customer"),
                (2, "name", "`email` is defined twice"),
                (3, "priority", "expected 1 to 1000; 1 is kept longest"),
                (3, "limit", "expected 1 to 1000 values a customer"),
                (
                    3,
                    "normalizer",
                    "expected NORMALIZER_TRIM, NORMALIZER_LOWERCASE or NORMALIZER_EMAIL",
                ),
            ],
        );
    }

    #[test]
    fn without_definitions_the_default_namespaces_exist() {
        let namespaces = compile(&[]).expect("the default");
        let seen: Vec<_> = namespaces
            .iter()
            .map(|n| (n.name(), n.priority(), n.limit()))
            .collect();
        assert_eq!(
            seen,
            [("user_id", 1, 1), ("email", 2, 5), ("anonymous_id", 3, 5)]
        );
    }

    #[test]
    fn a_namespace_blocks_its_own_values_too() {
        let namespaces = compile(&[v1::Namespace {
            blocked_values: vec!["Team@Example.com".to_owned()],
            ..namespace("email", 1, 5)
        }])
        .expect("a namespace");
        let (_, email) = namespaces.find("email").expect("defined");
        assert!(email.is_blocked(" 'TEAM@example.com'") && email.is_blocked("null"));
        assert!(!email.is_blocked("jane@example.com"));
    }
}
