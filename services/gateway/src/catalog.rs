//! The kind of definition that the gateway owns, and what it makes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use definitions::{Catalog, Flaw, References, Versioned};
use gateway_core::SourceRules;
use proto::definition::v1::definition::Kind;
use proto::definition::v1::{Definition, DefinitionKind};

/// The rules of the sources that somebody defined, by name.
pub type Sources = BTreeMap<String, Arc<SourceRules>>;

/// Compiles sources.
#[derive(Debug, Clone, Copy, Default)]
pub struct SourceCatalog;

impl Catalog for SourceCatalog {
    type Compiled = Sources;

    fn kinds(&self) -> &'static [DefinitionKind] {
        &[DefinitionKind::Source]
    }

    fn compile(
        &self,
        all: &[Arc<Versioned<Definition>>],
        _references: &References,
        _last: Option<&Sources>,
    ) -> Result<Sources, Vec<Flaw>> {
        let mut sources = Sources::new();
        for one in all {
            if let Some(Kind::Source(source)) = &one.value.kind {
                let rules = Arc::new(SourceRules::of(source));
                sources.insert(source.name.clone(), rules);
            }
        }
        Ok(sources)
    }
}
