//! The catalog of a service that keeps definitions: the kinds that it owns, and their compilation.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{Duration, Timestamp};
use proto::definition::v1::{Definition, DefinitionKind};
use rpc::{Failure, Violation};

use crate::{DefinitionKey, References};

/// A definition as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned<T> {
    /// The definition, with its secrets.
    pub value: T,
    /// Its version, from 1.
    pub version: u32,
    /// True where a newer version took its place, or it was deleted. Only catalogs that ask for
    /// such see any.
    pub is_superseded: bool,
    /// Names this version among all that the definition ever had.
    pub etag: String,
    /// When this version was stored.
    pub update_time: Timestamp,
}

/// A mistake in one definition of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The place of the definition in the set.
    pub index: usize,
    /// The mistake, with a path inside the definition that begins with its kind, such as
    /// `journey.steps[2].next`.
    pub violation: Violation,
}

impl Flaw {
    /// Says what is wrong with the definition at this place of the set.
    pub fn new(index: usize, field: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            index,
            violation: Violation::new(field, description),
        }
    }
}

/// The kinds of definition that a service owns, and what it makes of them.
///
/// # Contract
/// `compile` is pure: the same set gives the same result, and the field rules of the contract hold
/// already. It checks names of other kinds with [`References::has`], which knows every name when
/// the store is loaded: what was applied once must compile again whatever became of other services.
/// References decide only what is a flaw: a set without flaws is compiled to the same whichever
/// names are known, and what was compiled to check a change comes into force with it.
#[async_trait]
pub trait Catalog: Send + Sync + 'static {
    /// The compiled set, for the engine.
    type Compiled: Send + Sync + 'static;

    /// The kinds that it owns.
    fn kinds(&self) -> &'static [DefinitionKind];

    /// The kinds of other services whose names it must know.
    fn needs(&self) -> &'static [DefinitionKind] {
        &[]
    }

    /// The name of another service in the same database, and a kind of its definitions. Unlike
    /// those of the kinds that it [needs](Self::needs), `compile` knows their names also when a
    /// stored set comes into force, and the set is compiled again when they change: for whatever
    /// goes when a definition of that kind does.
    ///
    /// # Contract
    /// No set is wrong because of these names. None are known where that service never stored
    /// anything, since it may have another database.
    fn follows(&self) -> Option<(&'static str, DefinitionKind)> {
        None
    }

    /// Returns whether `compile` sees the newest superseded versions too, after the version in
    /// force.
    fn wants_older_versions(&self) -> bool {
        false
    }

    /// Returns the time for which `compile` goes on to see what is deleted or superseded, after all
    /// that is in force; `None` where it does not. Nothing that is wrong with such definitions
    /// counts.
    fn keeps_gone_for(&self) -> Option<Duration> {
        None
    }

    /// Returns the faults of a definition that is applied which a set compiles with: they would be
    /// noticed only when it is used. Stored definitions are not asked about, so that rules may be
    /// added.
    fn look_over(&self, _definition: &Definition) -> Vec<Violation> {
        Vec::new()
    }

    /// Returns what is wrong with a set that compiles because of what is stored elsewhere, such as
    /// values that a new rule would read in another way: each fault with the definition that it
    /// is about, which may be one that goes. `last` is the set in force. Asked before a change is
    /// made, and never of a set that is stored.
    ///
    /// # Errors
    /// Where that cannot be looked at: the change is not made.
    async fn hold_against_data(
        &self,
        _last: &Self::Compiled,
        _next: &Self::Compiled,
    ) -> Result<Vec<(DefinitionKey, Violation)>, Failure> {
        Ok(Vec::new())
    }

    /// Compiles the whole set, sorted by kind and name, newest version first.
    ///
    /// It may take over parts of `last`, another set. That never changes the result.
    ///
    /// # Errors
    /// Everything that is wrong with the versions in force.
    fn compile(
        &self,
        all: &[Arc<Versioned<Definition>>],
        references: &References,
        last: Option<&Self::Compiled>,
    ) -> Result<Self::Compiled, Vec<Flaw>>;
}
