//! The kind of definition that identity owns, and what it makes of it.

use definitions::{Catalog, Flaw, References, Versioned};
use identity_core::{Namespaces, compile};
use proto::definition::v1::definition::Kind;
use proto::definition::v1::{Definition, DefinitionKind};

/// Compiles namespaces.
#[derive(Debug, Clone, Copy, Default)]
pub struct NamespaceCatalog;

impl Catalog for NamespaceCatalog {
    type Compiled = Namespaces;

    fn kinds(&self) -> &'static [DefinitionKind] {
        &[DefinitionKind::Namespace]
    }

    fn compile(
        &self,
        all: &[Versioned<Definition>],
        _references: &References,
    ) -> Result<Namespaces, Vec<Flaw>> {
        let (places, namespaces): (Vec<usize>, Vec<_>) = all
            .iter()
            .enumerate()
            .filter_map(|(place, stored)| match &stored.value.kind {
                Some(Kind::Namespace(namespace)) => Some((place, namespace.clone())),
                _ => None,
            })
            .unzip();
        compile(&namespaces).map_err(|mistakes| {
            mistakes
                .into_iter()
                .map(|mistake| {
                    let field = format!("namespace.{}", mistake.field);
                    Flaw::new(places[mistake.index], field, mistake.description)
                })
                .collect()
        })
    }
}
