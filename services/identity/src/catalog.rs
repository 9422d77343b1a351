//! The kind of definition that identity owns, and what it makes of it.

use std::sync::Arc;

use definitions::{Catalog, Flaw, References, Versioned};
use identity_core::Namespaces;
use proto::definition::v1::{Definition, DefinitionKind};

/// Compiles namespaces.
#[derive(Debug, Clone, Copy, Default)]
pub struct NamespaceCatalog;

impl Catalog for NamespaceCatalog {
    type Compiled = Namespaces;

    fn kinds(&self) -> &'static [DefinitionKind] {
        &[DefinitionKind::Namespace, DefinitionKind::IdentityPolicy]
    }

    fn compile(
        &self,
        all: &[Arc<Versioned<Definition>>],
        references: &References,
        _last: Option<&Namespaces>,
    ) -> Result<Namespaces, Vec<Flaw>> {
        definitions::compile(all, references, Namespaces::compile)
    }
}
