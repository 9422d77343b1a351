//! The kind of definition that the segmentation service owns, and what it makes of it.

use std::sync::Arc;

use definitions::{Catalog, Flaw, References, Versioned};
use kernel::Duration;
use proto::definition::v1::{Definition, DefinitionKind};
use segmentation_core::{Definitions, limits};

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
    use kernel::Timestamp;
    use proto::definition::v1::definition::Kind;
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
