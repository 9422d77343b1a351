//! Between stored definitions and a core that compiles them: sources and names in, flaws of the set
//! out.

use std::sync::Arc;

use decision::{Mistake, Names, Source};
use proto::definition::v1::{Definition, DefinitionKind};

use crate::{Flaw, References, Versioned, key_of, kind_word};

/// Compiles a set of stored definitions with the function of a core.
///
/// # Errors
/// A [`Flaw`] for each mistake, with the path of the mistake under the word of the definition's
/// kind.
pub fn compile<D>(
    all: &[Arc<Versioned<Definition>>],
    references: &References,
    core: impl FnOnce(&[Source<'_>], &Names) -> Result<D, Vec<Mistake>>,
) -> Result<D, Vec<Flaw>> {
    let (places, sources): (Vec<usize>, Vec<Source<'_>>) = all
        .iter()
        .enumerate()
        .filter_map(|(place, stored)| {
            let source = Source {
                kind: stored.value.kind.as_ref()?,
                version: stored.version,
                is_current: !stored.is_superseded,
            };
            Some((place, source))
        })
        .unzip();
    let names = Names {
        segments: references.all(DefinitionKind::Segment),
        channels: references.all(DefinitionKind::Channel),
        templates: references.all(DefinitionKind::Template),
        journeys: references.all(DefinitionKind::Journey),
    };
    core(&sources, &names).map_err(|mistakes| {
        let flaw = |mistake: Mistake| {
            let place = places[mistake.source];
            let kind = key_of(&all[place].value).map(|key| kind_word(key.kind));
            let field = format!("{}.{}", kind.unwrap_or("definition"), mistake.path);
            Flaw::new(place, field, mistake.message)
        };
        mistakes.into_iter().map(flaw).collect()
    })
}
