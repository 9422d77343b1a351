//! The key of a definition: its kind and its name.

use std::fmt;

use proto::definition::v1::definition::Kind;
use proto::definition::v1::{Definition, DefinitionKind};

/// Names a definition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DefinitionKey {
    /// Its kind, as the contract numbers it.
    pub kind: DefinitionKind,
    /// Its name, unique in its kind.
    pub name: String,
}

impl DefinitionKey {
    /// Names a definition.
    pub fn new(kind: DefinitionKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }
}

impl fmt::Display for DefinitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", kind_word(self.kind), self.name)
    }
}

/// The key of a definition; none where it holds nothing.
pub fn key_of(definition: &Definition) -> Option<DefinitionKey> {
    name_of(definition).map(|(kind, name)| DefinitionKey::new(kind, name))
}

/// Returns the kind and the name of a definition, or `None` where it holds nothing.
pub(crate) fn name_of(definition: &Definition) -> Option<(DefinitionKind, &str)> {
    let (kind, name) = match definition.kind.as_ref()? {
        Kind::Namespace(it) => (DefinitionKind::Namespace, &it.name),
        Kind::Segment(it) => (DefinitionKind::Segment, &it.name),
        Kind::JourneyMap(it) => (DefinitionKind::JourneyMap, &it.name),
        Kind::HappyPath(it) => (DefinitionKind::HappyPath, &it.name),
        Kind::Journey(it) => (DefinitionKind::Journey, &it.name),
        Kind::Channel(it) => (DefinitionKind::Channel, &it.name),
        Kind::Template(it) => (DefinitionKind::Template, &it.name),
        Kind::Policy(it) => (DefinitionKind::Policy, &it.name),
        Kind::Source(it) => (DefinitionKind::Source, &it.name),
        Kind::Subscription(it) => (DefinitionKind::Subscription, &it.name),
        Kind::IdentityPolicy(it) => (DefinitionKind::IdentityPolicy, &it.name),
    };
    Some((kind, name))
}

/// The first word of the YAML document of a kind, such as `journey_map`.
pub const fn kind_word(kind: DefinitionKind) -> &'static str {
    match kind {
        DefinitionKind::Unspecified => "definition",
        DefinitionKind::Namespace => "namespace",
        DefinitionKind::Segment => "segment",
        DefinitionKind::JourneyMap => "journey_map",
        DefinitionKind::HappyPath => "happy_path",
        DefinitionKind::Journey => "journey",
        DefinitionKind::Channel => "channel",
        DefinitionKind::Template => "template",
        DefinitionKind::Policy => "policy",
        DefinitionKind::Source => "source",
        DefinitionKind::Subscription => "subscription",
        DefinitionKind::IdentityPolicy => "identity_policy",
    }
}
