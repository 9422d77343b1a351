//! The definitions that activation owns, compiled for its core.

use activation_core::Definitions;
use definitions::{Catalog, Flaw, References, Versioned};
use proto::definition::v1::{Definition, DefinitionKind};

/// Channels, templates and the policy.
#[derive(Debug, Clone, Copy)]
pub struct ActivationCatalog;

impl Catalog for ActivationCatalog {
    type Compiled = Definitions;

    fn kinds(&self) -> &'static [DefinitionKind] {
        &[
            DefinitionKind::Channel,
            DefinitionKind::Template,
            DefinitionKind::Policy,
        ]
    }

    fn compile(
        &self,
        all: &[Versioned<Definition>],
        references: &References,
    ) -> Result<Definitions, Vec<Flaw>> {
        definitions::compile(all, references, Definitions::compile)
    }
}
