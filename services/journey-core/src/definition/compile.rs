//! Compiles everything that was published, at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use messages::definition::v1::definition::Kind;

use super::fault::{Fault, Faults};
use super::names::Names;
use super::{Definitions, happy_path, journey, journey_map};

/// One stored version of a definition.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The definition. Kinds that the journey service does not own are passed over.
    pub kind: &'a Kind,
    /// Its version.
    pub version: u32,
    /// Whether it is the version in force. The others are for runs that started on them, and are not judged again.
    pub is_current: bool,
}

/// Compiles definitions.
///
/// # Errors
/// Every [`Fault`] of every current definition, in their order.
pub fn compile(sources: &[Source<'_>], names: &Names) -> Result<Definitions, Vec<Fault>> {
    let mut definitions = Definitions::empty();
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
        let mut faults = Faults::new(place);
        match source.kind {
            Kind::JourneyMap(map) if source.is_current => {
                if let Some(map) = journey_map::compile(map, names, &mut faults) {
                    definitions.add_map(Arc::new(map));
                }
            }
            Kind::HappyPath(path) if source.is_current => {
                let version = source.version;
                if let Some(path) =
                    happy_path::compile(path, version, &mut path_of_map, names, &mut faults)
                {
                    definitions.add_path(Arc::new(path));
                }
            }
            Kind::Journey(journey) => {
                // What an old version refers to may be gone by now; its runs go on as they can.
                let any = Names::default();
                let names = if source.is_current { names } else { &any };
                if let Some(journey) = journey::compile(journey, source.version, names, &mut faults)
                {
                    definitions.add_journey(Arc::new(journey), source.is_current);
                }
            }
            _ => {}
        }
        if source.is_current {
            found.extend(faults.into_vec());
        }
    }
    if found.is_empty() {
        Ok(definitions)
    } else {
        Err(found)
    }
}
