//! Names of definitions that other services own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use proto::definition::v1::DefinitionKind;
use rpc::Failure;

/// The names of other kinds that a set may refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// A kind that is absent is not known, and every name of it resolves.
    names: BTreeMap<i32, Arc<BTreeSet<String>>>,
}

impl References {
    /// Knows nothing, so that every name resolves.
    pub fn unknown() -> Self {
        Self::default()
    }

    /// Returns whether a definition of this kind and name exists, or nothing is known of the kind.
    pub fn has(&self, kind: DefinitionKind, name: &str) -> bool {
        self.names
            .get(&(kind as i32))
            .is_none_or(|names| names.contains(name))
    }

    /// Returns whether the names of a kind are known.
    pub fn knows(&self, kind: DefinitionKind) -> bool {
        self.names.contains_key(&(kind as i32))
    }

    /// Returns all names of a kind, or `None` where nothing is known of it.
    pub fn all(&self, kind: DefinitionKind) -> Option<Arc<BTreeSet<String>>> {
        self.names.get(&(kind as i32)).cloned()
    }

    /// All names of a kind, for "did you mean"; none where nothing is known of it.
    pub fn names(&self, kind: DefinitionKind) -> impl Iterator<Item = &str> {
        self.names
            .get(&(kind as i32))
            .into_iter()
            .flat_map(|names| names.iter())
            .map(String::as_str)
    }

    /// Says that these, and the ones added before, are all the names of a kind.
    pub fn add(&mut self, kind: DefinitionKind, names: impl IntoIterator<Item = String>) {
        let known = self.names.entry(kind as i32).or_default();
        Arc::make_mut(known).extend(names);
    }

    /// Takes a name out, as if its definition were deleted.
    pub fn remove(&mut self, kind: DefinitionKind, name: &str) {
        if let Some(names) = self.names.get_mut(&(kind as i32)) {
            Arc::make_mut(names).remove(name);
        }
    }
}

/// Finds the names of definitions that other processes own: a client of their `DefinitionService`,
/// say.
#[async_trait]
pub trait ReferenceSource: Send + Sync + 'static {
    /// All names of a kind; none where this source does not know the kind.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::PeerUnavailable`] where the owner does not answer.
    async fn names(&self, kind: DefinitionKind) -> Result<Option<Vec<String>>, Failure>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_resolves() {
        let mut references = References::unknown();
        assert!(references.has(DefinitionKind::Segment, "loyal"));
        references.add(DefinitionKind::Segment, ["new".to_owned()]);
        assert!(!references.has(DefinitionKind::Segment, "loyal"));
        assert!(references.has(DefinitionKind::Channel, "mail"));
        references.remove(DefinitionKind::Segment, "new");
        assert!(!references.has(DefinitionKind::Segment, "new"));
    }
}
