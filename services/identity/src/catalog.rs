//! The kinds of definition that identity owns, and what it makes of them.

use std::collections::HashSet;
use std::sync::Arc;

use ::rpc::Failure;
use async_trait::async_trait;
use definitions::{Catalog, Flaw, References, Versioned};
use identity_core::{Namespace, Rules};
use proto::definition::v1::definition::Kind;
use proto::definition::v1::{Definition, DefinitionKind};
use sea_orm::DbErr;

use crate::limits::{VALUES_HELD_AGAINST, VALUES_PAGE};
use crate::store::IdentityStore;

/// Values that a refusal names.
const EXAMPLES: usize = 3;

/// Values read in another way that are looked up among those that are there.
const OTHERS: usize = 1_000;

/// Compiles namespaces and the policy. With tables, a namespace keeps the values that it has: its
/// normaliser cannot be changed to one that would read them in another way.
#[derive(Debug, Clone, Default)]
pub struct NamespaceCatalog {
    store: Option<IdentityStore>,
}

impl NamespaceCatalog {
    /// Holds changes against the values in these tables.
    pub const fn over(store: IdentityStore) -> Self {
        Self { store: Some(store) }
    }
}

#[async_trait]
impl Catalog for NamespaceCatalog {
    type Compiled = Rules;

    fn kinds(&self) -> &'static [DefinitionKind] {
        &[DefinitionKind::Namespace, DefinitionKind::IdentityPolicy]
    }

    fn compile(
        &self,
        all: &[Arc<Versioned<Definition>>],
        references: &References,
        _last: Option<&Rules>,
    ) -> Result<Rules, Vec<Flaw>> {
        definitions::compile(all, references, Rules::compile)
    }

    async fn hold_against_data(
        &self,
        all: &[Arc<Versioned<Definition>>],
        last: &Rules,
        next: &Rules,
    ) -> Result<Vec<Flaw>, Failure> {
        let mut flaws = Vec::new();
        let Some(store) = &self.store else {
            return Ok(flaws);
        };
        for namespace in next.iter() {
            let Some((_, before)) = last.find(namespace.name()) else {
                continue;
            };
            if before.normalizer() == namespace.normalizer() {
                continue;
            }
            let read = Reading::of(store, namespace).await;
            let read = read.map_err(Failure::store_unavailable)?;
            let is_own = |it: &Arc<Versioned<Definition>>| {
                !it.is_superseded
                    && matches!(&it.value.kind, Some(Kind::Namespace(own)) if own.name == namespace.name())
            };
            if let (Some(fault), Some(index)) = (read.fault(), all.iter().position(is_own)) {
                flaws.push(Flaw::new(index, "namespace.normalizer", fault));
            }
        }
        Ok(flaws)
    }
}

/// The values that a namespace has, as another normaliser would read them.
#[derive(Debug, Default)]
struct Reading {
    /// Values that it would read as others.
    changed: usize,
    /// Of these, those that it would read as one that is there, or as another of these.
    joined: usize,
    /// Values that it would not take.
    refused: usize,
    examples: Vec<String>,
    /// False where there are too many values to look at all.
    is_whole: bool,
}

impl Reading {
    async fn of(store: &IdentityStore, namespace: &Namespace) -> Result<Self, DbErr> {
        let mut read = Self {
            is_whole: true,
            ..Self::default()
        };
        let (mut seen, mut others) = (0, HashSet::new());
        for is_shared in [false, true] {
            let mut after = String::new();
            loop {
                let own = (namespace.name(), is_shared);
                let values = store.values(own, &after, VALUES_PAGE).await?;
                let Some(last) = values.last() else { break };
                after.clone_from(last);
                seen += values.len();
                for value in values {
                    read.take(namespace, &value, &mut others);
                }
                if seen >= VALUES_HELD_AGAINST {
                    read.is_whole = false;
                    return Ok(read);
                }
            }
        }
        // Of those that are read in another way, some are read as a value that stays as it is.
        for other in others {
            let (namespace, value) = (namespace.name().to_owned(), other);
            let identifier = identity_core::Identifier { namespace, value };
            read.joined += usize::from(store.identifier_state(&identifier).await?.is_some());
        }
        Ok(read)
    }

    fn take(&mut self, namespace: &Namespace, value: &str, others: &mut HashSet<String>) {
        let Ok(read) = namespace.normalize(value.to_owned()) else {
            self.refused += 1;
            self.show(value, "nothing");
            return;
        };
        if read == value {
            return;
        }
        self.changed += 1;
        self.show(value, &format!("`{read}`"));
        if others.len() >= OTHERS {
            return;
        }
        if !others.insert(read) {
            self.joined += 1;
        }
    }

    fn show(&mut self, value: &str, read: &str) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(format!("`{value}` as {read}"));
        }
    }

    /// Returns the reason for which the normaliser cannot be changed; `None` where it can.
    fn fault(&self) -> Option<String> {
        let Self {
            changed,
            joined,
            refused,
            ..
        } = self;
        if !self.is_whole {
            return Some(format!(
                "cannot be changed: the namespace has {VALUES_HELD_AGAINST} values or more; define another namespace"
            ));
        }
        (changed + refused > 0).then(|| {
            format!(
                "cannot be changed: of the values that are there {changed} would be read as others, {joined} of them as one that is there too, which joins customers, and the rest would be found by nobody, which splits them; {refused} would not be taken: {}; define another namespace",
                self.examples.join(", ")
            )
        })
    }
}
