//! Compiles everything that was published, at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use decision::{Mistake, Mistakes, Names, Source};
use messages::definition::v1::definition::Kind;

use super::{Definitions, happy_path, journey, journey_map};

impl Definitions {
    /// Compiles maps, happy paths and journeys.
    ///
    /// # Errors
    /// Every [`Mistake`] of every current definition, in their order.
    pub fn compile(sources: &[Source<'_>], names: &Names) -> Result<Self, Vec<Mistake>> {
        let mut definitions = Self::empty();
        let mut found = Vec::new();
        let mut path_of_map: BTreeMap<String, Option<String>> = sources
            .iter()
            .filter(|source| source.is_current)
            .filter_map(|source| match source.kind {
                Kind::JourneyMap(map) => Some((map.name.clone(), None)),
                _ => None,
            })
            .collect();
        for (place, source) in sources.iter().enumerate() {
            let mut mistakes = Mistakes::new(place);
            match source.kind {
                Kind::JourneyMap(map) if source.is_current => {
                    if let Some(map) = journey_map::compile(map, names, &mut mistakes) {
                        definitions.add_map(Arc::new(map));
                    }
                }
                Kind::HappyPath(path) if source.is_current => {
                    let version = source.version;
                    if let Some(path) =
                        happy_path::compile(path, version, &mut path_of_map, names, &mut mistakes)
                    {
                        definitions.add_path(Arc::new(path));
                    }
                }
                Kind::Journey(journey) => {
                    // What an old version refers to may be gone by now; its runs go on as they can.
                    let any = Names::default();
                    let names = if source.is_current { names } else { &any };
                    if let Some(journey) =
                        journey::compile(journey, source.version, names, &mut mistakes)
                    {
                        definitions.add_journey(Arc::new(journey), source.is_current);
                    }
                }
                _ => {}
            }
            if source.is_current {
                found.extend(mistakes.into_vec());
            }
        }
        if found.is_empty() {
            Ok(definitions)
        } else {
            Err(found)
        }
    }
}
