//! The definitions that activation owns, compiled for its core.

use std::sync::Arc;

use activation_core::Definitions;
use definitions::{Catalog, Flaw, References, Versioned};
use kernel::Owner;
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

    /// Counters of what a journey asked for go when the journey does.
    fn follows(&self) -> Option<(&'static str, DefinitionKind)> {
        Some((Owner::Journey.name(), DefinitionKind::Journey))
    }

    fn compile(
        &self,
        all: &[Arc<Versioned<Definition>>],
        references: &References,
        last: Option<&Definitions>,
    ) -> Result<Definitions, Vec<Flaw>> {
        let none = Definitions::empty();
        let last = last.unwrap_or(&none);
        definitions::compile(all, references, |sources, names| {
            last.compile_next(sources, names)
        })
    }
}
