//! The kind of definition that the segmentation service owns, and what it makes of it.

use std::sync::Arc;

use definitions::{Catalog, Flaw, References, Versioned};
use kernel::Duration;
use proto::definition::v1::definition::Kind;
use proto::definition::v1::{Definition, DefinitionKind};
use segmentation_core::{Definitions, SegmentSource, limits};

/// Compiles segments.
#[derive(Debug, Clone, Copy, Default)]
pub struct SegmentCatalog;

impl Catalog for SegmentCatalog {
    type Compiled = Definitions;

    fn kinds(&self) -> &'static [DefinitionKind] {
        &[DefinitionKind::Segment]
    }

    fn keeps_gone_for(&self) -> Option<Duration> {
        Some(limits::UNREAD_KEPT)
    }

    fn compile(
        &self,
        all: &[Arc<Versioned<Definition>>],
        _references: &References,
        last: Option<&Definitions>,
    ) -> Result<Definitions, Vec<Flaw>> {
        let (mut places, mut sources, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for (place, stored) in all.iter().enumerate() {
            let Some(Kind::Segment(segment)) = &stored.value.kind else {
                continue;
            };
            let source = SegmentSource {
                name: segment.name.clone(),
                version: stored.version,
                expression: segment.expression.clone(),
            };
            if stored.is_superseded {
                gone.push(source);
            } else {
                places.push(place);
                sources.push(source);
            }
        }
        let compiled = match last {
            Some(last) => last.compile_next(&sources, &gone),
            None => Definitions::compile(&sources, &gone),
        };
        compiled.map_err(|faults| {
            let flaw = |fault: &segmentation_core::SegmentFault| {
                let source = sources
                    .iter()
                    .position(|source| source.name == fault.segment)?;
                let description = fault.mistake.to_string();
                Some(Flaw::new(places[source], "segment.expression", description))
            };
            faults.iter().filter_map(flaw).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;
    use proto::segmentation::v1::Segment;

    use super::*;

    fn stored(name: &str, expression: &str) -> Versioned<Definition> {
        Versioned {
            value: Definition {
                kind: Some(Kind::Segment(Segment {
                    name: name.to_owned(),
                    description: String::new(),
                    expression: expression.to_owned(),
                })),
            },
            version: 1,
            is_superseded: false,
            etag: String::new(),
            update_time: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn flaws_say_which_segment_and_where_in_its_expression() {
        let catalog = SegmentCatalog;
        let all = [
            Arc::new(stored("a", "true")),
            Arc::new(stored("b", "segments.has(\"aa\") &&\n profile.x = 1")),
        ];
        let flaws = catalog
            .compile(&all, &References::unknown(), None)
            .expect_err("two mistakes");
        assert_eq!(
            flaws,
            [
                Flaw::new(
                    1,
                    "segment.expression",
                    "1:14: there is no segment `aa`: did you mean `a`?"
                ),
                Flaw::new(
                    1,
                    "segment.expression",
                    "2:12: `=` is not an operator: did you mean `==`?"
                ),
            ]
        );
    }
}
