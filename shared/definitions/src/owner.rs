//! A store of definitions, whatever its catalog compiles to.

use std::collections::BTreeSet;

use async_trait::async_trait;
use proto::definition::v1::{AppliedDefinition, Definition, DefinitionKind};
use rpc::Failure;
use storage::Database;
use vault::Vault;

use crate::commit::commit;
use crate::rotation::Rotation;
use crate::{DefinitionKey, IfMatch, Planned, References, Revision, Versioned};

/// A change of the definitions of one owner, all or none.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Create or update these.
    Apply(Vec<Edit>),
    /// Delete this one, where it has the version that is expected.
    Delete(DefinitionKey, IfMatch),
}

impl Change {
    /// Creates or updates definitions, in the order of a request, whatever versions they have.
    pub fn apply(definitions: impl IntoIterator<Item = Definition>) -> Self {
        let edits = definitions.into_iter().enumerate();
        let edits = edits.map(|(index, definition)| Edit {
            index,
            definition,
            if_match: IfMatch::Any,
        });
        Self::Apply(edits.collect())
    }

    /// Deletes a definition, whatever version it has.
    pub fn delete(kind: DefinitionKind, name: &str) -> Self {
        Self::Delete(DefinitionKey::new(kind, name), IfMatch::Any)
    }
}

/// A definition to create or update.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// Its place in the request.
    pub index: usize,
    /// The definition.
    pub definition: Definition,
    /// The version that is expected to be in force before.
    pub if_match: IfMatch,
}

/// The results of a change, or of one that would be made.
pub type Applied = Vec<(usize, AppliedDefinition)>;

/// A store of definitions that the gRPC server can hold without knowing what its catalog compiles
/// to.
#[async_trait]
pub trait Owner: Send + Sync + 'static {
    /// The kinds that it owns.
    fn kinds(&self) -> &'static [DefinitionKind];

    /// The kinds of others whose names it must know.
    fn needs(&self) -> &'static [DefinitionKind];

    /// Where it keeps them.
    fn database(&self) -> &Database;

    /// Seals the secrets that it keeps; absent where it keeps none, or has no keys.
    fn vault(&self) -> Option<&Vault>;

    /// Has the newest key seal all stored secrets, and returns their numbers; with `validate_only`
    /// it only counts.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::SecretSealed`], [`rpc::ErrorReason::StoreUnavailable`].
    async fn rotate_secrets(&self, validate_only: bool) -> Result<Rotation, Failure>;

    /// Reads the number of changes of what is stored.
    async fn stored_revision(&self) -> Result<Revision, Failure>;

    /// Reads the names of a kind that it owns.
    async fn names(&self, kind: DefinitionKind) -> Result<BTreeSet<String>, Failure>;

    /// One definition; version 0 means the one in force.
    async fn find(
        &self,
        key: &DefinitionKey,
        version: u32,
    ) -> Result<Option<Versioned<Definition>>, Failure>;

    /// The definitions in force of one kind, by name, after this name, at most so many.
    async fn list(
        &self,
        kind: DefinitionKind,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Versioned<Definition>>, Failure>;

    /// Plans a change, with the names of others as they are before and after it.
    ///
    /// Faults are those of the definitions of the change, and of stored ones that the change
    /// breaks. A stored definition that was at fault at the same place before stands in nobody's
    /// way.
    async fn plan(
        &self,
        change: &Change,
        before: &References,
        after: &References,
    ) -> Result<Planned, Failure>;

    /// Brings into force what is stored, which is what was planned where nobody was faster since.
    async fn bring_into_force(&self, planned: &[Planned]);

    /// Makes a change of this owner alone, all or none, and returns what it did; with
    /// `validate_only`, what it would do.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::DefinitionInvalid`] where the set does not hold together then;
    /// [`rpc::ErrorReason::EtagMismatch`] where another version is in force than is expected;
    /// [`rpc::ErrorReason::DefinitionContended`] where another change was faster.
    async fn change(
        &self,
        change: &Change,
        references: &References,
        validate_only: bool,
    ) -> Result<Applied, Failure> {
        let seen = self.stored_revision().await?;
        let mut planned = [self.plan(change, references, references).await?];
        crate::plan::refuse_faults(&mut planned)?;
        if !validate_only && planned[0].is_change() {
            commit(self.database(), self.vault(), vec![seen], &planned).await?;
            self.bring_into_force(&planned).await;
        }
        let [planned] = planned;
        Ok(planned.applied)
    }
}
