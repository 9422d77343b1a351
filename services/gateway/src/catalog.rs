//! The kinds of definitions that the gateway owns, and their compilation.

use std::collections::BTreeMap;
use std::sync::Arc;

use definitions::{Catalog, Flaw, References, Versioned};
use gateway_core::SourceRules;
use proto::definition::v1::definition::Kind;
use proto::definition::v1::{Definition, DefinitionKind};

use crate::subscriptions::{SubscriptionRules, Subscriptions};

/// The rules of the sources that somebody defined, by name.
pub type Sources = BTreeMap<String, Arc<SourceRules>>;

/// The namespaces that are there without a definition: of customers, then of accounts. One that is
/// switched off is taken for one as well; identity tells of its values then.
const BUILT_IN_NAMESPACES: [&str; 11] = [
    "crm_id",
    "user_id",
    "email",
    "phone",
    "anonymous_id",
    "account",
    "company",
    "workspace",
    "household",
    "crm_account_id",
    "domain",
];

/// The definitions that are in force.
#[derive(Debug, Default)]
pub struct GatewayDefinitions {
    /// The senders of events.
    pub sources: Sources,
    /// The receivers of changes.
    pub subscriptions: Subscriptions,
}

/// Compiles sources and subscriptions.
#[derive(Debug, Clone, Copy, Default)]
pub struct GatewayCatalog;

impl Catalog for GatewayCatalog {
    type Compiled = GatewayDefinitions;

    fn kinds(&self) -> &'static [DefinitionKind] {
        &[DefinitionKind::Source, DefinitionKind::Subscription]
    }

    /// Sources name the namespaces of identifiers, and filters of subscriptions what changes are
    /// about.
    fn needs(&self) -> &'static [DefinitionKind] {
        &[
            DefinitionKind::Namespace,
            DefinitionKind::Segment,
            DefinitionKind::Journey,
            DefinitionKind::JourneyMap,
            DefinitionKind::Channel,
        ]
    }

    fn compile(
        &self,
        all: &[Arc<Versioned<Definition>>],
        references: &References,
        last: Option<&GatewayDefinitions>,
    ) -> Result<GatewayDefinitions, Vec<Flaw>> {
        let (mut compiled, mut flaws) = (GatewayDefinitions::default(), Vec::new());
        for (place, one) in all.iter().enumerate() {
            match &one.value.kind {
                Some(Kind::Source(source)) => {
                    let faults = SourceRules::faults(source, |name| has(references, name));
                    flaws.extend(faults.into_iter().map(|fault| {
                        let field = format!("source.{}", fault.field);
                        Flaw::new(place, field, fault.description)
                    }));
                    let rules = Arc::new(SourceRules::of(source));
                    compiled.sources.insert(source.name.clone(), rules);
                }
                Some(Kind::Subscription(subscription)) => {
                    let number = compiled.subscriptions.len();
                    match SubscriptionRules::compile(subscription, one, references, number) {
                        Ok(rules) => {
                            let name = subscription.name.clone();
                            let known = last.and_then(|last| last.subscriptions.get(&name));
                            // One that did not change is the same, so that nobody looks at it.
                            let rules = match known {
                                Some(known) if **known == rules => Arc::clone(known),
                                _ => Arc::new(rules),
                            };
                            compiled.subscriptions.insert(name, rules);
                        }
                        Err(faults) => flaws.extend(faults.into_iter().map(|(field, text)| {
                            Flaw::new(place, format!("subscription.{field}"), text)
                        })),
                    }
                }
                _ => {}
            }
        }
        match flaws.is_empty() {
            true => Ok(compiled),
            false => Err(flaws),
        }
    }
}

/// Returns whether there is a namespace of a name, or nothing is known of them.
fn has(references: &References, name: &str) -> bool {
    BUILT_IN_NAMESPACES.contains(&name) || references.has(DefinitionKind::Namespace, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::gateway::v1::Source;

    fn compile(source: Source, namespaces: Option<&[&str]>) -> Result<Sources, Vec<String>> {
        let mut references = References::unknown();
        if let Some(names) = namespaces {
            let names = names.iter().map(|name| (*name).to_owned());
            references.add(DefinitionKind::Namespace, names);
        }
        let stored = Versioned {
            value: Definition {
                kind: Some(Kind::Source(source)),
            },
            version: 1,
            is_superseded: false,
            etag: String::new(),
            update_time: kernel::Timestamp::from_millis(0),
        };
        let compiled = GatewayCatalog.compile(&[Arc::new(stored)], &references, None);
        let sources = compiled.map(|definitions| definitions.sources);
        sources.map_err(|flaws| {
            let fields = flaws.into_iter().map(|flaw| flaw.violation.field);
            fields.collect()
        })
    }

    fn source(user_namespace: &str) -> Source {
        Source {
            name: "web_shop".to_owned(),
            user_namespace: user_namespace.to_owned(),
            ..Source::default()
        }
    }

    #[test]
    fn a_source_names_namespaces_that_are_there() {
        let own = ["customer_number"];
        for (user_namespace, namespaces, expected) in [
            ("", None, vec![]),
            ("anything", None, vec![]),
            ("", Some(&[][..]), vec![]),
            ("email", Some(&[][..]), vec![]),
            ("anything", Some(&[][..]), vec!["source.user_namespace"]),
            ("customer_number", Some(&own[..]), vec![]),
            ("", Some(&own[..]), vec![]),
            ("phone", Some(&own[..]), vec![]),
            ("anything", Some(&own[..]), vec!["source.user_namespace"]),
        ] {
            let compiled = compile(source(user_namespace), namespaces);
            let faults = compiled.as_ref().err().cloned().unwrap_or_default();
            assert_eq!(faults, expected, "{user_namespace} {namespaces:?}");
            if let Ok(sources) = compiled {
                assert!(sources.contains_key("web_shop"));
            }
        }
    }
}
