//! The definitions that activation owns, compiled for its core.

use std::sync::Arc;

use activation_core::template::{Part, TemplateMistake, unknown_names};
use activation_core::{Definitions, limits};
use definitions::{Catalog, Flaw, References, Versioned};
use kernel::{Duration, Owner};
use proto::definition::v1::definition::Kind;
use proto::definition::v1::{Definition, DefinitionKind};
use rpc::Violation;

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

    /// Runs on older versions of a journey send templates that were deleted since.
    fn keeps_gone_for(&self) -> Option<Duration> {
        Some(limits::GONE_TEMPLATES_KEPT)
    }

    fn look_over(&self, definition: &Definition) -> Vec<Violation> {
        let Some(Kind::Template(template)) = &definition.kind else {
            return Vec::new();
        };
        let found = unknown_names(template).into_iter();
        let violation = |(part, mistake): (Part, TemplateMistake)| {
            Violation::new(format!("template.text.{part}"), mistake.to_string())
        };
        found.map(violation).collect()
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
