//! The definitions that activation owns, compiled for its core.

use std::sync::Arc;

use activation_core::{Definitions, Kind, Mistake};
use definitions::{Catalog, Flaw, References, Versioned, key_of};
use proto::definition::v1::definition::Kind as Defined;
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
        all: &[Arc<Versioned<Definition>>],
        _references: &References,
        last: Option<&Definitions>,
    ) -> Result<Definitions, Vec<Flaw>> {
        let kinds = || all.iter().filter_map(|stored| stored.value.kind.as_ref());
        let channels = kinds().filter_map(|kind| match kind {
            Defined::Channel(channel) => Some(channel),
            _ => None,
        });
        let templates = kinds().filter_map(|kind| match kind {
            Defined::Template(template) => Some(template),
            _ => None,
        });
        let policies = kinds().filter_map(|kind| match kind {
            Defined::Policy(policy) => Some(policy),
            _ => None,
        });
        let compiled = match last {
            Some(last) => last.compile_next(channels, templates, policies),
            None => Definitions::compile(channels, templates, policies),
        };
        compiled.map_err(|mistakes| {
            mistakes
                .into_iter()
                .map(|mistake| flaw(all, &mistake))
                .collect()
        })
    }
}

fn flaw(all: &[Arc<Versioned<Definition>>], mistake: &Mistake) -> Flaw {
    let kind = match mistake.kind {
        Kind::Channel => DefinitionKind::Channel,
        Kind::Template => DefinitionKind::Template,
        Kind::Policy => DefinitionKind::Policy,
    };
    let index = all
        .iter()
        .position(|stored| {
            key_of(&stored.value).is_some_and(|key| key.kind == kind && key.name == mistake.name)
        })
        .expect("a mistake is of a definition of the set");
    Flaw::new(
        index,
        format!("{}.{}", mistake.kind, mistake.path),
        mistake.message.as_str(),
    )
}
