//! Lets the engine of a service ask for the newest definitions of its store.

use std::sync::Arc;

use async_trait::async_trait;
use definitions::{Catalog, DefinitionStore};
use engine::{Freshness, Refresh};
use hot::HotError;
use rpc::ErrorReason;

/// The store of the definitions of an engine.
pub(crate) struct StoreRefresh<C: Catalog>(pub(crate) Arc<DefinitionStore<C>>);

#[async_trait]
impl<C: Catalog> Refresh for StoreRefresh<C> {
    async fn refresh(&self) -> Result<Freshness, HotError> {
        match self.0.refresh().await {
            Ok(_) if self.0.is_in_force().await => Ok(Freshness::Newest),
            Ok(_) => Ok(Freshness::Older),
            Err(error) if error.reason() == ErrorReason::DefinitionInvalid => {
                tracing::warn!(%error, service = self.0.owner(), "definitions not understood");
                Ok(Freshness::Older)
            }
            Err(error) => Err(HotError::unavailable(error)),
        }
    }
}
