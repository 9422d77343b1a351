//! The kind of definition that the gateway owns, and what it makes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use definitions::{Catalog, Flaw, References, Versioned};
use gateway_core::{ANONYMOUS_NAMESPACE, IDENTIFIER_TRAIT, SourceRules, USER_NAMESPACE};
use proto::definition::v1::definition::Kind;
use proto::definition::v1::{Definition, DefinitionKind};

/// The rules of the sources that somebody defined, by name.
pub type Sources = BTreeMap<String, Arc<SourceRules>>;

/// The namespaces of an installation that defined none.
const DEFAULT_NAMESPACES: [&str; 3] = [USER_NAMESPACE, ANONYMOUS_NAMESPACE, IDENTIFIER_TRAIT];

/// Compiles sources.
#[derive(Debug, Clone, Copy, Default)]
pub struct SourceCatalog;

impl Catalog for SourceCatalog {
    type Compiled = Sources;

    fn kinds(&self) -> &'static [DefinitionKind] {
        &[DefinitionKind::Source]
    }

    /// Sources name the namespaces of identifiers.
    fn needs(&self) -> &'static [DefinitionKind] {
        &[DefinitionKind::Namespace]
    }

    fn compile(
        &self,
        all: &[Arc<Versioned<Definition>>],
        references: &References,
        _last: Option<&Sources>,
    ) -> Result<Sources, Vec<Flaw>> {
        let (mut sources, mut flaws) = (Sources::new(), Vec::new());
        for (place, one) in all.iter().enumerate() {
            let Some(Kind::Source(source)) = &one.value.kind else {
                continue;
            };
            let faults = SourceRules::faults(source, |name| has(references, name));
            flaws.extend(faults.into_iter().map(|fault| {
                let field = format!("source.{}", fault.field);
                Flaw::new(place, field, fault.description)
            }));
            let rules = Arc::new(SourceRules::of(source));
            sources.insert(source.name.clone(), rules);
        }
        match flaws.is_empty() {
            true => Ok(sources),
            false => Err(flaws),
        }
    }
}

/// Returns whether there is a namespace of a name, or nothing is known of them.
fn has(references: &References, name: &str) -> bool {
    let mut names = references.names(DefinitionKind::Namespace).peekable();
    match references.knows(DefinitionKind::Namespace) && names.peek().is_none() {
        true => DEFAULT_NAMESPACES.contains(&name),
        false => references.has(DefinitionKind::Namespace, name),
    }
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
        let compiled = SourceCatalog.compile(&[Arc::new(stored)], &references, None);
        compiled.map_err(|flaws| {
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
        let own = ["customer_number", "anonymous_id", "email"];
        for (user_namespace, namespaces, expected) in [
            ("", None, vec![]),
            ("anything", None, vec![]),
            ("", Some(&[][..]), vec![]),
            ("email", Some(&[][..]), vec![]),
            ("anything", Some(&[][..]), vec!["source.user_namespace"]),
            ("customer_number", Some(&own[..]), vec![]),
            ("", Some(&own[..]), vec!["source.user_namespace"]),
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
