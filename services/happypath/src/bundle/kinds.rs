//! Kinds of definitions: their services, their order, and how people write them.

use definitions::{key_of, kind_word};
use proto::definition::v1::{Definition, DefinitionKind};

use crate::client::ServiceName;

/// The kind of a definition.
pub(crate) fn kind(definition: &Definition) -> DefinitionKind {
    key_of(definition).map_or(DefinitionKind::Unspecified, |key| key.kind)
}

/// Returns the service that keeps a kind.
pub(crate) const fn service(kind: DefinitionKind) -> ServiceName {
    match kind {
        DefinitionKind::Unspecified
        | DefinitionKind::Namespace
        | DefinitionKind::IdentityPolicy => ServiceName::Identity,
        DefinitionKind::Segment => ServiceName::Segmentation,
        DefinitionKind::Channel | DefinitionKind::Template | DefinitionKind::Policy => {
            ServiceName::Activation
        }
        DefinitionKind::JourneyMap | DefinitionKind::HappyPath | DefinitionKind::Journey => {
            ServiceName::Journey
        }
        DefinitionKind::Source | DefinitionKind::Subscription => ServiceName::Gateway,
    }
}

/// Its place among the kinds, so that each follows those that it refers to.
pub(super) const fn rank(kind: DefinitionKind) -> u8 {
    match kind {
        DefinitionKind::Unspecified | DefinitionKind::Namespace => 0,
        DefinitionKind::Segment => 1,
        DefinitionKind::Channel => 2,
        DefinitionKind::Template => 3,
        DefinitionKind::Policy => 4,
        DefinitionKind::JourneyMap => 5,
        DefinitionKind::HappyPath => 6,
        DefinitionKind::Journey => 7,
        DefinitionKind::Source => 8,
        DefinitionKind::Subscription => 9,
        DefinitionKind::IdentityPolicy => 10,
    }
}

/// Reads a kind as people write it: `segment`, `segments`, `happy-path`, `maps`.
pub(crate) fn parse_kind(text: &str) -> Result<DefinitionKind, String> {
    let word = text.to_ascii_lowercase().replace('-', "_");
    let singular = match word.as_str() {
        "policies" => "policy",
        "identity_policies" => "identity_policy",
        "map" | "maps" => "journey_map",
        word => word.strip_suffix('s').unwrap_or(word),
    };
    KINDS
        .into_iter()
        .find(|kind| kind_word(*kind) == singular)
        .ok_or_else(|| {
            let words = KINDS.map(kind_word).join(", ");
            format!("is not a kind of definition: there are {words}")
        })
}

/// Every kind, in the order of [`rank`].
pub(crate) const KINDS: [DefinitionKind; 11] = [
    DefinitionKind::Namespace,
    DefinitionKind::Segment,
    DefinitionKind::Channel,
    DefinitionKind::Template,
    DefinitionKind::Policy,
    DefinitionKind::JourneyMap,
    DefinitionKind::HappyPath,
    DefinitionKind::Journey,
    DefinitionKind::Source,
    DefinitionKind::Subscription,
    DefinitionKind::IdentityPolicy,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_in_every_usual_spelling() {
        for (text, kind) in [
            ("segment", DefinitionKind::Segment),
            ("Segments", DefinitionKind::Segment),
            ("happy-paths", DefinitionKind::HappyPath),
            ("map", DefinitionKind::JourneyMap),
            ("journey_maps", DefinitionKind::JourneyMap),
            ("policies", DefinitionKind::Policy),
            ("sources", DefinitionKind::Source),
        ] {
            assert_eq!(parse_kind(text), Ok(kind), "{text}");
        }
        assert!(parse_kind("persona").is_err());
    }

    #[test]
    fn kinds_are_in_the_order_in_which_they_depend_on_one_another() {
        assert!(KINDS.is_sorted_by_key(|kind| rank(*kind)));
    }
}
