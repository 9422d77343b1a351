//! From definitions of namespaces to what screening and planning use.

use std::collections::HashMap;

use messages::identity::v1;

use crate::blocked::unquote;
use crate::limits::{IDENTIFIERS_PER_CUSTOMER, NAMESPACES};
use crate::namespace::{Namespace, Namespaces, Normalizer};

/// What is wrong with a definition, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Which of the definitions, from 0.
    pub index: usize,
    /// The field at fault.
    pub field: &'static str,
    /// What is wrong, and what would be right.
    pub description: String,
}

/// Compiles the namespaces of an installation; none at all gives the default ones.
///
/// # Errors
/// Every [`Mistake`] at once.
pub fn compile(definitions: &[v1::Namespace]) -> Result<Namespaces, Vec<Mistake>> {
    if definitions.is_empty() {
        return Ok(Namespaces::default());
    }
    let mut mistakes = Vec::new();
    let mut names = HashMap::new();
    let mut priorities: HashMap<u32, &str> = HashMap::new();
    let mut namespaces = Vec::with_capacity(definitions.len());
    for (index, definition) in definitions.iter().enumerate() {
        let mut wrong = |field, description| {
            mistakes.push(Mistake {
                index,
                field,
                description,
            });
        };
        if index >= NAMESPACES {
            wrong(
                "name",
                format!("one namespace too many: at most {NAMESPACES} can be defined"),
            );
        }
        if names.insert(definition.name.as_str(), index).is_some() {
            wrong("name", format!("`{}` is defined twice", definition.name));
        }
        if !(1..=1_000).contains(&definition.priority) {
            wrong(
                "priority",
                "expected 1 to 1000; 1 is kept longest".to_owned(),
            );
        } else if let Some(other) = priorities.insert(definition.priority, &definition.name) {
            wrong(
                "priority",
                format!(
                    "{} is the priority of `{other}` too; each namespace needs its own",
                    definition.priority
                ),
            );
        }
        if !(1..=IDENTIFIERS_PER_CUSTOMER).contains(&definition.limit) {
            wrong(
                "limit",
                format!("expected 1 to {IDENTIFIERS_PER_CUSTOMER} values a customer"),
            );
        }
        let normalizer = match v1::Normalizer::try_from(definition.normalizer) {
            Ok(v1::Normalizer::Unspecified | v1::Normalizer::Trim) => Normalizer::Trim,
            Ok(v1::Normalizer::Lowercase) => Normalizer::Lowercase,
            Ok(v1::Normalizer::Email) => Normalizer::Email,
            Err(_) => {
                wrong(
                    "normalizer",
                    "expected NORMALIZER_TRIM, NORMALIZER_LOWERCASE or NORMALIZER_EMAIL".to_owned(),
                );
                continue;
            }
        };
        namespaces.push(Namespace {
            name: definition.name.as_str().into(),
            priority: definition.priority,
            limit: definition.limit,
            normalizer,
            blocked: definition
                .blocked_values
                .iter()
                .map(|value| unquote(value).to_lowercase().into_boxed_str())
                .collect(),
        });
    }
    if mistakes.is_empty() {
        Ok(Namespaces::new(namespaces))
    } else {
        Err(mistakes)
    }
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

    fn check(definitions: &[v1::Namespace], expected: &[(usize, &str, &str)]) {
        let mistakes = compile(definitions).expect_err("a mistake");
        let seen: Vec<_> = mistakes
            .iter()
            .map(|mistake| (mistake.index, mistake.field, mistake.description.as_str()))
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
