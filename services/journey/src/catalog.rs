//! The kinds of definition that the journey service owns, and what it makes of them.

use std::sync::Arc;

use definitions::{Catalog, Flaw, References, Versioned};
use journey_core::Definitions;
use proto::definition::v1::{Definition, DefinitionKind};

/// Compiles maps, happy paths and journeys.
#[derive(Debug, Clone, Copy, Default)]
pub struct JourneyCatalog;

impl Catalog for JourneyCatalog {
    type Compiled = Definitions;

    fn kinds(&self) -> &'static [DefinitionKind] {
        &[
            DefinitionKind::JourneyMap,
            DefinitionKind::HappyPath,
            DefinitionKind::Journey,
        ]
    }

    fn needs(&self) -> &'static [DefinitionKind] {
        &[
            DefinitionKind::Segment,
            DefinitionKind::Channel,
            DefinitionKind::Template,
        ]
    }

    /// Runs stay on the version that they started on.
    fn wants_older_versions(&self) -> bool {
        true
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

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Timestamp;
    use proto::definition::v1::definition::Kind;
    use proto::journey::v1 as api;

    fn stored(name: &str, segment: &str, is_superseded: bool) -> Arc<Versioned<Definition>> {
        let trigger = api::Trigger {
            kind: Some(api::trigger::Kind::SegmentEntered(segment.to_owned())),
            r#where: String::new(),
        };
        let stage = api::Stage {
            name: "one".to_owned(),
            enter: vec![trigger],
            ..api::Stage::default()
        };
        Arc::new(Versioned {
            value: Definition {
                kind: Some(Kind::JourneyMap(api::JourneyMap {
                    name: name.to_owned(),
                    stages: vec![stage],
                    ..api::JourneyMap::default()
                })),
            },
            version: 1,
            is_superseded,
            etag: String::new(),
            update_time: Timestamp::from_millis(0),
        })
    }

    #[test]
    fn names_of_other_services_resolve_where_nothing_is_known_of_them() {
        let catalog = JourneyCatalog;
        let all = [stored("m", "loyal", false)];
        assert!(catalog.compile(&all, &References::unknown(), None).is_ok());
    }

    #[test]
    fn flaws_say_which_definition_and_where_in_it() {
        let catalog = JourneyCatalog;
        let mut references = References::unknown();
        references.add(DefinitionKind::Segment, ["loyal".to_owned()]);
        let all = [
            stored("a", "loyal", false),
            stored("b", "gone", true),
            stored("c", "loyl", false),
        ];
        let flaws = catalog
            .compile(&all, &references, None)
            .expect_err("there is no segment `loyl`");
        assert_eq!(
            flaws,
            [Flaw::new(
                2,
                "journey_map.stages[0].enter[0].segment_entered",
                "no segment is named `loyl`: did you mean `loyal`?"
            )]
        );
    }
}
