//! The kinds of definition that identity owns, and what it makes of them.

mod held;

use std::sync::Arc;

use ::rpc::{Failure, Violation};
use async_trait::async_trait;
use definitions::{Catalog, DefinitionKey, Flaw, References, Versioned};
use identity_core::{Rules, subject_fault};
use proto::definition::v1::definition::Kind;
use proto::definition::v1::{Definition, DefinitionKind};

use crate::store::IdentityStore;

/// Compiles namespaces and the policy. With tables, a namespace keeps the values that it has: what
/// says how they are read, and whose they are, cannot be changed under them.
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

    fn look_over(&self, definition: &Definition) -> Vec<Violation> {
        let Some(Kind::Namespace(namespace)) = &definition.kind else {
            return Vec::new();
        };
        let fault = subject_fault(namespace);
        let fault = fault.map(|fault| Violation::new("namespace.subject", fault));
        fault.into_iter().collect()
    }

    async fn hold_against_data(
        &self,
        last: &Rules,
        next: &Rules,
    ) -> Result<Vec<(DefinitionKey, Violation)>, Failure> {
        let Some(store) = &self.store else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for namespace in next.all() {
            let before = last.all().find(|it| it.name() == namespace.name());
            let faults = held::against(store, before, namespace).await;
            let faults = faults.map_err(Failure::store_unavailable)?;
            found.extend(faults.into_iter().map(|(field, fault)| {
                let key = DefinitionKey {
                    kind: DefinitionKind::Namespace,
                    name: namespace.name().to_owned(),
                };
                (key, Violation::new(field, fault))
            }));
        }
        Ok(found)
    }
}
