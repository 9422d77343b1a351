//! A store of definitions, whatever its catalog compiles to.

use async_trait::async_trait;
use proto::definition::v1::{AppliedDefinition, Definition, DefinitionKind};
use rpc::{Failure, Violation};

use crate::{DefinitionKey, References, Versioned};

/// What to do with the definitions of one owner, all or none.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Create or update these, each with its place in the request.
    Apply(Vec<(usize, Definition)>),
    /// Delete this one.
    Delete(DefinitionKey),
}

/// What a change did, or would do.
pub type Applied = Vec<(usize, AppliedDefinition)>;

/// A store of definitions that the gRPC server can hold without knowing what its catalog compiles to.
#[async_trait]
pub trait Owner: Send + Sync + 'static {
    /// The kinds that it owns.
    fn kinds(&self) -> &'static [DefinitionKind];

    /// The kinds of others whose names it must know.
    fn needs(&self) -> &'static [DefinitionKind];

    /// The names of a kind that it owns.
    async fn names(&self, kind: DefinitionKind) -> Result<Vec<String>, Failure>;

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

    /// Says what is wrong with the set after a change; paths are `definitions[i].…` for definitions of the request,
    /// and name the definition for others.
    async fn check(
        &self,
        change: &Change,
        references: &References,
    ) -> Result<Vec<Violation>, Failure>;

    /// Makes a change, all or none, and returns what it did; with `validate_only`, what it would do.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::DefinitionInvalid`] where the set does not hold together then;
    /// [`rpc::ErrorReason::DefinitionContended`] where another change was faster.
    async fn change(
        &self,
        change: &Change,
        references: &References,
        validate_only: bool,
    ) -> Result<Applied, Failure>;
}
