//! The definitions of subscriptions, and their first rows.

use std::fmt;
use std::sync::Arc;

use definitions::DefinitionStore;
use rpc::Failure;
use storage::StorageError;
use tokio::sync::watch;

use super::SubscriptionTable;
use super::progress::Progress;
use super::rules::SubscriptionRules;
use crate::changes::SharedSource;
use crate::{GatewayCatalog, GatewayDefinitions};

/// The subscriptions that are defined. Cheap to clone.
#[derive(Clone)]
pub(crate) struct DefinedSubscriptions {
    store: Arc<DefinitionStore<GatewayCatalog>>,
    table: SubscriptionTable,
    source: Option<SharedSource>,
}

impl fmt::Debug for DefinedSubscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefinedSubscriptions")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

impl DefinedSubscriptions {
    /// Reads definitions from a store, and begins new ones in a log where there is one.
    pub(super) fn new(
        store: Arc<DefinitionStore<GatewayCatalog>>,
        table: SubscriptionTable,
        source: Option<SharedSource>,
    ) -> Self {
        Self {
            store,
            table,
            source,
        }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Arc<GatewayDefinitions>> {
        self.store.watch()
    }

    pub(super) const fn owner(&self) -> &Arc<DefinitionStore<GatewayCatalog>> {
        &self.store
    }

    /// Returns what is defined here, or newer definitions where `name` is not among them.
    ///
    /// # Errors
    /// As [`DefinitionStore::refresh`].
    pub(super) async fn with(&self, name: &str) -> Result<Arc<GatewayDefinitions>, Failure> {
        let known = Arc::clone(&self.store.watch().borrow());
        if known.subscriptions.contains_key(name) {
            return Ok(known);
        }
        self.store.refresh().await?;
        Ok(Arc::clone(&self.store.watch().borrow()))
    }

    /// Has a new subscription begin with what changes after it was defined.
    ///
    /// # Errors
    /// [`StorageError`] where the database does not answer.
    pub(super) async fn begin(
        &self,
        name: &str,
        rules: &SubscriptionRules,
    ) -> Result<(), StorageError> {
        let Some(source) = &self.source else {
            return Ok(());
        };
        let position = source.position_at(rules.update_time).await?;
        self.table.create(&Progress::new(name, position)).await
    }
}
